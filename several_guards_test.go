package logtoguard_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

const orders = "https://orders.api"

func forAudience(audience ...string) func(*logtoguard.Config) {
	return func(cfg *logtoguard.Config) { cfg.Audience = audience }
}

// tokenFor is a token for these audiences.
func (s *scene) tokenFor(audience any) string { return s.mint(claim("aud", audience)) }

// Two APIs in one process, each with a guard: what one knows, the other doesn't.
func TestTwoAudiencesOfOneTenant(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		shop, office := s.readyGuard(t), s.readyGuard(t, forAudience(orders))
		forShop, forOffice, forBoth := s.tokenFor(shopping), s.tokenFor(orders), s.tokenFor([]string{shopping, orders})
		for range 3 {
			accept(t, shop, forShop)
			accept(t, office, forOffice)
			refuse(t, office, forShop, logtoguard.ErrAudience)
			refuse(t, shop, forOffice, logtoguard.ErrAudience)
		}
		accept(t, shop, forBoth)
		before := office.Stats()
		accept(t, office, forBoth)
		require.Equal(t, before.Verifications+1, office.Stats().Verifications, "what the other guard verified is not known here")
		require.Equal(t, 2, shop.Stats().TokenCacheEntries)

		require.NoError(t, shop.Close())
		refuse(t, shop, forShop, logtoguard.ErrClosed)
		hits := office.Stats().TokenCacheHits
		accept(t, office, forOffice)
		require.Equal(t, hits+1, office.Stats().TokenCacheHits, "another guard's end takes nothing away here")
	})
}

// A guard within another one's reach: the inner one judges anew, and its claims count.
func TestGuardWithinAGuard(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		answers := func(status int) func(*logtoguard.Config) {
			return func(cfg *logtoguard.Config) {
				cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ *logtoguard.Error) { w.WriteHeader(status) }
			}
		}
		outer := s.readyGuard(t, answers(491), forAudience(shopping))
		inner := s.readyGuard(t, answers(492), forAudience(orders))
		scoped := logtoguard.RequireScope("read:orders")(noContent)
		scope := claim("scope", "read:orders")
		both := claim("aud", []string{shopping, orders})
		for _, c := range []struct {
			name   string
			token  string
			status int
		}{
			{"for the outer one alone", s.mint(claim("aud", shopping), scope), 492},
			{"for the inner one alone", s.mint(claim("aud", orders), scope), 491},
			{"for both", s.mint(both, scope), 204},
			{"for both, without the scope: the inner guard answers", s.mint(both), 492},
		} {
			for range 2 {
				require.Equal(t, c.status, serve(outer.Handler(inner.Handler(scoped)), "Bearer "+c.token).Code, c.name)
			}
		}
		require.EqualValues(t, 2, inner.Stats().Refused["scope"])
		require.Zero(t, outer.Stats().Refused["scope"])
	})
}

// Each tenant's keys come and go without a trace at the other.
func TestTwoTenantsRotate(t *testing.T) {
	inBubble(t, func(t *testing.T, one *scene) {
		two := newScene(t, "127.0.0.1:3002")
		first, second := one.readyGuard(t), two.readyGuard(t)
		old, steady := one.mint(), two.mint()
		accept(t, first, old)
		accept(t, second, steady)
		one.logto.Rotate("")
		one.logto.DropPrevious()
		for range 3 {
			accept(t, first, one.mint())
			refuse(t, second, one.mint(), logtoguard.ErrIssuer)
			// The key of one under the issuer of the other.
			refuse(t, second, two.mint(func(d *logtotest.Draft) { d.Key = one.logto.Key() }), logtoguard.ErrSignature)
			accept(t, second, steady)
		}
		require.Equal(t, 2, one.fetches())
		refuse(t, first, old, logtoguard.ErrUnknownKey)
		require.Equal(t, 1, two.fetches())
		require.EqualValues(t, 3, second.Stats().TokenCacheHits)
		require.Len(t, two.log.with("keys changed"), 1)
		refuse(t, second, two.mint(signedBy(one.logto.Key())), logtoguard.ErrUnknownKey)
	})
}

// A deploy within a process: the new guard takes over while the old one serves, and
// the old one is closed among requests. Nobody is refused but by what is closed.
func TestDeploy(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		guard := s.readyGuard(t)
		known := s.mint()
		for deploy := range 5 {
			old := guard
			accept(t, old, known)
			next := s.guard(t, func(cfg *logtoguard.Config) { cfg.Audience = []string{shopping, orders} })
			s.logto.Rotate("") // new keys meet both
			var requests sync.WaitGroup
			for range 50 {
				token := s.mint()
				requests.Go(func() {
					if _, err := old.Verify(t.Context(), token); err != nil {
						assert.ErrorIs(t, err, logtoguard.ErrClosed)
					}
					_, err := next.Verify(t.Context(), token)
					assert.NoError(t, err)
				})
			}
			becomesReady(t, next)
			if deploy%2 == 0 {
				requests.Wait()
			}
			require.NoError(t, old.Close())
			requests.Wait()
			refuse(t, old, known, logtoguard.ErrClosed)
			require.ErrorIs(t, old.Ready(t.Context()), logtoguard.ErrClosed)
			require.Zero(t, old.Stats().TokenCacheEntries)

			accept(t, next, s.tokenFor(orders))
			require.NotContains(t, next.Stats().Refused, "closed")
			guard, known = next, s.mint()
		}
		fetches := s.fetches()
		time.Sleep(longestRefresh)
		synctest.Wait()
		require.LessOrEqual(t, s.fetches(), fetches+2, "only the last guard asks for keys")
		require.Positive(t, guard.Stats().Accepted)
	})
}
