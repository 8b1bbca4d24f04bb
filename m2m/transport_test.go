package m2m_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

func TestRequestsCarryTheToken(t *testing.T) {
	w := newWorld(accept("token-1"))
	request, err := http.NewRequest(http.MethodGet, "https://api.example/", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Basic own")
	response, err := w.client(t).Do(request)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	require.Equal(t, []string{"Bearer token-1"}, w.seen)
	assert.Equal(t, "Basic own", request.Header.Get("Authorization"), "the caller's request stays as it is")
	assert.Same(t, request, response.Request, "no token in what gets logged")
}

func TestRepeatAfter401(t *testing.T) {
	oneShot := func() io.Reader { return io.NopCloser(strings.NewReader("body")) }
	for _, test := range []struct {
		name   string
		body   func() io.Reader
		api    func(*http.Request) (*http.Response, error)
		status int
		seen   []string
	}{
		{"no body", func() io.Reader { return nil }, accept("token-2"), 200, []string{"Bearer token-1", "Bearer token-2"}},
		{"an empty body", func() io.Reader { return http.NoBody }, accept("token-2"), 200, []string{"Bearer token-1", "Bearer token-2"}},
		{"a body with GetBody", func() io.Reader { return strings.NewReader("body") }, accept("token-2"), 200, []string{"Bearer token-1 body", "Bearer token-2 body"}},
		{"a body that can be read once", oneShot, accept("token-2"), 401, []string{"Bearer token-1 body"}},
		{"never twice", func() io.Reader { return nil }, accept(), 401, []string{"Bearer token-1", "Bearer token-2"}},
		{"not after 403", func() io.Reader { return nil }, func(*http.Request) (*http.Response, error) { return answer(403, "", http.NoBody), nil }, 403, []string{"Bearer token-1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(test.api)
				response := do(t, w.client(t), http.MethodPost, "https://api.example/", test.body())
				assert.Equal(t, test.status, response.StatusCode)
				assert.Equal(t, test.seen, w.seen)
				if test.status == 401 {
					body, _ := io.ReadAll(response.Body)
					assert.Equal(t, "refused", string(body), "the caller reads the refusal")
				}
			})
		})
	}
}

func TestTheRefusalStays(t *testing.T) {
	same := func(int32, *http.Request) (*http.Response, error) { return granted(1), nil }
	fails := func(n int32, r *http.Request) (*http.Response, error) {
		if n > 1 {
			return down(n, r)
		}
		return granted(n), nil
	}
	broken := func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	for name, test := range map[string]struct {
		logto   func(int32, *http.Request) (*http.Response, error)
		getBody func() (io.ReadCloser, error)
	}{
		"Logto is down":           {logto: fails},
		"the same token again":    {logto: same},
		"the body can't be reset": {getBody: broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(accept("token-2"))
				w.logto.answer = test.logto
				request, err := http.NewRequest(http.MethodPost, "https://api.example/", strings.NewReader("body"))
				require.NoError(t, err)
				if test.getBody != nil {
					request.GetBody = test.getBody
				}
				response, err := w.client(t).Do(request)
				require.NoError(t, err)
				body, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				assert.Equal(t, 401, response.StatusCode)
				assert.Equal(t, "refused", string(body))
				assert.Equal(t, []string{"Bearer token-1 body"}, w.seen)
				assert.EqualValues(t, 2, w.logto.requests.Load())
			})
		})
	}
}

// There is one renewal in 10 s for a token that is refused, and one more, a little
// later, for a young one.
func TestForcedRenewalsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(accept())
		client := w.client(t, func(cfg *m2m.Config) { cfg.Now = nil })
		start := time.Now()
		for _, step := range []struct {
			at       time.Duration
			requests int32
			took     time.Duration
		}{
			{0, 2, 1100 * time.Millisecond}, // the first token was young
			{1100 * time.Millisecond, 2, 0},
			{3100*time.Millisecond - 1, 2, 0},
			{3100 * time.Millisecond, 3, 0}, // the second is not any more
			{5100 * time.Millisecond, 3, 0},
			{10*time.Second - 1, 3, 0},
			{13100*time.Millisecond - 1, 3, 0},
			{13100 * time.Millisecond, 5, 1100 * time.Millisecond}, // both: the fourth is young
			{20 * time.Second, 5, 0},
		} {
			time.Sleep(time.Until(start.Add(step.at))) // the bubble's
			require.Equal(t, 401, do(t, client, http.MethodGet, "https://api.example/", nil).StatusCode)
			require.Equal(t, step.requests, w.logto.requests.Load(), "at %v", step.at)
			require.Equal(t, step.at+step.took, time.Since(start))
		}
	})
}

