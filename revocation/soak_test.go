package revocation_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

var (
	soakTime = flag.Duration("soak", time.Second, "how long TestSoak takes")
	soakSeed = flag.Uint64("soak.seed", 0, "what random tests draw their numbers from; 0: a new one")
)

func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := cmp.Or(*soakSeed, rand.Uint64())
	t.Logf("-soak.seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// A model is what the documentation says of the list, in words of its own: it keeps
// every revocation, and asks all of them about each token.
type model struct {
	lifetime time.Duration
	taken    []revocation.Revocation
}

func about(r revocation.Revocation, c *logtoguard.Claims) bool {
	return (r.Subject == "" || r.Subject == c.Subject() || r.Subject == c.Actor()) &&
		(r.ClientID == "" || r.ClientID == c.ClientID()) &&
		(r.OrganizationID == "" || r.OrganizationID == c.OrganizationID()) &&
		(r.TokenID == "" || r.TokenID == c.ID())
}

func sameFields(a, b revocation.Revocation) bool {
	return a.Subject == b.Subject && a.ClientID == b.ClientID && a.OrganizationID == b.OrganizationID && a.TokenID == b.TokenID
}

func (m *model) revoked(c *logtoguard.Claims, now time.Time) bool {
	return slices.ContainsFunc(m.taken, func(r revocation.Revocation) bool {
		inForce := now.Before(r.At.Add(m.lifetime + 5*time.Minute))
		switch {
		case !about(r, c):
			return false
		case r.TokenID != "":
			return inForce
		case r.Kind == revocation.Block:
			lifted := slices.ContainsFunc(m.taken, func(l revocation.Revocation) bool {
				return l.Kind == revocation.Lift && sameFields(l, r) && l.At.After(r.At)
			})
			return !lifted && inForce
		}
		return c.IssuedAt().Before(r.At.Truncate(time.Second).Add(time.Second))
	})
}

// story says what has happened to a token.
func (m *model) story(c *logtoguard.Claims) string {
	text := fmt.Sprintf("%v, actor %q, id %q, issued %v", c, c.Actor(), c.ID(), c.IssuedAt())
	for _, r := range m.taken {
		if about(r, c) {
			text += fmt.Sprintf("\n%+v", r)
		}
	}
	return text
}

// some draws one of these.
func some[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// someRevocation draws from few fields, so that many are about the same, from the last of
// the tokens, and a time up to the newest.
func someRevocation(r *rand.Rand, tokens int, newest time.Time) revocation.Revocation {
	for {
		rev := revocation.Revocation{
			Subject:        some(r, "", "", "a", "b", "c"),
			ClientID:       some(r, "", "", "", "web", "a"),
			OrganizationID: some(r, "", "", "", "acme", "other"),
			Kind:           some(r, revocation.Cut, revocation.Block, revocation.Lift, revocation.Lift),
			At:             newest.Add(-time.Duration(r.Int64N(int64(some(r, 5*time.Second, 2*time.Hour))))).Truncate(some(r, time.Millisecond, time.Second)),
		}
		if r.IntN(20) == 0 {
			rev.TokenID = fmt.Sprint("t", tokens-r.IntN(40))
		}
		if rev.Subject+rev.ClientID+rev.OrganizationID+rev.TokenID != "" {
			return rev
		}
	}
}

func someToken(r *rand.Rand, number int) (logtotest.Token, []func(*logtotest.Draft)) {
	edits := []func(*logtotest.Draft){id(fmt.Sprint("t", number))}
	if r.IntN(3) == 0 {
		edits = append(edits, actor(some(r, "a", "b", "c")))
	}
	return logtotest.Token{
		Subject: some(r, "a", "b", "c", "d"), ClientID: some(r, "web", "web", "a"), OrganizationID: some(r, "", "acme", "other"),
	}, edits
}

// TestSoak revokes, blocks, lifts and signs in at random, and asks about all tokens.
func TestSoak(t *testing.T) {
	r := random(t)
	for begin := time.Now(); time.Since(begin) < *soakTime; {
		w := newWorld(t)
		m := &model{lifetime: time.Hour}
		list := w.list(t, func(cfg *revocation.Config) { cfg.MaxTokenLifetime = m.lifetime })
		tokens := make([]*logtoguard.Claims, 0, 60)
		minted := 0
		var newest time.Time // iat that was let in
		for range 300 {
			w.clock.Advance(time.Duration(r.Int64N(int64(some(r, 10*time.Millisecond, 3*time.Second, 3*time.Second, 10*time.Minute)))))
			now := w.clock.Now()
			if r.IntN(2) == 0 || len(tokens) == 0 {
				minted++
				token, edits := someToken(r, minted)
				c := w.claims(t, token, append(edits, issued(now.Add(time.Duration(r.IntN(40)-20)*time.Second)))...)
				if len(tokens) < cap(tokens) {
					tokens = append(tokens, c)
				} else {
					tokens[r.IntN(len(tokens))] = c
				}
			} else {
				rev := someRevocation(r, minted, now.Add(time.Minute))
				asked := rev
				if r.IntN(2) == 0 {
					asked.At = time.Time{}
					rev.At = now.Truncate(time.Millisecond)
					if newest.After(rev.At) {
						rev.At = newest
					}
					for _, other := range m.taken {
						if sameFields(other, rev) && !other.At.Before(rev.At) {
							rev.At = other.At.Add(time.Millisecond)
						}
					}
				}
				revoke(t, list, asked)
				m.taken = append(m.taken, rev)
			}
			for _, c := range tokens {
				if now.After(c.ExpiresAt().Add(5 * time.Minute)) {
					continue // no guard asks about it
				}
				want := m.revoked(c, now)
				require.Equal(t, want, errors.Is(list.Check(t.Context(), c), revocation.ErrRevoked), "at %v: %s", now, m.story(c))
				if !want && c.IssuedAt().After(newest) {
					newest = c.IssuedAt()
				}
			}
		}
	}
}

// Replicas that get the same revocations in another order, some of them several times,
// by different ways, come to the same verdicts.
func TestOrderDoesNotMatter(t *testing.T) {
	r := random(t)
	synctest.Test(t, func(t *testing.T) {
		s := guardtest.NewScene(t, "127.0.0.1:3001")
		guard := s.ReadyGuard(t)
		var tokens []*logtoguard.Claims
		for i := range 100 {
			token, edits := someToken(r, i)
			edits = append(edits, issued(time.Now().Add(-time.Duration(r.IntN(3_600))*time.Second+time.Minute)))
			c, err := guard.Verify(t.Context(), s.Logto.Mint(token, edits...))
			require.NoError(t, err)
			tokens = append(tokens, c)
		}
		for range 20 {
			var taken []revocation.Revocation
			for range 1 + r.IntN(60) {
				taken = append(taken, someRevocation(r, len(tokens), time.Now().Add(time.Minute)))
			}
			m := &model{lifetime: 24 * time.Hour, taken: taken}
			for replica := range 4 {
				shuffled := append(slices.Clone(taken), taken[:r.IntN(len(taken))]...)
				r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				// A part is in the log already, a part is revoked here.
				part := r.IntN(len(shuffled) + 1)
				log := &record{entries: slices.Clone(shuffled[:part])}
				list := newList(t, logged(log))
				if replica%2 == 0 {
					require.NoError(t, list.Ready(t.Context()))
				}
				revoke(t, list, shuffled[part:]...)
				require.NoError(t, list.Ready(t.Context()))
				// One that knows only the log.
				reader := newList(t, logged(log))
				require.NoError(t, reader.Ready(t.Context()))
				for _, c := range tokens {
					want := m.revoked(c, time.Now())
					require.Equal(t, want, list.Check(t.Context(), c) != nil, m.story(c))
					require.Equal(t, want, reader.Check(t.Context(), c) != nil, "by the log: "+m.story(c))
				}
				require.NoError(t, list.Close())
				require.NoError(t, reader.Close())
			}
		}
	})
}
