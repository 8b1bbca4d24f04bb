package m2m_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

const (
	shopping  = "https://shopping.api"
	appSecret = "Vq8nTz3wLr6KbX0d"
)

// noon is when the tests take place, unless they move the clock.
var noon = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// newLogto starts a stand-in with a manager of products, a reader of them, and a
// member of the organization acme.
func newLogto(t testing.TB) (*logtotest.Server, *logtotest.Clock) {
	t.Helper()
	clock := logtotest.NewClock(noon)
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: shopping, Scopes: []string{"read:products", "write:products"}}},
		Roles: []logtotest.Role{
			{Name: "manager", Scopes: map[string][]string{shopping: {"read:products", "write:products"}}},
			{Name: "reader", Scopes: map[string][]string{shopping: {"read:products"}}},
		},
		Applications: []logtotest.Application{
			{ID: "manager", Secret: appSecret, Roles: []string{"manager"}},
			{ID: "reader", Secret: appSecret, Roles: []string{"reader"}},
			{ID: "bot", Secret: appSecret},
			{ID: "odd/ID:%+~", Secret: "odd secret:%&=+/~", Roles: []string{"manager"}},
		},
		Organizations: []logtotest.Organization{{ID: "acme", Members: []logtotest.Member{
			{ApplicationID: "bot", Scopes: []string{"invite:member"}, ResourceScopes: map[string][]string{shopping: {"read:products"}}},
		}}},
		Now: clock.Now,
	})
	t.Cleanup(logto.Close)
	return logto, clock
}

// newClient makes a client of the manager, at an address where nobody is.
func newClient(t testing.TB, edits ...func(*m2m.Config)) *m2m.Client {
	t.Helper()
	cfg := m2m.Config{
		Endpoint:  "https://logto.example",
		AppID:     "manager",
		AppSecret: appSecret,
		Resource:  shopping,
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	client, err := m2m.New(cfg)
	require.NoError(t, err)
	return client
}

// at sets the client on a stand-in.
func at(logto *logtotest.Server, clock *logtotest.Clock) func(*m2m.Config) {
	return func(cfg *m2m.Config) { cfg.Endpoint, cfg.Now = logto.Endpoint(), clock.Now }
}

func scopes(list ...string) func(*m2m.Config) {
	return func(cfg *m2m.Config) { cfg.Scopes = list }
}

// by has all requests of the client answered in memory.
func by(transport http.RoundTripper) func(*m2m.Config) {
	return func(cfg *m2m.Config) { cfg.HTTPClient = &http.Client{Transport: transport} }
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	return f(r)
}

// a tokenEndpoint answers in memory, and counts.
type tokenEndpoint struct {
	requests atomic.Int32
	answer   func(n int32, r *http.Request) (*http.Response, error) // default: granted
}

func (e *tokenEndpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	n := e.requests.Add(1)
	if e.answer != nil {
		return e.answer(n, r)
	}
	return granted(n), nil
}

// granted is the answer with token-1, token-2 and so on, which live an hour.
func granted(n int32) *http.Response {
	return jsonAnswer(200, fmt.Sprintf(`{"access_token":"token-%d","expires_in":3600,"token_type":"Bearer"}`, n))
}

func jsonAnswer(status int, body string) *http.Response {
	return answer(status, "application/json; charset=utf-8", strings.NewReader(body))
}

func answer(status int, contentType string, body io.Reader) *http.Response {
	header := http.Header{}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(body)}
}

// hang answers nothing until the request's time is up.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// token expects that there is one.
func token(t testing.TB, client *m2m.Client) string {
	t.Helper()
	got, err := client.Token(t.Context())
	require.NoError(t, err)
	return got.AccessToken
}

// refused expects an *Error.
func refused(t testing.TB, client *m2m.Client) *m2m.Error {
	t.Helper()
	return tokenError(t, t.Context(), client)
}

func tokenError(t testing.TB, ctx context.Context, client *m2m.Client) *m2m.Error {
	t.Helper()
	got, err := client.Token(ctx)
	require.Nil(t, got)
	var e *m2m.Error
	require.True(t, errors.As(err, &e), "%v", err)
	return e
}
