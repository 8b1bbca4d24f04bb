package revocation_test

import (
	"fmt"
	"math"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

// Every set of fields ends the tokens with which all of them agree, and no others.
func TestFields(t *testing.T) {
	w := newWorld(t)
	token := w.claims(t, alice, id("t1"))
	all := revocation.Revocation{Subject: "alice", ClientID: "web", OrganizationID: "acme", TokenID: "t1"}
	for set := 1; set < 16; set++ {
		var r, wrong revocation.Revocation
		var wrongs []revocation.Revocation
		fields := func(r *revocation.Revocation) []*string {
			return []*string{&r.Subject, &r.ClientID, &r.OrganizationID, &r.TokenID}
		}
		for i := range 4 {
			if set>>i&1 != 0 {
				*fields(&r)[i] = *fields(&all)[i]
			}
		}
		for i := range 4 {
			if set>>i&1 != 0 {
				wrong = r
				*fields(&wrong)[i] += "x"
				wrongs = append(wrongs, wrong)
			}
		}
		t.Run(fmt.Sprintf("%+v", r), func(t *testing.T) {
			list := w.list(t)
			revoke(t, list, wrongs...)
			letIn(t, list, token)
			revoke(t, list, r)
			refused(t, list, token)
			require.Equal(t, 1+len(wrongs), list.Stats().Entries)
			require.EqualValues(t, 1, list.Stats().Revoked)
		})
	}
}

func TestWhoIsMeant(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name  string
		r     revocation.Revocation
		token logtotest.Token
		edits []func(*logtotest.Draft)
		ends  bool
	}{
		{"the actor", revocation.Revocation{Subject: "bob"}, alice, []func(*logtotest.Draft){actor("bob")}, true},
		{"the subject of an actor's token", revocation.Revocation{Subject: "alice"}, alice, []func(*logtotest.Draft){actor("bob")}, true},
		{"another actor", revocation.Revocation{Subject: "bob"}, alice, []func(*logtotest.Draft){actor("carol")}, false},
		{"the actor, in the organization", revocation.Revocation{Subject: "bob", OrganizationID: "acme"}, alice, []func(*logtotest.Draft){actor("bob")}, true},
		{"the actor, in another organization", revocation.Revocation{Subject: "bob", OrganizationID: "other"}, alice, []func(*logtotest.Draft){actor("bob")}, false},
		{"a client named like the subject", revocation.Revocation{ClientID: "alice"}, alice, nil, false},
		{"a subject named like the client", revocation.Revocation{Subject: "web"}, alice, nil, false},
		{"subject and client in each other's place", revocation.Revocation{Subject: "web", ClientID: "alice"}, alice, nil, false},
		{"an actor named like the client", revocation.Revocation{ClientID: "bob"}, alice, []func(*logtotest.Draft){actor("bob")}, false},
		{"a machine by its client", revocation.Revocation{ClientID: "m"}, logtotest.Token{ClientID: "m"}, nil, true},
		{"a machine by its subject", revocation.Revocation{Subject: "m"}, logtotest.Token{ClientID: "m"}, nil, true},
		{"a machine by both", revocation.Revocation{Subject: "m", ClientID: "m"}, logtotest.Token{ClientID: "m"}, nil, true},
		{"a plain token, in an organization", revocation.Revocation{Subject: "alice", OrganizationID: "acme"}, logtotest.Token{Subject: "alice", ClientID: "web"}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, token := w.list(t), w.claims(t, tt.token, tt.edits...)
			letIn(t, list, token)
			revoke(t, list, tt.r)
			if tt.ends {
				refused(t, list, token)
			} else {
				letIn(t, list, token)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	// Of one subject; the times are seconds after the world's.
	type step struct {
		kind revocation.Kind
		at   float64
	}
	const cut, block, lift = revocation.Cut, revocation.Block, revocation.Lift
	tests := []struct {
		name  string
		steps []step
		in    []int // tokens issued then are let in
		out   []int // and these are not
	}{
		{"a cut ends its own second too", []step{{cut, -10.5}}, []int{-10, -9, 0, 20}, []int{-11, -12, -60}},
		{"a cut at the start of a second", []step{{cut, -10}}, []int{-9, 0}, []int{-10, -11}},
		{"a cut at the end of a second", []step{{cut, -10 + .999}}, []int{-9, 0}, []int{-10, -11}},
		{"the later cut counts", []step{{cut, -10}, {cut, -20}}, []int{-9}, []int{-10, -15, -20}},
		{"a cut ahead", []step{{cut, 30}}, []int{31}, []int{-5, 0, 30}},
		{"a block ends all tokens", []step{{block, -10}}, nil, []int{-20, -10, -9, 0, 50}},
		{"a lift ends a block, and is a cut", []step{{block, -20}, {lift, -10}}, []int{-9, 0}, []int{-30, -20, -15, -10}},
		{"an earlier lift does not", []step{{lift, -20}, {block, -10}}, nil, []int{-30, -10, 0}},
		{"nor does one at the same time", []step{{block, -10}, {lift, -10}}, nil, []int{-30, 0}},
		{"one a millisecond later does", []step{{block, -10}, {lift, -9.999}}, []int{-9}, []int{-10}},
		{"a cut does not end a block", []step{{block, -20}, {cut, -10}}, nil, []int{-30, -9, 0}},
		{"a lift alone is a cut", []step{{lift, -10}}, []int{-9}, []int{-10, -11}},
		{"blocked again", []step{{block, -30}, {lift, -20}, {block, -10}}, nil, []int{-40, 0}},
		{"a lift does not shorten a cut", []step{{cut, -10}, {lift, -20}}, []int{-9}, []int{-10, -15}},
	}
	w := newWorld(t)
	for _, tt := range tests {
		for _, reverse := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/reverse=%v", tt.name, reverse), func(t *testing.T) {
				list := w.list(t)
				for i := range tt.steps {
					s := tt.steps[i]
					if reverse {
						s = tt.steps[len(tt.steps)-1-i]
					}
					revoke(t, list, revocation.Revocation{Subject: "alice", Kind: s.kind, At: guardtest.Now.Add(time.Duration(s.at * float64(time.Second)))})
				}
				for _, at := range tt.in {
					assert.NoError(t, list.Check(t.Context(), w.claims(t, alice, issued(guardtest.Now.Add(time.Duration(at)*time.Second)))), at)
				}
				for _, at := range tt.out {
					assert.ErrorIs(t, list.Check(t.Context(), w.claims(t, alice, issued(guardtest.Now.Add(time.Duration(at)*time.Second)))), revocation.ErrRevoked, at)
				}
				require.Equal(t, 1, list.Stats().Entries)
			})
		}
	}
}

