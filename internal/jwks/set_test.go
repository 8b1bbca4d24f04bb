package jwks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
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

// A caller that gives up is answered at once, and the fetch goes on for the others.
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

// unknown fails the test unless the guard says that it does not know the kid, after
// exactly this time.
func unknown(t *testing.T, guard *logtoguard.Guard, token string, after time.Duration) {
	t.Helper()
	begin := time.Now()
	e := guardtest.Refuse(t, guard, token, logtoguard.ErrUnknownKey)
	require.Equal(t, http.StatusUnauthorized, e.Status)
	require.Equal(t, after, time.Since(begin))
}

// Invented kids cause three fetches at once, and then one every 2 s, which is waited for.
func TestUnknownKidsAreRationed(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		useUpRation(t, s, guard, logtoguard.ErrUnknownKey)
		before := s.Fetches()
		for i := range 10 {
			unknown(t, guard, s.Mint(guardtest.Kid(fmt.Sprint("in turn ", i))), 2*time.Second)
		}
		require.Equal(t, 10, s.Fetches()-before)

		time.Sleep(4 * time.Second) // two fetches are allowed at once again, and the third 2 s later
		for i, wait := range []time.Duration{0, 0, 2 * time.Second} {
			unknown(t, guard, s.Mint(guardtest.Kid(fmt.Sprint("later ", i))), wait)
		}
		time.Sleep(time.Hour)
		useUpRation(t, s, guard, logtoguard.ErrUnknownKey)
		synctest.Wait()
	})
}

func TestUnknownKidsAtOnce(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		begin := time.Now()
		for _, err := range guardtest.Crowd(t.Context(), guard, 1000, func(i int) string { return s.Mint(guardtest.Kid(fmt.Sprint(i))) }) {
			require.ErrorIs(t, err, logtoguard.ErrUnknownKey)
		}
		require.LessOrEqual(t, time.Since(begin), 2*time.Second)
		require.LessOrEqual(t, s.Fetches(), 1+3+1)
	})
}

// useUpRation uses up the three fetches at once that are allowed for absent kids.
func useUpRation(t *testing.T, s *guardtest.Scene, guard *logtoguard.Guard, reason error) {
	t.Helper()
	before, begin := s.Fetches(), time.Now()
	for i := range 3 {
		guardtest.Refuse(t, guard, s.Mint(guardtest.Kid(fmt.Sprint("early ", i))), reason)
		require.Equal(t, i+1, s.Fetches()-before, "one fetch decides")
	}
	require.Zero(t, time.Since(begin))
}

// inventKids sends a thousand tokens a second under kids of their own, until the
// test ends or stop is called.
func inventKids(t *testing.T, s *guardtest.Scene, guard *logtoguard.Guard) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	senders.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			token := s.Mint(guardtest.Kid(fmt.Sprint("invented ", i)))
			senders.Go(func() { _, _ = guard.Verify(ctx, token) })
			time.Sleep(time.Millisecond)
		}
	})
	return func() {
		cancel()
		senders.Wait()
	}
}

// The clients of a deleted key need a 401 to renew their tokens; a 503 would have
// them repeat the old ones.
func TestClientsOfADeletedKey(t *testing.T) {
	t.Parallel()
	for name, invented := range map[string]bool{"alone": false, "among invented kids": true} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				guard := s.ReadyGuard(t)
				tokens := make([]string, 200)
				for i := range tokens {
					tokens[i] = s.Mint(func(d *logtotest.Draft) { d.Claims["sub"] = fmt.Sprint("client ", i) })
				}
				s.Logto.Rotate("")
				s.Logto.DropPrevious()
				time.Sleep(guardtest.LongestRefresh)
				if invented {
					defer inventKids(t, s, guard)()
					time.Sleep(5 * time.Second)
				}
				begin := time.Now()
				for _, err := range guardtest.Crowd(t.Context(), guard, len(tokens), func(i int) string { return tokens[i] }) {
					require.ErrorIs(t, err, logtoguard.ErrUnknownKey)
				}
				require.LessOrEqual(t, time.Since(begin), 2*time.Second)
			})
		})
	}
}

// Tokens under a new key are let in soon after a rotation, and never get a 401,
// however many kids are invented meanwhile.
func TestRotationAmongInventedKids(t *testing.T) {
	t.Parallel()
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		defer inventKids(t, s, guard)()
		time.Sleep(5 * time.Second)
		s.Logto.Rotate("")
		begin := time.Now()
		for _, err := range guardtest.Crowd(t.Context(), guard, 200, func(int) string { return s.Mint() }) {
			require.NoError(t, err)
		}
		require.LessOrEqual(t, time.Since(begin), 2*time.Second)
	})
}

