package contestants

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

func newLogtoguard(cacheSize int) func(rig.Issuer, http.Handler) (http.Handler, func(), error) {
	return func(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
		guard, err := NewGuard(issuer, cacheSize)
		if err != nil {
			return nil, nil, err
		}
		read := logtoguard.RequireScope(rig.Scope)
		return guard.Handler(read(next)), func() { guard.Close() }, nil
	}
}

// GuardConfig is what NewGuard makes a guard of.
func GuardConfig(issuer rig.Issuer, cacheSize int) logtoguard.Config {
	return logtoguard.Config{
		Endpoint:       issuer.Endpoint,
		Audience:       []string{issuer.Audience},
		JWKSURL:        issuer.KeySet,
		TokenCacheSize: cacheSize,
		Logger:         slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// NewGuard makes a guard and waits until it has its keys.
func NewGuard(issuer rig.Issuer, cacheSize int) (*logtoguard.Guard, error) {
	guard, err := logtoguard.New(GuardConfig(issuer, cacheSize))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return guard, guard.Ready(ctx)
}

func logtoguardSubject(ctx context.Context) string {
	c, _ := logtoguard.ClaimsFromContext(ctx)
	return c.Subject()
}
