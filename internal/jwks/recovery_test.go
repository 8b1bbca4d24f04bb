package jwks_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// What fails once must not fail for good.

// A time-out ends the stream in HTTP/2 only, and would leave a connection that no
// longer answers to the next fetch: also behind a transport that wraps net/http's, as
// tracing does.
func TestEachFetchHasItsConnection(t *testing.T) {
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"net/http's transport": func(base http.RoundTripper) http.RoundTripper { return base },
		"a wrapped one":        func(base http.RoundTripper) http.RoundTripper { return guardtest.RoundTripper(base.RoundTrip) },
	} {
		t.Run(name, func(t *testing.T) {
			logto, clock := guardtest.NewLogto(t, "ES256")
			var connections atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, 2, r.ProtoMajor)
				_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{logto.Key().JWK()}})
			}))
			server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
				connections.Add(1)
				return ctx
			}
			server.EnableHTTP2 = true
			server.StartTLS()
			t.Cleanup(server.Close)
			guard := guardtest.NewGuard(t, logto, clock, func(cfg *logtoguard.Config) {
				cfg.JWKSURL, cfg.HTTPClient = server.URL, &http.Client{Transport: wrap(server.Client().Transport)}
			})
			guardtest.Ready(t, guard)
			guardtest.Refuse(t, guard, logto.Mint(logtotest.Token{}, guardtest.Kid("unknown")), logtoguard.ErrUnknownKey)
			assert.EqualValues(t, 2, guard.Stats().KeyFetches)
			assert.EqualValues(t, 2, connections.Load())
		})
	}
}

// Keys that were confirmed while the clock was a year ahead are a day old a day later.
func TestClockThatIsSetBack(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		var ahead atomic.Int64
		ahead.Store(int64(365 * 24 * time.Hour))
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		guard := s.ReadyGuard(t, func(cfg *logtoguard.Config) { cfg.Now = now })
		ahead.Store(0)
		s.Logto.Disturb(guardtest.KeySetOf())
		guardtest.Accept(t, guard, s.Mint())
		time.Sleep(guardtest.GreatestAge + guardtest.LongestRefresh + guardtest.LongestBackOff)
		synctest.Wait()
		guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable)
		assert.Greater(t, guard.Stats().KeyAge, guardtest.GreatestAge)
	})
}
