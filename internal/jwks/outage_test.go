package jwks_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// notReady returns what Ready says to a probe with a second's patience.
func notReady(t *testing.T, guard *logtoguard.Guard) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := guard.Ready(ctx)
	require.ErrorIs(t, err, logtoguard.ErrKeysUnavailable)
	return err
}

// A server that starts before its Logto works without a restart, after at most one back-off.
func TestLogtoDownAtStart(t *testing.T) {
	for _, outage := range []time.Duration{0, 3 * time.Second, time.Minute, 25 * time.Hour} {
		t.Run(outage.String(), func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				s.Logto.Disturb(logtotest.Down())
				guard := s.Guard(t)
				handler := guard.Handler(guardtest.NoContent)
				time.Sleep(outage)
				synctest.Wait()
				w := guardtest.Serve(handler, "Bearer "+s.Mint())
				require.Equal(t, http.StatusServiceUnavailable, w.Code)
				require.Empty(t, w.Header().Values("WWW-Authenticate"))
				require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
				notReady(t, guard)

				s.Logto.Disturb(nil)
				retryAfter, err := strconv.Atoi(guardtest.Serve(handler, "Bearer "+s.Mint()).Header().Get("Retry-After"))
				require.NoError(t, err)
				require.Positive(t, retryAfter)
				require.LessOrEqual(t, retryAfter, 60)
				time.Sleep(time.Duration(retryAfter) * time.Second)
				require.Equal(t, http.StatusNoContent, guardtest.Serve(handler, "Bearer "+s.Mint()).Code)
				guardtest.BecomesReady(t, guard)
			})
		})
	}
}

// No request is refused for 24 h: after that nobody can say whether the keys are still valid.
func TestKnownKeysServeOn(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		s.Logto.Disturb(logtotest.Down())
		for range 23 {
			time.Sleep(time.Hour)
			guardtest.Accept(t, guard, s.Mint())
			guardtest.BecomesReady(t, guard)
		}
		time.Sleep(time.Hour)
		guardtest.Accept(t, guard, s.Mint())
		require.Equal(t, guardtest.GreatestAge, guard.Stats().KeyAge)
		time.Sleep(time.Nanosecond)
		e := guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable)
		require.Equal(t, http.StatusServiceUnavailable, e.Status)
		require.Empty(t, e.Challenge())
		require.Positive(t, e.RetryAfter)
		require.LessOrEqual(t, e.RetryAfter, guardtest.LongestBackOff)
		require.ErrorContains(t, notReady(t, guard), "EOF")

		s.Logto.Disturb(nil)
		time.Sleep(guardtest.LongestBackOff)
		guardtest.Accept(t, guard, s.Mint())
		guardtest.BecomesReady(t, guard)
	})
}

// By the set clock, too, with no timer that has run.
func TestKeyAgeIsJudgedByNow(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.ReadyGuard(t, guardtest.ClockOf(clock))
		mint := func() string {
			return s.Mint(func(d *logtotest.Draft) { d.Claims["exp"] = clock.Now().Add(time.Hour).Unix() })
		}
		s.Logto.Disturb(logtotest.Down())
		clock.Advance(guardtest.GreatestAge)
		guardtest.Accept(t, guard, mint())
		clock.Advance(1)
		guardtest.Refuse(t, guard, mint(), logtoguard.ErrKeysUnavailable)
		notReady(t, guard)

		// A machine that slept: its Logto is well, and the first request gets the keys.
		s.Logto.Disturb(nil)
		clock.Advance(guardtest.GreatestAge)
		guardtest.Accept(t, guard, mint())
		guardtest.BecomesReady(t, guard)
		clock.Advance(guardtest.GreatestAge + 1)
		guardtest.BecomesReady(t, guard) // and so does the first probe
	})
}

