// Package jwks fetches and keeps the keys of an issuer (a JWK Set, RFC 7517).
//
// A [Set] has one goroutine, which fetches the keys and publishes what is known after
// each fetch as a new state. Requests read the present state; the few that have to
// wait wait for the next one. set.go says when to fetch, and what requests wait for;
// source.go asks the issuer; key.go takes the usable keys out of its answer; state.go
// is what is known between two fetches, and for how long.
package jwks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logtoguard/logtoguard/internal/strict"
)

const (
	refreshInterval = 5 * time.Minute
	maxWait         = 5 * time.Second
	maxWaiting      = 10_000
)

var (
	// ErrUnknown means that the issuer does not publish the key.
	ErrUnknown = errors.New("unknown key")
	// ErrClosed means that the Set was closed.
	ErrClosed = errors.New("key set closed")
)

// An UnavailableError means that it isn't known whether the issuer publishes the key.
type UnavailableError struct {
	RetryAfter time.Duration // the rest of a back-off, or of the issuer's Retry-After; 0: soon
	Cause      error         // without anything that the issuer sent; may be nil
}

func (e *UnavailableError) Error() string {
	if e.Cause == nil {
		return "keys unavailable"
	}
	return "keys unavailable: " + e.Cause.Error()
}

func (e *UnavailableError) Unwrap() error { return e.Cause }

// Config says where the keys are. All fields but HTTPClient must be set.
type Config struct {
	URL        string
	HTTPClient *http.Client     // nil: http.DefaultTransport
	Now        func() time.Time // the clock that the age of the keys goes by
	Logger     *slog.Logger
	AfterFetch func(now time.Time) // runs after each fetch
}

// A Set keeps the issuer's keys. Fetches are numbered, so that a request can wait for
// one that began after it came: the answer to an earlier one may be older than its key.
type Set struct {
	source     *source
	now        func() time.Time
	logger     *slog.Logger
	afterFetch func(time.Time)

	state atomic.Pointer[state] // replaced as a whole at the end of each fetch

	begun   atomic.Uint64 // the number of the latest fetch that began
	waiting atomic.Int64  // requests that wait for a fetch
	absent  ration        // of fetches for absent keys; the fetching goroutine's own

	wake     chan struct{} // a fetch may be due earlier than it was
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	failures atomic.Uint64
}

// New makes a Set, which starts its first fetch at once.
func New(cfg Config) *Set {
	s := newSet(cfg)
	s.start()
	return s
}

func newSet(cfg Config) *Set {
	s := &Set{
		source:     newSource(cfg.URL, cfg.HTTPClient),
		now:        cfg.Now,
		logger:     cfg.Logger,
		afterFetch: cfg.AfterFetch,
		wake:       make(chan struct{}, 1),
	}
	s.state.Store(&state{superseded: make(chan struct{})})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *Set) start() { s.running.Go(s.run) }

// Close stops fetching, waits until that has ended, and retires all keys.
func (s *Set) Close() {
	s.cancel()
	s.running.Wait()
}

// Closed reports whether Close was called.
func (s *Set) Closed() bool { return s.ctx.Err() != nil }

// Find returns the key with that kid. It waits only if no usable key has it. Its
// errors are ErrUnknown, ErrClosed and *UnavailableError, which wraps ctx.Err() where
// ctx ended.
func (s *Set) Find(ctx context.Context, kid string) (*Key, error) {
	now, st := s.now(), s.state.Load()
	if k := st.key(kid, now); k != nil {
		s.refreshWhenDue(st, now)
		return k, nil
	}
	return s.await(ctx, kid)
}

