package jwks_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// The first tokens of a new key come before any refresh: not one is refused.
func TestRotation(t *testing.T) {
	for name, held := range map[string]bool{"all wait": true, "they come and go": false} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				guard := s.ReadyGuard(t)
				old := s.Mint()
				s.Logto.Rotate("")
				if held {
					release := make(chan struct{})
					s.Logto.Disturb(guardtest.Hold(release))
					go func() {
						synctest.Wait()
						close(release)
					}()
				}
				for _, err := range guardtest.Crowd(t.Context(), guard, 1000, func(int) string { return s.Mint() }) {
					require.NoError(t, err)
				}
				require.Equal(t, 2, s.Fetches())
				guardtest.Accept(t, guard, old) // the previous key is still published
				require.Equal(t, 2, s.Fetches())
				require.Len(t, s.Log.With("level=INFO", "keys changed", "added", s.Logto.Key().ID()), 1)
			})
		})
	}
}

// The answer of a refresh that began before the rotation doesn't know the new
// key: who came since is not judged by it.
func TestRotationDuringRefresh(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		release := make(chan struct{})
		s.Logto.Disturb(guardtest.Hold(release))
		for s.Fetches() == 1 {
			time.Sleep(time.Second)
		}
		synctest.Wait() // the answer is made, and not sent
		s.Logto.Rotate("")
		go func() {
			synctest.Wait()
			close(release)
		}()
		for _, err := range guardtest.Crowd(t.Context(), guard, 1000, func(int) string { return s.Mint() }) {
			require.NoError(t, err)
		}
		require.Equal(t, 3, s.Fetches(), "the start, the refresh, and one more")
	})
}

// A key that was announced costs no fetch when it is put to use.
func TestAnnouncedKey(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Announce("")
		guard := s.ReadyGuard(t)
		s.Logto.Rotate("")
		guardtest.Accept(t, guard, s.Mint())
		require.Equal(t, 1, s.Fetches())
	})
}

func TestDroppedKey(t *testing.T) {
	for name, drop := range map[string]func(*logtotest.Server){
		"deleted":       func(logto *logtotest.Server) { logto.Rotate(""); logto.DropPrevious() },
		"rotated twice": func(logto *logtotest.Server) { logto.Rotate(""); logto.Rotate("") },
	} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				guard := s.ReadyGuard(t)
				dropped, token := s.Logto.Key().ID(), s.Mint()
				drop(s.Logto)
				guardtest.Accept(t, guard, token) // until the next refresh nobody can know
				time.Sleep(guardtest.LongestRefresh)
				synctest.Wait()
				require.Equal(t, 2, s.Fetches())
				require.Len(t, s.Log.With("level=INFO", "keys changed", "removed", dropped), 1)
				e := guardtest.Refuse(t, guard, token, logtoguard.ErrUnknownKey)
				require.Equal(t, http.StatusUnauthorized, e.Status)
				guardtest.Accept(t, guard, s.Mint())
			})
		})
	}
}

// Timers stand still while a machine sleeps. A refresh that is due by the clock
// is begun by the next request, which does not wait for it.
func TestDroppedKeyAfterTheClockJumped(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.ReadyGuard(t, guardtest.ClockOf(clock))
		token := s.Mint()
		s.Logto.Rotate("")
		s.Logto.DropPrevious()
		clock.Advance(guardtest.LongestRefresh)
		release := make(chan struct{})
		s.Logto.Disturb(guardtest.Hold(release))
		begin := time.Now()
		for range 100 {
			guardtest.Accept(t, guard, token)
		}
		require.Zero(t, time.Since(begin))
		synctest.Wait()
		require.Equal(t, 2, s.Fetches())
		close(release)
		synctest.Wait()
		guardtest.Refuse(t, guard, token, logtoguard.ErrUnknownKey)
	})
}

// Before a refresh is due by the clock, requests begin none.
func TestRequestsDoNotHastenRefresh(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.ReadyGuard(t, guardtest.ClockOf(clock))
		clock.Advance(4*time.Minute + 29*time.Second)
		guardtest.Accept(t, guard, s.Mint())
		synctest.Wait()
		require.Equal(t, 1, s.Fetches())
	})
}

// A kid is a name. Another key under the same one is another key.
func TestKidThatComesBack(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		first, second := s.Logto.Key(), logtotest.NewKey("ES256")
		old, young := s.Mint(), s.Mint(guardtest.SignedBy(second), guardtest.Kid(first.ID()))
		guardtest.Accept(t, guard, old)
		guardtest.Refuse(t, guard, young, logtoguard.ErrWrongSignature)
		jwk := second.JWK()
		jwk["kid"] = first.ID()
		s.Logto.Disturb(guardtest.KeySetOf(jwk))
		time.Sleep(guardtest.LongestRefresh)
		synctest.Wait()
		guardtest.Refuse(t, guard, old, logtoguard.ErrWrongSignature)
		guardtest.Accept(t, guard, young)
		require.Len(t, s.Log.With("keys changed", "added", "removed", first.ID()), 1)
	})
}

// Keys are compared by what they are made of: another member beside it is no change.
func TestSetThatOnlyLooksChanged(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		jwk := s.Logto.Key().JWK()
		jwk["x-comment"] = "another member"
		s.Logto.Disturb(guardtest.KeySetOf(jwk))
		time.Sleep(guardtest.LongestRefresh)
		guardtest.Accept(t, guard, s.Mint())
		require.Equal(t, 2, s.Fetches())
		require.Len(t, s.Log.With("keys changed"), 1)
	})
}

func TestSeveralGuards(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, one *guardtest.Scene) {
		other := guardtest.NewScene(t, "127.0.0.1:3002")
		// Two guards of one Logto share even the client.
		first, second, stranger := one.ReadyGuard(t), one.ReadyGuard(t), other.ReadyGuard(t)
		guardtest.Refuse(t, stranger, one.Mint(), logtoguard.ErrWrongIssuer)

		useUpRation(t, one, first, logtoguard.ErrUnknownKey)
		one.Logto.Rotate("")
		begin := time.Now()
		guardtest.Accept(t, second, one.Mint())
		require.Zero(t, time.Since(begin), "each guard has a ration of its own")
		guardtest.Accept(t, first, one.Mint())
		require.Equal(t, 2*time.Second, time.Since(begin))

		require.NoError(t, first.Close())
		other.Logto.Disturb(logtotest.Down())
		time.Sleep(guardtest.GreatestAge + time.Hour)
		guardtest.Refuse(t, first, one.Mint(), logtoguard.ErrClosed)
		guardtest.Accept(t, second, one.Mint())
		guardtest.Refuse(t, stranger, other.Mint(), logtoguard.ErrKeysUnavailable)
		require.Empty(t, one.Log.With("level=WARN"))
		require.Zero(t, second.Stats().Refused["keys"])
		require.EqualValues(t, 1, stranger.Stats().Refused["keys"])
	})
}
