package revocation

import (
	"hash/maphash"
	"math/bits"
	"strings"
	"sync/atomic"
	"time"
)

// fields are subject, client_id, organization_id and jti: those that a revocation
// sets, or those of a token.
type fields [4]string

const (
	subject = iota
	clientID
	organizationID
	tokenID
)

// A set has a bit for each of the fields that is set. There are 15 of them, besides
// the empty one.
type set uint8

func (f fields) set() (s set) {
	for i, value := range f {
		if value != "" {
			s |= 1 << i
		}
	}
	return s
}

// only returns the fields that are in s.
func (f fields) only(s set) fields {
	for i := range f {
		if s&(1<<i) == 0 {
			f[i] = ""
		}
	}
	return f
}

func (f fields) clone() fields {
	for i := range f {
		f[i] = strings.Clone(f[i]) // it may be a part of a long text
	}
	return f
}

// An entry is what is known of one combination of fields. Each of its times only ever
// grows, by [entry.join], so that the order in which revocations come doesn't matter.
// It is never changed: readers hold no lock.
type entry struct {
	fields fields
	// In Unix milliseconds: the latest Cut or Lift, Block, and Lift.
	cut, block, lift int64
	ends             int64 // when nothing depends on the entry any more
}

// join takes a revocation into an entry, and reports whether that makes a difference.
func (e entry) join(kind Kind, at, ends int64) (entry, bool) {
	before := e
	switch kind {
	case Block:
		e.block = max(e.block, at)
	case Lift:
		e.lift = max(e.lift, at)
		fallthrough
	case Cut:
		e.cut = max(e.cut, at)
	}
	e.ends = max(e.ends, ends)
	return e, e != before
}

// blocks reports whether no later lift has ended a block. Time may have.
func (e *entry) blocks() bool { return e.block > 0 && e.block >= e.lift }

// latest is the time of the latest revocation.
func (e *entry) latest() int64 { return max(e.cut, e.block) } // a lift is also a cut

// A table finds the entries that are about a token. Reading needs no lock, and writes
// nothing: a slot is filled once, and from then on its entry is replaced by changed
// copies. Writing needs the List's lock.
//
// A token is looked up once for each set of fields that any entry has. The hash of a
// combination is the sum of the hashes of its fields, so these are worked out once.
type table struct {
	seed maphash.Seed
	// Slot i is marks[i] and entries[i]. There are as many as a power of two, and at
	// most three quarters of them are full. The mark, a part of the hash, is 0 while the
	// slot is empty, and stored after the entry. Marks are apart because a token that is
	// not revoked needs no more, and they fit into a processor's cache.
	marks   []atomic.Uint32
	entries []atomic.Pointer[entry]
	used    int           // how many are full
	sets    atomic.Uint32 // has a bit for each set of fields that occurs
}

const fewestSlots = 16

// newTable makes an empty table with room for n entries.
func newTable(n int) *table {
	size := fewestSlots
	for size*3/4 < n {
		size *= 2
	}
	return &table{seed: maphash.MakeSeed(), marks: make([]atomic.Uint32, size), entries: make([]atomic.Pointer[entry], size)}
}

// hashes are those of the single fields; that of one that is not set is 0. A subject and
// a client of the same name have the same.
func (t *table) hashes(f *fields) (h [4]uint64) {
	for i, value := range f {
		if value != "" {
			h[i] = maphash.String(t.seed, value)
		}
	}
	return h
}

// find returns the entry of the fields of f that are in s, and its slot. Where there is
// none, it returns the slot where it belongs: a reader must not look at that, as it may
// just be filled.
func (t *table) find(f *fields, s set, hashes *[4]uint64) (e *entry, slot int, mark uint32) {
	var hash uint64
	for i, h := range hashes {
		if s&(1<<i) != 0 {
			hash += h
		}
	}
	mark = uint32(hash>>32) | 1 // never 0
	for slot = int(hash); ; slot++ {
		slot &= len(t.marks) - 1
		switch t.marks[slot].Load() {
		case 0:
			return nil, slot, mark
		case mark:
			if e = t.entries[slot].Load(); e.fields == f.only(s) {
				return e, slot, mark
			}
		}
	}
}

// get returns the entry of exactly these fields, or nil.
func (t *table) get(f fields) *entry {
	hashes := t.hashes(&f)
	e, _, _ := t.find(&f, f.set(), &hashes)
	return e
}

// match reports whether an entry that is about a token with these fields ends it.
func (t *table) match(token fields, ends func(*entry) bool) bool {
	occurring := t.sets.Load()
	if occurring == 0 {
		return false
	}
	hashes := t.hashes(&token)
	for ; occurring != 0; occurring &= occurring - 1 {
		s := set(bits.TrailingZeros32(occurring))
		if e, _, _ := t.find(&token, s, &hashes); e != nil && ends(e) {
			return true
		}
	}
	return false
}

// put adds an entry, or replaces that of the same fields. There must be room: see full.
func (t *table) put(e *entry) {
	s, hashes := e.fields.set(), t.hashes(&e.fields)
	old, slot, mark := t.find(&e.fields, s, &hashes)
	t.entries[slot].Store(e)
	if old == nil {
		t.marks[slot].Store(mark)
		t.used++
		t.sets.Store(t.sets.Load() | 1<<s)
	}
}

// full reports whether there is no room for another entry.
func (t *table) full() bool { return t.used >= len(t.marks)*3/4 }

// copy makes a table of the entries that end after now, with room for one more.
func (t *table) copy(now int64) *table {
	live := 0
	for e := range t.all {
		if e.ends > now {
			live++
		}
	}
	next := newTable(live + 1)
	for e := range t.all {
		if e.ends > now {
			next.put(e)
		}
	}
	return next
}

// all calls yield for each entry, until it returns false.
func (t *table) all(yield func(*entry) bool) {
	for i := range t.entries {
		if e := t.entries[i].Load(); e != nil && !yield(e) {
			return
		}
	}
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
