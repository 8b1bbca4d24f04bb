package logtoguard

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

// Close may come before the goroutine has run at all: who waits for its first
// fetch is answered nevertheless.
func TestCloseBeforeTheFirstFetchBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ks := newKeySet(settings{jwksURL: "http://127.0.0.1/oidc/jwks", now: time.Now, logger: slog.New(slog.DiscardHandler)}, func(time.Time) {})
		answered := make(chan *Error)
		begin := time.Now()
		go func() {
			_, e := ks.find(t.Context(), "kid")
			answered <- e
		}()
		synctest.Wait()
		ks.cancel()
		ks.start()
		assert.ErrorIs(t, <-answered, ErrClosed)
		assert.Zero(t, time.Since(begin))
	})
}
