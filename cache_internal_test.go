package logtoguard

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// follow starts a leader, which verifies as told, and a follower with the same token.
func follow(t *testing.T, c *tokenCache, leader, follower func() (*Claims, *Error)) (of [2]*Error, claims [2]*Claims) {
	t.Helper()
	begun, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		claims[0], of[0] = c.once(t.Context(), "token", func() (*Claims, *Error) {
			close(begun)
			synctest.Wait() // until the follower waits
			return leader()
		})
	}()
	<-begun
	claims[1], of[1] = c.once(t.Context(), "token", follower)
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

func TestFollowerThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTokenCache(-1)
		release := make(chan struct{})
		go func() {
			_, _ = c.once(t.Context(), "token", func() (*Claims, *Error) { <-release; return &Claims{}, nil })
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, e := c.once(ctx, "token", never)
		assert.ErrorIs(t, e, context.DeadlineExceeded)
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
