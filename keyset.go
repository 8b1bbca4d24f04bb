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
	maxKeyWaiters   = 10_000
)

// keySet keeps the issuer's keys. One goroutine fetches them. Fetches are numbered,
// so that a request can wait for one that began after it came: the answer to an
// earlier one may be older than its key.
type keySet struct {
	source *keySource
	now    func() time.Time
	logger *slog.Logger
	tidy   func(time.Time) // runs after each fetch

	state atomic.Pointer[keyState] // replaced as a whole at the end of each fetch

	mu      sync.Mutex
	begun   uint64 // the number of the latest fetch that began
	asked   bool   // a request waits for a fetch that has not begun
	waiting int    // requests that wait for a fetch
	absent  ration // of fetches for absent kids

	wake     chan struct{} // something may be due earlier than it was
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	failures atomic.Uint64
}

func newKeySet(s settings, tidy func(time.Time)) *keySet {
	ks := &keySet{
		tidy:   tidy,
		source: newKeySource(s.jwksURL, s.httpClient),
		logger: s.logger,
		wake:   make(chan struct{}, 1),
		now:    s.now,
	}
	ks.state.Store(&keyState{superseded: make(chan struct{})})
	ks.ctx, ks.cancel = context.WithCancel(context.Background())
	return ks
}

func (ks *keySet) start() { ks.running.Go(ks.run) }

func (ks *keySet) close() {
	ks.cancel()
	ks.running.Wait()
}

func (ks *keySet) closed() bool { return ks.ctx.Err() != nil }

// find returns the key with that kid. It waits only where no usable key has it.
func (ks *keySet) find(ctx context.Context, kid string) (*key, *Error) {
	now, s := ks.now(), ks.state.Load()
	if k := s.key(kid, now); k != nil {
		ks.refreshWhenDue(s, now)
		return k, nil
	}
	return ks.await(ctx, kid)
}

// await waits for the keys, or, where there are usable ones, for a fetch that begins
// from now on. It waits for neither where the back-off after a failure goes on.
func (ks *keySet) await(ctx context.Context, kid string) (*key, *Error) {
	need, ok := ks.enter()
	if !ok {
		return nil, keysUnavailable.because(nil)
	}
	defer ks.leave()
	timer := time.NewTimer(maxKeyWait)
	defer timer.Stop()
	for {
		now, s := ks.now(), ks.state.Load()
		if ks.closed() {
			return nil, guardClosed.because(nil)
		}
		if k := s.key(kid, now); k != nil {
			return k, nil
		}
		if s.fetch >= need || !ks.ask(s, now) {
			return nil, s.absence(now)
		}
		select {
		case <-s.superseded:
		case <-timer.C:
			return nil, keysUnavailable.because(nil)
		case <-ctx.Done():
			return nil, keysUnavailable.because(ctx.Err())
		}
	}
}

// enter counts a request that waits, and returns the number of the next fetch to begin.
func (ks *keySet) enter() (next uint64, ok bool) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.waiting == maxKeyWaiters {
		return 0, false
	}
	ks.waiting++
	return ks.begun + 1, true
}

func (ks *keySet) leave() {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.waiting--
}

// ask reports whether a fetch is under way or to come, and asks for one if it is
// worth waiting for. With unusable keys, no request hastens the end of the back-off.
func (ks *keySet) ask(s *keyState, now time.Time) bool {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	switch {
	case ks.begun > s.fetch:
		return true
	case s.usable(now):
		ks.asked = true
	case now.Before(s.due):
		return false
	}
	ks.nudge()
	return true
}

// nudge has the fetching goroutine look again at what is due.
func (ks *keySet) nudge() {
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

// refreshWhenDue is for a refresh that the timer missed, because it stands still
// while the machine sleeps. No request waits for it.
func (ks *keySet) refreshWhenDue(s *keyState, now time.Time) {
	if !now.Before(s.due) {
		ks.nudge()
	}
}

// run fetches until close.
func (ks *keySet) run() {
	for ks.begin() {
		old := ks.state.Load()
		state := ks.refresh(old)
		ks.state.Store(state)
		retire(old.keys, state.keys)
		close(old.superseded)
		ks.tidy(ks.now())
	}
	last := ks.state.Load()
	retire(last.keys, nil)
	close(last.superseded)
}

// begin waits until it is time for the next fetch. It reports false once the set is closed.
func (ks *keySet) begin() bool {
	for !ks.closed() {
		pause := ks.pause()
		if pause <= 0 {
			return true
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ks.wake:
		case <-ks.ctx.Done():
		}
		timer.Stop()
	}
	return false
}

// pause returns how long it is until the next fetch, or numbers one that begins now.
func (ks *keySet) pause() time.Duration {
	s := ks.state.Load()
	now := time.Now()
	pause := s.next.Sub(now)
	if !ks.now().Before(s.due) {
		pause = 0
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	rationed := false
	if delay := ks.absent.delay(now); ks.asked && delay < pause {
		pause, rationed = delay, true
	}
	if pause <= 0 {
		ks.begun++
		ks.asked = false
		if rationed {
			ks.absent.take(now)
		}
	}
	return pause
}

// refresh fetches once, and returns what is known now.
func (ks *keySet) refresh(old *keyState) *keyState {
	state, err := ks.load(ks.ctx, old)
	now := ks.now()
	if err != nil {
		ks.failures.Add(1)
		state = old.failed(err, now)
		state.pause = backOff(state.failures)
	} else {
		state.confirmed = now
		state.pause = jittered(refreshInterval*9/10, refreshInterval/5)
	}
	state.fetch = old.fetch + 1
	state.due, state.next = now.Add(state.pause), time.Now().Add(state.pause)
	state.superseded = make(chan struct{})
	if !ks.closed() {
		ks.logChange(old, state)
	}
	return state
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
		now, s := ks.now(), ks.state.Load()
		switch {
		case ks.closed():
			return guardClosed.because(nil)
		case s.usable(now):
			return nil
		}
		ks.refreshWhenDue(s, now)
		select {
		case <-s.superseded:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: %v", ErrKeysUnavailable, ctx.Err(), told(s.why()))
		}
	}
}

func (ks *keySet) report(stats *Stats) {
	s := ks.state.Load()
	stats.KeyFetches, stats.KeyFetchFailures = ks.fetches(), ks.failures.Load()
	for _, k := range s.keys {
		if k.algorithm != "" {
			stats.Keys++
		}
	}
	if !s.confirmed.IsZero() {
		stats.KeyAge = max(ks.now().Sub(s.confirmed), 0)
	}
}

func (ks *keySet) fetches() uint64 {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	return ks.begun
}
