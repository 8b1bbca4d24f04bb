package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

// inBubble runs a test in a bubble, with a guard's claims.
func inBubble(t *testing.T, test func(t *testing.T, claims func(logtotest.Token) *logtoguard.Claims)) {
	t.Helper()
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		test(t, func(token logtotest.Token) *logtoguard.Claims {
			claims, err := guard.Verify(t.Context(), s.Logto.Mint(token))
			require.NoError(t, err)
			return claims
		})
	})
}

// unavailable fails the test unless Check answers 503.
func unavailable(t *testing.T, list *revocation.List, claims *logtoguard.Claims) {
	t.Helper()
	var e *logtoguard.Error
	require.ErrorAs(t, list.Check(t.Context(), claims), &e)
	require.Equal(t, 503, e.Status)
	require.Equal(t, "revocation", e.Reason)
	require.Equal(t, "temporarily_unavailable", e.Code)
	require.Positive(t, e.RetryAfter)
	require.ErrorIs(t, notReady(t, list), context.DeadlineExceeded)
}

func notReady(t *testing.T, list *revocation.List) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	return list.Ready(ctx)
}

// What one replica takes reaches the others; one that starts later knows it before
// it lets anything in.
func TestReplicas(t *testing.T) {
	inBubble(t, func(t *testing.T, claims func(logtotest.Token) *logtoguard.Claims) {
		log, token := &record{}, claims(alice)
		a, b := newList(t, logged(log)), newList(t, logged(log))
		synctest.Wait()
		letIn(t, a, token)
		letIn(t, b, token)
		revoke(t, a, revocation.Revocation{Subject: "alice", Reason: "lost phone"})
		synctest.Wait()
		refused(t, a, token)
		refused(t, b, token)
		require.Equal(t, []revocation.Revocation{{Subject: "alice", At: time.Now().UTC(), Reason: "lost phone"}}, log.all(), "nothing is appended twice")

		c := newList(t, logged(log))
		require.Error(t, c.Check(t.Context(), token))
		require.NoError(t, c.Ready(t.Context()))
		refused(t, c, token)
		require.Equal(t, time.Now().UTC(), c.Stats().LastCaughtUp)
	})
}

func TestNothingIsLetInBeforeTheLogWasRead(t *testing.T) {
	inBubble(t, func(t *testing.T, claims func(logtotest.Token) *logtoguard.Claims) {
		log, token := &record{err: errDown}, claims(alice)
		patient := newList(t, logged(log), func(cfg *revocation.Config) { cfg.MaxStaleness = -1 })
		list := newList(t, logged(log))
		synctest.Wait()
		unavailable(t, list, token)
		unavailable(t, patient, token)
		require.ErrorIs(t, notReady(t, list), errDown)
		require.Zero(t, list.Stats().LastCaughtUp)
		log.fail(nil)
		require.NoError(t, list.Ready(t.Context()))
		require.NoError(t, patient.Ready(t.Context()))
		letIn(t, list, token)
		letIn(t, patient, token)
	})
}

func TestStaleness(t *testing.T) {
	inBubble(t, func(t *testing.T, claims func(logtotest.Token) *logtoguard.Claims) {
		var journal guardtest.Journal
		log := &record{}
		list := newList(t, logged(log), journaled(&journal))
		patient := newList(t, logged(log), func(cfg *revocation.Config) { cfg.MaxStaleness = -1 })
		short := newList(t, logged(log), func(cfg *revocation.Config) { cfg.MaxStaleness = 10 * time.Second })
		time.Sleep(time.Hour) // a record that has nothing to say is not stale
		synctest.Wait()
		token := claims(alice)
		for _, l := range []*revocation.List{list, patient, short} {
			letIn(t, l, token)
		}
		log.fail(errDown)
		synctest.Wait()
		time.Sleep(10 * time.Second)
		letIn(t, short, token)
		time.Sleep(time.Millisecond)
		unavailable(t, short, token)
		time.Sleep(5*time.Minute - 10*time.Second - 2*time.Millisecond) // notReady takes 1 ms
		letIn(t, list, token)
		time.Sleep(time.Millisecond)
		unavailable(t, list, token)
		time.Sleep(24 * time.Hour)
		letIn(t, patient, token)
		require.Len(t, journal.With("level=WARN"), 1)
		require.Len(t, journal.With("level=WARN", "following the log failed", `the log is down`), 1)

		log.change(func() {
			log.err = nil
			log.entries = append(log.entries, revocation.Revocation{Subject: "alice", At: time.Now()})
		})
		begin := time.Now()
		require.NoError(t, list.Ready(t.Context()))
		require.LessOrEqual(t, time.Since(begin), 3*time.Second)
		refused(t, list, token)
		synctest.Wait()
		require.Len(t, journal.With("level=WARN"), 2)
		require.Len(t, journal.With("level=WARN", "following the log works again"), 1)
	})
}

// A log that fails is followed again, from where it was, less and less often.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &record{}
		list := newList(t, logged(log))
		revoke(t, list, revocation.Revocation{Subject: "alice"}, revocation.Revocation{Subject: "bob"})
		synctest.Wait()
		log.fail(errDown)
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, follow := range log.followed()[1:] {
			require.Equal(t, "2", follow.cursor)
			if i == 0 {
				continue
			}
			gap, most := follow.at.Sub(log.followed()[i].at), min(100*time.Millisecond<<i, 3*time.Second)
			require.True(t, most/2 <= gap && gap <= most, "%d: %v, at most %v", i, gap, most)
		}
		require.Greater(t, len(log.followed()), 20)

		// Once it has worked, the next pause is short again.
		log.fail(nil)
		require.NoError(t, list.Ready(t.Context()))
		time.Sleep(10 * time.Second)
		before := len(log.followed())
		log.fail(errDown)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.Greater(t, len(log.followed()), before)
	})
}

