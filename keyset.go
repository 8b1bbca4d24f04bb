package logtoguard

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	refreshInterval = 5 * time.Minute
	maxKeyWait      = 5 * time.Second
)

// keySet keeps the issuer's keys. One goroutine does all fetching; requests ask
// it for a fetch, and wait for one on contexts of their own.
type keySet struct {
	source *keySource
	now    func() time.Time
	logger *slog.Logger
	tidy   func(time.Time) // runs after each fetch

	state atomic.Pointer[keyState] // replaced as a whole at the end of each fetch

	mu      sync.Mutex
	asked   *fetch // not begun yet
	running *fetch
	absent  bucket        // fetches for absent kids
	wake    chan struct{} // there is a fetch in asked

	ctx     context.Context
	cancel  context.CancelFunc
	stopped chan struct{}

	fetches, failures atomic.Uint64
}

// fetch is one fetch of the key set, for those who wait for it.
type fetch struct{ done chan struct{} }

func newKeySet(s settings, tidy func(time.Time)) *keySet {
	ks := &keySet{
		tidy:    tidy,
		source:  newKeySource(s.jwksURL, s.httpClient),
		logger:  s.logger,
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
		asked:   newFetch(),
		now:     s.now,
	}
	ks.state.Store(&keyState{superseded: make(chan struct{})})
	ks.ctx, ks.cancel = context.WithCancel(context.Background())
	return ks
}

func newFetch() *fetch { return &fetch{done: make(chan struct{})} }

func (ks *keySet) start() { go ks.run() }

func (ks *keySet) close() {
	ks.cancel()
	<-ks.stopped
}

func (ks *keySet) closed() bool { return ks.ctx.Err() != nil }

// find returns the key with that kid. With usable keys it waits only where the
// kid is absent, and then for a fetch that began after the request came: the
// answer to an earlier one may be older than the key.
func (ks *keySet) find(ctx context.Context, kid string) (*key, *Error) {
	var timer *time.Timer
	for waited, judged := false, false; ; {
		now := ks.now()
		s := ks.state.Load()
		if k := s.key(kid, now); k != nil {
			ks.refreshWhenDue(s, now)
			return k, nil
		}
		if judged {
			return nil, s.absence(now)
		}
		f, begun, e := ks.join(s, now)
		if e != nil {
			return nil, e
		}
		if f == nil {
			continue
		}
		if timer == nil {
			timer = time.NewTimer(maxKeyWait)
			defer timer.Stop()
		}
		if e := ks.await(ctx, f, timer); e != nil {
			return nil, e
		}
		judged = waited || !begun
		waited = true
	}
}

func (ks *keySet) await(ctx context.Context, f *fetch, timer *time.Timer) *Error {
	select {
	case <-f.done:
		if ks.closed() {
			return guardClosed.because(nil)
		}
		return nil
	case <-timer.C:
		return keysUnavailable.because(nil)
	case <-ctx.Done():
		return keysUnavailable.because(ctx.Err())
	}
}

// join returns a fetch to wait for, and whether it had begun before; none if s is
// no longer the state.
func (ks *keySet) join(s *keyState, now time.Time) (f *fetch, begun bool, e *Error) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	switch {
	case ks.closed():
		return nil, false, guardClosed.because(nil)
	case ks.state.Load() != s:
		return nil, false, nil
	case ks.asked != nil:
		return ks.asked, false, nil
	case ks.running != nil:
		return ks.running, true, nil
	}
	if s.usable(now) && !ks.absent.take(now) || !s.usable(now) && now.Before(s.due) {
		return nil, false, s.absence(now)
	}
	ks.ask()
	return ks.asked, false, nil
}

// ask has a fetch begun. The caller holds mu.
func (ks *keySet) ask() {
	ks.asked = newFetch()
	select {
	case ks.wake <- struct{}{}:
	default:
	}
}