// An issuer that hangs can't make requests pile up without end.
func TestRequestsThatWaitForKeysAreBounded(t *testing.T) {
	t.Parallel()
	for name, withKeys := range map[string]bool{"before the first keys": false, "absent kid": true} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				var guard *logtoguard.Guard
				if withKeys {
					guard = s.ReadyGuard(t)
					s.Logto.Disturb(guardtest.Hold(nil))
				} else {
					s.Logto.Disturb(guardtest.Hold(nil))
					guard = s.Guard(t)
				}
				token := s.Mint(guardtest.Kid("absent"))
				verify := func() error { _, err := guard.Verify(t.Context(), token); return err }
				var waiting []<-chan error
				for range 10_000 {
					waiting = append(waiting, guardtest.Background(verify))
				}
				synctest.Wait()
				begin := time.Now()
				e := guardtest.Refuse(t, guard, token, logtoguard.ErrKeysUnavailable)
				require.Equal(t, http.StatusServiceUnavailable, e.Status)
				require.Positive(t, e.RetryAfter)
				require.Zero(t, time.Since(begin), "one more does not wait")
				for _, result := range waiting {
					require.ErrorIs(t, <-result, logtoguard.ErrKeysUnavailable)
				}
				require.Equal(t, 5*time.Second, time.Since(begin))
				require.Zero(t, guard.Stats().WaitingForKeys)
				s.Logto.Disturb(nil)
				time.Sleep(guardtest.LongestBackOff)
				unknown(t, guard, token, 0)
			})
		})
	}
}

// While a fetch for an absent kid hangs, the answer is 503: only the issuer knows
// whether the key is one of its own.
func TestAbsentKidAndAHangingIssuer(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		useUpRation(t, s, guard, logtoguard.ErrUnknownKey)
		s.Logto.Disturb(guardtest.Hold(nil))
		begin := time.Now()
		e := guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("late")), logtoguard.ErrKeysUnavailable)
		require.Equal(t, http.StatusServiceUnavailable, e.Status)
		require.Equal(t, 5*time.Second, time.Since(begin))
	})
}

// While the issuer fails it is not known whether a kid is one of its keys.
func TestUnknownKidsWhileTheIssuerFails(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		s.Logto.Disturb(logtotest.Status(http.StatusInternalServerError))
		useUpRation(t, s, guard, logtoguard.ErrKeysUnavailable)
		before := s.Fetches()
		e := guardtest.Refuse(t, guard, s.Mint(guardtest.Kid("late")), logtoguard.ErrKeysUnavailable)
		require.Equal(t, http.StatusServiceUnavailable, e.Status)
		require.Empty(t, e.Challenge())
		require.GreaterOrEqual(t, e.RetryAfter, time.Second)
		require.Equal(t, before+1, s.Fetches())
		guardtest.Accept(t, guard, s.Mint()) // the known key is not concerned

		s.Logto.Disturb(nil)
		time.Sleep(guardtest.LongestBackOff)
		unknown(t, guard, s.Mint(guardtest.Kid("late")), 0)
	})
}

// The ration of fetches goes by the process's own clock: setting Now back does not empty it.
func TestClockSetBackward(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		clock := logtotest.NewClock(time.Now())
		guard := s.ReadyGuard(t, guardtest.ClockOf(clock))
		useUpRation(t, s, guard, logtoguard.ErrUnknownKey)
		clock.Advance(-24 * time.Hour)
		mint := func(edits ...func(*logtotest.Draft)) string {
			edits = append(edits, func(d *logtotest.Draft) { d.Claims["iat"] = clock.Now().Unix() })
			return s.Mint(edits...)
		}
		before := s.Fetches()
		guardtest.Accept(t, guard, mint())
		unknown(t, guard, mint(guardtest.Kid("a")), 2*time.Second)
		s.Logto.Rotate("")
		guardtest.Accept(t, guard, mint())
		require.Equal(t, before+2, s.Fetches())
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
			"bad signature":     {func(d *logtotest.Draft) { d.Key = forger }, logtoguard.ErrWrongSignature},
			"no signature":      {func(d *logtotest.Draft) { d.Key = nil }, logtoguard.ErrWrongSignature},
			"alg of other keys": {func(d *logtotest.Draft) { d.Header["alg"] = "ES384" }, logtoguard.ErrWrongAlgorithm},
			"alg none":          {func(d *logtotest.Draft) { d.Header["alg"] = "none" }, logtoguard.ErrWrongAlgorithm},
			"alg HS256":         {func(d *logtotest.Draft) { d.Header["alg"], d.Header["kid"] = "HS256", "unknown" }, logtoguard.ErrWrongAlgorithm},
			"no kid":            {func(d *logtotest.Draft) { delete(d.Header, "kid") }, logtoguard.ErrMalformed},
			"ID token":          {func(d *logtotest.Draft) { d.Header["typ"], d.Header["kid"] = "JWT", "unknown" }, logtoguard.ErrNotAccessToken},
			"jku":               {func(d *logtotest.Draft) { d.Header["jku"], d.Key = s.Logto.URL()+"/elsewhere", forger }, logtoguard.ErrWrongSignature},
			"jwk":               {func(d *logtotest.Draft) { d.Header["jwk"], d.Key = forger.JWK(), forger }, logtoguard.ErrWrongSignature},
			"other issuer":      {claim("iss", "https://elsewhere.example/oidc"), logtoguard.ErrWrongIssuer},
			"other audience":    {claim("aud", "https://elsewhere.example"), logtoguard.ErrWrongAudience},
			"expired":           {claim("exp", time.Now().Add(-time.Minute).Unix()), logtoguard.ErrExpired},
			"not yet valid":     {claim("nbf", time.Now().Add(time.Hour).Unix()), logtoguard.ErrNotYetValid},
			"no subject":        {claim("sub", ""), logtoguard.ErrInvalidClaim},
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