// await waits for the first keys, or, if there are usable ones, for the answer to a
// fetch that begins from now on; not for what a cache kept from before those. Without
// usable keys it does not wait during the back-off after a failure.
func (s *Set) await(ctx context.Context, kid string) (*Key, error) {
	need := s.begun.Load() + 1
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaiting {
		return nil, &UnavailableError{}
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	for {
		now, st := s.now(), s.state.Load()
		if s.Closed() {
			return nil, ErrClosed
		}
		if k := st.key(kid, now); k != nil {
			return k, nil
		}
		if st.fetch >= need && !st.outdated || !s.ask(st, now) {
			return nil, st.absence(now)
		}
		select {
		case <-st.superseded:
		case <-timer.C:
			return nil, &UnavailableError{}
		case <-ctx.Done():
			return nil, &UnavailableError{Cause: ctx.Err()}
		}
	}
}

// ask reports whether a fetch is under way or will begin that is worth waiting for,
// and asks for one if need be. Without usable keys, no request shortens a back-off,
// nor with them what the issuer asked for by Retry-After.
func (s *Set) ask(st *state, now time.Time) bool {
	switch {
	case s.begun.Load() > st.fetch:
		return true
	case st.usable(now) && !now.Before(st.quiet):
		st.asked.Store(true)
	case now.Before(st.due):
		return false
	}
	s.nudge()
	return true
}

// nudge makes the fetching goroutine look again at what is due.
func (s *Set) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Trusted reports whether there are usable keys, not older than 24 hours.
func (s *Set) Trusted(now time.Time) bool {
	st := s.state.Load()
	s.refreshWhenDue(st, now)
	return st.usable(now)
}

// refreshWhenDue is for a refresh that the timer missed, because it stands still
// while the machine sleeps. No request waits for it.
func (s *Set) refreshWhenDue(st *state, now time.Time) {
	if !now.Before(st.due) {
		s.nudge()
	}
}

// Ready waits for usable keys until ctx ends. Its errors are those of Find.
func (s *Set) Ready(ctx context.Context) error {
	for {
		now, st := s.now(), s.state.Load()
		switch {
		case s.Closed():
			return ErrClosed
		case st.usable(now):
			return nil
		}
		s.refreshWhenDue(st, now)
		select {
		case <-st.superseded:
		case <-ctx.Done():
			return &UnavailableError{Cause: fmt.Errorf("%w: %v", ctx.Err(), st.why())}
		}
	}
}

// run fetches until Close.
func (s *Set) run() {
	for s.begin() {
		old := s.state.Load()
		next := s.refresh(old)
		s.state.Store(next)
		retire(old.keys, next.keys)
		close(old.superseded)
		s.afterFetch(s.now())
	}
	last := s.state.Load()
	retire(last.keys, nil)
	close(last.superseded)
}

// begin waits until it is time for the next fetch. It reports false once the Set is closed.
func (s *Set) begin() bool {
	for !s.Closed() {
		pause := s.pause()
		if pause <= 0 {
			return true
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.ctx.Done():
		}
		timer.Stop()
	}
	return false
}

// pause returns how long it is until the next fetch, or numbers one that begins now.
func (s *Set) pause() time.Duration {
	st, now := s.state.Load(), time.Now()
	pause := st.wakeAt.Sub(now)
	if !s.now().Before(st.due) {
		pause = 0
	}
	rationed := false
	if delay := s.absent.delay(now); st.asked.Load() && delay < pause {
		pause, rationed = delay, true
	}
	if pause > 0 {
		return pause
	}
	if rationed {
		s.absent.take(now)
	}
	s.begun.Add(1)
	return 0
}

// refresh fetches once, and returns what is known then.
func (s *Set) refresh(old *state) *state {
	answer, err := s.source.fetch(s.ctx)
	now := s.now()
	var next *state
	if err == nil {
		next, err = s.load(old, answer, now)
	}
	if err != nil {
		s.failures.Add(1)
		next = old.failed(err, now, strict.RetryAfter(answer.retryAfter, now))
	} else {
		next.pause = jittered(refreshInterval*9/10, refreshInterval/5)
	}
	next.fetch = old.fetch + 1
	next.due, next.wakeAt = now.Add(next.pause), time.Now().Add(next.pause)
	next.superseded = make(chan struct{})
	if !s.Closed() {
		s.logChange(old, next, now)
	}
	return next
}

// load makes a state of the issuer's answer.
func (s *Set) load(old *state, answer answer, now time.Time) (*state, error) {
	if old.outdates(answer.age, now) {
		next := old.unchanged(now)
		next.outdated = true
		return next, nil
	}
	digest, confirmed := sha256.Sum256(answer.body), now.Add(-answer.age)
	if digest == old.digest {
		return &state{keys: old.keys, digest: digest, confirmed: confirmed}, nil
	}
	keys, skipped, err := parse(answer.body)
	if err == nil || old.failure == nil {
		s.logSkipped(skipped)
	}
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", s.source.shown, err)
	}
	for id, k := range keys {
		if known := old.keys[id]; known != nil && known.equal(k) {
			keys[id] = known
		}
	}
	return &state{keys: keys, digest: digest, confirmed: confirmed}, nil
}

// Counts are a Set's counters.
type Counts struct {
	Fetches  uint64        // begun
	Failures uint64        // fetches that brought no usable keys
	Keys     int           // that can be used
	Waiting  int           // requests that wait for a fetch
	Age      time.Duration // since the issuer last confirmed the keys; 0 before the first
}

// Counts returns the present counts.
func (s *Set) Counts() Counts {
	st := s.state.Load()
	c := Counts{Fetches: s.begun.Load(), Failures: s.failures.Load(), Waiting: int(s.waiting.Load())}
	for _, k := range st.keys {
		if k.algorithm != "" {
			c.Keys++
		}
	}
	if !st.confirmed.IsZero() {
		c.Age = max(s.now().Sub(st.confirmed), 0)
	}
	return c
}