// trusted reports whether the keys in use may be relied on, and sees to their refresh.
func (ks *keySet) trusted(now time.Time) bool {
	s := ks.state.Load()
	ks.refreshWhenDue(s, now)
	return s.usable(now)
}

// refreshWhenDue has a refresh begun that the timer missed: it stands still while
// the machine sleeps. Nobody waits for it.
func (ks *keySet) refreshWhenDue(s *keyState, now time.Time) {
	if now.Before(s.due) || !s.nudged.CompareAndSwap(false, true) {
		return
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.state.Load() == s && ks.asked == nil && ks.running == nil {
		ks.ask()
	}
}

// run is the goroutine that fetches, until close.
func (ks *keySet) run() {
	defer close(ks.stopped)
	for !ks.closed() {
		f := ks.begin()
		state, pause := ks.refresh(ks.ctx, ks.state.Load())
		ks.end(f, state)
		ks.tidy(ks.now())
		ks.rest(pause)
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	retire(ks.state.Load().keys, nil)
	if ks.asked != nil {
		close(ks.asked.done)
	}
}

func (ks *keySet) begin() *fetch {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	select {
	case <-ks.wake:
	default:
	}
	ks.running, ks.asked = ks.asked, nil
	if ks.running == nil {
		ks.running = newFetch()
	}
	return ks.running
}

func (ks *keySet) end(f *fetch, state *keyState) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	old := ks.state.Swap(state)
	retire(old.keys, state.keys)
	close(old.superseded)
	ks.running = nil
	close(f.done)
}

func (ks *keySet) rest(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ks.wake:
	case <-ks.ctx.Done():
	}
}

// refresh fetches once, and says what is known now and for how long to rest.
func (ks *keySet) refresh(ctx context.Context, old *keyState) (*keyState, time.Duration) {
	ks.fetches.Add(1)
	state, err := ks.load(ctx, old)
	now := ks.now()
	pause := jittered(refreshInterval*9/10, refreshInterval/5)
	if err != nil {
		ks.failures.Add(1)
		state = old.failed(err, now)
		pause = backOff(state.failures)
	} else {
		state.confirmed = now
	}
	state.due, state.pause = now.Add(pause), pause
	state.superseded = make(chan struct{})
	if ctx.Err() == nil {
		ks.logChange(old, state)
	}
	return state, pause
}

// load makes a state of the issuer's answer.
func (ks *keySet) load(ctx context.Context, old *keyState) (*keyState, error) {
	body, err := ks.source.fetch(ctx)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(body)
	if digest == old.digest {
		return &keyState{keys: old.keys, digest: digest}, nil
	}
	keys, skipped, err := parseKeySet(body)
	if err == nil || old.failure == nil {
		ks.logSkipped(skipped)
	}
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", ks.source.shown, err)
	}
	for id, k := range keys {
		if known := old.keys[id]; known != nil && known.equal(k) {
			keys[id] = known
		}
	}
	return &keyState{keys: keys, digest: digest}, nil
}

// ready waits for usable keys.
func (ks *keySet) ready(ctx context.Context) error {
	for {
		now := ks.now()
		s := ks.state.Load()
		switch {
		case ks.closed():
			return guardClosed.because(nil)
		case s.usable(now):
			return nil
		}
		ks.refreshWhenDue(s, now)
		select {
		case <-s.superseded:
		case <-ks.ctx.Done():
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: %v", ErrKeysUnavailable, ctx.Err(), told(s.why()))
		}
	}
}

func (ks *keySet) report(stats *Stats) {
	s := ks.state.Load()
	stats.KeyFetches, stats.KeyFetchFailures = ks.fetches.Load(), ks.failures.Load()
	for _, k := range s.keys {
		if k.algorithm != "" {
			stats.Keys++
		}
	}
	if !s.confirmed.IsZero() {
		stats.KeyAge = max(ks.now().Sub(s.confirmed), 0)
	}
}
