package jwks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/internal/safetext"
)

// What is logged about the keys: how they change, and which are skipped.

// maxLoggedKeys keeps a hostile or broken key set from flooding the log.
const maxLoggedKeys = 10

func (s *Set) logSkipped(skipped []skippedKey) {
	for _, k := range skipped[:min(len(skipped), maxLoggedKeys)] {
		s.logger.Warn("logtoguard: skipped a key of the key set", "kid", safetext.Word(k.id), "why", safetext.Text(k.why))
	}
	if more := len(skipped) - maxLoggedKeys; more > 0 {
		s.logger.Warn("logtoguard: skipped further keys of the key set", "count", more)
	}
}

// logChange logs the start and the end of an outage, not each try, and which keys
// were added and removed.
func (s *Set) logChange(old, next *state, now time.Time) {
	switch {
	case next.failure != nil && old.failure == nil:
		consequence := "serving on with those that are known"
		if len(next.keys) == 0 {
			consequence = "no token can be judged"
		}
		s.logger.Warn("logtoguard: fetching the keys failed: "+consequence, "error", safetext.Text(next.failure.Error()))
	case next.failure == nil && old.failure != nil:
		s.logger.Warn("logtoguard: fetching the keys works again",
			"failures", old.failures, "outage", now.Sub(old.outage))
	}
	var attrs []any
	if added := difference(next.keys, old.keys); added != "" {
		attrs = append(attrs, "added", added)
	}
	if removed := difference(old.keys, next.keys); removed != "" {
		attrs = append(attrs, "removed", removed)
	}
	if len(attrs) > 0 {
		s.logger.Info("logtoguard: keys changed", attrs...)
	}
}

// difference lists the kids of usable keys that a has and b has not.
func difference(a, b map[string]*Key) string {
	var kids []string
	for kid, k := range a {
		if b[kid] != k && k.algorithm != "" {
			kids = append(kids, safetext.Word(kid))
		}
	}
	slices.Sort(kids)
	if more := len(kids) - maxLoggedKeys; more > 0 {
		kids = append(kids[:maxLoggedKeys], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(kids, " ")
}
