package jwks_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// aged is a fault that gives the present answer with this Age.
func aged(age string) logtotest.Fault {
	return guardtest.After(func(_ *http.Request, answer *httptest.ResponseRecorder) { answer.Header().Set("Age", age) })
}

// replay is a fault that answers as a cache does that keeps the present answer for ever.
func replay(t *testing.T, s *guardtest.Scene) logtotest.Fault {
	t.Helper()
	response, err := s.Client.Get(s.Logto.Endpoint() + guardtest.JWKSPath)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	begin := time.Now()
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			age := strconv.Itoa(int(time.Since(begin) / time.Second))
			guardtest.Answer(http.StatusOK, map[string]string{"Age": age}, string(body))(nil).ServeHTTP(w, r)
		})
	}
}

func TestRequestsAskPastCaches(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		var asked []string
		s.Logto.Disturb(guardtest.After(func(r *http.Request, _ *httptest.ResponseRecorder) {
			asked = append(asked, r.Header.Get("Cache-Control"))
		}))
		s.ReadyGuard(t)
		require.Equal(t, []string{"no-cache"}, asked)
	})
}

func TestAge(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0": 0, "60": time.Minute, "060": time.Minute, "86399": guardtest.GreatestAge - time.Second,
		"": 0, "-60": 0, "+60": 0, "60.5": 0, "1e3": 0, "60 s": 0, "60, 60": 0, "0x10": 0, "1_000": 0, "soon": 0,
	} {
		t.Run(value, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				s.Logto.Disturb(aged(value))
				guard := s.ReadyGuard(t)
				require.Equal(t, want, guard.Stats().KeyAge)
				s.Logto.Disturb(logtotest.Down())
				token := s.Mint(guardtest.Claim("exp", time.Now().Add(48*time.Hour).Unix()))
				time.Sleep(guardtest.GreatestAge - want)
				guardtest.Accept(t, guard, token)
				time.Sleep(time.Nanosecond)
				guardtest.Refuse(t, guard, token, logtoguard.ErrKeysUnavailable)
			})
		})
	}
}

func TestAnswersOfADayAgo(t *testing.T) {
	for _, age := range []string{"86400", "2147483648", "99999999999999999999999"} {
		t.Run(age, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				s.Logto.Disturb(aged(age))
				guard := s.Guard(t)
				require.ErrorContains(t, notReady(t, guard), "a cache")
				require.Positive(t, guard.Stats().KeyFetchFailures)
				require.Len(t, s.Log.With("level=WARN", "a cache answered"), 1)
			})
		})
	}
}

// A cache that replays an old answer keeps neither a dropped key alive for ever nor
// calls a new key unknown.
func TestAnswersOlderThanTheKeys(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		old := replay(t, s)
		time.Sleep(time.Minute)
		guard := s.ReadyGuard(t)
		s.Logto.Rotate("")
		time.Sleep(guardtest.LongestRefresh)
		synctest.Wait()
		known, begin, before := s.Mint(), time.Now(), guard.Stats()
		guardtest.Accept(t, guard, known)
		require.Equal(t, 2, before.Keys)

		s.Logto.Disturb(old)
		time.Sleep(2 * guardtest.LongestRefresh)
		synctest.Wait()
		require.Greater(t, guard.Stats().KeyFetches, before.KeyFetches)
		require.Equal(t, before.KeyFetchFailures, guard.Stats().KeyFetchFailures)
		require.Equal(t, 2, guard.Stats().Keys)
		require.GreaterOrEqual(t, guard.Stats().KeyAge, time.Since(begin))
		guardtest.Accept(t, guard, known)

		s.Logto.Rotate("")
		fresh, asked := s.Mint(), time.Now()
		e := guardtest.Refuse(t, guard, fresh, logtoguard.ErrKeysUnavailable)
		require.LessOrEqual(t, time.Since(asked), 5*time.Second)
		require.LessOrEqual(t, e.RetryAfter, 5*time.Second)
		late := guardtest.Background(func() error { _, err := guard.Verify(t.Context(), fresh); return err })
		synctest.Wait()
		s.Logto.Disturb(nil)
		require.NoError(t, <-late)

		s.Logto.Disturb(old)
		time.Sleep(guardtest.GreatestAge + time.Second)
		guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable)
		require.Positive(t, guard.Stats().KeyFetchFailures)
	})
}

// Age has whole seconds, so the answer that the keys came in may look a little older
// than they are.
func TestTheSameAnswerAgain(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		cached := replay(t, s)
		time.Sleep(1500 * time.Millisecond)
		s.Logto.Disturb(cached)
		guard := s.ReadyGuard(t)
		time.Sleep(500 * time.Millisecond)
		guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("invented")), logtoguard.ErrUnknownKey)
	})
}

