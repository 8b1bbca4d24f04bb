package m2m_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

var errDown error = syscall.EACCES // which every system has

func down(int32, *http.Request) (*http.Response, error) { return nil, errDown }

func TestFailedRenewalsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := logtotest.NewClock(noon)
		logto := &tokenEndpoint{}
		client := newClient(t, by(logto), clocked(clock))
		token(t, client)
		logto.answer = down
		clock.Advance(56 * time.Minute)
		for _, step := range []struct {
			advance  time.Duration
			requests int32
		}{{0, 2}, {9 * time.Second, 2}, {time.Second, 3}, {10 * time.Second, 4}, {-time.Second, 5}} {
			clock.Advance(step.advance)
			for range 100 {
				require.Equal(t, "token-1", token(t, client))
				synctest.Wait()
			}
			require.Equal(t, step.requests, logto.requests.Load(), "after %v", step.advance)
		}
		logto.answer = nil
		clock.Advance(10 * time.Second)
		require.Equal(t, "token-1", token(t, client))
		synctest.Wait()
		require.Equal(t, "token-6", token(t, client))
	})
}

func TestFailuresRestLongerAndLonger(t *testing.T) {
	const second, minute = time.Second, time.Minute
	clock := logtotest.NewClock(noon)
	logto := &tokenEndpoint{answer: down}
	client := newClient(t, by(logto), clocked(clock))
	requests := int32(0)
	for _, rest := range []time.Duration{second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second, minute, minute} {
		requests++
		for _, advance := range []time.Duration{0, rest - 1} {
			clock.Advance(advance)
			require.ErrorIs(t, refused(t, client), errDown)
			require.Equal(t, requests, logto.requests.Load(), "it rests for %v", rest)
		}
		clock.Advance(1)
	}
	refused(t, client)
	clock.Advance(-time.Hour)
	refused(t, client)
	require.Equal(t, requests+2, logto.requests.Load(), "a clock that is set back lengthens nothing")
}

// At the end of a token, a failed renewal does not delay the request for the next one.
func TestTheRestAfterATokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := logtotest.NewClock(noon)
		logto := &tokenEndpoint{}
		client := newClient(t, by(logto), clocked(clock))
		token(t, client)
		logto.answer = down
		clock.Set(noon.Add(59*time.Minute + 49500*time.Millisecond)) // it works for another half of a second
		token(t, client)
		synctest.Wait()
		require.EqualValues(t, 2, logto.requests.Load())
		clock.Advance(500 * time.Millisecond)
		for range 2 {
			refused(t, client)
			require.EqualValues(t, 3, logto.requests.Load())
		}
	})
}

// After a success nothing is left of the failures before it.
func TestASuccessEndsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := logtotest.NewClock(noon)
		logto := &tokenEndpoint{answer: down}
		client := newClient(t, by(logto), clocked(clock))
		brief := func(int32, *http.Request) (*http.Response, error) {
			return jsonAnswer(200, `{"access_token":"a","token_type":"Bearer","expires_in":1}`), nil
		}
		for _, step := range []struct {
			advance time.Duration
			answer  func(int32, *http.Request) (*http.Response, error)
			want    string
		}{
			{0, down, ""},
			{time.Second, down, ""},
			{2 * time.Second, down, ""},
			{4 * time.Second, brief, "a"},
			{800 * time.Millisecond, brief, "a"}, // renewed, though the last failure was this recent
			{960 * time.Millisecond, down, ""},
			{time.Second, nil, "token-7"}, // a first failure's rest
		} {
			clock.Advance(step.advance)
			logto.answer = step.answer
			before := logto.requests.Load()
			if step.want == "" {
				refused(t, client)
			} else {
				require.Equal(t, step.want, token(t, client))
			}
			synctest.Wait()
			require.Equal(t, before+1, logto.requests.Load())
		}
	})
}

// Renewals that failed for long do not lengthen the rest after the token's end.
func TestTheRestAfterManyFailedRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := logtotest.NewClock(noon)
		logto := &tokenEndpoint{}
		client := newClient(t, by(logto), clocked(clock))
		token(t, client)
		logto.answer = down
		clock.Set(noon.Add(46 * time.Minute))
		for range 80 {
			clock.Advance(10 * time.Second)
			token(t, client)
			synctest.Wait()
		}
		require.EqualValues(t, 81, logto.requests.Load())
		clock.Set(noon.Add(59*time.Minute + 52*time.Second))
		refused(t, client)
		require.EqualValues(t, 82, logto.requests.Load(), "2 s after the last of them")
	})
}

