package logtoguard_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

// roundTrips answers requests in turn.
type roundTrips struct {
	turn  atomic.Int64
	first func(*http.Request) (*http.Response, error)
	then  http.RoundTripper
}

func (t *roundTrips) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.turn.Add(1) == 1 {
		return t.first(r)
	}
	return t.then.RoundTrip(r)
}

// A transport of the caller that minds nothing holds up one fetch, and Close for a moment.
func TestTransportsThatNeverReturn(t *testing.T) {
	for name, first := range map[string]func(released chan struct{}) func(*http.Request) (*http.Response, error){
		"no answer": func(released chan struct{}) func(*http.Request) (*http.Response, error) {
			return func(*http.Request) (*http.Response, error) { <-released; return nil, io.ErrUnexpectedEOF }
		},
		"no end of the body": func(released chan struct{}) func(*http.Request) (*http.Response, error) {
			return func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(deaf(released)), Request: r}, nil
			}
		},
		"the goroutine ended": func(chan struct{}) func(*http.Request) (*http.Response, error) {
			return func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				released := make(chan struct{})
				defer close(released)
				transport := &roundTrips{first: first(released), then: s.client.Transport}
				guard := s.guard(t, func(cfg *logtoguard.Config) { cfg.HTTPClient = &http.Client{Transport: transport} })
				begin := time.Now()
				becomesReady(t, guard)
				assert.LessOrEqual(t, time.Since(begin), 10*time.Second)
				accept(t, guard, s.mint())

				transport.turn.Store(0)
				time.Sleep(longestRefresh)
				begin = time.Now()
				require.NoError(t, guard.Close())
				assert.LessOrEqual(t, time.Since(begin), 2*time.Second)
				time.Sleep(longestBackOff) // net/http has a timer for requests that don't end
			})
		})
	}
}

type deaf chan struct{}

func (d deaf) Read([]byte) (int, error) { <-d; return 0, io.EOF }