// A token that was verified before lives no longer than the trust in its key.
func TestKnownTokenWhileTheKeysGrowOld(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		s.Logto.Disturb(logtotest.Down())
		token := s.Logto.Mint(logtotest.Token{Lifetime: 2 * guardtest.GreatestAge})
		guardtest.Accept(t, guard, token)
		time.Sleep(guardtest.GreatestAge)
		guardtest.Accept(t, guard, token)
		time.Sleep(time.Nanosecond)
		guardtest.Refuse(t, guard, token, logtoguard.ErrKeysUnavailable)
	})
}

// A dead issuer is asked after 1 s, 2 s, 4 s, … and each minute in the end.
func TestBackOff(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		var fetches guardtest.Times
		s.Logto.Disturb(fetches.Before(logtotest.Down()))
		guard := s.Guard(t)
		for range 3600 {
			time.Sleep(time.Second)
			synctest.Wait()
			// Requests neither hasten nor hinder it, nor do probes.
			guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable)
		}
		require.GreaterOrEqual(t, s.Fetches(), 60)
		require.LessOrEqual(t, s.Fetches(), 90)
		gaps := fetches.Gaps()
		for i, gap := range gaps {
			whole := min(time.Second<<min(i, 10), time.Minute)
			require.GreaterOrEqual(t, gap, whole*3/4, "pause %d", i)
			require.LessOrEqual(t, gap, min(whole*3/2, time.Minute), "pause %d", i)
		}
		require.GreaterOrEqual(t, gaps[0], time.Second)
		require.NotEqual(t, gaps[len(gaps)-1], gaps[len(gaps)-2], "without jitter all servers ask at the same moment")
		require.EqualValues(t, s.Fetches(), guard.Stats().KeyFetchFailures)

		// A success ends the back-off, and the next outage begins anew.
		s.Logto.Disturb(nil)
		guardtest.BecomesReady(t, guard)
		var again guardtest.Times
		s.Logto.Disturb(again.Before(logtotest.Down()))
		time.Sleep(guardtest.LongestRefresh + 10*time.Second)
		require.NotEmpty(t, again.Gaps())
		require.Less(t, again.Gaps()[0], 2*time.Second)
	})
}

func TestRetryAfterIsTheRestOfTheBackOff(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(logtotest.Status(http.StatusBadGateway))
		guard := s.Guard(t)
		time.Sleep(10 * time.Minute)
		fetches := s.Fetches()
		for s.Fetches() == fetches {
			time.Sleep(time.Second)
		}
		synctest.Wait()
		fetches = s.Fetches()
		rest := guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable).RetryAfter
		require.Greater(t, rest, 30*time.Second)
		time.Sleep(10*time.Second + 1)
		w := guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+s.Mint())
		seconds := int((rest - 10*time.Second - 1 + time.Second - 1) / time.Second) // rounded up
		require.Equal(t, strconv.Itoa(seconds), w.Header().Get("Retry-After"))
		time.Sleep(rest - 10*time.Second - 2)
		require.Equal(t, fetches, s.Fetches())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, fetches+1, s.Fetches())
	})
}

// A clock that is set back during an outage makes nobody wait for hours.
func TestRetryAfterWithTheClockSetBack(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		clock := logtotest.NewClock(time.Now())
		s.Logto.Disturb(logtotest.Down())
		guard := s.Guard(t, guardtest.ClockOf(clock))
		synctest.Wait()
		clock.Advance(-time.Hour)
		token := s.Mint(func(d *logtotest.Draft) { d.Claims["iat"] = clock.Now().Unix() })
		e := guardtest.Refuse(t, guard, token, logtoguard.ErrKeysUnavailable)
		require.LessOrEqual(t, e.RetryAfter, guardtest.LongestBackOff)
	})
}

