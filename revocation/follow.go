package revocation

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Where revocations come from, in log lines.
const (
	sourceCode    = "code"
	sourceWebhook = "webhook"
	sourceLog     = "log"
	sourceEvents  = "events"
)

// A source is read in the background, again and again, and Check depends on it.
type source struct {
	name string
	// read hands over what the source has, and calls caughtUp at least every few
	// seconds while nothing is left, until ctx ends or it fails.
	read         func(ctx context.Context, caughtUp func()) error
	longestPause time.Duration // after failures

	caughtUp atomic.Int64 // when it last had, in Unix milliseconds; 0: never
	failure  error        // why it is not being read now. List.mu must be held
	outage   outage       // only its goroutine uses it
}

// current reports whether all sources have been caught up with, and lately enough.
func (l *List) current() bool {
	if len(l.sources) == 0 {
		return true
	}
	now, patience := l.now().UnixMilli(), l.cfg.MaxStaleness
	for _, s := range l.sources {
		at := s.caughtUp.Load()
		if at == 0 || patience >= 0 && now-at > patience.Milliseconds() {
			return false
		}
	}
	return true
}

// follow reads a source until the List is closed.
func (l *List) follow(s *source) {
	pause := backOff{longest: s.longestPause}
	for {
		began := time.Now()
		err := s.read(l.ctx, func() {
			if time.Since(began) >= s.longestPause { // and not if it fails each time that it has caught up
				pause.latest = 0
			}
			s.caughtUp.Store(l.now().UnixMilli())
			l.report(s, nil)
		})
		if l.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it stopped without an error")
		}
		// After the clock was set back, an outage counts from the present at the latest.
		s.caughtUp.Store(min(s.caughtUp.Load(), l.now().UnixMilli()))
		l.report(s, err)
		if !pause.wait(l.ctx) {
			return
		}
	}
}

// report keeps what became of a source for Ready, and logs when it fails, and when it
// works again.
func (l *List) report(s *source, err error) {
	l.mu.Lock()
	s.failure = err
	close(l.news)
	l.news = make(chan struct{})
	l.mu.Unlock()
	l.journal.turn(&s.outage, err, "following the "+s.name)
}

// followLog is the source that Config.Log is.
func (l *List) followLog(ctx context.Context, caughtUp func()) error {
	err := l.cfg.Log.Follow(ctx, l.cursor, func(r Revocation, cursor string) {
		l.cursor = cursor
		if r.fault() != "" || r.At.IsZero() {
			l.skip()
			return
		}
		_ = l.take(ctx, sourceLog, r) // its only error is that the List is closed
	}, func() {
		l.restore()
		caughtUp()
	})
	if errors.Is(err, ErrLogLost) {
		l.suspect()
		l.cursor = ""
	}
	return err
}

// skip counts an entry that can't be read.
func (l *List) skip() {
	l.skipped.Add(1)
	l.journal.skipped()
}

// A backOff pauses after failures, after each for twice as long.
type backOff struct{ latest, longest time.Duration }

const (
	minPause = 100 * time.Millisecond
	maxPause = 3 * time.Second // Log is followed again within 5 s of an outage's end
)

// wait pauses, for between half of the pause and all of it, so that replicas don't all
// come back at once. It returns false if ctx ends before.
func (b *backOff) wait(ctx context.Context) bool {
	b.latest = min(max(2*b.latest, minPause), b.longest)
	half := b.latest / 2
	select {
	case <-time.After(half + rand.N(half)):
		return true
	case <-ctx.Done():
		return false
	}
}
