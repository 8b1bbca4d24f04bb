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
	places  chan struct{}
	waiting atomic.Int64
}

func newQueue() *queue {
	return &queue{places: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
}

// enter waits for a place. Who got one has to leave.
func (q *queue) enter(ctx context.Context) *Error {
	select {
	case q.places <- struct{}{}:
		return nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > maxQueued {
		return overloaded.because(nil)
	}
	timer := time.NewTimer(maxQueueWait)
	defer timer.Stop()
	select {
	case q.places <- struct{}{}:
		return nil
	case <-timer.C:
		return overloaded.because(nil)
	case <-ctx.Done():
		return overloaded.because(ctx.Err())
	}
}

func (q *queue) leave() { <-q.places }
