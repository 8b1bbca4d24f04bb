package logtoguard

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	// The package has a require of its own.
	must "github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

func TestQueueBound(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for processors, want := range map[int]int{1: 1, 2: 1, 3: 2, 8: 7} {
		runtime.GOMAXPROCS(processors)
		q := newQueue(checksAtOnce())
		for range want {
			must.Nil(t, q.enter(t.Context(), soon()))
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		must.ErrorIs(t, q.enter(ended, soon()), ErrOverloaded, "of %d processors %d are for signatures", processors, want)
	}
}

func soon() time.Time { return time.Now().Add(maxQueueWait) }

// fullQueue has one place, which is taken.
func fullQueue(t *testing.T) *queue {
	q := newQueue(1)
	must.Nil(t, q.enter(t.Context(), soon()))
	return q
}

// enterSoon enters on a goroutine of its own and waits until that waits.
func enterSoon(ctx context.Context, q *queue) <-chan *Error {
	result := make(chan *Error, 1)
	go func() { result <- q.enter(ctx, soon()) }()
	synctest.Wait()
	return result
}

// requireEmpty fails where a place or a waiter was lost.
func requireEmpty(t *testing.T, q *queue) {
	t.Helper()
	must.Zero(t, q.waiting.Load())
	must.Len(t, q.places, cap(q.places))
}

func TestQueueTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fullQueue(t)
		first := enterSoon(t.Context(), q)
		second := enterSoon(t.Context(), q)
		must.EqualValues(t, 2, q.waiting.Load())
		time.Sleep(maxQueueWait - 1)
		q.leave()
		must.Nil(t, <-first)
		synctest.Wait()
		must.EqualValues(t, 1, q.waiting.Load())
		must.Empty(t, second)
		q.leave()
		must.Nil(t, <-second)
		q.leave()
		synctest.Wait()
		requireEmpty(t, q)
	})
}

func TestQueueWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fullQueue(t)
		start := time.Now()
		e := q.enter(t.Context(), soon())
		must.Equal(t, 2*time.Second, time.Since(start))
		must.ErrorIs(t, e, ErrOverloaded)
		must.Equal(t, http.StatusServiceUnavailable, e.Status)
		must.Equal(t, "temporarily_unavailable", e.Code)
		must.Positive(t, e.RetryAfter)
		must.Empty(t, e.Challenge())
		q.leave()
		requireEmpty(t, q)
		must.Nil(t, q.enter(t.Context(), soon()))
	})
}

func TestQueueLeftByItsWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
			"cancelled": context.WithCancel,
			"timed out": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Second)
			},
		} {
			q := fullQueue(t)
			ctx, cancel := end(t.Context())
			waiter := enterSoon(ctx, q)
			patient := enterSoon(t.Context(), q)
			if name == "timed out" {
				<-ctx.Done()
			}
			cancel()
			e := <-waiter
			must.ErrorIs(t, e, ErrOverloaded)
			must.ErrorIs(t, e, ctx.Err())
			must.Equal(t, http.StatusServiceUnavailable, e.Status)
			synctest.Wait()
			must.EqualValues(t, 1, q.waiting.Load())
			q.leave()
			must.Nil(t, <-patient, "a place is not for who left")
			q.leave()
			synctest.Wait()
			requireEmpty(t, q)
		}
	})
}

// The race detector ends with 8,128 goroutines, so most of the waiters are only counted.
func TestQueueLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fullQueue(t)
		q.waiting.Add(10_000 - 1)
		last := enterSoon(t.Context(), q)
		start := time.Now()
		for range 3 {
			e := q.enter(t.Context(), soon())
			must.ErrorIs(t, e, ErrOverloaded)
			must.Equal(t, http.StatusServiceUnavailable, e.Status)
			must.Positive(t, e.RetryAfter)
		}
		must.Zero(t, time.Since(start))
		must.EqualValues(t, 10_000, q.waiting.Load(), "who was sent away does not wait")
		must.Empty(t, last)
		q.leave()
		must.Nil(t, <-last)
		q.leave()
		synctest.Wait()
		q.waiting.Add(-(10_000 - 1))
		requireEmpty(t, q)
	})
}

// One waiter for each place and each end: whoever got a place gives it back.
func TestQueueLeaksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(3)
		for i := range 500 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*100*time.Millisecond)
				defer cancel()
				if q.enter(ctx, soon()) == nil {
					time.Sleep(time.Duration(i%5) * 100 * time.Millisecond)
					q.leave()
				}
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		requireEmpty(t, q)
	})
}

func TestGuardUnderAFlood(t *testing.T) {
	logto := logtotest.NewServer(logtotest.Tenant{})
	defer logto.Close()
	guard, err := New(Config{Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}})
	must.NoError(t, err)
	defer guard.Close()
	mint := func(edits ...func(*logtotest.Draft)) string {
		return logto.Mint(logtotest.Token{Audience: "https://shopping.api"}, edits...)
	}
	must.NoError(t, guard.Ready(t.Context()))
	q := guard.verifier.signatures
	for _, token := range []string{mint(), mint(func(d *logtotest.Draft) { d.Key = nil }), mint(func(d *logtotest.Draft) { d.Key = logtotest.NewKey("ES384") })} {
		_, _ = guard.Verify(t.Context(), token)
		requireEmpty(t, q)
	}
	must.Equal(t, map[string]uint64{"signature": 2}, guard.Stats().Refused)

	for range cap(q.places) {
		must.Nil(t, q.enter(t.Context(), soon()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = guard.Verify(ctx, mint())
	must.ErrorIs(t, err, context.Canceled)
	must.ErrorIs(t, err, ErrOverloaded)
	must.Equal(t, map[string]uint64{"signature": 2}, guard.Stats().Refused, "who hung up was not refused")

	q.waiting.Store(maxQueued)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+mint())
	w := httptest.NewRecorder()
	guard.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	must.Equal(t, http.StatusServiceUnavailable, w.Code)
	must.Equal(t, "1", w.Header().Get("Retry-After"))
	must.Empty(t, w.Header().Get("WWW-Authenticate"))
	must.EqualValues(t, 1, guard.Stats().Refused["overloaded"])
}
