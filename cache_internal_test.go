package logtoguard

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// keySetOfOne answers with one key, without sockets, which a bubble can't wait for.
type keySetOfOne struct{ key *logtotest.Key }

func (k keySetOfOne) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{k.key.JWK()}})
	return w.Result(), nil
}

// queued has a token wait for its turn, while change happens, and then verified. In
// the bubble the wait takes no time, however busy the machine is.
func queued(t *testing.T, change func(*Guard, *logtotest.Clock)) (g *Guard, err error) {
	t.Helper()
	clock := logtotest.NewClock(time.Now())
	logto := logtotest.NewServer(logtotest.Tenant{Algorithm: "ES256", Resources: []logtotest.Resource{{Indicator: "https://shopping.api"}}, Now: clock.Now})
	t.Cleanup(logto.Close)
	synctest.Test(t, func(t *testing.T) {
		g, err = New(Config{
			Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}, Now: clock.Now,
			HTTPClient: &http.Client{Transport: keySetOfOne{logto.Key()}}, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = g.Close() })
		require.NoError(t, g.Ready(t.Context()))
		for range cap(g.signatures.places) {
			require.Nil(t, g.signatures.enter(t.Context(), soon()))
		}
		result := make(chan error)
		go func() {
			_, err := g.Verify(t.Context(), logto.Mint(logtotest.Token{Subject: "shop"}))
			result <- err
		}()
		synctest.Wait()
		require.EqualValues(t, 1, g.signatures.waiting.Load())
		change(g, clock)
		g.signatures.leave()
		err = <-result
	})
	return g, err
}

// What was right when the token came may have ended while it waited.
func TestJudgedAgainAfterTheQueue(t *testing.T) {
	_, err := queued(t, func(*Guard, *logtotest.Clock) {})
	require.NoError(t, err)
	_, err = queued(t, func(_ *Guard, clock *logtotest.Clock) { clock.Advance(2 * time.Hour) })
	require.ErrorIs(t, err, ErrExpired)
	_, err = queued(t, func(g *Guard, _ *logtotest.Clock) { retire(g.keys.state.Load().keys, nil) })
	require.ErrorIs(t, err, ErrUnknownKey)
	g, err := queued(t, func(g *Guard, _ *logtotest.Clock) { _ = g.Close() })
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, g.Stats().TokenCacheEntries)
}

// A retired key's tokens are not known any more, also before they are swept out.
func TestRetiredKey(t *testing.T) {
	logto := logtotest.NewServer(logtotest.Tenant{Algorithm: "ES256", Resources: []logtotest.Resource{{Indicator: "https://shopping.api"}}})
	defer logto.Close()
	g, err := New(Config{Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	token := logto.Mint(logtotest.Token{Subject: "shop"})
	claims, err := g.Verify(t.Context(), token)
	require.NoError(t, err)
	require.NotNil(t, g.known(token))
	claims.key.retired.Store(true)
	assert.Nil(t, g.known(token))

	claims.key.retired.Store(false)
	require.NoError(t, g.Close())
	assert.True(t, claims.key.retired.Load(), "a closed guard's keys are retired")
}

func TestRetryAfterIsAtLeastASecond(t *testing.T) {
	assert.Equal(t, retrySoon, overloaded.retryIn(0, nil).RetryAfter)
}
