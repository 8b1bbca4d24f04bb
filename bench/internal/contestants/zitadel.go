package contestants

import (
	"context"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

var zitadel = Contestant{Name: "zitadel/oidc v3", New: newZitadel, Subject: subject}

func newZitadel(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	keys := rp.NewRemoteKeySet(http.DefaultClient, issuer.KeySet)
	verifier := op.NewAccessTokenVerifier(issuer.Name, keys,
		op.WithSupportedAccessTokenSigningAlgorithms(issuer.Algorithm))
	return guard(next, func(ctx context.Context, token string) (*claims, error) {
		c, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](ctx, token, verifier)
		if err != nil {
			return nil, err
		}
		if err := oidc.CheckAudience(c, issuer.Audience); err != nil {
			return nil, err
		}
		return &claims{subject: c.Subject, scope: strings.Join(c.Scopes, " ")}, nil
	}), nothing, nil
}
