package logtoguard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

func TestOneFetchHoweverManyWait(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		release := make(chan struct{})
		s.Logto.Disturb(guardtest.Hold(release))
		guard := s.Guard(t)
		token := s.Mint()
		go func() {
			synctest.Wait() // until all of them wait
			close(release)
		}()
		for _, err := range guardtest.Crowd(t.Context(), guard, 1000, func(int) string { return token }) {
			require.NoError(t, err)
		}
		require.Equal(t, 1, s.Fetches())
	})
}

// Whoever gives up is answered at once, and takes the fetch away from nobody.
func TestCallerGivesUp(t *testing.T) {
	for name, withKeys := range map[string]bool{"before the first keys": false, "absent kid": true} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				release := make(chan struct{})
				var guard *logtoguard.Guard
				if withKeys {
					guard = s.ReadyGuard(t)
					s.Logto.Rotate("")
				}
				s.Logto.Disturb(guardtest.Hold(release))
				if !withKeys {
					guard = s.Guard(t)
				}
				token := s.Mint()
				cancelled, cancel := context.WithCancel(t.Context())
				hasty := guardtest.Background(func() error { _, err := guard.Verify(cancelled, token); return err })
				patient := guardtest.Background(func() error { _, err := guard.Verify(t.Context(), token); return err })
				synctest.Wait()
				cancel()
				err := <-hasty
				require.ErrorIs(t, err, logtoguard.ErrKeysUnavailable)
				require.ErrorIs(t, err, context.Canceled)
				var e *logtoguard.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, http.StatusServiceUnavailable, e.Status)
				require.Zero(t, guard.Stats().Accepted)
				require.Empty(t, guard.Stats().Refused)

				close(release)
				require.NoError(t, <-patient)
				require.EqualValues(t, s.Fetches(), guard.Stats().KeyFetches)
				require.Equal(t, map[bool]int{false: 1, true: 2}[withKeys], s.Fetches())
				require.EqualValues(t, 1, guard.Stats().Accepted)
				require.Empty(t, guard.Stats().Refused)
				require.Zero(t, guard.Stats().KeyFetchFailures)
			})
		})
	}
}

func TestDeadlineOfTheCaller(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(guardtest.Hold(nil))
		guard := s.Guard(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := guard.Verify(ctx, s.Mint())
		require.ErrorIs(t, err, logtoguard.ErrKeysUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		require.Empty(t, guard.Stats().Refused)
	})
}

// A stranger who makes up kids makes three fetches, and then one every 10 s.
func TestUnknownKidsAreRationed(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.ReadyGuard(t, guardtest.ClockOf(clock))
		flood := func(more int) {
			t.Helper()
			before := s.Fetches()
			for i := range 1000 {
				e := guardtest.Refuse(t, guard, s.Mint(guardtest.Kid(fmt.Sprint("made up ", i))), logtoguard.ErrUnknownKey)
				require.Equal(t, http.StatusUnauthorized, e.Status)
			}
			require.Equal(t, more, s.Fetches()-before)
		}
		flood(3)
		flood(0)
		clock.Advance(10*time.Second - 1)
		flood(0)
		clock.Advance(1)
		flood(1)
		clock.Advance(20 * time.Second)
		flood(2)
		clock.Advance(time.Hour)
		guardtest.Accept(t, guard, s.Mint(func(d *logtotest.Draft) { d.Claims["exp"] = clock.Now().Add(time.Minute).Unix() }))
		synctest.Wait()
	})
}

func TestUnknownKidsAtOnce(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		for _, err := range guardtest.Crowd(t.Context(), guard, 1000, func(i int) string { return s.Mint(guardtest.Kid(fmt.Sprint(i))) }) {
			require.ErrorIs(t, err, logtoguard.ErrUnknownKey)
		}
		require.LessOrEqual(t, s.Fetches(), 1+3)
	})
}

// emptyBucket uses up the fetches for absent kids.
func emptyBucket(t *testing.T, s *guardtest.Scene, guard *logtoguard.Guard, reason error) {
	t.Helper()
	before := s.Fetches()
	for i := range 3 {
		guardtest.Refuse(t, guard, s.Mint(guardtest.Kid(fmt.Sprint("early ", i))), reason)
		require.Equal(t, i+1, s.Fetches()-before, "one fetch decides")
	}
}

// With the bucket empty nobody waits, whatever becomes of a fetch.
func TestEmptyBucketAnswersAtOnce(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		emptyBucket(t, s, guard, logtoguard.ErrUnknownKey)
		s.Logto.Disturb(guardtest.Hold(nil))
		begin, before := time.Now(), s.Fetches()
		e := guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("late")), logtoguard.ErrUnknownKey)
		require.Equal(t, http.StatusUnauthorized, e.Status)
		require.Zero(t, time.Since(begin))
		require.Equal(t, before, s.Fetches())
	})
}

// While the issuer fails nobody knows whether a kid is one of its keys.
func TestUnknownKidsWhileTheIssuerFails(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		s.Logto.Disturb(logtotest.Status(http.StatusInternalServerError))
		emptyBucket(t, s, guard, logtoguard.ErrKeysUnavailable)
		before := s.Fetches()
		e := guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("late")), logtoguard.ErrKeysUnavailable)
		require.Equal(t, http.StatusServiceUnavailable, e.Status)
		require.Empty(t, e.Challenge())
		require.GreaterOrEqual(t, e.RetryAfter, time.Second)
		require.Equal(t, before, s.Fetches())
		guardtest.Accept(t, guard, s.Mint()) // the known key is not concerned

		s.Logto.Disturb(nil)
		time.Sleep(guardtest.LongestBackOff)
		guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("late")), logtoguard.ErrUnknownKey)
	})
}

