package logtoguard_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
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
			inBubble(t, func(t *testing.T, s *scene) {
				s.logto.Disturb(logtotest.Down())
				guard := s.guard(t)
				handler := guard.Handler(noContent)
				time.Sleep(outage)
				synctest.Wait()
				w := serve(handler, "Bearer "+s.mint())
				require.Equal(t, http.StatusServiceUnavailable, w.Code)
				require.Empty(t, w.Header().Values("WWW-Authenticate"))
				require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
				notReady(t, guard)

				s.logto.Disturb(nil)
				retryAfter, err := strconv.Atoi(serve(handler, "Bearer "+s.mint()).Header().Get("Retry-After"))
				require.NoError(t, err)
				require.Positive(t, retryAfter)
				require.LessOrEqual(t, retryAfter, 60)
				time.Sleep(time.Duration(retryAfter) * time.Second)
				require.Equal(t, http.StatusNoContent, serve(handler, "Bearer "+s.mint()).Code)
				becomesReady(t, guard)
			})
		})
	}
}

// No request is refused for 24 h: after that nobody can say whether the keys are still valid.
func TestKnownKeysServeOn(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		guard := s.readyGuard(t)
		s.logto.Disturb(logtotest.Down())
		for range 23 {
			time.Sleep(time.Hour)
			accept(t, guard, s.mint())
			becomesReady(t, guard)
		}
		time.Sleep(time.Hour)
		accept(t, guard, s.mint())
		require.Equal(t, greatestAge, guard.Stats().KeyAge)
		time.Sleep(time.Nanosecond)
		e := refuse(t, guard, s.mint(), logtoguard.ErrKeysUnavailable)
		require.Equal(t, http.StatusServiceUnavailable, e.Status)
		require.Empty(t, e.Challenge())
		require.Positive(t, e.RetryAfter)
		require.LessOrEqual(t, e.RetryAfter, longestBackOff)
		require.ErrorContains(t, notReady(t, guard), "EOF")

		s.logto.Disturb(nil)
		time.Sleep(longestBackOff)
		accept(t, guard, s.mint())
		becomesReady(t, guard)
	})
}

// By the set clock, too, with no timer that has run.
func TestKeyAgeIsJudgedByNow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.readyGuard(t, clockOf(clock))
		mint := func() string {
			return s.mint(func(d *logtotest.Draft) { d.Claims["exp"] = clock.Now().Add(time.Hour).Unix() })
		}
		s.logto.Disturb(logtotest.Down())
		clock.Advance(greatestAge)
		accept(t, guard, mint())
		clock.Advance(1)
		refuse(t, guard, mint(), logtoguard.ErrKeysUnavailable)
		notReady(t, guard)

		// A machine that slept: its Logto is well, and the first request gets the keys.
		s.logto.Disturb(nil)
		clock.Advance(greatestAge)
		accept(t, guard, mint())
		becomesReady(t, guard)
		clock.Advance(greatestAge + 1)
		becomesReady(t, guard) // and so does the first probe
	})
}

// A token that was verified before lives no longer than the trust in its key.
func TestKnownTokenWhileTheKeysGrowOld(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		guard := s.readyGuard(t)
		s.logto.Disturb(logtotest.Down())
		token := s.logto.Mint(logtotest.Token{Lifetime: 2 * greatestAge})
		accept(t, guard, token)
		time.Sleep(greatestAge)
		accept(t, guard, token)
		time.Sleep(time.Nanosecond)
		refuse(t, guard, token, logtoguard.ErrKeysUnavailable)
	})
}

// A dead issuer is asked after 1 s, 2 s, 4 s, … and each minute in the end.
func TestBackOff(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		var fetches times
		s.logto.Disturb(fetches.before(logtotest.Down()))
		guard := s.guard(t)
		for range 3600 {
			time.Sleep(time.Second)
			synctest.Wait()
			// Requests neither hasten nor hinder it, nor do probes.
			refuse(t, guard, s.mint(), logtoguard.ErrKeysUnavailable)
		}
		require.GreaterOrEqual(t, s.fetches(), 60)
		require.LessOrEqual(t, s.fetches(), 90)
		gaps := fetches.gaps()
		for i, gap := range gaps {
			whole := min(time.Second<<min(i, 10), time.Minute)
			require.GreaterOrEqual(t, gap, whole*3/4, "pause %d", i)
			require.LessOrEqual(t, gap, min(whole*3/2, time.Minute), "pause %d", i)
		}
		require.GreaterOrEqual(t, gaps[0], time.Second)
		require.NotEqual(t, gaps[len(gaps)-1], gaps[len(gaps)-2], "without jitter all servers ask at the same moment")
		require.EqualValues(t, s.fetches(), guard.Stats().KeyFetchFailures)

		// A success ends the back-off, and the next outage begins anew.
		s.logto.Disturb(nil)
		becomesReady(t, guard)
		var again times
		s.logto.Disturb(again.before(logtotest.Down()))
		time.Sleep(longestRefresh + 10*time.Second)
		require.NotEmpty(t, again.gaps())
		require.Less(t, again.gaps()[0], 2*time.Second)
	})
}

