package logtoguard

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	maxQueued    = 10_000
	maxQueueWait = 2 * time.Second
)

// queue bounds the signature checks that run at once, and leaves one processor to
// everything else: a flood of forged tokens must not starve the rest of the server.
type queue struct {
	places  chan struct{} // the free ones
	waiting atomic.Int64
}

func newQueue(places int) *queue {
	q := &queue{places: make(chan struct{}, places)}
	for range cap(q.places) {
		q.leave()
	}
	return q
}

// checksAtOnce is one less than the processors.
func checksAtOnce() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// enter waits for a place. Who got one has to leave.
func (q *queue) enter(ctx context.Context, until time.Time) *Error {
	return q.wait(ctx, until, q.places)
}

func (q *queue) leave() { q.places <- struct{}{} }

// wait waits for ready, among at most 10,000, and neither beyond until nor the end of ctx.
func (q *queue) wait(ctx context.Context, until time.Time, ready <-chan struct{}) *Error {
	select {
	case <-ready:
		return nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > maxQueued {
		return overloaded.because(nil)
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ready:
		return nil
	case <-timer.C:
		return overloaded.because(nil)
	case <-ctx.Done():
		return overloaded.because(ctx.Err())
	}
}