func TestClockSetBackward(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.ReadyGuard(t, guardtest.ClockOf(clock))
		emptyBucket(t, s, guard, logtoguard.ErrUnknownKey)
		clock.Advance(-24 * time.Hour)
		mint := func(edits ...func(*logtotest.Draft)) string {
			edits = append(edits, func(d *logtotest.Draft) { d.Claims["iat"] = clock.Now().Unix() })
			return s.Mint(edits...)
		}
		before := s.Fetches()
		guardtest.Accept(t, guard, mint())
		guardtest.Refuse(t, guard, mint(guardtest.Kid("a")), logtoguard.ErrUnknownKey)
		require.Equal(t, before, s.Fetches())
		// The bucket is full after 30 s; that there is one fetch takes 10.
		clock.Advance(30 * time.Second)
		s.Logto.Rotate("")
		guardtest.Accept(t, guard, mint())
		require.Equal(t, before+1, s.Fetches())
	})
}

// A stranger can write anything into a token: only an absent kid in a token that
// is right in all else is worth a fetch.
func TestWhatNeverFetches(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		forger := logtotest.NewKey("ES256")
		claim := func(name string, value any) func(*logtotest.Draft) {
			return func(d *logtotest.Draft) { d.Claims[name], d.Header["kid"] = value, "unknown" }
		}
		for name, c := range map[string]struct {
			edit   func(*logtotest.Draft)
			reason error
		}{
			"bad signature":     {func(d *logtotest.Draft) { d.Key = forger }, logtoguard.ErrSignature},
			"no signature":      {func(d *logtotest.Draft) { d.Key = nil }, logtoguard.ErrSignature},
			"alg of other keys": {func(d *logtotest.Draft) { d.Header["alg"] = "ES384" }, logtoguard.ErrAlgorithm},
			"alg none":          {func(d *logtotest.Draft) { d.Header["alg"] = "none" }, logtoguard.ErrAlgorithm},
			"alg HS256":         {func(d *logtotest.Draft) { d.Header["alg"], d.Header["kid"] = "HS256", "unknown" }, logtoguard.ErrAlgorithm},
			"no kid":            {func(d *logtotest.Draft) { delete(d.Header, "kid") }, logtoguard.ErrMalformed},
			"ID token":          {func(d *logtotest.Draft) { d.Header["typ"], d.Header["kid"] = "JWT", "unknown" }, logtoguard.ErrNotAccessToken},
			"jku":               {func(d *logtotest.Draft) { d.Header["jku"], d.Key = s.Logto.URL()+"/elsewhere", forger }, logtoguard.ErrSignature},
			"jwk":               {func(d *logtotest.Draft) { d.Header["jwk"], d.Key = forger.JWK(), forger }, logtoguard.ErrSignature},
			"other issuer":      {claim("iss", "https://elsewhere.example/oidc"), logtoguard.ErrIssuer},
			"other audience":    {claim("aud", "https://elsewhere.example"), logtoguard.ErrAudience},
			"expired":           {claim("exp", time.Now().Add(-time.Minute).Unix()), logtoguard.ErrExpired},
			"not yet valid":     {claim("nbf", time.Now().Add(time.Hour).Unix()), logtoguard.ErrNotYetValid},
			"no subject":        {claim("sub", ""), logtoguard.ErrClaims},
		} {
			guardtest.Refuse(t, guard, s.Mint(c.edit), c.reason)
			require.Equal(t, 1, s.Fetches(), name)
		}
		guardtest.Refuse(t, guard, "opaque", logtoguard.ErrOpaqueToken)
		synctest.Wait()
		require.Equal(t, 1, s.Fetches())
		require.Zero(t, s.Logto.Requests("/elsewhere"))
	})
}

func TestRefreshInterval(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		var fetches guardtest.Times
		s.Logto.Disturb(fetches.Before(nil))
		guard := s.ReadyGuard(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		gaps := fetches.Gaps()
		require.GreaterOrEqual(t, len(gaps), 10)
		require.LessOrEqual(t, len(gaps), 13)
		different := map[time.Duration]bool{}
		for _, gap := range gaps {
			require.InDelta(t, (5 * time.Minute).Seconds(), gap.Seconds(), 30)
			different[gap] = true
		}
		require.Greater(t, len(different), 1, "without jitter all servers ask at the same moment")
		require.EqualValues(t, s.Fetches(), guard.Stats().KeyFetches)
		require.Zero(t, guard.Stats().KeyFetchFailures)
	})
}

// The keys are asked for whole, whatever ETag came with them: a 304 would bring none.
func TestNoConditionalRequests(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Disturb(guardtest.After(func(r *http.Request, answer *httptest.ResponseRecorder) {
			require.NotContains(t, r.Header, "If-None-Match")
			require.NotContains(t, r.Header, "If-Modified-Since")
			answer.Header().Set("ETag", `"1"`)
		}))
		guard := s.ReadyGuard(t)
		time.Sleep(2 * guardtest.LongestRefresh)
		synctest.Wait()
		require.Zero(t, guard.Stats().KeyFetchFailures)
	})
}

// What confirms the keys renews their age, and costs nothing else.
func TestUnchangedKeys(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		time.Sleep(guardtest.GreatestAge + time.Hour)
		guardtest.Accept(t, guard, s.Mint())
		require.LessOrEqual(t, guard.Stats().KeyAge, guardtest.LongestRefresh)
		require.Equal(t, 1, guard.Stats().Keys)
		require.Greater(t, s.Fetches(), 250)
		require.Len(t, s.Log.With("keys changed"), 1)
	})
}