// A Follow that returns without an error has failed all the same.
func TestFollowReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := newList(t, logged(returning{&record{}}))
		time.Sleep(time.Minute)
		require.ErrorContains(t, notReady(t, list), "it stopped without an error")
	})
}

type returning struct{ *record }

func (returning) Follow(context.Context, string, func(revocation.Revocation, string), func()) error {
	return nil
}

func TestEntriesThatCanNotBeRead(t *testing.T) {
	inBubble(t, func(t *testing.T, claims func(logtotest.Token) *logtoguard.Claims) {
		var journal guardtest.Journal
		now, token := time.Now(), claims(alice)
		log := &record{entries: []revocation.Revocation{
			{},
			{Subject: "alice"}, // when?
			{Subject: "alice", Kind: 17, At: now},
			{Reason: "nothing", At: now},
			{Subject: "alice", At: time.Unix(-1, 0)},
			{Subject: "alice", At: time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC)},
		}}
		list := newList(t, logged(log), journaled(&journal))
		require.NoError(t, list.Ready(t.Context()))
		letIn(t, list, token)
		require.EqualValues(t, 6, list.Stats().Skipped)
		require.Zero(t, list.Stats().Entries)
		require.Len(t, journal.With("level=ERROR", "can't be read"), 1)
		time.Sleep(time.Minute)
		log.change(func() {
			log.entries = append(log.entries, revocation.Revocation{}, revocation.Revocation{Subject: "alice", At: now})
		})
		synctest.Wait()
		refused(t, list, token)
		require.EqualValues(t, 7, list.Stats().Skipped)
		require.Len(t, journal.With("level=ERROR", "can't be read"), 2)
	})
}

// A record that has lost entries gets them back from any replica that knows them, and
// what came in the meantime reaches the replica.
func TestLostLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, now := &record{}, time.Now().UTC()
		list := newList(t, logged(log))
		lost := []revocation.Revocation{
			{Subject: "cut", At: now},
			{Subject: "blocked", OrganizationID: "acme", Kind: revocation.Block, At: now},
			{ClientID: "lifted", Kind: revocation.Block, At: now},
			{ClientID: "lifted", Kind: revocation.Lift, At: now.Add(time.Second)},
			{TokenID: "t", At: now, Expires: now.Add(time.Hour)},
		}
		kept := revocation.Revocation{Subject: "kept", At: now}
		revoke(t, list, append(lost, kept)...)
		synctest.Wait()
		require.Len(t, log.all(), 6)

		fresh := revocation.Revocation{Subject: "fresh", At: now}
		log.change(func() {
			log.entries = []revocation.Revocation{kept, fresh}
			log.err = errDown
		})
		time.Sleep(10 * time.Second)
		log.change(func() { log.err, log.lost = nil, true })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"6", ""}, []string{log.followed()[len(log.followed())-2].cursor, log.followed()[len(log.followed())-1].cursor})
		lost[2] = lost[3] // a lift says all that is left of the block
		var want []revocation.Revocation
		for _, r := range append(lost[:3:3], lost[4]) {
			r.Reason = "restored"
			want = append(want, r)
		}
		require.ElementsMatch(t, append(want, kept, fresh), log.all())
		require.Equal(t, 6, list.Stats().Entries)
		require.Zero(t, list.Stats().Unsaved)

		// Another replica learns the same from it.
		other := newList(t, logged(log))
		require.NoError(t, other.Ready(t.Context()))
		require.Equal(t, 6, other.Stats().Entries)
		time.Sleep(time.Minute)
		require.Len(t, log.all(), 6, "nothing is appended twice")
	})
}

func TestGoroutinesEnd(t *testing.T) {
	guardtest.NoLeaks(t)
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			list := newList(t, logged(&record{err: []error{nil, errDown, errors.New("other")}[i]}))
			require.NoError(t, list.Close())
			require.Error(t, list.Revoke(t.Context(), revocation.Revocation{Subject: "alice"}))
			require.Zero(t, list.Stats().Entries)
		})
	}
}

// A clock that is set back must not make an outage look like no time.
func TestStalenessWhenTheClockIsSetBack(t *testing.T) {
	inBubble(t, func(t *testing.T, claims func(logtotest.Token) *logtoguard.Claims) {
		var off atomic.Int64
		token := claims(alice)
		log := &record{}
		list := newList(t, logged(log), func(cfg *revocation.Config) {
			cfg.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		})
		require.NoError(t, list.Ready(t.Context()))
		log.fail(errDown)
		synctest.Wait()
		off.Store(int64(-time.Hour))
		pass(20 * time.Minute)
		unavailable(t, list, token)
	})
}

type flapping struct {
	record
	n int
}

func (f *flapping) Follow(_ context.Context, _ string, _ func(revocation.Revocation, string), caughtUp func()) error {
	f.n++
	caughtUp()
	return errDown
}

// A Log that catches up and fails at once is followed with back-off, and not in a flood of lines.
func TestFlappingLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var journal guardtest.Journal
		log := &flapping{}
		list := newList(t, logged(log), journaled(&journal))
		pass(time.Minute)
		require.NoError(t, list.Close())
		require.Less(t, log.n, 60)
		require.LessOrEqual(t, len(journal.With("level=WARN")), 2*log.n)
	})
}
