package revocation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	saveTimeout = 5 * time.Second // of one Append, and of all that Close does
	batchSize   = 1000
)

// unsaved marks entries of the table that Log lacks, or may lack: the latest revocation
// of each kind. There is no queue, so what an outage takes doesn't grow with its length: it
// is at most a few times what the table takes.
type unsaved map[saveKey]Revocation

type saveKey struct {
	fields fields
	kind   Kind
}

func (u unsaved) add(r Revocation) {
	m := saveKey{r.fields(), r.Kind}
	old, there := u[m]
	if there && old.At.After(r.At) {
		r.At, r.Reason = old.At, old.Reason
	}
	switch {
	case there && (old.Expires.IsZero() || r.Expires.IsZero()):
		r.Expires = time.Time{}
	case there && old.Expires.After(r.Expires):
		r.Expires = old.Expires
	}
	u[m] = r
}

// remove takes away what r, which is in Log, says as well.
func (u unsaved) remove(r Revocation, l *List) {
	m := saveKey{r.fields(), r.Kind}
	if old, there := u[m]; there && l.endOf(old) <= l.endOf(r) { // the later of a kind, and of a token's ends
		delete(u, m)
	}
}

// holds reports whether a revocation of the same fields and kind as one of these is
// not in Log yet.
func (u unsaved) holds(revocations []Revocation) bool {
	return slices.ContainsFunc(revocations, func(r Revocation) bool {
		_, there := u[saveKey{r.fields(), r.Kind}]
		return there
	})
}

// A round is one attempt to store all that is unsaved when it starts. Those who revoke
// wait for the next one to start after that.
type round struct {
	done chan struct{}
	err  error // when done is closed
}

func newRound() *round { return &round{done: make(chan struct{})} }

func (l *List) wake() {
	select {
	case l.saves <- struct{}{}:
	default: // it is awake, or about to be
	}
}

// await waits until revocations are in Log, or an attempt to store them has failed.
func (l *List) await(ctx context.Context, r *round, revocations []Revocation) error {
	var err error
	select {
	case <-r.done:
		err = r.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || !l.unsaved.holds(revocations) {
		return nil
	}
	return fmt.Errorf("revocation: in force here, and not in the log yet: %w", err)
}

// save stores in Log what is not there yet, until the List is closed.
func (l *List) save() {
	var outage outage
	for {
		select {
		case <-l.saves:
		case <-l.ctx.Done():
			return
		}
		pause := backOff{longest: maxPause}
		for {
			err := l.saveAll(l.ctx)
			if l.ctx.Err() != nil {
				return
			}
			l.journal.turn(&outage, err, "appending to the log")
			if err == nil {
				break
			}
			if !pause.wait(l.ctx) {
				return
			}
		}
	}
}

// saveAll is one round.
func (l *List) saveAll(ctx context.Context) error {
	l.mu.Lock()
	this := l.next
	l.next = newRound()
	all := slices.Collect(maps.Keys(l.unsaved))
	l.mu.Unlock()
	defer close(this.done)
	for marks := range slices.Chunk(all, batchSize) {
		if this.err = l.append(ctx, l.still(marks)); this.err != nil {
			return this.err
		}
	}
	return nil
}

// still returns those of these that are unsaved now. After a loss all replicas restore
// the same, and meanwhile read from Log what the others have stored.
func (l *List) still(marks []saveKey) (batch []Revocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range marks {
		if r, there := l.unsaved[m]; there {
			batch = append(batch, r)
		}
	}
	return batch
}

func (l *List) append(ctx context.Context, batch []Revocation) error {
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	if err := l.cfg.Log.Append(ctx, batch...); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range batch {
		l.unsaved.remove(r, l)
	}
	if len(l.unsaved) == 0 {
		l.unsaved = make(unsaved) // a map keeps the memory of what was in it
	}
	return nil
}

// saveTheRest is what Close does, when nothing else runs any more.
func (l *List) saveTheRest() error {
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	pause := backOff{longest: maxPause}
	for {
		err := l.saveAll(ctx)
		if err == nil {
			return nil
		}
		if !pause.wait(ctx) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return fmt.Errorf("revocation: %d revocations are not in the log, and lost: %w", len(l.unsaved), err)
		}
	}
}

// suspect marks all that the table holds as what Log may have lost.
func (l *List) suspect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspects = make(unsaved)
	for e := range l.table.Load().all {
		for _, r := range e.revocations() {
			l.suspects.add(r)
		}
	}
}

// restore has what Log has lost appended again. All that it holds has been read.
func (l *List) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.suspects {
		l.unsaved.add(r)
	}
	if len(l.suspects) > 0 {
		l.suspects = nil
		l.wake()
	}
}

// revocations make the same entry of an empty one.
func (e *entry) revocations() (list []Revocation) {
	add := func(kind Kind, at int64) {
		r := Revocation{
			Subject: e.fields[subject], ClientID: e.fields[clientID], OrganizationID: e.fields[organizationID], TokenID: e.fields[tokenID],
			Kind: kind, At: fromMillis(at), Reason: "restored",
		}
		if r.TokenID != "" {
			r.Expires = fromMillis(e.ends).Add(-grace)
		}
		list = append(list, r)
	}
	if e.lift > 0 {
		add(Lift, e.lift)
	}
	if e.cut > e.lift {
		add(Cut, e.cut)
	}
	if e.blocks() {
		add(Block, e.block)
	}
	return list
}
