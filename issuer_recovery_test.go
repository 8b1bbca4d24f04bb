package logtoguard_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// What fails once must not fail for good.

// A time-out ends the stream in HTTP/2, and would leave a connection that answers no
// more to the next fetch.
func TestEachFetchHasItsConnection(t *testing.T) {
	logto, clock := newLogto(t, "ES256")
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{logto.Key().JWK()}})
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		connections.Add(1)
		return ctx
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	guard := newGuard(t, logto, clock, func(cfg *logtoguard.Config) {
		cfg.JWKSURL, cfg.HTTPClient = server.URL, server.Client()
	})
	ready(t, guard)
	refuse(t, guard, logto.Mint(logtotest.Token{}, kid("unknown")), logtoguard.ErrUnknownKey)
	assert.EqualValues(t, 2, guard.Stats().KeyFetches)
	assert.EqualValues(t, 2, connections.Load())
}

// Some servers take no header of more than a few KiB, and some proxies dislike an
// If-None-Match.
func TestETagThatCannotBeSentBack(t *testing.T) {
	for name, etag := range map[string]string{"long": strings.Repeat("x", 255), "short": strings.Repeat("x", 254)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				s.logto.Disturb(func(http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.Header.Get("If-None-Match") != "" {
							w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
							return
						}
						w.Header().Set("ETag", `"`+etag+`"`)
						_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{s.logto.Key().JWK()}})
					})
				})
				guard := s.readyGuard(t)
				for range 30 {
					time.Sleep(time.Hour)
					accept(t, guard, s.mint())
				}
				if stats := guard.Stats(); name == "long" {
					assert.Zero(t, stats.KeyFetchFailures)
				} else {
					assert.NotZero(t, stats.KeyFetchFailures)
					assert.LessOrEqual(t, stats.KeyFetchFailures, stats.KeyFetches/2+1)
				}
			})
		})
	}
}

// Keys that were confirmed while the clock was a year ahead are a day old a day later.
func TestClockThatIsSetBack(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		var ahead atomic.Int64
		ahead.Store(int64(365 * 24 * time.Hour))
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		guard := s.readyGuard(t, func(cfg *logtoguard.Config) { cfg.Now = now })
		ahead.Store(0)
		s.logto.Disturb(keySetOf())
		accept(t, guard, s.mint())
		time.Sleep(greatestAge + longestRefresh + longestBackOff)
		synctest.Wait()
		refuse(t, guard, s.mint(), logtoguard.ErrKeysUnavailable)
		assert.Greater(t, guard.Stats().KeyAge, greatestAge)
	})
}
