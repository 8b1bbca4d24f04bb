package contestants

import (
	"context"
	"net/http"
	"net/url"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

var auth0V3 = Contestant{Name: "auth0 go-jwt-middleware v3", New: newAuth0V3, Subject: auth0V3Subject}

func newAuth0V3(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	name, err := url.Parse(issuer.Name)
	if err != nil {
		return nil, nil, err
	}
	// With Logto's own key set it would refuse every RS256 token.
	keySet, err := url.Parse(issuer.NamedKeySet)
	if err != nil {
		return nil, nil, err
	}
	keys, err := jwks.NewCachingProvider(jwks.WithIssuerURL(name), jwks.WithCustomJWKSURI(keySet))
	if err != nil {
		return nil, nil, err
	}
	v, err := validator.New(
		validator.WithKeyFunc(keys.KeyFunc),
		validator.WithAlgorithm(validator.SignatureAlgorithm(issuer.Algorithm)),
		validator.WithIssuer(issuer.Name),
		validator.WithAudience(issuer.Audience),
		validator.WithCustomClaims(func() *auth0Claims { return &auth0Claims{} }),
	)
	if err != nil {
		return nil, nil, err
	}
	middleware, err := jwtmiddleware.New(jwtmiddleware.WithValidator(v))
	if err != nil {
		return nil, nil, err
	}
	return middleware.CheckJWT(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](r.Context())
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if custom, ok := c.CustomClaims.(*auth0Claims); !ok || !hasScope(custom.Scope) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})), nothing, nil
}

func auth0V3Subject(ctx context.Context) string {
	c, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](ctx)
	if err != nil {
		return ""
	}
	return c.RegisteredClaims.Subject
}
