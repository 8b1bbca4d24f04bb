package logtoguard

import (
	"context"
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

var theToken = verification{"token", &key{}}

func patient(done <-chan struct{}) *Error {
	<-done
	return nil
}

// follow starts a leader, which verifies as told, and a follower with the same token.
func follow(t *testing.T, c *tokenCache, leader, follower func() (*Claims, *Error)) (of [2]*Error, claims [2]*Claims) {
	t.Helper()
	begun, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		claims[0], of[0] = c.once(theToken, patient, func() (*Claims, *Error) {
			close(begun)
			synctest.Wait() // until the follower waits
			return leader()
		})
	}()
	<-begun
	claims[1], of[1] = c.once(theToken, patient, follower)
	<-done
	return of, claims
}

func never() (*Claims, *Error) { panic("not asked for") }

func TestFollowersShareTheVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := &Claims{}
		errs, claims := follow(t, newTokenCache(-1), func() (*Claims, *Error) { return want, nil }, never)
		assert.Equal(t, [2]*Error{}, errs)
		assert.Equal(t, [2]*Claims{want, want}, claims)
	})
}

func TestFollowersGetARefusalOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs, _ := follow(t, newTokenCache(0), func() (*Claims, *Error) { return nil, wrongSignature.because(nil) }, never)
		assert.ErrorIs(t, errs[0], ErrSignature)
		assert.ErrorIs(t, errs[1], ErrSignature)
		assert.NotSame(t, errs[0], errs[1])
	})
}

// A client that leaves while its token is verified takes nobody with it.
func TestFollowerTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := &Claims{}
		errs, claims := follow(t, newTokenCache(-1),
			func() (*Claims, *Error) { return nil, overloaded.because(context.Canceled) },
			func() (*Claims, *Error) { return want, nil })
		assert.ErrorIs(t, errs[0], context.Canceled)
		assert.Nil(t, errs[1])
		assert.Same(t, want, claims[1])
	})
}

// Another key under the kid is another verification.
func TestNoVerdictIsSharedBetweenKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTokenCache(-1)
		release := make(chan struct{})
		go func() {
			_, _ = c.once(theToken, patient, func() (*Claims, *Error) { <-release; return &Claims{}, nil })
		}()
		synctest.Wait()
		_, e := c.once(verification{"token", &key{}}, patient, func() (*Claims, *Error) { return nil, wrongSignature.because(nil) })
		assert.ErrorIs(t, e, ErrSignature)
		close(release)
	})
}

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

// The time in the queue is a request's own, whoever else is at its token.
func TestVerificationWaitsTwoSecondsInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{tokens: newTokenCache(-1), signatures: newQueue(1)}
		require.Nil(t, g.signatures.enter(t.Context(), soon()))
		claims := &Claims{key: &key{}}
		go func() { _, _ = g.verifyOnce(t.Context(), "token", token{}, claims) }()
		time.Sleep(maxQueueWait - time.Millisecond)
		start := time.Now()
		_, e := g.verifyOnce(t.Context(), "token", token{}, claims)
		assert.ErrorIs(t, e, ErrOverloaded)
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestFollowerThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTokenCache(-1)
		release := make(chan struct{})
		go func() {
			_, _ = c.once(theToken, patient, func() (*Claims, *Error) { <-release; return &Claims{}, nil })
		}()
		synctest.Wait()
		_, e := c.once(theToken, func(<-chan struct{}) *Error { return overloaded.because(context.Canceled) }, never)
		assert.ErrorIs(t, e, context.Canceled)
		close(release)
	})
}

func TestPanicOfALeaderLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTokenCache(0)
		errs, claims := follow(t, c, func() (*Claims, *Error) { panic("broken") }, never)
		assert.NotNil(t, errs[1])
		assert.Nil(t, claims[1])
		assert.Nil(t, c.get("token"))
	})
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

func TestWallClock(t *testing.T) {
	now := wallClock(nil)()
	assert.Equal(t, now.Round(0), now, "the monotonic clock stands still while a machine sleeps")
	assert.Equal(t, retrySoon, overloaded.retryIn(0, nil).RetryAfter)
}
