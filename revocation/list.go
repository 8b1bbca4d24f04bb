package revocation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/clock"
)

const (
	// grace is how much longer an entry is kept than the tokens live: a guard's
	// ClockSkew is 5 minutes at most.
	grace = 5 * time.Minute
	// maxAhead is how far ahead the At of a caller may be. A token's iat may be, too.
	maxAhead = time.Minute

	sweepInterval = time.Minute
)

// A List holds what has been revoked. It is safe for concurrent use. Close it when it
// is no longer needed.
type List struct {
	cfg     *Config // with its defaults; a pointer, as package fmt would show SigningKeys in a List
	now     func() time.Time
	made    time.Time // when New was called
	journal journal

	table   atomic.Pointer[table]
	newest  atomic.Int64 // the newest iat that Check has let in, in Unix milliseconds
	revoked atomic.Uint64
	skipped atomic.Uint64

	sources []*source
	ctx     context.Context // ends with the List
	stop    context.CancelFunc
	running sync.WaitGroup
	saves   chan struct{} // wakes the saving goroutine

	mu     sync.Mutex
	closed bool
	// horizon is the time up to which entries go, in Unix milliseconds. It follows the
	// clock, but not faster than twice the real time: a clock that is far ahead for some
	// minutes must not make the List forget.
	horizon int64
	news    chan struct{} // is closed when a source has caught up, or failed
	// unsaved is what of the table is not in Log yet; suspects, what may not be there
	// any more: see ErrLogLost.
	unsaved, suspects unsaved
	next              *round

	cursor string // of Log; only followLog uses it
}

// New makes a List, or reports everything that is wrong with cfg in one error. It does
// not wait for Config.Log and Config.Events, which are read in the background:
// [List.Ready] does.
func New(cfg Config) (*List, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := &List{
		cfg:     &cfg,
		now:     clock.Wall(cfg.Now),
		saves:   make(chan struct{}, 1),
		news:    make(chan struct{}),
		unsaved: make(unsaved),
		next:    newRound(),
	}
	l.made = l.now()
	l.horizon = l.made.UnixMilli()
	l.journal.logger, l.journal.now = cfg.Logger, l.now
	l.table.Store(newTable(0))
	l.ctx, l.stop = context.WithCancel(context.Background())
	if cfg.Log != nil {
		l.sources = append(l.sources, &source{name: "log", read: l.followLog, longestPause: maxPause})
		l.running.Go(l.save)
	}
	if cfg.Events != nil {
		events := &eventReader{EventLog: *cfg.Events, list: l}
		l.sources = append(l.sources, &source{name: "webhook's log", read: events.read, longestPause: max(maxPause, events.Interval)})
	}
	for _, s := range l.sources {
		l.running.Go(func() { l.follow(s) })
	}
	l.running.Go(l.sweep)
	return l, nil
}

// Check is for [logtoguard.Config].Check. Its error holds the [*logtoguard.Error] that
// the guard answers: 401 for a token that was revoked ([ErrRevoked]), and for one that
// lives longer than Config.MaxTokenLifetime; 503 while Config.Log and Config.Events have
// not been read once, or one has been out of reach for longer than Config.MaxStaleness.
//
// A stream that lives longer than its first request asks again now and then, with the
// claims that it began with.
func (l *List) Check(_ context.Context, c *logtoguard.Claims) error {
	switch {
	case c == nil:
		return &logtoguard.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: "no_token", Description: "there is no verified token"}
	case !l.current():
		return &logtoguard.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Reason: "revocation", RetryAfter: time.Second,
			Description: "whether the token was revoked is not known at the moment"}
	case c.ExpiresAt().Sub(c.IssuedAt()) > l.cfg.MaxTokenLifetime:
		l.journal.lifetimeExceeded(l.cfg.MaxTokenLifetime)
		return &logtoguard.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: "lifetime",
			Description: "the token lives longer than is accepted here"}
	case l.ends(c):
		l.revoked.Add(1)
		return fmt.Errorf("%w: %w", ErrRevoked, &logtoguard.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: "revoked",
			Description: "the token was revoked"})
	}
	// Written at most a few times a second, however many tokens pass.
	for at, newest := c.IssuedAt().UnixMilli(), l.newest.Load(); at > newest; newest = l.newest.Load() {
		l.newest.CompareAndSwap(newest, at)
	}
	return nil
}