// An issuer that takes the connection and says nothing holds nobody for longer than 5 s.
func TestHangingIssuer(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(guardtest.Hold(nil))
		// A client without a time-out, and one with a long one, are bounded too.
		guard := s.Guard(t, func(cfg *logtoguard.Config) {
			cfg.HTTPClient = &http.Client{Transport: s.Client.Transport, Timeout: time.Hour}
		})
		begin := time.Now()
		time.Sleep(time.Second) // so that the fetch's own end and the request's differ
		guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable)
		require.Equal(t, 5*time.Second, time.Since(begin), "the fetch ends after 5 s")
		require.EqualValues(t, 1, guard.Stats().KeyFetchFailures)
		for s.Fetches() == 1 {
			time.Sleep(time.Millisecond)
		}
		require.InDelta(t, 6, time.Since(begin).Seconds(), 0.5, "and the next one begins after a back-off")

		s.Logto.Disturb(nil)
		guardtest.BecomesReady(t, guard)
		s.Logto.Disturb(guardtest.Hold(nil))
		for fetches := s.Fetches(); s.Fetches() == fetches; {
			time.Sleep(time.Second)
		}
		synctest.Wait()
		begin = time.Now()
		guardtest.Accept(t, guard, s.Mint())
		require.Zero(t, time.Since(begin), "nobody whose key is known waits for a refresh")
		guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("absent")), logtoguard.ErrKeysUnavailable)
		require.LessOrEqual(t, time.Since(begin), 5*time.Second)
	})
}

// Two fetches in a row may be needed to judge a request. Together they get 5 s.
func TestRequestWaitsFiveSecondsInAll(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		s.Logto.Disturb(logtotest.Slow(4 * time.Second))
		for s.Fetches() == 1 {
			time.Sleep(time.Second)
		}
		begin := time.Now()
		guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("absent")), logtoguard.ErrKeysUnavailable)
		require.Equal(t, 5*time.Second, time.Since(begin))
	})
}

func TestOutageIsToldOnce(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(logtotest.Down())
		guard := s.Guard(t)
		outage := func(warnings int) {
			t.Helper()
			time.Sleep(time.Hour)
			synctest.Wait()
			require.Len(t, s.Log.With("level=WARN"), warnings)
			require.Len(t, s.Log.With("level=WARN", "failed", "EOF"), (warnings+1)/2)
			s.Logto.Disturb(nil)
			time.Sleep(time.Hour)
			guardtest.Accept(t, guard, s.Mint())
			require.Len(t, s.Log.With("level=WARN"), warnings+1)
			require.Len(t, s.Log.With("level=WARN", "works again"), (warnings+1)/2)
		}
		outage(1)
		s.Logto.Disturb(logtotest.Down())
		outage(3)
		require.Len(t, s.Log.With("keys changed"), 1)
	})
}

// Nor is a set without a usable key told with each try.
func TestUnusableSetIsToldOnce(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		weak := logtotest.NewKey("RS256").JWK()
		weak["e"] = "AQ"
		s.Logto.Disturb(guardtest.KeySetOf(weak))
		s.Guard(t)
		time.Sleep(time.Hour)
		require.Len(t, s.Log.With("level=WARN", "skipped"), 1)
		require.Len(t, s.Log.With("level=WARN"), 2)
	})
}

func TestReadySaysWhyNot(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(guardtest.Hold(nil))
		clock := logtotest.NewClock(time.Now())
		guard := s.Guard(t, guardtest.ClockOf(clock))
		err := notReady(t, guard)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "first fetch")

		// A fetch that timed out is not the end of the caller's time.
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err = guard.Ready(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, context.DeadlineExceeded)

		s.Logto.Disturb(logtotest.Status(http.StatusBadGateway))
		time.Sleep(10 * time.Second)
		require.ErrorContains(t, notReady(t, guard), "502")

		s.Logto.Disturb(nil)
		require.NoError(t, guard.Ready(t.Context()))

		// Keys that grew too old while the machine slept are not a first fetch.
		s.Logto.Disturb(guardtest.Hold(nil))
		clock.Advance(guardtest.GreatestAge + 1)
		require.NotContains(t, notReady(t, guard).Error(), "first fetch")
	})
}