// A token's own revocation does not ask when it was issued.
func TestTokenID(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []revocation.Kind{revocation.Cut, revocation.Block, revocation.Lift} {
		list := w.list(t)
		revoke(t, list, revocation.Revocation{TokenID: "t1", Kind: kind, At: guardtest.Now.Add(-time.Minute)})
		refused(t, list, w.claims(t, alice, id("t1")))
		letIn(t, list, w.claims(t, alice, id("t2")))
	}
}

// Fractions of a second in iat don't make a token older than it is.
func TestFractionOfIssue(t *testing.T) {
	w := newWorld(t)
	list := w.list(t)
	revoke(t, list, revocation.Revocation{Subject: "alice", At: guardtest.Now.Add(100 * time.Millisecond)})
	at := float64(guardtest.Now.Unix())
	refused(t, list, w.claims(t, alice, guardtest.Claim("iat", at+.9)))
	letIn(t, list, w.claims(t, alice, guardtest.Claim("iat", at+1)))
}

func TestDefaultOfAt(t *testing.T) {
	w := newWorld(t)
	list := w.list(t)
	old := w.claims(t, alice)
	ahead := w.claims(t, alice, issued(guardtest.Now.Add(20*time.Second)))
	letIn(t, list, ahead)
	letIn(t, list, old) // a lower iat does not set it back
	revoke(t, list, revocation.Revocation{Subject: "alice"})
	refused(t, list, ahead)
	refused(t, list, old)
	letIn(t, list, w.claims(t, alice, issued(guardtest.Now.Add(21*time.Second))))

	// What is done one after the other has an order, however short the time between.
	for i := range 3 {
		bob := w.claims(t, logtotest.Token{Subject: "bob", ClientID: "web"}, issued(guardtest.Now.Add(time.Duration(50+i)*time.Second)))
		revoke(t, list, revocation.Revocation{Subject: "bob", Kind: revocation.Block})
		refused(t, list, bob)
		revoke(t, list, revocation.Revocation{Subject: "bob", Kind: revocation.Lift})
		letIn(t, list, bob)
	}
}

