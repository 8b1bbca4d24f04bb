package logtoguard_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// The first tokens of a new key come before any refresh: not one is refused.
func TestRotation(t *testing.T) {
	for name, held := range map[string]bool{"all wait": true, "they come and go": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				guard := s.readyGuard(t)
				old := s.mint()
				s.logto.Rotate("")
				if held {
					release := make(chan struct{})
					s.logto.Disturb(hold(release))
					go func() {
						synctest.Wait()
						close(release)
					}()
				}
				for _, err := range crowd(t.Context(), guard, 1000, func(int) string { return s.mint() }) {
					require.NoError(t, err)
				}
				require.Equal(t, 2, s.fetches())
				accept(t, guard, old) // the previous key is still published
				require.Equal(t, 2, s.fetches())
				require.Len(t, s.log.with("level=INFO", "keys changed", "added", s.logto.Key().ID()), 1)
			})
		})
	}
}

// The answer of a refresh that began before the rotation doesn't know the new
// key: who came since is not judged by it.
func TestRotationDuringRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		guard := s.readyGuard(t)
		release := make(chan struct{})
		s.logto.Disturb(hold(release))
		for s.fetches() == 1 {
			time.Sleep(time.Second)
		}
		synctest.Wait() // the answer is made, and not sent
		s.logto.Rotate("")
		go func() {
			synctest.Wait()
			close(release)
		}()
		for _, err := range crowd(t.Context(), guard, 1000, func(int) string { return s.mint() }) {
			require.NoError(t, err)
		}
		require.Equal(t, 3, s.fetches(), "the start, the refresh, and one more")
	})
}

// A key that was announced costs no fetch when it is put to use.
func TestAnnouncedKey(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.logto.Announce("")
		guard := s.readyGuard(t)
		s.logto.Rotate("")
		accept(t, guard, s.mint())
		require.Equal(t, 1, s.fetches())
	})
}

func TestDroppedKey(t *testing.T) {
	for name, drop := range map[string]func(*logtotest.Server){
		"deleted":       func(logto *logtotest.Server) { logto.Rotate(""); logto.DropPrevious() },
		"rotated twice": func(logto *logtotest.Server) { logto.Rotate(""); logto.Rotate("") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scene) {
				guard := s.readyGuard(t)
				dropped, token := s.logto.Key().ID(), s.mint()
				drop(s.logto)
				accept(t, guard, token) // until the next refresh nobody can know
				time.Sleep(longestRefresh)
				synctest.Wait()
				require.Equal(t, 2, s.fetches())
				require.Len(t, s.log.with("level=INFO", "keys changed", "removed", dropped), 1)
				e := refuse(t, guard, token, logtoguard.ErrUnknownKey)
				require.Equal(t, http.StatusUnauthorized, e.Status)
				accept(t, guard, s.mint())
			})
		})
	}
}

// Timers stand still while a machine sleeps. A refresh that is due by the clock
// is begun by the next request, which does not wait for it.
func TestDroppedKeyAfterTheClockJumped(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.readyGuard(t, clockOf(clock))
		token := s.mint()
		s.logto.Rotate("")
		s.logto.DropPrevious()
		clock.Advance(longestRefresh)
		release := make(chan struct{})
		s.logto.Disturb(hold(release))
		begin := time.Now()
		for range 100 {
			accept(t, guard, token)
		}
		require.Zero(t, time.Since(begin))
		synctest.Wait()
		require.Equal(t, 2, s.fetches())
		close(release)
		synctest.Wait()
		refuse(t, guard, token, logtoguard.ErrUnknownKey)
	})
}

// Before a refresh is due by the clock, requests begin none.
func TestRequestsDoNotHastenRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.readyGuard(t, clockOf(clock))
		clock.Advance(4*time.Minute + 29*time.Second)
		accept(t, guard, s.mint())
		synctest.Wait()
		require.Equal(t, 1, s.fetches())
	})
}

// A kid is a name. Another key under the same one is another key.
func TestKidThatComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		guard := s.readyGuard(t)
		first, second := s.logto.Key(), logtotest.NewKey("ES256")
		old, young := s.mint(), s.mint(signedBy(second), kid(first.ID()))
		accept(t, guard, old)
		refuse(t, guard, young, logtoguard.ErrSignature)
		jwk := second.JWK()
		jwk["kid"] = first.ID()
		s.logto.Disturb(keySetOf(jwk))
		time.Sleep(longestRefresh)
		synctest.Wait()
		refuse(t, guard, old, logtoguard.ErrSignature)
		accept(t, guard, young)
		require.Len(t, s.log.with("keys changed", "added", "removed", first.ID()), 1)
	})
}

// Keys are compared by what they are made of: another member beside it is no change.
func TestSetThatOnlyLooksChanged(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		guard := s.readyGuard(t)
		jwk := s.logto.Key().JWK()
		jwk["x-comment"] = "another member"
		s.logto.Disturb(keySetOf(jwk))
		time.Sleep(longestRefresh)
		accept(t, guard, s.mint())
		require.Equal(t, 2, s.fetches())
		require.Len(t, s.log.with("keys changed"), 1)
	})
}

func TestSeveralGuards(t *testing.T) {
	inBubble(t, func(t *testing.T, one *scene) {
		other := newScene(t, "127.0.0.1:3002")
		// Two guards of one Logto share even the client.
		first, second, stranger := one.readyGuard(t), one.readyGuard(t), other.readyGuard(t)
		refuse(t, stranger, one.mint(), logtoguard.ErrIssuer)

		emptyBucket(t, one, first, logtoguard.ErrUnknownKey)
		one.logto.Rotate("")
		refuse(t, first, one.mint(), logtoguard.ErrUnknownKey)
		accept(t, second, one.mint())

		require.NoError(t, first.Close())
		other.logto.Disturb(logtotest.Down())
		time.Sleep(greatestAge + time.Hour)
		refuse(t, first, one.mint(), logtoguard.ErrClosed)
		accept(t, second, one.mint())
		refuse(t, stranger, other.mint(), logtoguard.ErrKeysUnavailable)
		require.Empty(t, one.log.with("level=WARN"))
		require.Zero(t, second.Stats().Refused["keys"])
		require.EqualValues(t, 1, stranger.Stats().Refused["keys"])
	})
}
