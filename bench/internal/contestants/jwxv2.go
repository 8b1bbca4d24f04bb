package contestants

import (
	"context"
	"net/http"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

var jwxV2 = Contestant{Name: "jwx v2, by hand", New: newJWXV2, Subject: subject}

func newJWXV2(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	ctx, stop := context.WithCancel(context.Background())
	cache := jwk.NewCache(ctx)
	if err := cache.Register(issuer.KeySet); err != nil {
		stop()
		return nil, nil, err
	}
	if _, err := cache.Refresh(ctx, issuer.KeySet); err != nil {
		stop()
		return nil, nil, err
	}
	keys := jwk.NewCachedSet(cache, issuer.KeySet)
	return guard(next, func(ctx context.Context, token string) (*claims, error) {
		// Logto's RSA keys name no algorithm: it has to be inferred.
		t, err := jwt.Parse([]byte(token),
			jwt.WithContext(ctx),
			jwt.WithKeySet(keys, jws.WithInferAlgorithmFromKey(true)),
			jwt.WithIssuer(issuer.Name),
			jwt.WithAudience(issuer.Audience),
			jwt.WithRequiredClaim(jwt.ExpirationKey),
		)
		if err != nil {
			return nil, err
		}
		scope, _ := t.Get("scope")
		text, _ := scope.(string)
		return &claims{subject: t.Subject(), scope: text}, nil
	}), stop, nil
}
