package m2m_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

func TestPlainHTTP(t *testing.T) {
	for _, test := range []struct {
		url      string
		insecure bool
		sent     bool
	}{
		{"http://api.example/", false, false},
		{"http://10.0.0.1/", false, false},
		{"http://localhost.example/", false, false},
		{"ws://api.example/", false, false},
		{"http://api.example/", true, true},
		{"http://127.0.0.1:8080/", false, true},
		{"http://[::1]:8080/", false, true},
		{"http://localhost:8080/", false, true},
		{"https://api.example/", false, true},
	} {
		w := newWorld(accept("token-1"))
		response, err := w.client(t, func(c *m2m.Config) { c.InsecureHTTP = test.insecure }).Get(test.url)
		if test.sent {
			require.NoError(t, err, test.url)
			require.Equal(t, 200, response.StatusCode)
			continue
		}
		require.ErrorContains(t, err, "is not encrypted, so the token is not sent there: use https, or set InsecureHTTP", test.url)
		require.Empty(t, w.seen)
		require.Zero(t, w.logto.requests.Load())
	}
}

// An origin is a server that notes which tokens came, and redirects by its map.
type origin struct {
	*httptest.Server
	redirects map[string]string
	tokens    map[string]string // by path; "" where none came
}

func newOrigin(t *testing.T) *origin {
	o := &origin{redirects: map[string]string{}, tokens: map[string]string{}}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.tokens[r.URL.Path] = r.Header.Get("Authorization")
		if target := o.redirects[r.URL.Path]; target != "" {
			http.Redirect(w, r, target, http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(o.Close)
	return o
}

func TestTheTokenStaysAtItsOrigin(t *testing.T) {
	logto, clock := newLogto(t)
	tokens := newClient(t, at(logto, clock))
	bearer := "Bearer " + token(t, tokens)
	api, other := newOrigin(t), newOrigin(t)
	api.redirects["/a"] = "/b"
	api.redirects["/b"] = other.URL + "/c"
	other.redirects["/c"] = "/d"
	other.redirects["/d"] = api.URL + "/e"
	api.redirects["/e"] = "/f"

	response, err := tokens.HTTPClient().Get(api.URL + "/a")
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, 200, response.StatusCode)
	assert.Equal(t, map[string]string{"/a": bearer, "/b": bearer, "/e": "", "/f": ""}, api.tokens, "not even where the way leads back")
	assert.Equal(t, map[string]string{"/c": "", "/d": ""}, other.tokens)
}

func TestRedirectsInMemory(t *testing.T) {
	for _, test := range []struct {
		from, to string
		sent     string
	}{
		{"https://api.example/", "https://api.example/x", "Bearer token-1"},
		{"https://api.example/", "https://API.example:443/x", "Bearer token-1"},
		{"https://api.example/", "https://api.example:8443/x", ""},
		{"https://api.example/", "https://sub.api.example/x", ""},
		{"https://api.example/", "http://api.example/x", ""},
		{"http://localhost/", "https://localhost/x", ""},
	} {
		w := newWorld(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/x" {
				return answer(200, "", http.NoBody), nil
			}
			response := answer(302, "", http.NoBody)
			response.Header.Set("Location", test.to)
			return response, nil
		})
		response := do(t, w.client(t), http.MethodGet, test.from, nil)
		require.Equal(t, 200, response.StatusCode)
		assert.Equal(t, []string{"Bearer token-1", test.sent}, w.seen, "%s to %s", test.from, test.to)
	}
}

// Elsewhere a 401 says nothing about the token, which wasn't there.
func TestNoRepeatElsewhere(t *testing.T) {
	w := newWorld(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "other.example" {
			return answer(401, "", http.NoBody), nil
		}
		response := answer(302, "", http.NoBody)
		response.Header.Set("Location", "https://other.example/")
		return response, nil
	})
	response := do(t, w.client(t), http.MethodGet, "https://api.example/", nil)
	assert.Equal(t, 401, response.StatusCode)
	assert.Equal(t, []string{"Bearer token-1", ""}, w.seen)
	assert.EqualValues(t, 1, w.logto.requests.Load())
}

func TestTheCallerDecidesAboutRedirects(t *testing.T) {
	stop := errors.New("stop")
	api := newOrigin(t)
	api.redirects["/a"] = "/b"
	logto, clock := newLogto(t)
	client := newClient(t, at(logto, clock), func(c *m2m.Config) {
		c.HTTPClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return stop }}
	})
	_, err := client.HTTPClient().Get(api.URL + "/a")
	require.ErrorIs(t, err, stop)
}

func TestAnErrorOfTokenIsFoundInTheClients(t *testing.T) {
	w := newWorld(nil)
	w.logto.answer = down
	_, err := w.client(t).Get("https://api.example/")
	var e *m2m.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, errDown)
	assertNoSecret(t, everything(err))
}
