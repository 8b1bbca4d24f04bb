package revocation_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

// In force at once, whatever becomes of the log; and stored once that works again.
func TestRevokeDuringAnOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, claims func(logtotest.Token) *logtoguard.Claims) {
		var journal guardtest.Journal
		log, token := &record{}, claims(alice)
		list := newList(t, logged(log), journaled(&journal))
		require.NoError(t, list.Ready(t.Context()))
		log.fail(errDown)
		err := list.Revoke(t.Context(), revocation.Revocation{Subject: "alice", Reason: "first"})
		require.ErrorIs(t, err, errDown)
		require.ErrorContains(t, err, "in force here, and not in the log yet")
		refused(t, list, token)

		// What comes meanwhile merges: the outage's length costs no memory.
		for range 100 {
			time.Sleep(10 * time.Second)
			require.ErrorIs(t, list.Revoke(t.Context(), revocation.Revocation{Subject: "alice", Reason: "last"}), errDown)
		}
		last := time.Now().UTC()
		for _, old := range []time.Duration{time.Minute, time.Hour} { // an older one adds nothing, but has to wait
			require.Error(t, list.Revoke(t.Context(), revocation.Revocation{Subject: "alice", At: time.Now().Add(-old)}))
		}
		require.Equal(t, 1, list.Stats().Unsaved)
		require.Len(t, journal.With("level=WARN", "appending to the log failed", "the log is down"), 1)
		log.fail(nil)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Len(t, log.all(), 1)
		require.Equal(t, "last", log.all()[0].Reason)
		require.WithinDuration(t, last, log.all()[0].At, 10*time.Second)
		require.Zero(t, list.Stats().Unsaved)
		require.Len(t, journal.With("level=WARN", "appending to the log works again"), 1)

		// What is stored already is not appended again.
		revoke(t, list, revocation.Revocation{Subject: "alice", At: log.all()[0].At})
		require.Len(t, log.all(), 1)
	})
}

// Cut, block and lift of the same fields are different things to store.
func TestKindsAreStoredApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, now := &record{err: errDown}, time.Now().UTC()
		list := newList(t, logged(log))
		want := []revocation.Revocation{
			{Subject: "a", At: now.Add(-time.Second)},
			{Subject: "a", Kind: revocation.Block, At: now.Add(-3 * time.Second)},
			{Subject: "a", Kind: revocation.Lift, At: now.Add(-2 * time.Second)},
			{TokenID: "t", At: now, Expires: now.Add(2 * time.Minute)},
		}
		require.Error(t, list.Revoke(t.Context(), want[1], want[2], want[0], want[3]))
		require.Error(t, list.Revoke(t.Context(), revocation.Revocation{TokenID: "t", At: now, Expires: now.Add(time.Minute)}))
		require.Error(t, list.Revoke(t.Context(), revocation.Revocation{TokenID: "t", At: now.Add(-time.Second), Expires: now.Add(3 * time.Minute)}))
		want[3].Expires = now.Add(3 * time.Minute)
		log.fail(nil)
		time.Sleep(10 * time.Second)
		require.ElementsMatch(t, want, log.all())
	})
}

func TestRevokeWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &record{deaf: true}
		list := newList(t, logged(log))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		require.ErrorIs(t, list.Revoke(ctx, revocation.Revocation{Subject: "alice"}), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))

		// An Append that hangs is given up after 5 s, and those who wait for the next
		// attempt have their answer after that.
		result := guardtest.Background(func() error { return list.Revoke(t.Context(), revocation.Revocation{Subject: "bob"}) })
		time.Sleep(3 * time.Second)
		log.change(func() { log.deaf = false })
		require.NoError(t, <-result)
		require.WithinDuration(t, begin.Add(5*time.Second), time.Now(), 200*time.Millisecond)
		require.Len(t, log.all(), 2)
	})
}

// A mass of revocations goes in batches, and one that follows does not wait for ever.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &record{}
		list := newList(t, logged(log))
		var mass []revocation.Revocation
		for i := range 2_500 {
			mass = append(mass, revocation.Revocation{Subject: fmt.Sprint(i)})
		}
		revoke(t, list, mass...)
		require.Equal(t, []int{1000, 1000, 500}, log.appended)
		synctest.Wait()
		require.Zero(t, list.Stats().Unsaved)
		require.Equal(t, 2_500, list.Stats().Entries)
	})
}

// What another replica has stored need not be stored again.
func TestEchoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, now := &record{err: errDown}, time.Now()
		list := newList(t, logged(appendFails{log}))
		r := revocation.Revocation{Subject: "alice", At: now}
		require.ErrorIs(t, list.Revoke(t.Context(), r), errDown)
		require.Equal(t, 1, list.Stats().Unsaved)
		older := r
		older.At = now.Add(-time.Millisecond)
		log.change(func() { log.err, log.entries = nil, []revocation.Revocation{older} })
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, list.Stats().Unsaved, "the log has an older one only")
		log.change(func() { log.entries = append(log.entries, r) })
		synctest.Wait()
		require.Zero(t, list.Stats().Unsaved)
		revoke(t, list, r)
	})
}

