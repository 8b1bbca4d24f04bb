package logtoguard

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

const defaultCacheSize = 10_000

// tokenCache remembers verified tokens, and nothing else: a stranger can't fill it.
// A refusal is not remembered either. otter keeps it, because readers of it share
// no lock, and a scan of tokens seen once doesn't push out those in use.
type tokenCache struct {
	verified *otter.Cache[string, *Claims] // nil: nothing is kept
	hits     stripedCounter
	misses   atomic.Uint64

	mu       sync.Mutex
	underWay map[verification]*outcome
}

// verification is what requests share: a token, judged by one key. Another key
// under the same kid is another verification.
type verification struct {
	token string
	key   *key
}

// outcome is there once done is closed.
type outcome struct {
	done   chan struct{}
	claims *Claims
	err    *Error // not to be handed out: refusals are everybody's own
}

// gaveUp is the outcome where a verification panics.
var gaveUp = overloaded.because(nil)

func newTokenCache(size int) *tokenCache {
	c := &tokenCache{underWay: make(map[verification]*outcome)}
	switch {
	case size < 0:
		return c
	case size == 0:
		size = defaultCacheSize
	}
	c.verified = otter.Must(&otter.Options[string, *Claims]{
		MaximumWeight: uint64(size),
		Weigher:       weight,
		// Housekeeping runs where the cache is used: no goroutine to own.
		Executor: func(task func()) { task() },
	})
	return c
}

// weight is what an entry takes, in started units of 4 KiB: the token, its payload,
// and once more that for the strings in it.
func weight(token string, claims *Claims) uint32 {
	const unit, fixed, perString = 4 << 10, 512, 24
	taken := fixed + len(token) + 2*len(claims.payload) + perString*len(claims.audience)
	return uint32((taken + unit - 1) / unit)
}

func (c *tokenCache) get(token string) *Claims {
	if c.verified == nil {
		return nil
	}
	claims, _ := c.verified.GetIfPresent(token)
	return claims
}

// once verifies, or waits for whoever is at it. If that one gives up, as a client
// that leaves does, or was in the queue for longer, the next takes over.
func (c *tokenCache) once(v verification, wait func(<-chan struct{}) *Error, verify func() (*Claims, *Error)) (*Claims, *Error) {
	for {
		o, mine := c.join(v)
		if mine {
			defer c.leave(v, o)
			claims, e := verify()
			o.claims, o.err = claims, e.clone()
			return claims, e
		}
		if e := wait(o.done); e != nil {
			return nil, e
		}
		switch {
		case o.err == nil:
			return o.claims, nil
		case o.err.sentinel != ErrOverloaded || o.err == gaveUp:
			return nil, o.err.clone()
		}
	}
}

func (c *tokenCache) join(v verification) (o *outcome, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.underWay[v]; o != nil {
		return o, false
	}
	o = &outcome{done: make(chan struct{}), err: gaveUp}
	c.underWay[v] = o
	return o, true
}

func (c *tokenCache) leave(v verification, o *outcome) {
	if o.err == nil && c.verified != nil && !v.key.retired.Load() {
		// The token is a part of the request's headers: don't keep those.
		c.verified.Set(strings.Clone(v.token), o.claims)
	}
	c.mu.Lock()
	delete(c.underWay, v)
	c.mu.Unlock()
	close(o.done)
}

// sweep forgets what can't be used any more.
func (c *tokenCache) sweep(now time.Time) {
	if c.verified == nil {
		return
	}
	for token, claims := range c.verified.All() {
		if claims.key.retired.Load() || instantOf(now) >= claims.validUntil {
			c.verified.Invalidate(token)
		}
	}
}

func (c *tokenCache) clear() {
	if c.verified != nil {
		c.verified.InvalidateAll()
	}
}

func (c *tokenCache) report(s *Stats) {
	s.TokenCacheHits, s.TokenCacheMisses = c.hits.total(), c.misses.Load()
	if c.verified != nil {
		s.TokenCacheEntries = c.verified.EstimatedSize()
	}
}

// stripedCounter counts without a cache line that all processors write to.
type stripedCounter [8]struct {
	n atomic.Uint64
	_ [56]byte
}

func (c *stripedCounter) add() { c[rand.Uint32()%uint32(len(c))].n.Add(1) }

func (c *stripedCounter) total() (sum uint64) {
	for i := range c {
		sum += c[i].n.Load()
	}
	return sum
}
