package logtoguard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/logtoguard/logtoguard/internal/safetext"
)

// What is logged of the keys: how they change, and what they lack.

// mostTold keeps a hostile or broken key set from flooding the log.
const mostTold = 10

func (ks *keySet) logSkipped(skipped []skippedKey) {
	for _, s := range skipped[:min(len(skipped), mostTold)] {
		ks.logger.Warn("logtoguard: skipped a key of the key set", "kid", safetext.Word(s.id), "why", safetext.Text(s.why))
	}
	if more := len(skipped) - mostTold; more > 0 {
		ks.logger.Warn("logtoguard: skipped further keys of the key set", "count", more)
	}
}

// logChange tells the beginning and the end of an outage, not each try, and which
// keys came and went.
func (ks *keySet) logChange(old, state *keyState) {
	switch {
	case state.failure != nil && old.failure == nil:
		consequence := "serving on with those that are known"
		if len(state.keys) == 0 {
			consequence = "no token can be judged"
		}
		ks.logger.Warn("logtoguard: fetching the keys failed: "+consequence, "error", safetext.Text(state.failure.Error()))
	case state.failure == nil && old.failure != nil:
		ks.logger.Warn("logtoguard: fetching the keys works again",
			"failures", old.failures, "outage", state.confirmed.Sub(old.outage))
	}
	var attrs []any
	if added := difference(state.keys, old.keys); added != "" {
		attrs = append(attrs, "added", added)
	}
	if removed := difference(old.keys, state.keys); removed != "" {
		attrs = append(attrs, "removed", removed)
	}
	if len(attrs) > 0 {
		ks.logger.Info("logtoguard: keys changed", attrs...)
	}
}

// difference lists the kids of usable keys that a has and b has not.
func difference(a, b map[string]*key) string {
	var kids []string
	for kid, k := range a {
		if b[kid] != k && k.algorithm != "" {
			kids = append(kids, safetext.Word(kid))
		}
	}
	slices.Sort(kids)
	if more := len(kids) - mostTold; more > 0 {
		kids = append(kids[:mostTold], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(kids, " ")
}
