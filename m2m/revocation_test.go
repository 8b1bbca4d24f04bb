package m2m_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/m2m"
	"github.com/logtoguard/logtoguard/revocation"
)

// guarded is an API whose tokens can be revoked, and a client of it.
type guarded struct {
	list   *revocation.List
	client *http.Client
	logto  func() int // how many tokens were asked for
}

func newGuarded(t *testing.T, s *guardtest.Scene) *guarded {
	list, err := revocation.New(revocation.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, list.Close()) })
	guard := s.ReadyGuard(t, func(cfg *logtoguard.Config) { cfg.Check = list.Check })
	api := guard.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	client := newClient(t, func(cfg *m2m.Config) {
		cfg.Endpoint, cfg.AppID, cfg.AppSecret = s.Logto.Endpoint(), "bot", "bot-secret"
		cfg.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "api.example" {
				return s.Client.Transport.RoundTrip(r)
			}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			return w.Result(), nil
		})}
	})
	return &guarded{list, client.HTTPClient(), func() int { return s.Logto.Requests("/oidc/token") }}
}

func (g *guarded) call(ctx context.Context, t *testing.T) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example/", nil)
	require.NoError(t, err)
	response, err := g.client.Do(request)
	if response != nil {
		response.Body.Close()
	}
	return response, err
}

func (g *guarded) requireLetIn(t *testing.T) {
	t.Helper()
	response, err := g.call(t.Context(), t)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
}

func (g *guarded) revoke(t *testing.T) {
	require.NoError(t, g.list.Revoke(t.Context(), revocation.Revocation{ClientID: "bot"}))
}

// A revocation costs the application that may go on no error, in whatever part of a
// second it comes, and however old the token is.
func TestCallsGoOnAfterARevocation(t *testing.T) {
	const second, ms = time.Second, time.Millisecond
	for name, test := range map[string]struct {
		issued, revoked time.Duration // since a second began
		requests        int           // for tokens
		took            time.Duration
	}{
		"at once":                     {0, 0, 2, 1100 * ms},
		"in the second's middle":      {400 * ms, 500 * ms, 2, 1100 * ms},
		"at the second's end":         {0, second - 1, 2, 1100 * ms},
		"all at the second's end":     {second - 1, second - 1, 2, 1100 * ms},
		"in the next second":          {second - 1, second, 2, 1100 * ms},
		"a token that is still young": {0, 2*second - 1, 2, 1100 * ms},
		"a token of 2 s":              {0, 2 * second, 3, 1100 * ms}, // the next was of the same second
		"an old token":                {0, time.Minute + 300*ms, 3, 1100 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				g := newGuarded(t, s)
				begin := time.Now().Truncate(second).Add(second)
				time.Sleep(time.Until(begin.Add(test.issued)))
				g.requireLetIn(t)
				time.Sleep(time.Until(begin.Add(test.revoked)))
				g.revoke(t)
				revoked := time.Now()
				g.requireLetIn(t)
				require.Equal(t, test.took, time.Since(revoked))
				require.Equal(t, test.requests, g.logto())
				g.requireLetIn(t)
				require.Equal(t, test.requests, g.logto())
			})
		})
	}
}

func TestCallersShareThePause(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		g := newGuarded(t, s)
		g.requireLetIn(t)
		g.revoke(t)
		start := time.Now()
		var callers sync.WaitGroup
		call := func() {
			response, err := g.call(t.Context(), t)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode)
			}
			assert.Equal(t, 1100*time.Millisecond, time.Since(start))
		}
		for range 100 {
			callers.Go(call)
		}
		time.Sleep(time.Second)
		for range 100 { // these come when the pause has begun
			callers.Go(call)
		}
		callers.Wait()
		require.Equal(t, 2, g.logto())
	})
}

// The pause goes on for those who stay.
func TestAContextBoundsThePause(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		g := newGuarded(t, s)
		g.requireLetIn(t)
		g.revoke(t)
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		callers.Go(func() {
			_, err := g.call(ctx, t)
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, time.Second, time.Since(start))
		})
		synctest.Wait()
		callers.Go(func() {
			response, err := g.call(t.Context(), t)
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode)
			}
		})
		time.Sleep(time.Second)
		cancel()
		callers.Wait()
		require.Equal(t, 1100*time.Millisecond, time.Since(start))
		require.Equal(t, 2, g.logto())
	})
}

// An application that must not go on gets its 401.
func TestTheRefusalOfABlockedApplication(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		g := newGuarded(t, s)
		g.requireLetIn(t)
		require.NoError(t, g.list.Revoke(t.Context(), revocation.Revocation{ClientID: "bot", Kind: revocation.Block}))
		for _, requests := range []int{2, 2} {
			response, err := g.call(t.Context(), t)
			require.NoError(t, err)
			require.Equal(t, 401, response.StatusCode)
			require.Contains(t, response.Header.Get("WWW-Authenticate"), "the token was revoked")
			require.Equal(t, requests, g.logto())
		}
	})
}