// Keys whose answer was nearly a day old are too old before the next refresh.
func TestKeysThatGrowOldBetweenFetches(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(aged("86340"))
		guard := s.ReadyGuard(t)
		token := s.Mint()
		guardtest.Accept(t, guard, token)
		time.Sleep(time.Minute)
		guardtest.Accept(t, guard, token)
		time.Sleep(time.Nanosecond)
		guardtest.Refuse(t, guard, token, logtoguard.ErrKeysUnavailable)
	})
}

// The clock was a year ahead when the keys came: an older answer doesn't keep them
// young for that year.
func TestOlderAnswerAfterTheClockIsSetBack(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		clock := logtotest.NewClock(time.Now().Add(365 * 24 * time.Hour))
		guard := s.ReadyGuard(t, guardtest.ClockOf(clock))
		clock.Set(time.Now())
		s.Logto.Disturb(aged("60"))
		time.Sleep(guardtest.LongestRefresh)
		synctest.Wait()
		clock.Set(time.Now())
		s.Logto.Disturb(logtotest.Down())
		time.Sleep(guardtest.LongestRefresh)
		synctest.Wait()
		clock.Advance(guardtest.GreatestAge + 2*guardtest.LongestRefresh)
		require.Greater(t, guard.Stats().KeyAge, guardtest.GreatestAge)
	})
}

func retryAfter(value string) logtotest.Fault {
	return guardtest.Answer(http.StatusTooManyRequests, map[string]string{"Retry-After": value}, "")
}

// The issuer's Retry-After is obeyed while there are keys to serve on with.
func TestRetryAfterOfTheIssuer(t *testing.T) {
	for _, tt := range []struct {
		value       string
		least, most time.Duration // of the first pause
	}{
		{"30", 30 * time.Second, 30 * time.Second},
		{"300", 5 * time.Minute, 5 * time.Minute},
		{"301", 5 * time.Minute, 5 * time.Minute},
		{"99999999999999999999", 5 * time.Minute, 5 * time.Minute},
		{"Fri, 31 Dec 2100 23:59:59 GMT", 5 * time.Minute, 5 * time.Minute},
		{"Sat, 01 Jan 2000 00:00:00 GMT", time.Second, 2 * time.Second},
		{"0", time.Second, 2 * time.Second},
		{"-30", time.Second, 2 * time.Second},
		{"soon", time.Second, 2 * time.Second},
		{"", time.Second, 2 * time.Second},
	} {
		t.Run(tt.value, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				var fetches guardtest.Times
				guard := s.ReadyGuard(t)
				s.Logto.Disturb(fetches.Before(retryAfter(tt.value)))
				time.Sleep(guardtest.LongestRefresh + 6*time.Minute)
				synctest.Wait()
				require.GreaterOrEqual(t, fetches.Gaps()[0], tt.least)
				require.LessOrEqual(t, fetches.Gaps()[0], tt.most)
				guardtest.Accept(t, guard, s.Mint())
			})
		})
	}
}

// Without keys every request is refused: then it is asked as after any failure.
func TestRetryAfterWithoutKeys(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(retryAfter("300"))
		guard := s.Guard(t)
		synctest.Wait()
		require.LessOrEqual(t, guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable).RetryAfter, 2*time.Second)
		s.Logto.Disturb(nil)
		time.Sleep(2 * time.Second)
		guardtest.Accept(t, guard, s.Mint())
	})
}

// Keys that grow too old while the issuer is left alone end that.
func TestRetryAfterWhileTheKeysGrowOld(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(aged("86040")) // 6 minutes are left
		guard := s.ReadyGuard(t)
		s.Logto.Disturb(retryAfter("300"))
		time.Sleep(guardtest.LongestRefresh)
		synctest.Wait()
		s.Logto.Disturb(nil)
		time.Sleep(time.Minute + 30*time.Second)
		guardtest.Accept(t, guard, s.Mint())
	})
}

// An absent kid waits for the end of Retry-After too, for a minute at most.
func TestRetryAfterAndAbsentKids(t *testing.T) {
	for _, tt := range []struct {
		value string
		rest  time.Duration
	}{{"30", 30 * time.Second}, {"300", time.Minute}} {
		t.Run(tt.value, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				guard := s.ReadyGuard(t)
				s.Logto.Rotate("")
				s.Logto.Disturb(retryAfter(tt.value))
				require.Equal(t, tt.rest, guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable).RetryAfter)
				s.Logto.Disturb(nil)
				fetches := s.Fetches()
				time.Sleep(tt.rest - 10*time.Second)
				begin := time.Now()
				require.Equal(t, 10*time.Second, guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable).RetryAfter)
				require.Zero(t, time.Since(begin), "it is said at once")
				require.Equal(t, fetches, s.Fetches())
				time.Sleep(10 * time.Second)
				guardtest.Accept(t, guard, s.Mint())
			})
		})
	}
}