func TestNeverRepeatedThrice(t *testing.T) {
	w := newWorld(nil)
	w.api = func(r *http.Request) (*http.Response, error) {
		w.clock.Advance(time.Minute) // so that another renewal would be allowed
		return accept()(r)
	}
	require.Equal(t, 401, do(t, w.client(t), http.MethodGet, "https://api.example/", nil).StatusCode)
	require.Equal(t, []string{"Bearer token-1", "Bearer token-2", "Bearer token-3"}, w.seen)
}

func TestTheAPIsErrorsPass(t *testing.T) {
	w := newWorld(func(*http.Request) (*http.Response, error) { return nil, errDown })
	_, err := w.client(t).Get("https://api.example/")
	require.ErrorIs(t, err, errDown)
	require.Len(t, w.seen, 1)
}

func TestA401ForAnOlderToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan struct{})
		w := newWorld(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/slow" && r.Header.Get("Authorization") == "Bearer token-1" {
				<-late
			}
			return accept("token-2")(r)
		})
		client := w.client(t)
		var slow sync.WaitGroup
		slow.Go(func() {
			response, err := client.Get("https://api.example/slow")
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode)
			}
		})
		synctest.Wait()
		require.Equal(t, 200, do(t, client, http.MethodGet, "https://api.example/", nil).StatusCode)
		close(late)
		slow.Wait()
		require.EqualValues(t, 2, w.logto.requests.Load(), "the renewal of one serves the other")
	})
}

func TestAThousand401s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(accept("token-2"))
		client := w.client(t)
		var callers sync.WaitGroup
		for range 1000 {
			callers.Go(func() {
				response, err := client.Get("https://api.example/")
				if assert.NoError(t, err) {
					assert.Equal(t, 200, response.StatusCode)
				}
			})
		}
		callers.Wait()
		require.EqualValues(t, 2, w.logto.requests.Load())
	})
}

// Keys that are dropped at Logto: the API refuses, and the next token is good.
func TestRotationAtLogto(t *testing.T) {
	logto, clock := newLogto(t)
	client := newClient(t, at(logto, clock), scopes("all"), func(c *m2m.Config) { c.Resource, c.AcceptFewerScopes = m2m.ManagementResource("default"), true })
	first := token(t, client)
	clock.Advance(2 * time.Second) // so that the token is not young
	logto.Rotate("")
	logto.DropPrevious()
	response := do(t, client.HTTPClient(), http.MethodGet, logto.URL()+"/api/applications", nil)
	assert.NotEqual(t, 401, response.StatusCode)
	assert.NotEqual(t, first, token(t, client))
	assert.Equal(t, 2, logto.Requests("/api/applications"))
	assert.Equal(t, 2, logto.Requests("/oidc/token"))
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestTheRefusalIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := strings.NewReader("what may have no end")
		refusal := &closing{Reader: content}
		w := newWorld(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer token-1" {
				return &http.Response{StatusCode: 401, Body: refusal, ContentLength: content.Size()}, nil
			}
			return answer(200, "", http.NoBody), nil
		})
		require.Equal(t, 200, do(t, w.client(t), http.MethodGet, "https://api.example/", nil).StatusCode)
		assert.True(t, refusal.closed)
		assert.EqualValues(t, content.Size(), content.Len(), "nothing of it is read, as it may never come")
	})
}

func TestBodiesAreClosedOnErrors(t *testing.T) {
	for name, test := range map[string]struct {
		url   string
		logto func(int32, *http.Request) (*http.Response, error)
	}{"no token": {"https://api.example/", down}, "not encrypted": {"http://api.example/", nil}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(nil)
			w.logto.answer = test.logto
			body := &closing{Reader: strings.NewReader("body")}
			request := httptest.NewRequest(http.MethodPost, test.url, body)
			_, err := w.client(t).Transport.RoundTrip(request)
			require.Error(t, err)
			assert.True(t, body.closed)
			assert.Empty(t, w.seen)
		})
	}
}

// Logto's cookies are not for the caller, nor the caller's for Logto.
func TestCookies(t *testing.T) {
	at, err := url.Parse("https://logto.example/")
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	jar.SetCookies(at, []*http.Cookie{{Name: "own", Value: "a", Path: "/"}})
	w := newWorld(func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "own=a", r.Header.Get("Cookie"))
		return answer(200, "", http.NoBody), nil
	})
	w.logto.answer = func(n int32, r *http.Request) (*http.Response, error) {
		assert.Empty(t, r.Header.Get("Cookie"))
		response := granted(n)
		response.Header.Set("Set-Cookie", "session=b; Path=/")
		return response, nil
	}
	client := w.client(t, func(c *m2m.Config) { c.HTTPClient.Jar = jar })
	do(t, client, http.MethodGet, "https://logto.example/api", nil)
	require.Len(t, jar.Cookies(at), 1)
}
