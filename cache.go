package logtoguard

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	defaultCacheSize = 10_000
	// weightUnit is the length of token that counts as one of TokenCacheSize.
	weightUnit = 2 << 10
)

// tokenCache remembers verified tokens, and nothing else: a stranger can't fill it.
// A refusal is not remembered either. otter keeps it, because readers of it share
// no lock, and a scan of tokens seen once doesn't push out those in use.
type tokenCache struct {
	verified *otter.Cache[string, *Claims] // nil: nothing is kept
	hits     stripedCounter
	misses   atomic.Uint64

	mu       sync.Mutex
	underWay map[string]*verification
}

// gaveUp is what waiters get a copy of where a verification panics.
var gaveUp = overloaded.because(nil)

// verification is that of one token, which all requests with it share.
type verification struct {
	done   chan struct{}
	claims *Claims
	err    *Error
}

func newTokenCache(size int) *tokenCache {
	c := &tokenCache{underWay: make(map[string]*verification)}
	switch {
	case size < 0:
		return c
	case size == 0:
		size = defaultCacheSize
	}
	c.verified = otter.Must(&otter.Options[string, *Claims]{
		MaximumWeight: uint64(size),
		Weigher: func(token string, _ *Claims) uint32 {
			return uint32(len(token)+weightUnit-1) / weightUnit
		},
		// Housekeeping runs where the cache is used: no goroutine to own.
		Executor: func(task func()) { task() },
	})
	return c
}

func (c *tokenCache) get(token string) *Claims {
	if c.verified == nil {
		return nil
	}
	claims, _ := c.verified.GetIfPresent(token)
	return claims
}

// once verifies a token, or waits for whoever is at it. If that one gives up, as
// a client that leaves does, the next takes over.
func (c *tokenCache) once(ctx context.Context, token string, verify func() (*Claims, *Error)) (*Claims, *Error) {
	for {
		v, mine := c.join(token)
		if mine {
			defer c.leave(token, v)
			v.claims, v.err = verify()
			return v.claims, v.err
		}
		select {
		case <-v.done:
		case <-ctx.Done():
			return nil, overloaded.because(ctx.Err())
		}
		if v.err == nil {
			return v.claims, nil
		}
		if !isContextEnd(v.err.cause) {
			fresh := *v.err
			return nil, &fresh
		}
	}
}

func (c *tokenCache) join(token string) (v *verification, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.underWay[token]; v != nil {
		return v, false
	}
	v = &verification{done: make(chan struct{}), err: gaveUp}
	c.underWay[token] = v
	return v, true
}

func (c *tokenCache) leave(token string, v *verification) {
	if v.err == nil && c.verified != nil {
		// The token is a part of the request's headers: don't keep those.
		c.verified.Set(strings.Clone(token), v.claims)
	}
	c.mu.Lock()
	delete(c.underWay, token)
	c.mu.Unlock()
	close(v.done)
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
