package logtoguard

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// keySetOfOne answers with one key, without sockets, which a bubble can't wait for.
type keySetOfOne struct{ key atomic.Pointer[logtotest.Key] }

func (k *keySetOfOne) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{k.key.Load().JWK()}})
	return w.Result(), nil
}

// inside is a guard whose parts a test can reach, and what it depends on.
type inside struct {
	*Guard
	clock *logtotest.Clock
	keys  keySetOfOne
	mint  func(...func(*logtotest.Draft)) string
	token string // a valid one
}

func newInside(t *testing.T, edits ...func(*Config)) *inside {
	g := &inside{clock: logtotest.NewClock(time.Now())}
	first := logtotest.NewKey("ES256")
	g.keys.key.Store(first)
	const endpoint = "https://tenant-id.logto.app"
	g.mint = func(edits ...func(*logtotest.Draft)) string {
		draft := &logtotest.Draft{
			Key:    first,
			Header: map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": first.ID()},
			Claims: map[string]any{
				"iss": endpoint + "/oidc", "aud": "https://shopping.api", "sub": "shop", "client_id": "shop",
				"iat": g.clock.Now().Unix(), "exp": g.clock.Now().Add(time.Hour).Unix(),
			},
		}
		for _, edit := range edits {
			edit(draft)
		}
		header, _ := json.Marshal(draft.Header)
		claims, _ := json.Marshal(draft.Claims)
		return draft.Key.Sign(header, claims)
	}
	g.token = g.mint()
	var err error
	cfg := Config{
		Endpoint: endpoint, Audience: []string{"https://shopping.api"}, Now: g.clock.Now,
		HTTPClient: &http.Client{Transport: &g.keys}, Logger: slog.New(slog.DiscardHandler),
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	g.Guard, err = New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = g.Close() })
	require.NoError(t, g.Ready(t.Context()))
	return g
}

// dropKey makes the guard learn that its first key is gone.
func (g *inside) dropKey(t *testing.T) {
	g.keys.key.Store(logtotest.NewKey("ES256"))
	_, err := g.Verify(t.Context(), g.mint(func(d *logtotest.Draft) { d.Header["kid"] = "absent" }))
	require.ErrorIs(t, err, ErrUnknownKey)
}

// queued verifies a token that waits for its turn while change happens.
func queued(t *testing.T, change func(*testing.T, *inside)) (stats Stats, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newInside(t)
		queue := g.verifier.signatures
		running := busy(queue)
		result := make(chan error, 1)
		go func() {
			_, err := g.Verify(t.Context(), g.token)
			result <- err
		}()
		synctest.Wait()
		require.Equal(t, 1, g.Stats().Waiting)
		change(t, g)
		running[0].leave()
		err = <-result
		stats = g.Stats()
	})
	return stats, err
}

// What was right when the token came may have ended while it waited.
func TestJudgedAgainAfterTheQueue(t *testing.T) {
	_, err := queued(t, func(*testing.T, *inside) {})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*testing.T, *inside)
		reason error
	}{
		"expired":     {func(_ *testing.T, g *inside) { g.clock.Advance(2 * time.Hour) }, ErrExpired},
		"key dropped": {func(t *testing.T, g *inside) { g.dropKey(t) }, ErrUnknownKey},
		"closed":      {func(_ *testing.T, g *inside) { _ = g.Close() }, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			stats, err := queued(t, c.change)
			require.ErrorIs(t, err, c.reason)
			require.Zero(t, stats.TokenCacheEntries)
			require.Zero(t, stats.Verifications, "its signature doesn't matter any more")
		})
	}
}

// A token that waits behind another request with the same one is not checked again.
func TestCacheIsAskedAfterTheQueue(t *testing.T) {
	stats, err := queued(t, func(_ *testing.T, g *inside) {
		claims, e := g.verifier.policy.judge(mustParse(g.token).payload, new(string))
		require.Nil(t, e)
		claims.key, e = g.verifier.keys.find(t.Context(), g.keys.key.Load().ID())
		require.Nil(t, e)
		g.verifier.tokens.put(g.token, claims)
	})
	require.NoError(t, err)
	require.Zero(t, stats.Verifications)
	require.EqualValues(t, 1, stats.Accepted)
}

func mustParse(compact string) token {
	t, e := parseToken(compact)
	if e != nil {
		panic(e)
	}
	return t
}

// A retired key's tokens are not known any more, also before they are swept out, and
// are not remembered again.
func TestRetiredKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInside(t)
		token := g.token
		claims, err := g.Verify(t.Context(), token)
		require.NoError(t, err)
		require.NotNil(t, g.verifier.cached(token))
		g.dropKey(t)
		synctest.Wait()
		require.True(t, claims.key.Retired())
		require.Zero(t, g.Stats().TokenCacheEntries)
		g.verifier.tokens.put(token, claims)
		require.Zero(t, g.Stats().TokenCacheEntries)
		g.verifier.tokens.verified.Set(token, claims)
		assert.Nil(t, g.verifier.cached(token))
	})
}

func TestKeysOfAClosedGuardAreRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInside(t)
		claims, err := g.Verify(t.Context(), g.token)
		require.NoError(t, err)
		require.NoError(t, g.Close())
		assert.True(t, claims.key.Retired())
	})
}

func TestRetryAfterIsAtLeastASecond(t *testing.T) {
	assert.Equal(t, retrySoon, overloaded.retryIn(0, nil).RetryAfter)
}
