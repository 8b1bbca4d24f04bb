package m2m_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

// clocked sets the client's clock on one that the test moves.
func clocked(clock *logtotest.Clock) func(*m2m.Config) {
	return func(c *m2m.Config) { c.Now = clock.Now }
}

func TestExpiryAgainstLogto(t *testing.T) {
	logto, clock := newLogto(t)
	client := newClient(t, at(logto, clock))
	first := token(t, client)
	require.Equal(t, first, token(t, client))

	clock.Advance(time.Hour - 10*time.Second)
	require.NotEqual(t, first, token(t, client), "10 s before its end it isn't given out any more")
	require.Equal(t, 2, logto.Requests("/oidc/token"))
}

func TestRenewalInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := logtotest.NewClock(noon)
		answerNow := make(chan struct{})
		logto := &tokenEndpoint{answer: func(n int32, _ *http.Request) (*http.Response, error) {
			if n > 1 {
				<-answerNow
			}
			return granted(n), nil
		}}
		client := newClient(t, by(logto), clocked(clock))
		require.Equal(t, "token-1", token(t, client))

		clock.Set(noon.Add(45*time.Minute - time.Second))
		require.Equal(t, "token-1", token(t, client))
		synctest.Wait()
		require.EqualValues(t, 1, logto.requests.Load(), "too early")

		clock.Set(noon.Add(45 * time.Minute))
		for range 100 {
			require.Equal(t, "token-1", token(t, client), "nobody waits for the renewal")
		}
		synctest.Wait()
		require.EqualValues(t, 2, logto.requests.Load())

		close(answerNow)
		synctest.Wait()
		require.Equal(t, "token-2", token(t, client))
		require.EqualValues(t, 2, logto.requests.Load())
	})
}

// Lifetime, when a call starts the renewal, and when the token is given up.
func TestMargins(t *testing.T) {
	for _, test := range []struct {
		expiresIn          string
		renewed, abandoned time.Duration
	}{
		{"86400", 24*time.Hour - 15*time.Minute, 24*time.Hour - 10*time.Second},
		{"3600", 45 * time.Minute, time.Hour - 10*time.Second},
		{"600", 450 * time.Second, 590 * time.Second},
		{"60", 45 * time.Second, 57 * time.Second},
		{"1", 750 * time.Millisecond, 950 * time.Millisecond},
	} {
		t.Run(test.expiresIn, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := logtotest.NewClock(noon)
				logto := &tokenEndpoint{answer: func(n int32, r *http.Request) (*http.Response, error) {
					if n > 1 {
						return down(n, r)
					}
					return jsonAnswer(200, `{"access_token":"a","token_type":"Bearer","expires_in":`+test.expiresIn+`}`), nil
				}}
				client := newClient(t, by(logto), clocked(clock))
				for _, step := range []struct {
					at       time.Duration
					requests int32
				}{{0, 1}, {test.renewed - 1, 1}, {test.renewed, 2}} {
					clock.Set(noon.Add(step.at))
					require.Equal(t, "a", token(t, client))
					synctest.Wait()
					require.Equal(t, step.requests, logto.requests.Load(), "after %v", step.at)
				}

				clock.Set(noon.Add(test.abandoned - 1))
				require.Equal(t, "a", token(t, client), "its renewal failed, and it still works")
				synctest.Wait()
				clock.Set(noon.Add(test.abandoned))
				require.ErrorIs(t, refused(t, client), errDown)
			})
		})
	}
}

// A clock that is set back must not make a token last for ever.
func TestClockThatIsSetBack(t *testing.T) {
	for _, test := range []struct {
		back     time.Duration
		requests int32
	}{{time.Minute, 1}, {time.Minute + 1, 2}, {365 * 24 * time.Hour, 2}} {
		synctest.Test(t, func(t *testing.T) {
			clock := logtotest.NewClock(noon)
			logto := &tokenEndpoint{}
			client := newClient(t, by(logto), clocked(clock))
			token(t, client)
			clock.Advance(-test.back)
			for range 3 {
				token(t, client)
				synctest.Wait()
			}
			require.Equal(t, test.requests, logto.requests.Load(), "set back by %v", test.back)
		})
	}
}

func TestOneRequestForAThousandCallers(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(int32, *http.Request) (*http.Response, error)
	}{
		{"granted", nil},
		{"failed", down},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logto := &tokenEndpoint{}
				logto.answer = func(n int32, r *http.Request) (*http.Response, error) {
					time.Sleep(time.Second) // the bubble's: all callers are there by then
					if test.answer != nil {
						return test.answer(n, r)
					}
					return granted(n), nil
				}
				client := newClient(t, by(logto))
				var callers sync.WaitGroup
				for range 1000 {
					callers.Go(func() {
						got, err := client.Token(t.Context())
						if test.answer != nil {
							assert.ErrorIs(t, err, errDown)
						} else if assert.NoError(t, err) {
							assert.Equal(t, "token-1", got.AccessToken)
						}
					})
				}
				callers.Wait()
				require.EqualValues(t, 1, logto.requests.Load())
			})
		})
	}
}

func TestAThousandCallersOfLogto(t *testing.T) {
	logto, clock := newLogto(t)
	client := newClient(t, at(logto, clock))
	var callers sync.WaitGroup
	for range 1000 {
		callers.Go(func() {
			_, err := client.Token(t.Context())
			assert.NoError(t, err)
		})
	}
	callers.Wait()
	require.Equal(t, 1, logto.Requests("/oidc/token"))
}

func TestAContextBoundsItsCallerOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logto := &tokenEndpoint{}
		logto.answer = func(n int32, r *http.Request) (*http.Response, error) {
			select {
			case <-r.Context().Done():
				return hang(r)
			case <-time.After(3 * time.Second):
				return granted(n), nil
			}
		}
		client := newClient(t, by(logto))
		start := time.Now()
		var callers sync.WaitGroup
		callers.Go(func() { // comes first, so that the request is made for it
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			e := tokenError(t, ctx, client)
			assert.ErrorIs(t, e, context.DeadlineExceeded)
			assert.Equal(t, "m2m: no token: context deadline exceeded", e.Error())
			assert.Equal(t, time.Second, time.Since(start))
		})
		synctest.Wait()
		callers.Go(func() {
			assert.Equal(t, "token-1", token(t, client))
			assert.Equal(t, 3*time.Second, time.Since(start))
		})
		callers.Wait()
		require.EqualValues(t, 1, logto.requests.Load())

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client.Token(ended)
		require.NoError(t, err, "there is nothing to wait for")
	})
}

func TestTokenSource(t *testing.T) {
	w := newWorld(accept("token-1", "token-2"))
	client := newClient(t, by(w), clocked(w.clock))
	source := client.TokenSource(t.Context())
	for range 2 {
		got, err := source.Token()
		require.NoError(t, err)
		require.Equal(t, "token-1", got.AccessToken)
	}
	w.clock.Advance(time.Hour)
	got, err := source.Token()
	require.NoError(t, err)
	require.Equal(t, "token-2", got.AccessToken, "the Client decides when a token is too old")

	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: w})
	require.Equal(t, 200, do(t, oauth2.NewClient(ctx, source), http.MethodGet, "https://api.example/", nil).StatusCode)
	require.Equal(t, []string{"Bearer token-2"}, w.seen)
}

func TestTokenSourceOfAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got, err := newClient(t, by(roundTrip(hang))).TokenSource(ctx).Token()
		require.Nil(t, got)
		var e *m2m.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, e, context.Canceled)
		time.Sleep(time.Minute) // the bubble's: the request to Logto goes on
	})
}
