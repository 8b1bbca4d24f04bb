package revocation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/logtoguard/logtoguard/internal/safetext"
)

const mostLines = 100 // a second

// A journal writes a List's log lines. It must not be used while the List's lock is
// held: a handler may call the List.
type journal struct {
	logger *slog.Logger
	now    func() time.Time

	lifetime, garbage seldom

	mu     sync.Mutex
	second time.Time // since when lines are counted
	lines  int
	left   int         // how many revocations got no line
	tell   *time.Timer // tells how many
}

// changes logs revocations that have changed the table.
func (j *journal) changes(source string, revocations []Revocation) {
	for _, r := range revocations {
		if !j.mayWrite() {
			continue
		}
		j.logger.LogAttrs(context.Background(), slog.LevelInfo, "revocation: taken",
			slog.String("source", source),
			slog.String("kind", r.Kind.String()),
			slog.String("fields", r.fieldNames()),
			slog.Time("at", r.At),
			slog.String("reason", safetext.Word(r.Reason)),
			slog.Duration("delay", j.now().Sub(r.At)),
		)
	}
}

// mayWrite counts lines, and those that are left out.
func (j *journal) mayWrite() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if now := time.Now(); now.Sub(j.second) >= time.Second {
		j.second, j.lines = now, 0
	}
	if j.lines < mostLines {
		j.lines++
		return true
	}
	if j.left++; j.left == 1 {
		j.tell = time.AfterFunc(time.Second, j.tellLeft)
	}
	return false
}

func (j *journal) tellLeft() {
	j.mu.Lock()
	left := j.left
	j.left = 0
	j.mu.Unlock()
	if left > 0 {
		j.logger.Info("revocation: more were taken than are logged", "count", left)
	}
}

func (j *journal) close() {
	j.mu.Lock()
	if j.tell != nil {
		j.tell.Stop()
	}
	j.mu.Unlock()
	j.tellLeft()
}

// An outage is what was logged of something that fails.
type outage struct {
	failed bool
	denied string // what waiting does not help against
}

// turn logs when something starts to fail, and when it works again.
func (j *journal) turn(o *outage, err error, what string) {
	switch {
	case err == nil:
		if o.failed {
			j.logger.Warn("revocation: " + what + " works again")
		}
		*o = outage{}
		return
	case errors.Is(err, errDenied) || errors.Is(err, errHook): // waiting doesn't help
		if denied := err.Error(); denied != o.denied {
			o.denied = denied
			j.logger.Error("revocation: "+what+" failed", "error", safetext.Text(denied))
		}
	case !o.failed:
		j.logger.Warn("revocation: "+what+" failed: trying again", "error", safetext.Text(err.Error()))
	}
	o.failed = true
}

// lifetimeExceeded logs that tokens live longer than revocations are kept.
func (j *journal) lifetimeExceeded(most time.Duration) {
	if j.lifetime.isDue() {
		j.logger.Error("revocation: tokens are refused because they live longer than MaxTokenLifetime: "+
			"set it to the longest lifetime of the tenant's access tokens", "MaxTokenLifetime", most)
	}
}

// skipped logs that Log or Events hold what can't be read.
func (j *journal) skipped() {
	if j.garbage.isDue() {
		j.logger.Error("revocation: there are entries that can't be read: they are skipped, and counted in Stats.Skipped")
	}
}

// seldom is due once a minute.
type seldom struct {
	mu   sync.Mutex
	last time.Time
}

func (s *seldom) isDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.last.IsZero() && now.Sub(s.last) < time.Minute {
		return false
	}
	s.last = now
	return true
}
