package logtoguard

import (
	"cmp"
	"strings"
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
	hits     atomic.Uint64
	misses   atomic.Uint64
}

func newTokenCache(size int) *tokenCache {
	c := &tokenCache{}
	if size < 0 {
		return c
	}
	c.verified = otter.Must(&otter.Options[string, *Claims]{
		MaximumWeight: uint64(cmp.Or(size, defaultCacheSize)),
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

// put remembers a token that was verified.
func (c *tokenCache) put(token string, claims *Claims) {
	if c.verified == nil {
		return
	}
	// The token is a part of the request's headers: don't keep those.
	c.verified.Set(strings.Clone(token), claims)
	// Keys are retired before the cache is swept or cleared, which may have been just now.
	if claims.key.Retired() {
		c.verified.Invalidate(token)
	}
}

// sweep forgets what can't be used any more.
func (c *tokenCache) sweep(now time.Time) {
	if c.verified == nil {
		return
	}
	for token, claims := range c.verified.All() {
		if claims.key.Retired() || !now.Before(claims.validUntil) {
			c.verified.Invalidate(token)
		}
	}
}

func (c *tokenCache) clear() {
	if c.verified != nil {
		c.verified.InvalidateAll()
	}
}

func (c *tokenCache) entries() int {
	if c.verified == nil {
		return 0
	}
	return c.verified.EstimatedSize()
}