func TestRevokeFaults(t *testing.T) {
	w := newWorld(t)
	list := w.list(t)
	err := list.Revoke(t.Context(),
		revocation.Revocation{Subject: "alice"},
		revocation.Revocation{Reason: "none"},
		revocation.Revocation{Subject: "alice", Kind: 3},
		revocation.Revocation{Subject: "alice", At: guardtest.Now.Add(time.Minute + time.Millisecond)},
		revocation.Revocation{Subject: "alice", At: time.Unix(-1, 0)},
		revocation.Revocation{Subject: "alice", At: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)},
		revocation.Revocation{Subject: "alice", Expires: guardtest.Now},
	)
	require.EqualError(t, err, `revocation: revocation 1: none of Subject, ClientID, OrganizationID and TokenID is set
revocation 2: its Kind is none of Cut, Block and Lift
revocation 3: its At is more than 1m0s ahead
revocation 4: its At is before 1970 or after 9999
revocation 5: its At is before 1970 or after 9999
revocation 6: it has Expires, but no TokenID: only one token's end can be known`)
	require.Zero(t, list.Stats().Entries, "one fault, and none is taken")

	revoke(t, list, revocation.Revocation{Subject: "alice", At: guardtest.Now.Add(time.Minute)})
	revoke(t, list)
	require.Equal(t, 1, list.Stats().Entries)
}

// What a guard answers, and what finds out why.
func TestAnswers(t *testing.T) {
	w := newWorld(t)
	list := w.list(t, func(cfg *revocation.Config) { cfg.MaxTokenLifetime = time.Hour })
	guard := guardtest.NewGuard(t, w.logto, w.clock, func(cfg *logtoguard.Config) { cfg.Check = list.Check })
	token := w.logto.Mint(alice)
	guardtest.Admitted(t, guard, token)
	revoke(t, list, revocation.Revocation{Subject: "alice"})

	answer := guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+token)
	require.Equal(t, 401, answer.Code)
	require.Equal(t, `Bearer error="invalid_token", error_description="the token was revoked"`, answer.Header().Get("WWW-Authenticate"))
	e := guardtest.Refuse(t, guard, token, revocation.ErrRevoked)
	require.Equal(t, "revoked", e.Reason)
	require.ErrorIs(t, e, logtoguard.ErrRefusedByCheck)

	long := w.logto.Mint(logtotest.Token{Lifetime: time.Hour + time.Second})
	answer = guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+long)
	require.Equal(t, 401, answer.Code)
	require.Equal(t, `Bearer error="invalid_token", error_description="the token lives longer than is accepted here"`, answer.Header().Get("WWW-Authenticate"))
	e = guardtest.Refuse(t, guard, long, logtoguard.ErrRefusedByCheck)
	require.Equal(t, "lifetime", e.Reason)
	require.NotErrorIs(t, e, revocation.ErrRevoked)
	require.Equal(t, map[string]uint64{"revoked": 2, "lifetime": 2}, guard.Stats().Refused)
	guardtest.Admitted(t, guard, w.logto.Mint(logtotest.Token{Lifetime: time.Hour}))

	var refusal *logtoguard.Error
	require.ErrorAs(t, list.Check(t.Context(), nil), &refusal)
	require.Equal(t, http.StatusUnauthorized, refusal.Status, "no claims are no permission")
}

