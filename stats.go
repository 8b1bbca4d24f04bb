package logtoguard

import (
	"maps"
	"sync"
	"time"
)

// Stats are a guard's counters since it was made, and what it holds now. A request whose
// context ended while it waited is neither accepted nor refused, and what a handler refuses
// by [Claims.CheckScope] or [Claims.ForOrganization] is not counted.
type Stats struct {
	Accepted      uint64 // tokens that were let in
	Verifications uint64 // signatures checked
	// Refused has the refusals by Error.Reason, those of route checks included. It holds
	// at most 64 reasons: further ones, which only a Check can invent, count as other.
	Refused map[string]uint64

	Waiting        int // requests that wait until their token is read, or its signature checked
	WaitingForKeys int // requests that wait for keys to be fetched

	TokenCacheHits    uint64 // tokens that had been verified before
	TokenCacheMisses  uint64 // tokens that had not, whatever became of them
	TokenCacheEntries int    // tokens that are kept

	KeyFetches       uint64        // fetches of the key set that were begun
	KeyFetchFailures uint64        // of these, the ones that brought no usable keys
	Keys             int           // keys in use
	KeyAge           time.Duration // since Logto last confirmed the keys; 0 before the first
}

// maxInvented is how many reasons of a Check are counted by name. The guard's own,
// 20 of them, always are.
const maxInvented = 64 - 20 - 1

// reasons counts refusals by their reason. The zero value is ready to use.
type reasons struct {
	mu            sync.Mutex
	own, invented map[string]uint64
}

// add counts one refusal. A reason is invented if it is a Check's.
func (r *reasons) add(reason string, invented bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.own == nil {
		r.own, r.invented = make(map[string]uint64), make(map[string]uint64)
	}
	if !invented {
		r.own[reason]++
		return
	}
	if _, known := r.invented[reason]; !known && len(r.invented) >= maxInvented {
		reason = "other"
	}
	r.invented[reason]++
}

func (r *reasons) counts() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maps.Clone(r.own)
	for reason, n := range r.invented {
		all[reason] += n
	}
	return all
}
