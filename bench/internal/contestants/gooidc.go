package contestants

import (
	"context"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

var goOIDC = Contestant{Name: "coreos/go-oidc v3", New: newGoOIDC, Subject: subject}

func newGoOIDC(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	keys := oidc.NewRemoteKeySet(context.Background(), issuer.KeySet)
	verifier := oidc.NewVerifier(issuer.Name, keys, &oidc.Config{
		ClientID:             issuer.Audience,
		SupportedSigningAlgs: []string{issuer.Algorithm},
	})
	return guard(next, func(ctx context.Context, token string) (*claims, error) {
		verified, err := verifier.Verify(ctx, token)
		if err != nil {
			return nil, err
		}
		var c struct {
			Scope string `json:"scope"`
		}
		if err := verified.Claims(&c); err != nil {
			return nil, err
		}
		return &claims{subject: verified.Subject, scope: c.Scope}, nil
	}), nothing, nil
}
