package contestants

import (
	"context"
	"net/http"

	"github.com/hashicorp/cap/jwt"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

var hashicorpCap = Contestant{Name: "hashicorp/cap", New: newCap, Subject: subject}

func newCap(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	ctx, stop := context.WithCancel(context.Background())
	keys, err := jwt.NewJSONWebKeySet(ctx, issuer.KeySet, "")
	if err != nil {
		stop()
		return nil, nil, err
	}
	validator, err := jwt.NewValidator(keys)
	if err != nil {
		stop()
		return nil, nil, err
	}
	expected := jwt.Expected{
		Issuer:            issuer.Name,
		Audiences:         []string{issuer.Audience},
		SigningAlgorithms: []jwt.Alg{jwt.Alg(issuer.Algorithm)},
	}
	return guard(next, func(ctx context.Context, token string) (*claims, error) {
		members, err := validator.Validate(ctx, token, expected)
		if err != nil {
			return nil, err
		}
		c := &claims{}
		c.subject, _ = members["sub"].(string)
		c.scope, _ = members["scope"].(string)
		return c, nil
	}), stop, nil
}