// ends reports whether the token was revoked.
func (l *List) ends(c *logtoguard.Claims) bool {
	issued, t := c.IssuedAt().Unix(), l.table.Load()
	ends := func(e *entry) bool {
		switch {
		case issued <= e.cut/1000:
			return true
		case e.fields[tokenID] != "":
			return l.now().UnixMilli() < e.ends
		}
		return e.blocks() && l.now().UnixMilli() < l.end(e.block)
	}
	token := fields{c.Subject(), c.ClientID(), c.OrganizationID(), c.ID()}
	if t.match(token, ends) {
		return true
	}
	token[subject] = c.Actor()
	return token[subject] != "" && t.match(token, ends)
}

// end is when nothing depends on a revocation of that time any more, in milliseconds.
func (l *List) end(at int64) int64 { return at + l.kept() }

// kept is for how long revocations are kept, in milliseconds: a Duration may be too small.
func (l *List) kept() int64 { return l.cfg.MaxTokenLifetime.Milliseconds() + grace.Milliseconds() }

// Revoke puts revocations in force. They are when it returns, whatever its error, but
// for one that says that a revocation is no valid one, or that the List is closed: then
// none is. With a Config.Log it waits until all are stored there, and an error means
// that they are not yet: the List goes on trying until Close.
func (l *List) Revoke(ctx context.Context, revocations ...Revocation) error {
	var faults []error
	latest := l.now().Add(maxAhead)
	for i, r := range revocations {
		if fault := r.fault(); fault != "" {
			faults = append(faults, fmt.Errorf("revocation %d: %s", i, fault))
		} else if r.At.After(latest) {
			faults = append(faults, fmt.Errorf("revocation %d: its At is more than %v ahead", i, maxAhead))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("revocation: %w", errors.Join(faults...))
	}
	return l.take(ctx, sourceCode, revocations...)
}

// take puts revocations in force, and waits until those that make a difference are in
// Log, unless they come from there or from Events.
func (l *List) take(ctx context.Context, source string, revocations ...Revocation) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	changed := revocations[:0:0]
	for _, r := range revocations {
		r, ok := l.join(r)
		if ok {
			changed = append(changed, r)
		}
		switch {
		case l.cfg.Log == nil:
		case source == sourceLog:
			l.unsaved.remove(r, l)
			l.suspects.remove(r, l)
		case ok:
			l.unsaved.add(r)
		}
	}
	save := source != sourceLog && l.unsaved.holds(revocations)
	round := l.next
	l.mu.Unlock()
	l.journal.changes(source, changed)
	if !save {
		return nil
	}
	l.wake()
	if source == sourceEvents {
		return nil // they are read on, whatever becomes of Log
	}
	return l.await(ctx, round, revocations)
}

// join takes one revocation into the table. It returns it with its time, and reports
// whether that makes a difference. l.mu must be held.
func (l *List) join(r Revocation) (Revocation, bool) {
	t, now := l.table.Load(), l.now().UnixMilli()
	f := r.fields()
	e := t.get(f)
	if e == nil {
		e = &entry{fields: f.clone()}
	}
	at := r.At.UnixMilli()
	if r.At.IsZero() {
		at = max(now, l.newest.Load(), e.latest()+1)
	}
	r.At = fromMillis(at)
	ends := l.endOf(r)
	joined, changed := e.join(r.Kind, at, ends)
	if !changed || ends <= l.horizon {
		return r, false
	}
	if t.full() {
		t = t.copy(l.horizon)
		defer l.table.Store(t)
	}
	t.put(&joined)
	return r, true
}