// The guard remembers accepted signatures before it asks Check.
func TestRevokedTokensCostOneSignature(t *testing.T) {
	w := newWorld(t)
	list := w.list(t)
	guard := guardtest.NewGuard(t, w.logto, w.clock, func(cfg *logtoguard.Config) { cfg.Check = list.Check })
	revoke(t, list, revocation.Revocation{Subject: "alice"})
	token := w.logto.Mint(alice)
	crowd := func() {
		for _, err := range guardtest.Crowd(t.Context(), guard, 200, func(int) string { return token }) {
			require.ErrorIs(t, err, revocation.ErrRevoked)
		}
	}
	crowd()
	first := guard.Stats().Verifications
	require.LessOrEqual(t, first, uint64(runtime.GOMAXPROCS(0)), "once for each processor at the most")
	crowd()
	require.Equal(t, first, guard.Stats().Verifications)

	guardtest.Refuse(t, guard, w.logto.Mint(alice), revocation.ErrRevoked)
	require.Equal(t, first+1, guard.Stats().Verifications)
}

// Entries go when no token is left that they could end, and not before.
func TestEntriesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := newList(t, func(cfg *revocation.Config) { cfg.MaxTokenLifetime = time.Hour })
		now := time.Now()
		for r, end := range map[revocation.Revocation]time.Duration{
			{Subject: "a"}: 65 * time.Minute,
			{Subject: "b", Kind: revocation.Block, At: now.Add(-time.Minute)}: 64 * time.Minute,
			{Subject: "c", Kind: revocation.Lift, At: now.Add(time.Minute)}:   66 * time.Minute,
			{TokenID: "d", Expires: now.Add(time.Minute)}:                     6 * time.Minute,
			{TokenID: "e", Expires: now.Add(24 * time.Hour)}:                  65 * time.Minute, // such a token is refused anyway
			{TokenID: "f"}: 65 * time.Minute,
		} {
			begin := time.Now()
			before := list.Stats().Entries
			if !r.At.IsZero() {
				r.At = r.At.Add(begin.Sub(now))
			}
			if !r.Expires.IsZero() {
				r.Expires = r.Expires.Add(begin.Sub(now))
			}
			revoke(t, list, r)
			require.Equal(t, before+1, list.Stats().Entries)
			time.Sleep(end - time.Millisecond)
			synctest.Wait()
			require.Equal(t, before+1, list.Stats().Entries, "%+v", r)
			time.Sleep(time.Minute + time.Millisecond)
			synctest.Wait()
			require.Equal(t, before, list.Stats().Entries, "%+v", r)
		}
		// One that comes too late has no effect.
		revoke(t, list, revocation.Revocation{Subject: "a", At: time.Now().Add(-65 * time.Minute)})
		require.Zero(t, list.Stats().Entries)
		revoke(t, list, revocation.Revocation{Subject: "a", At: time.Now().Add(-65*time.Minute + time.Millisecond)})
		require.Equal(t, 1, list.Stats().Entries)
	})
}

// What a token's own revocation does ends with its time, even if the entry is still there.
func TestTokenIDEnds(t *testing.T) {
	w := newWorld(t)
	list := w.list(t, func(cfg *revocation.Config) { cfg.MaxTokenLifetime = time.Hour })
	revoke(t, list, revocation.Revocation{TokenID: "t1"})
	w.clock.Advance(65*time.Minute - time.Millisecond)
	token := w.claims(t, alice, id("t1"))
	refused(t, list, token)
	w.clock.Advance(time.Millisecond)
	letIn(t, list, token)
}

// A block ends with its own time, even if the entry is kept for a later cut.
func TestBlockEndsWithItsOwnTime(t *testing.T) {
	w := newWorld(t)
	list := w.list(t, func(cfg *revocation.Config) { cfg.MaxTokenLifetime = time.Hour })
	revoke(t, list, revocation.Revocation{Subject: "alice", Kind: revocation.Block})
	w.clock.Advance(time.Hour)
	revoke(t, list, revocation.Revocation{Subject: "alice"})
	w.clock.Advance(5*time.Minute - time.Millisecond)
	token := w.claims(t, alice)
	refused(t, list, token)
	w.clock.Advance(time.Millisecond)
	letIn(t, list, token)
}

