package jwks

import (
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// An outage of weeks counts failures far beyond where doubling overflows.
func TestBackOffNeverOverflows(t *testing.T) {
	for _, failures := range []int{1, 2, 6, 7, 11, 34, 64, 65, 1 << 20, math.MaxInt} {
		d := backOff(failures)
		assert.GreaterOrEqual(t, d, time.Second, failures)
		assert.LessOrEqual(t, d, time.Minute, failures)
	}
}

// Close may come before the goroutine has run at all: a request that waits for its
// first fetch is answered all the same.
func TestCloseBeforeTheFirstFetchBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(Config{
			URL: "http://127.0.0.1/oidc/jwks", Now: time.Now, Logger: slog.New(slog.DiscardHandler), AfterFetch: func(time.Time) {},
		})
		answered := make(chan error)
		begin := time.Now()
		go func() {
			_, err := s.Find(t.Context(), "kid")
			answered <- err
		}()
		synctest.Wait()
		s.cancel()
		s.start()
		assert.ErrorIs(t, <-answered, ErrClosed)
		assert.ErrorIs(t, s.Ready(t.Context()), ErrClosed)
		assert.Zero(t, time.Since(begin))
	})
}

// The ration in a picture of its own: three at once, then one every 2 s.
func TestRation(t *testing.T) {
	var r ration
	now := time.Now()
	for range 3 {
		assert.Zero(t, r.delay(now))
		r.take(now)
	}
	assert.Equal(t, 2*time.Second, r.delay(now))
	assert.Equal(t, time.Nanosecond, r.delay(now.Add(2*time.Second-1)))
	assert.Zero(t, r.delay(now.Add(2*time.Second)))
	r.take(now.Add(2 * time.Second))
	assert.Equal(t, 2*time.Second, r.delay(now.Add(2*time.Second)))
	assert.Zero(t, r.delay(now.Add(time.Hour)))
}