// endOf is when nothing depends on the revocation any more, in milliseconds.
func (l *List) endOf(r Revocation) int64 {
	end := l.end(r.At.UnixMilli())
	if l.cfg.Events != nil && r.Kind == Block && r.fields().set() == 1<<subject {
		end += remembered.Milliseconds() // it has no effect any more, but see renewBlocks
	}
	if !r.Expires.IsZero() {
		end = min(end, r.Expires.Add(grace).UnixMilli())
	}
	return end
}

// sweep drops the entries on which nothing depends any more.
func (l *List) sweep() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		l.horizon = min(l.now().UnixMilli(), l.horizon+2*sweepInterval.Milliseconds())
		t := l.table.Load()
		for e := range t.all {
			if e.ends <= l.horizon {
				l.table.Store(t.copy(l.horizon))
				break
			}
		}
		for key, r := range l.unsaved {
			if l.endOf(r) <= l.horizon {
				delete(l.unsaved, key)
			}
		}
		l.mu.Unlock()
	}
}

// Ready waits until the List has caught up with Config.Log and Config.Events; without
// them it returns nil at once. When ctx ends before, its error says what is missing: give
// a probe a short context. It fails again once Check answers 503, and as soon as Logto
// says that the webhook of Config.Events is gone, disabled or without one of its events.
func (l *List) Ready(ctx context.Context) error {
	for {
		l.mu.Lock()
		news, cause := l.news, error(nil)
		for _, s := range l.sources {
			cause = errors.Join(cause, s.failure)
		}
		l.mu.Unlock()
		if l.current() && !errors.Is(cause, errHook) {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("revocation: not caught up: %w", errors.Join(ctx.Err(), cause))
		case <-l.ctx.Done():
			return errClosed
		}
	}
}

// Stats are a List's counters since it was made, and what it holds now.
type Stats struct {
	Entries      int       // combinations of fields about which something is known
	Unsaved      int       // revocations that are not in Config.Log yet, or that it may have lost: see ErrLogLost
	Skipped      uint64    // entries of Config.Log and Config.Events that could not be read
	Revoked      uint64    // times that Check has refused a token as revoked
	LastCaughtUp time.Time // when all of Config.Log and Config.Events was known; zero: never, or there is neither

	// EventLag is for how long Config.Events has not been read to its end: at most its
	// Interval and a moment while all is well.
	EventLag time.Duration
}

// Stats returns the present counts.
func (l *List) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	stats := Stats{
		Entries: l.table.Load().used,
		Unsaved: max(len(l.unsaved), len(l.suspects)), // after a loss, suspects are all that is held
		Skipped: l.skipped.Load(),
		Revoked: l.revoked.Load(),
	}
	oldest := int64(math.MaxInt64)
	for _, s := range l.sources {
		oldest = min(oldest, s.caughtUp.Load())
	}
	if len(l.sources) > 0 && oldest > 0 {
		stats.LastCaughtUp = fromMillis(oldest)
	}
	if l.cfg.Events != nil {
		events := l.sources[len(l.sources)-1]
		stats.EventLag = max(0, l.now().Sub(fromMillis(cmp.Or(events.caughtUp.Load(), l.made.UnixMilli()))))
	}
	return stats
}

var errClosed = errors.New("revocation: the List is closed")

// Close ends what runs in the background. For up to 5 s it tries to store in Config.Log
// what is not there yet, and its error says how many revocations are lost. Check goes on
// with what it knows, until Config.MaxStaleness has passed. Closing twice is fine.
func (l *List) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.stop()
	l.running.Wait()
	defer l.journal.close()
	if l.cfg.Log == nil {
		return nil
	}
	l.restore() // what Log has lost, if it has not been read again yet
	return l.saveTheRest()
}