// Readers hold no lock, while the table grows, changes, and is swept.
func TestAllAtOnce(t *testing.T) {
	w := newWorld(t)
	list := w.list(t)
	innocent := w.claims(t, logtotest.Token{Subject: "innocent", ClientID: "other", OrganizationID: "acme"})
	const n = 40
	var tokens [n]*logtoguard.Claims
	for i := range tokens {
		tokens[i] = w.claims(t, logtotest.Token{Subject: fmt.Sprint("user", i), ClientID: "web", OrganizationID: "acme"})
	}
	var done [n]atomic.Bool
	var over atomic.Bool
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !over.Load() {
				assert.NoError(t, list.Check(t.Context(), innocent))
				for i := range tokens {
					if done[i].Load() {
						assert.Error(t, list.Check(t.Context(), tokens[i]))
					}
				}
			}
		})
	}
	for i := range tokens {
		writers.Go(func() {
			for j := range 100 {
				assert.NoError(t, list.Revoke(t.Context(), revocation.Revocation{Subject: fmt.Sprint("user", i), ClientID: fmt.Sprint("client", j)}))
			}
			assert.NoError(t, list.Revoke(t.Context(), revocation.Revocation{Subject: fmt.Sprint("user", i), OrganizationID: "acme"}))
			done[i].Store(true)
		})
	}
	writers.Wait()
	over.Store(true)
	readers.Wait()
	require.Equal(t, n*101, list.Stats().Entries)
	for _, token := range tokens {
		refused(t, list, token)
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	list := w.list(t)
	revoke(t, list, revocation.Revocation{Subject: "bob", Kind: revocation.Block}, revocation.Revocation{ClientID: "x"}, revocation.Revocation{Subject: "alice", OrganizationID: "x"}, revocation.Revocation{TokenID: "x"})
	revoke(t, list, revocation.Revocation{Subject: "alice", Kind: revocation.Block})
	revoke(t, list, revocation.Revocation{Subject: "alice", Kind: revocation.Lift})
	w.clock.Advance(2 * time.Second)
	token := w.claims(t, alice, actor("carol"))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = list.Check(t.Context(), token) }))
	letIn(t, list, token)
}

// A token that nothing is about is never refused, not even while the slot where an
// entry about it would be is being filled by another; and one that is just being
// revoked is either let in or refused.
func TestWhileTheTableFills(t *testing.T) {
	w := newWorld(t)
	innocent := w.claims(t, alice, id("t1"))
	var victims [40]*logtoguard.Claims
	for i := range victims {
		victims[i] = w.claims(t, logtotest.Token{Subject: fmt.Sprint("user", i), ClientID: "web"})
	}
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; {
		list := w.list(t)
		var over atomic.Bool
		var reader sync.WaitGroup
		var next atomic.Int64
		reader.Go(func() {
			for !over.Load() {
				assert.NoError(t, list.Check(t.Context(), innocent))
				for n := next.Load(); n == next.Load() && list.Check(t.Context(), victims[n]) == nil; {
				}
			}
		})
		for i := range 40 {
			next.Store(int64(i))
			revoke(t, list, revocation.Revocation{Subject: fmt.Sprint("user", i)}, revocation.Revocation{ClientID: fmt.Sprint("client", i)},
				revocation.Revocation{OrganizationID: fmt.Sprint("org", i)}, revocation.Revocation{TokenID: fmt.Sprint("token", i)})
		}
		over.Store(true)
		reader.Wait()
		require.NoError(t, list.Close())
	}
}

// Some write "without limit" like this.
func TestLongestMaxTokenLifetime(t *testing.T) {
	w := newWorld(t)
	list := w.list(t, func(cfg *revocation.Config) { cfg.MaxTokenLifetime = math.MaxInt64 })
	token := w.claims(t, alice)
	revoke(t, list, revocation.Revocation{Subject: "alice"})
	refused(t, list, token)
}
