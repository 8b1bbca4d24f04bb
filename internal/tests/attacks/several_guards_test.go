package attacks_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

const orders = "https://orders.api"

func forAudience(audience ...string) func(*logtoguard.Config) {
	return func(cfg *logtoguard.Config) { cfg.Audience = audience }
}

// tokenFor is a token for these audiences.
func tokenFor(s *guardtest.Scene, audience any) string {
	return s.Mint(guardtest.Claim("aud", audience))
}

// Two APIs in one process, each with a guard: what one knows, the other doesn't.
func TestTwoAudiencesOfOneTenant(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		shop, office := s.ReadyGuard(t), s.ReadyGuard(t, forAudience(orders))
		forShop, forOffice, forBoth := tokenFor(s, guardtest.Shopping), tokenFor(s, orders), tokenFor(s, []string{guardtest.Shopping, orders})
		for range 3 {
			guardtest.Accept(t, shop, forShop)
			guardtest.Accept(t, office, forOffice)
			guardtest.Refuse(t, office, forShop, logtoguard.ErrWrongAudience)
			guardtest.Refuse(t, shop, forOffice, logtoguard.ErrWrongAudience)
		}
		guardtest.Accept(t, shop, forBoth)
		before := office.Stats()
		guardtest.Accept(t, office, forBoth)
		require.Equal(t, before.Verifications+1, office.Stats().Verifications, "what the other guard verified is not known here")
		require.Equal(t, 2, shop.Stats().TokenCacheEntries)

		require.NoError(t, shop.Close())
		guardtest.Refuse(t, shop, forShop, logtoguard.ErrClosed)
		hits := office.Stats().TokenCacheHits
		guardtest.Accept(t, office, forOffice)
		require.Equal(t, hits+1, office.Stats().TokenCacheHits, "another guard's end takes nothing away here")
	})
}

// A guard behind another one: the inner one judges again, and its claims count.
func TestGuardWithinAGuard(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		answers := func(status int) func(*logtoguard.Config) {
			return func(cfg *logtoguard.Config) {
				cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ *logtoguard.Error) { w.WriteHeader(status) }
			}
		}
		outer := s.ReadyGuard(t, answers(491), forAudience(guardtest.Shopping))
		inner := s.ReadyGuard(t, answers(492), forAudience(orders))
		scoped := logtoguard.RequireScope("read:orders")(guardtest.NoContent)
		scope := guardtest.Claim("scope", "read:orders")
		both := guardtest.Claim("aud", []string{guardtest.Shopping, orders})
		for _, c := range []struct {
			name   string
			token  string
			status int
		}{
			{"for the outer one alone", s.Mint(guardtest.Claim("aud", guardtest.Shopping), scope), 492},
			{"for the inner one alone", s.Mint(guardtest.Claim("aud", orders), scope), 491},
			{"for both", s.Mint(both, scope), 204},
			{"for both, without the scope: the inner guard answers", s.Mint(both), 492},
		} {
			for range 2 {
				require.Equal(t, c.status, guardtest.Serve(outer.Handler(inner.Handler(scoped)), "Bearer "+c.token).Code, c.name)
			}
		}
		require.EqualValues(t, 2, inner.Stats().Refused["scope"])
		require.Zero(t, outer.Stats().Refused["scope"])
	})
}

// Each tenant's keys come and go without a trace at the other.
func TestTwoTenantsRotate(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, one *guardtest.Scene) {
		two := guardtest.NewScene(t, "127.0.0.1:3002")
		first, second := one.ReadyGuard(t), two.ReadyGuard(t)
		old, steady := one.Mint(), two.Mint()
		guardtest.Accept(t, first, old)
		guardtest.Accept(t, second, steady)
		one.Logto.Rotate("")
		one.Logto.DropPrevious()
		for range 3 {
			guardtest.Accept(t, first, one.Mint())
			guardtest.Refuse(t, second, one.Mint(), logtoguard.ErrWrongIssuer)
			// The key of one under the issuer of the other.
			guardtest.Refuse(t, second, two.Mint(func(d *logtotest.Draft) { d.Key = one.Logto.Key() }), logtoguard.ErrWrongSignature)
			guardtest.Accept(t, second, steady)
		}
		require.Equal(t, 2, one.Fetches())
		guardtest.Refuse(t, first, old, logtoguard.ErrUnknownKey)
		require.Equal(t, 1, two.Fetches())
		require.EqualValues(t, 3, second.Stats().TokenCacheHits)
		require.Len(t, two.Log.With("keys changed"), 1)
		guardtest.Refuse(t, second, two.Mint(guardtest.SignedBy(one.Logto.Key())), logtoguard.ErrUnknownKey)
	})
}

// A deploy within a process: the new guard takes over while the old one serves, and
// the old one is closed among requests. Only the closed one refuses.
func TestDeploy(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		known := s.Mint()
		for deploy := range 5 {
			old := guard
			guardtest.Accept(t, old, known)
			next := s.Guard(t, func(cfg *logtoguard.Config) { cfg.Audience = []string{guardtest.Shopping, orders} })
			s.Logto.Rotate("") // new keys meet both
			var requests sync.WaitGroup
			for range 50 {
				token := s.Mint()
				requests.Go(func() {
					if _, err := old.Verify(t.Context(), token); err != nil {
						assert.ErrorIs(t, err, logtoguard.ErrClosed)
					}
					_, err := next.Verify(t.Context(), token)
					assert.NoError(t, err)
				})
			}
			guardtest.BecomesReady(t, next)
			if deploy%2 == 0 {
				requests.Wait()
			}
			require.NoError(t, old.Close())
			requests.Wait()
			guardtest.Refuse(t, old, known, logtoguard.ErrClosed)
			require.ErrorIs(t, old.Ready(t.Context()), logtoguard.ErrClosed)
			require.Zero(t, old.Stats().TokenCacheEntries)

			guardtest.Accept(t, next, tokenFor(s, orders))
			require.NotContains(t, next.Stats().Refused, "closed")
			guard, known = next, s.Mint()
		}
		fetches := s.Fetches()
		time.Sleep(guardtest.LongestRefresh)
		synctest.Wait()
		require.LessOrEqual(t, s.Fetches(), fetches+2, "only the last guard asks for keys")
		require.Positive(t, guard.Stats().Accepted)
	})
}
