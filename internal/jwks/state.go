package jwks

import (
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/logtoguard/logtoguard/internal/safetext"
)

const (
	firstBackOff = time.Second
	maxBackOff   = 48 * time.Second // a minute with its jitter
	maxKeyAge    = 24 * time.Hour

	maxRetryAfter = 5 * time.Minute // of the issuer's, that is obeyed
	maxQuiet      = time.Minute     // the same, for requests under an absent kid
)

// A state is a snapshot of what is known at the end of a fetch. Only asked changes.
type state struct {
	fetch     uint64 // the number of the fetch; 0 before the first has ended
	keys      map[string]*Key
	digest    [sha256.Size]byte // of the answer that the keys came in
	confirmed time.Time         // when the issuer last said that these are its keys
	pause     time.Duration     // until the next fetch
	due       time.Time         // its end by Set.now
	wakeAt    time.Time         // its end by the process's own clock, which no setting of Now changes

	// outdated: the last fetch brought what a cache kept from before confirmed. It
	// changes nothing, and does not make a key unknown.
	outdated bool

	failure  error // of the last fetch
	failures int   // since the last success
	outage   time.Time
	quiet    time.Time // until then no absent kid causes a fetch, as the issuer asked for

	asked      atomic.Bool   // a request waits for the next fetch, which has not begun
	superseded chan struct{} // closed when there is a newer state, or the set is closed
}

var (
	errFirstFetch = errors.New("the first fetch has not ended")
	errTooOld     = errors.New("they are too old")
)

// why returns why the keys can't be used. A failure is not wrapped: the fetch's own
// time-out must not look like the end of the caller's context.
func (s *state) why() error {
	switch {
	case s.failure != nil:
		return errors.New(safetext.Text(s.failure.Error()))
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

// unchanged is the state after a fetch that brought nothing: the old keys serve on.
// Keys that were confirmed in the future, before the clock was set back, grow old from now on.
func (s *state) unchanged(now time.Time) *state {
	next := &state{keys: s.keys, digest: s.digest, confirmed: s.confirmed}
	if now.Before(s.confirmed) {
		next.confirmed = now
	}
	return next
}

// failed is the state after a fetch that failed. The issuer's Retry-After is obeyed
// while there are usable keys.
func (s *state) failed(err error, now time.Time, retryAfter time.Duration) *state {
	next := s.unchanged(now)
	next.failure, next.failures, next.outage = err, s.failures+1, s.outage
	if s.failure == nil {
		next.outage = now
	}
	retryAfter = min(retryAfter, maxRetryAfter, maxKeyAge-now.Sub(next.confirmed))
	next.pause = max(backOff(next.failures), retryAfter)
	next.quiet = now.Add(min(retryAfter, maxQuiet))
	return next
}

// outdates reports whether an answer of that age is older than the keys, by more than
// the second that Age may be rounded by.
func (s *state) outdates(age time.Duration, now time.Time) bool {
	return age > 0 && now.Add(time.Second-age).Before(s.confirmed)
}

func (s *state) usable(now time.Time) bool {
	return len(s.keys) > 0 && now.Sub(s.confirmed) <= maxKeyAge
}

func (s *state) key(kid string, now time.Time) *Key {
	if !s.usable(now) {
		return nil
	}
	return s.keys[kid]
}

// absence explains a missing kid: unknown if the issuer answered, unavailable if it
// did not.
func (s *state) absence(now time.Time) error {
	if s.usable(now) && s.failure == nil {
		return ErrUnknown
	}
	end := s.due
	if s.usable(now) && now.Before(s.quiet) {
		end = s.quiet
	}
	// A clock that was set back makes the rest no longer than the whole.
	return &UnavailableError{RetryAfter: min(end.Sub(now), s.pause), Cause: s.why()}
}

// retire marks the keys of old that are not in use any more.
func retire(old, inUse map[string]*Key) {
	for kid, k := range old {
		if inUse[kid] != k {
			k.retired.Store(true)
		}
	}
}

// A ration allows three fetches at once, and one more every 2 s.
type ration struct {
	full time.Time // when three are allowed at once again
}

const (
	rationSize     = 3
	rationInterval = 2 * time.Second
)

// delay returns how long it is until the next fetch is allowed.
func (r *ration) delay(now time.Time) time.Duration {
	return max(0, r.full.Add(-(rationSize-1)*rationInterval).Sub(now))
}

func (r *ration) take(now time.Time) {
	if r.full.Before(now) {
		r.full = now
	}
	r.full = r.full.Add(rationInterval)
}
