package contestants

import (
	"context"
	"net/http"
	"net/url"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

var auth0V2 = Contestant{Name: "auth0 go-jwt-middleware v2", New: newAuth0V2, Subject: auth0V2Subject}

// auth0Claims are the claims beyond the registered ones, for both versions.
type auth0Claims struct {
	Scope string `json:"scope"`
}

func (*auth0Claims) Validate(context.Context) error { return nil }

func newAuth0V2(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	name, err := url.Parse(issuer.Name)
	if err != nil {
		return nil, nil, err
	}
	keySet, err := url.Parse(issuer.KeySet)
	if err != nil {
		return nil, nil, err
	}
	keys := jwks.NewCachingProvider(name, 15*time.Minute, jwks.WithCustomJWKSURI(keySet))
	v, err := validator.New(keys.KeyFunc, validator.SignatureAlgorithm(issuer.Algorithm), issuer.Name, []string{issuer.Audience},
		validator.WithCustomClaims(func() validator.CustomClaims { return &auth0Claims{} }))
	if err != nil {
		return nil, nil, err
	}
	return jwtmiddleware.New(v.ValidateToken).CheckJWT(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
		if custom, ok := c.CustomClaims.(*auth0Claims); !ok || !hasScope(custom.Scope) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})), nothing, nil
}

func auth0V2Subject(ctx context.Context) string {
	c, _ := ctx.Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
	if c == nil {
		return ""
	}
	return c.RegisteredClaims.Subject
}