// The configured scopes are asked for and compared at each request alike.
func TestScopesOfARenewedToken(t *testing.T) {
	clock := logtotest.NewClock(noon)
	grants := []string{"write:products read:products", "read:products", "read:products write:products"}
	client := newClient(t, scopes("read:products", "write:products"), clocked(clock), by(&tokenEndpoint{
		answer: func(n int32, r *http.Request) (*http.Response, error) {
			assert.NoError(t, r.ParseForm())
			assert.Equal(t, "read:products write:products", r.PostForm.Get("scope"))
			return jsonAnswer(200, `{"access_token":"a","expires_in":3600,"token_type":"Bearer","scope":"`+grants[n-1]+`"}`), nil
		},
	}))
	token(t, client)
	clock.Advance(time.Hour)
	require.Equal(t, []string{"write:products"}, refused(t, client).MissingScopes)
	clock.Advance(time.Hour)
	token(t, client)
}

func busy(status int, retryAfter string) func(int32, *http.Request) (*http.Response, error) {
	return func(int32, *http.Request) (*http.Response, error) {
		response := answer(status, "text/html", strings.NewReader("<html>"))
		response.Header.Set("Retry-After", retryAfter)
		return response, nil
	}
}

func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		status int
		value  string
		want   time.Duration
	}{
		{429, "30", 30 * time.Second}, {503, "30", 30 * time.Second}, {429, "300", 5 * time.Minute}, {429, "301", 5 * time.Minute},
		{429, "99999999999999999999", 5 * time.Minute}, {429, "18446744073709551615", 5 * time.Minute},
		{503, noon.Add(time.Minute).Format(http.TimeFormat), time.Minute}, {503, noon.Add(time.Hour).Format(http.TimeFormat), 5 * time.Minute},
		{429, noon.Add(-time.Minute).Format(http.TimeFormat), 0},
		{429, "", 0}, {429, "0", 0}, {429, "-1", 0}, {429, "1.5", 0}, {429, "soon", 0}, {500, "30", 0}, {400, "30", 0}, {301, "30", 0},
	} {
		clock := logtotest.NewClock(noon)
		logto := &tokenEndpoint{answer: busy(test.status, test.value)}
		client := newClient(t, by(logto), clocked(clock))
		assert.Equal(t, test.want, refused(t, client).RetryAfter, "%d %s", test.status, test.value)

		rest := max(test.want, time.Second)
		clock.Advance(rest - time.Second/4)
		assert.Equal(t, max(0, test.want-rest+time.Second/4), refused(t, client).RetryAfter, "what is left of it")
		assert.EqualValues(t, 1, logto.requests.Load(), "%d %s", test.status, test.value)
		clock.Advance(time.Second / 4)
		refused(t, client)
		assert.EqualValues(t, 2, logto.requests.Load(), "%d %s", test.status, test.value)
	}
}

// While Logto asks to wait, the token that still works serves, and an API's 401
// doesn't force a renewal either.
func TestRetryAfterWithAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(accept("token-1"))
		client := newClient(t, by(w), clocked(w.clock))
		require.Equal(t, "token-1", token(t, client))
		w.logto.answer = busy(429, "300")
		w.clock.Advance(45 * time.Minute)
		for _, step := range []struct {
			advance  time.Duration
			requests int32
		}{{0, 2}, {5*time.Minute - 1, 2}, {1, 3}} {
			w.clock.Advance(step.advance)
			w.api = accept("token-1")
			require.Equal(t, 200, do(t, client.HTTPClient(), http.MethodGet, "https://api.example/", nil).StatusCode)
			synctest.Wait()
			w.api = accept()
			require.Equal(t, 401, do(t, client.HTTPClient(), http.MethodGet, "https://api.example/", nil).StatusCode)
			require.Equal(t, step.requests, w.logto.requests.Load(), "after %v", step.advance)
		}
		w.clock.Advance(-time.Hour)
		w.api = accept()
		do(t, client.HTTPClient(), http.MethodGet, "https://api.example/", nil)
		require.EqualValues(t, 4, w.logto.requests.Load(), "a clock that is set back lengthens nothing")
	})
}
