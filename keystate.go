package logtoguard

import (
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	firstBackOff = time.Second
	maxBackOff   = 48 * time.Second // a minute with its jitter
	maxKeyAge    = 24 * time.Hour
)

// keyState is what is known at one time. Only nudged changes.
type keyState struct {
	keys      map[string]*key
	digest    [sha256.Size]byte // of the answer that the keys came in
	confirmed time.Time         // when the issuer last said that these are its keys
	due       time.Time         // when to fetch next
	pause     time.Duration     // until then

	failure  error // of the last fetch
	failures int   // since the last success
	outage   time.Time

	nudged     atomic.Bool
	superseded chan struct{}
}

var (
	errFirstFetch = errors.New("the first fetch has not ended")
	errTooOld     = errors.New("they are too old")
)

// why says why the keys can't be used.
func (s *keyState) why() error {
	switch {
	case s.failure != nil:
		return s.failure
	case s.confirmed.IsZero():
		return errFirstFetch
	}
	return errTooOld
}

// backOff doubles from 1 s to 1 min.
func backOff(failures int) time.Duration {
	d := min(firstBackOff<<min(failures-1, 10), maxBackOff)
	return jittered(d, d/4)
}

// jittered keeps many servers from asking at the same moment.
func jittered(least, spread time.Duration) time.Duration {
	return least + rand.N(spread)
}

// failed is the state after a fetch that brought nothing: the old keys serve on.
// Keys that were confirmed in the future, before the clock was set back, grow old from now on.
func (s *keyState) failed(err error, now time.Time) *keyState {
	next := &keyState{
		keys: s.keys, digest: s.digest, confirmed: minTime(s.confirmed, now),
		failure: err, failures: s.failures + 1, outage: s.outage,
	}
	if s.failure == nil {
		next.outage = now
	}
	return next
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (s *keyState) usable(now time.Time) bool {
	return len(s.keys) > 0 && now.Sub(s.confirmed) <= maxKeyAge
}

func (s *keyState) key(kid string, now time.Time) *key {
	if !s.usable(now) {
		return nil
	}
	return s.keys[kid]
}

// absence is the answer where this state is the last word on a kid that it lacks.
// Only the issuer can say that a key is unknown: while it fails, nobody knows.
func (s *keyState) absence(now time.Time) *Error {
	if s.usable(now) && s.failure == nil {
		return unknownKey.because(nil)
	}
	var cause error
	if s.failure != nil {
		cause = told(s.failure)
	}
	// A clock that was set back makes the rest no longer than the whole.
	return keysUnavailable.retryIn(min(s.due.Sub(now), s.pause), cause)
}

// told is what callers get to know of a failure. It is not wrapped: the fetch's own
// time-out must not look like the end of the caller's context.
func told(failure error) error { return errors.New(plainText(failure.Error())) }

// retire marks the keys of old that are not in use any more.
func retire(old, inUse map[string]*key) {
	for kid, k := range old {
		if inUse[kid] != k {
			k.retired.Store(true)
		}
	}
}

// A bucket holds three fetches, and gets one more every 10 s.
type bucket struct{ full time.Time }

const (
	bucketSize   = 3
	bucketRefill = 10 * time.Second
)

func (b *bucket) take(now time.Time) bool {
	missing := b.full.Sub(now)
	// A clock that was set back must not empty the bucket for longer than it takes to fill.
	missing = min(max(missing, 0), bucketSize*bucketRefill)
	if missing > (bucketSize-1)*bucketRefill {
		b.full = now.Add(missing)
		return false
	}
	b.full = now.Add(missing + bucketRefill)
	return true
}
