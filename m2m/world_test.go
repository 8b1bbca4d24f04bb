package m2m_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

// A world is Logto and an API in one transport.
type world struct {
	logto tokenEndpoint
	api   func(*http.Request) (*http.Response, error)
	clock *logtotest.Clock

	mu   sync.Mutex
	seen []string // "Authorization body" of each request to the API
}

func newWorld(api func(*http.Request) (*http.Response, error)) *world {
	return &world{api: api, clock: logtotest.NewClock(noon)}
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/oidc/token" {
		return w.logto.RoundTrip(r)
	}
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		body, _ = io.ReadAll(r.Body)
	}
	w.mu.Lock()
	w.seen = append(w.seen, strings.TrimSpace(r.Header.Get("Authorization")+" "+string(body)))
	w.mu.Unlock()
	return w.api(r)
}

func (w *world) client(t testing.TB, edits ...func(*m2m.Config)) *http.Client {
	t.Helper()
	edits = append([]func(*m2m.Config){by(w), clocked(w.clock)}, edits...)
	return newClient(t, edits...).HTTPClient()
}

// accept answers 401 to every token but these.
func accept(tokens ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		for _, token := range tokens {
			if r.Header.Get("Authorization") == "Bearer "+token {
				return answer(200, "", http.NoBody), nil
			}
		}
		return answer(401, "", strings.NewReader("refused")), nil
	}
}

func do(t testing.TB, client *http.Client, method, url string, body io.Reader) *http.Response {
	t.Helper()
	request, err := http.NewRequest(method, url, body)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}
