package contestants

import (
	"context"
	"net/http"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

var golangJWT = Contestant{Name: "golang-jwt v5 + keyfunc v3", New: newGolangJWT, Subject: subject}

type golangJWTClaims struct {
	jwt.RegisteredClaims
	Scope string `json:"scope"`
}

func newGolangJWT(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	ctx, stop := context.WithCancel(context.Background())
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{issuer.KeySet})
	if err != nil {
		stop()
		return nil, nil, err
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{issuer.Algorithm}),
		jwt.WithIssuer(issuer.Name),
		jwt.WithAudience(issuer.Audience),
		jwt.WithExpirationRequired(),
	)
	return guard(next, func(_ context.Context, token string) (*claims, error) {
		var c golangJWTClaims
		if _, err := parser.ParseWithClaims(token, &c, keys.Keyfunc); err != nil {
			return nil, err
		}
		return &claims{subject: c.Subject, scope: c.Scope}, nil
	}), stop, nil
}