// What others store while a List is storing the same is left to them.
func TestEchoesWhileSaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &record{err: errDown}
		var mass []revocation.Revocation
		for i := range 2_500 {
			mass = append(mass, revocation.Revocation{Subject: fmt.Sprint(i), At: time.Now()})
		}
		list := newList(t, logged(&echoing{log, mass}))
		require.ErrorIs(t, list.Revoke(t.Context(), mass...), errDown)
		log.fail(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{1000}, log.appended)
		require.Zero(t, list.Stats().Unsaved)
	})
}

// After the first Append, an echoing record has the rest from another List as well.
type echoing struct {
	*record
	rest []revocation.Revocation
}

func (e *echoing) Append(ctx context.Context, revocations ...revocation.Revocation) error {
	err := e.record.Append(ctx, revocations...)
	if err == nil {
		e.change(func() { e.entries, e.rest = append(e.entries, e.rest...), nil })
		time.Sleep(time.Second) // the List reads it meanwhile
	}
	return err
}

type appendFails struct{ *record }

func (appendFails) Append(context.Context, ...revocation.Revocation) error { return errDown }

// An Append whose answer gets lost has stored the revocation, if it can be read.
func TestAnswersThatGetLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &record{}
		list := newList(t, logged(swallowing{log}))
		require.NoError(t, list.Ready(t.Context()))
		revoke(t, list, revocation.Revocation{Subject: "alice"})
		require.Len(t, log.all(), 1)
		require.Zero(t, list.Stats().Unsaved)
	})
}

type swallowing struct{ *record }

func (s swallowing) Append(ctx context.Context, revocations ...revocation.Revocation) error {
	_ = s.record.Append(ctx, revocations...)
	<-ctx.Done()
	return ctx.Err()
}

func TestCloseSavesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &record{err: errDown}
		list := newList(t, logged(log))
		require.Error(t, list.Revoke(t.Context(), revocation.Revocation{Subject: "alice"}, revocation.Revocation{Subject: "bob"}))
		result := guardtest.Background(list.Close)
		time.Sleep(4 * time.Second / 2)
		log.fail(nil)
		require.NoError(t, <-result)
		require.Len(t, log.all(), 2)
		require.Zero(t, list.Stats().Unsaved)
	})
}

// Close also saves what Log is known to have lost, though it has not been read again yet.
func TestCloseRestores(t *testing.T) {
	for _, err := range []error{nil, errDown} {
		synctest.Test(t, func(t *testing.T) {
			log := &record{}
			list := newList(t, logged(log))
			revoke(t, list, revocation.Revocation{Subject: "alice"}, revocation.Revocation{Subject: "bob"})
			synctest.Wait()
			require.Zero(t, list.Stats().Unsaved)
			log.change(func() { log.entries, log.lost, log.err = nil, true, err })
			synctest.Wait()
			require.Equal(t, 2, list.Stats().Unsaved)
			if err != nil {
				require.ErrorContains(t, list.Close(), "revocation: 2 revocations are not in the log, and lost: ")
				return
			}
			require.NoError(t, list.Close())
			require.Len(t, log.all(), 2)
		})
	}
}

func TestCloseNamesWhatIsLost(t *testing.T) {
	for _, log := range []*record{{err: errDown}, {deaf: true}} {
		synctest.Test(t, func(t *testing.T) {
			list := newList(t, logged(log))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.Error(t, list.Revoke(ctx, revocation.Revocation{Subject: "alice"}, revocation.Revocation{Subject: "bob"}))
			waiting := guardtest.Background(func() error { return list.Revoke(t.Context(), revocation.Revocation{Subject: "carol"}) })
			synctest.Wait()
			begin := time.Now()
			require.ErrorContains(t, list.Close(), "revocation: 3 revocations are not in the log, and lost: ")
			require.Equal(t, 5*time.Second, time.Since(begin))
			require.Error(t, <-waiting)
			require.NoError(t, list.Close())
		})
	}
}

// What is of no use any more is not kept for a log that never comes back.
func TestUnsavedEntriesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := newList(t, logged(&record{err: errDown}), func(cfg *revocation.Config) { cfg.MaxTokenLifetime = time.Hour })
		require.Error(t, list.Revoke(t.Context(), revocation.Revocation{Subject: "alice"}))
		time.Sleep(time.Hour)
		require.Equal(t, 1, list.Stats().Unsaved)
		time.Sleep(6 * time.Minute)
		require.Zero(t, list.Stats().Unsaved)
		require.NoError(t, list.Close())
	})
}

// What was stored takes no memory any more, besides the table's 200 bytes an entry.
func TestMemoryOfWhatIsStored(t *testing.T) {
	list := newList(t, logged(forgetful{}))
	require.NoError(t, list.Ready(t.Context()))
	live := func() (bytes int64) {
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	const entries = 20_000
	before := live()
	func() {
		all := make([]revocation.Revocation, entries)
		for i := range all {
			all[i].Subject = fmt.Sprintf("user%08d", i)
		}
		revoke(t, list, all...)
	}()
	require.Zero(t, list.Stats().Unsaved)
	require.Less(t, (live()-before)/entries, int64(200))
	require.Equal(t, entries, list.Stats().Entries)
}

// forgetful is a Log that keeps nothing.
type forgetful struct{}

func (forgetful) Append(context.Context, ...revocation.Revocation) error { return nil }

func (forgetful) Follow(ctx context.Context, _ string, _ func(revocation.Revocation, string), caughtUp func()) error {
	caughtUp()
	<-ctx.Done()
	return ctx.Err()
}
