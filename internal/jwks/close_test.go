package jwks_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// That Close ends all goroutines is what the bubble itself judges: it does not
// end before them.
func TestClose(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *guardtest.Scene) *logtoguard.Guard{
		"at once": func(t *testing.T, s *guardtest.Scene) *logtoguard.Guard { return s.Guard(t) },
		"during the first fetch": func(t *testing.T, s *guardtest.Scene) *logtoguard.Guard {
			s.Logto.Disturb(guardtest.Hold(nil))
			return s.Guard(t)
		},
		"between two tries": func(t *testing.T, s *guardtest.Scene) *logtoguard.Guard {
			s.Logto.Disturb(logtotest.Down())
			return s.Guard(t)
		},
		"with keys": func(t *testing.T, s *guardtest.Scene) *logtoguard.Guard { return s.ReadyGuard(t) },
		"during a refresh": func(t *testing.T, s *guardtest.Scene) *logtoguard.Guard {
			guard := s.ReadyGuard(t)
			s.Logto.Disturb(guardtest.Hold(nil))
			time.Sleep(guardtest.LongestRefresh)
			return guard
		},
	} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				guard := prepare(t, s)
				if name != "at once" {
					synctest.Wait()
				}
				begin, warnings := time.Now(), len(s.Log.With("level=WARN"))
				require.NoError(t, guard.Close())
				require.NoError(t, guard.Close())
				require.Zero(t, time.Since(begin))
				fetches := s.Fetches()

				e := guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrClosed)
				require.Equal(t, http.StatusServiceUnavailable, e.Status)
				require.Empty(t, e.Challenge())
				guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("absent")), logtoguard.ErrClosed)
				guardtest.Refuse(t, guard, "", logtoguard.ErrClosed)
				require.ErrorIs(t, guard.Ready(t.Context()), logtoguard.ErrClosed)
				time.Sleep(time.Hour)
				require.Equal(t, fetches, s.Fetches())
				require.Len(t, s.Log.With("level=WARN"), warnings, "a fetch that Close ended has not failed")
			})
		})
	}
}

// slowToEnd is a transport that takes its time after the request was cancelled.
type slowToEnd struct{ ended chan struct{} }

func (s slowToEnd) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	time.Sleep(time.Second)
	close(s.ended)
	return nil, r.Context().Err()
}

// A probe that waits learns of the end, also while the guard rests.
func TestCloseEndsReady(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(logtotest.Status(http.StatusBadGateway))
		guard := s.Guard(t)
		time.Sleep(time.Hour)
		probe := guardtest.Background(func() error { return guard.Ready(t.Context()) })
		synctest.Wait()
		require.NoError(t, guard.Close())
		require.ErrorIs(t, <-probe, logtoguard.ErrClosed)
	})
}

// When Close returns nothing of the guard's runs any more.
func TestCloseWaitsForTheEnd(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		transport := slowToEnd{make(chan struct{})}
		guard := s.Guard(t, func(cfg *logtoguard.Config) { cfg.HTTPClient = &http.Client{Transport: transport} })
		synctest.Wait()
		require.NoError(t, guard.Close())
		select {
		case <-transport.ended:
		default:
			require.Fail(t, "the fetch goes on")
		}
	})
}

func TestCloseWhileRequestsWait(t *testing.T) {
	for name, withKeys := range map[string]bool{"before the first keys": false, "absent kid": true} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				var guard *logtoguard.Guard
				if withKeys {
					guard = s.ReadyGuard(t)
				}
				s.Logto.Disturb(guardtest.Hold(nil))
				if !withKeys {
					guard = s.Guard(t)
				}
				begin := time.Now()
				var probe <-chan error
				if !withKeys {
					probe = guardtest.Background(func() error { return guard.Ready(context.Background()) })
				}
				go func() {
					synctest.Wait()
					var several sync.WaitGroup
					for range 10 {
						several.Go(func() { _ = guard.Close() })
					}
				}()
				for _, err := range guardtest.Crowd(t.Context(), guard, 100, func(int) string { return s.Mint(guardtest.Kid("absent")) }) {
					require.ErrorIs(t, err, logtoguard.ErrClosed)
				}
				if probe != nil {
					require.ErrorIs(t, <-probe, logtoguard.ErrClosed)
				}
				require.Zero(t, time.Since(begin))
			})
		})
	}
}

// Requests that come while Close runs are answered, one way or the other.
func TestCloseAmongRequests(t *testing.T) {
	for range 20 {
		guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
			guard := s.ReadyGuard(t)
			s.Logto.Rotate("")
			done := guardtest.Background(guard.Close)
			for _, err := range guardtest.Crowd(t.Context(), guard, 50, func(int) string { return s.Mint() }) {
				if err != nil {
					require.ErrorIs(t, err, logtoguard.ErrClosed)
				}
			}
			require.NoError(t, <-done)
		})
	}
}