func TestRetryAfterIsTheRestOfTheBackOff(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.logto.Disturb(logtotest.Status(http.StatusBadGateway))
		guard := s.guard(t)
		time.Sleep(10 * time.Minute)
		fetches := s.fetches()
		for s.fetches() == fetches {
			time.Sleep(time.Second)
		}
		synctest.Wait()
		fetches = s.fetches()
		rest := refuse(t, guard, s.mint(), logtoguard.ErrKeysUnavailable).RetryAfter
		require.Greater(t, rest, 30*time.Second)
		time.Sleep(10*time.Second + 1)
		w := serve(guard.Handler(noContent), "Bearer "+s.mint())
		seconds := int((rest - 10*time.Second - 1 + time.Second - 1) / time.Second) // rounded up
		require.Equal(t, strconv.Itoa(seconds), w.Header().Get("Retry-After"))
		time.Sleep(rest - 10*time.Second - 2)
		require.Equal(t, fetches, s.fetches())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, fetches+1, s.fetches())
	})
}

// A clock that is set back during an outage makes nobody wait for hours.
func TestRetryAfterWithTheClockSetBack(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		clock := logtotest.NewClock(time.Now())
		s.logto.Disturb(logtotest.Down())
		guard := s.guard(t, clockOf(clock))
		synctest.Wait()
		clock.Advance(-time.Hour)
		token := s.mint(func(d *logtotest.Draft) { d.Claims["iat"] = clock.Now().Unix() })
		e := refuse(t, guard, token, logtoguard.ErrKeysUnavailable)
		require.LessOrEqual(t, e.RetryAfter, longestBackOff)
	})
}

// An issuer that takes the connection and says nothing holds nobody for longer than 5 s.
func TestHangingIssuer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.logto.Disturb(hold(nil))
		// A client without a time-out, and one with a long one, are bounded too.
		guard := s.guard(t, func(cfg *logtoguard.Config) {
			cfg.HTTPClient = &http.Client{Transport: s.client.Transport, Timeout: time.Hour}
		})
		begin := time.Now()
		time.Sleep(time.Second) // so that the fetch's own end and the request's differ
		refuse(t, guard, s.mint(), logtoguard.ErrKeysUnavailable)
		require.Equal(t, 5*time.Second, time.Since(begin), "the fetch ends after 5 s")
		require.EqualValues(t, 1, guard.Stats().KeyFetchFailures)
		for s.fetches() == 1 {
			time.Sleep(time.Millisecond)
		}
		require.InDelta(t, 6, time.Since(begin).Seconds(), 0.5, "and the next one begins after a back-off")

		s.logto.Disturb(nil)
		becomesReady(t, guard)
		s.logto.Disturb(hold(nil))
		for fetches := s.fetches(); s.fetches() == fetches; {
			time.Sleep(time.Second)
		}
		synctest.Wait()
		begin = time.Now()
		accept(t, guard, s.mint())
		require.Zero(t, time.Since(begin), "nobody whose key is known waits for a refresh")
		refuse(t, guard, s.mint(kid("absent")), logtoguard.ErrKeysUnavailable)
		require.LessOrEqual(t, time.Since(begin), 5*time.Second)
	})
}

// Two fetches in a row may be needed to judge a request. Together they get 5 s.
func TestRequestWaitsFiveSecondsInAll(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		guard := s.readyGuard(t)
		s.logto.Disturb(logtotest.Slow(4 * time.Second))
		for s.fetches() == 1 {
			time.Sleep(time.Second)
		}
		begin := time.Now()
		refuse(t, guard, s.mint(kid("absent")), logtoguard.ErrKeysUnavailable)
		require.Equal(t, 5*time.Second, time.Since(begin))
	})
}

func TestOutageIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.logto.Disturb(logtotest.Down())
		guard := s.guard(t)
		outage := func(warnings int) {
			t.Helper()
			time.Sleep(time.Hour)
			synctest.Wait()
			require.Len(t, s.log.with("level=WARN"), warnings)
			require.Len(t, s.log.with("level=WARN", "failed", "EOF"), (warnings+1)/2)
			s.logto.Disturb(nil)
			time.Sleep(time.Hour)
			accept(t, guard, s.mint())
			require.Len(t, s.log.with("level=WARN"), warnings+1)
			require.Len(t, s.log.with("level=WARN", "works again"), (warnings+1)/2)
		}
		outage(1)
		s.logto.Disturb(logtotest.Down())
		outage(3)
		require.Len(t, s.log.with("keys changed"), 1)
	})
}

// Nor is a set without a usable key told with each try.
func TestUnusableSetIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		weak := logtotest.NewKey("RS256").JWK()
		weak["e"] = "AQ"
		s.logto.Disturb(keySetOf(weak))
		s.guard(t)
		time.Sleep(time.Hour)
		require.Len(t, s.log.with("level=WARN", "skipped"), 1)
		require.Len(t, s.log.with("level=WARN"), 2)
	})
}

func TestReadySaysWhyNot(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		s.logto.Disturb(hold(nil))
		clock := logtotest.NewClock(time.Now())
		guard := s.guard(t, clockOf(clock))
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

		s.logto.Disturb(logtotest.Status(http.StatusBadGateway))
		time.Sleep(10 * time.Second)
		require.ErrorContains(t, notReady(t, guard), "502")

		s.logto.Disturb(nil)
		require.NoError(t, guard.Ready(t.Context()))

		// Keys that grew too old while the machine slept are not a first fetch.
		s.logto.Disturb(hold(nil))
		clock.Advance(greatestAge + 1)
		require.NotContains(t, notReady(t, guard).Error(), "first fetch")
	})
}
