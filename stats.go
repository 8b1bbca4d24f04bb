package logtoguard

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logtoguard/logtoguard/internal/safetext"
)

// Stats are a guard's counters since it was made. A request whose context ended
// while it waited is neither accepted nor refused, and what a handler refuses by
// [Claims.CheckScope] or [Claims.ForOrganization] is its own business.
type Stats struct {
	Accepted      uint64            // tokens that were let in
	Refused       map[string]uint64 // refusals by Error.Reason, those of route checks included
	Verifications uint64            // signatures checked

	TokenCacheHits    uint64 // tokens that had been verified before
	TokenCacheMisses  uint64 // tokens that had not, whatever became of them
	TokenCacheEntries int    // tokens that are kept

	KeyFetches       uint64        // fetches of the key set that were begun
	KeyFetchFailures uint64        // of these, the ones that brought no usable keys
	Keys             int           // keys in use
	KeyAge           time.Duration // since Logto last confirmed the keys; 0 before the first
}

// Stats returns the present counts.
func (g *Guard) Stats() Stats {
	s := Stats{
		Accepted:      g.counts.accepted.Load(),
		Refused:       g.counts.refusals(),
		Verifications: g.counts.verifications.Load(),
	}
	g.tokens.report(&s)
	g.keys.report(&s)
	return s
}

type counters struct {
	accepted      atomic.Uint64
	verifications atomic.Uint64
	mu            sync.Mutex
	refused       map[string]uint64
}

func (c *counters) refuse(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = make(map[string]uint64)
	}
	c.refused[reason]++
}

func (c *counters) refusals() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.refused)
}

// conclude makes a refusal the guard's own, counts it and logs it. A nil guard only logs.
func (g *Guard) conclude(ctx context.Context, err error, seen about) {
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	g.own(e)
	abandoned := ctx.Err() != nil && errors.Is(e, ctx.Err())
	if g != nil && !abandoned {
		g.counts.refuse(e.Reason)
	}
	logger := g.log()
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("reason", e.Reason), slog.Int("status", e.Status)}
	if seen.kid != "" {
		attrs = append(attrs, slog.String("kid", safetext.Word(seen.kid)))
	}
	if seen.issuer != "" {
		attrs = append(attrs, slog.String("issuer", safetext.Word(seen.issuer)))
	}
	switch e.sentinel {
	case ErrRefusedByCheck, ErrKeysUnavailable:
		// Not the sender's words: these are not cut.
		if e.cause != nil {
			attrs = append(attrs, slog.String("cause", strconv.QuoteToASCII(e.cause.Error())))
		}
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "logtoguard: refused", attrs...)
}

// own has a refusal name the guard's metadata, and no other's.
func (g *Guard) own(e *Error) {
	if g != nil {
		e.metadata = g.metadata.url
	}
}

func (g *Guard) log() *slog.Logger {
	if g == nil {
		return slog.Default()
	}
	return g.logger
}
