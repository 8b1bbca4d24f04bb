// Package parity compares servers with one of net/http that has the same guard:
// whatever carries the request, the answer has to be the same.
package parity

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

// Audience is the resource indicator of all servers in tests: not the default of package shop.
const Audience = "https://parity.example/api"

// A Server is the one to compare. It needs read:products on Products, and
// read:orders in the organization acme on Orders and in globex on OtherOrders.
type Server struct {
	Start                         func(*testing.T, *logtoguard.Guard) (url string)
	Products, Orders, OtherOrders string // paths
}

// HTTP makes a Server of routes with the usual paths.
func HTTP(routes func(*logtoguard.Guard) http.Handler) Server {
	return Server{
		Start: func(t *testing.T, guard *logtoguard.Guard) string {
			server := httptest.NewServer(routes(guard))
			t.Cleanup(server.Close)
			return server.URL
		},
		Products: "/products", Orders: "/organizations/acme/orders", OtherOrders: "/organizations/globex/orders",
	}
}

// Reference is what the others have to be like.
var Reference = HTTP(func(guard *logtoguard.Guard) http.Handler {
	inOrganization := logtoguard.RequireOrganization(func(r *http.Request) string { return r.PathValue("organizationID") })
	mux := http.NewServeMux()
	mux.Handle("GET /products", logtoguard.RequireScope("read:products")(http.HandlerFunc(show)))
	mux.Handle("GET /organizations/{organizationID}/orders", inOrganization(logtoguard.RequireScope("read:orders")(http.HandlerFunc(show))))
	return guard.Handler(mux)
})

func show(w http.ResponseWriter, r *http.Request) {
	claims, _ := logtoguard.ClaimsFromContext(r.Context())
	_ = json.NewEncoder(w).Encode(map[string]string{"subject": claims.Subject(), "organization": claims.OrganizationID()})
}

// World is a Logto in the process, and a guard that trusts it.
type World struct {
	Logto *logtotest.Server
	Guard *logtoguard.Guard
}

// NewWorld makes a World for one test. Its Logto has the fault from the start.
func NewWorld(t *testing.T, fault logtotest.Fault) *World { return newWorld(t, fault, nil) }

// NewPanickingWorld makes a World whose guard panics for Mallory.
func NewPanickingWorld(t *testing.T) *World {
	return newWorld(t, nil, func(_ context.Context, claims *logtoguard.Claims) error {
		if claims.Subject() == Mallory {
			panic("no rule for " + Mallory)
		}
		return nil
	})
}

func newWorld(t *testing.T, fault logtotest.Fault, check func(context.Context, *logtoguard.Claims) error) *World {
	now := time.Now()
	stopped := func() time.Time { return now }
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: Audience}}, Now: stopped})
	t.Cleanup(logto.Close)
	logto.Disturb(fault)
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(),
		Audience: []string{Audience},
		Metadata: &logtoguard.Metadata{Name: "Parity"}, // challenges name it, and no adapter may lose that
		Check:    check,
		Logger:   slog.New(slog.DiscardHandler),
		Now:      stopped,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = guard.Close() })
	return &World{logto, guard}
}

// Answer is what may not differ between servers.
type Answer struct {
	Status                                int
	Challenge                             []string
	CacheControl, RetryAfter, ContentType string
	Body                                  string
}

// seconds is what the answer says of when to come again.
func (a Answer) seconds(t *testing.T) int {
	n, err := strconv.Atoi(a.RetryAfter)
	require.NoError(t, err)
	return n
}

// client shows redirects as they are.
var client = http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Ask sends a request with these values of Authorization.
func Ask(t *testing.T, url string, authorization []string) Answer {
	answer, err := ask(t, url, authorization)
	require.NoError(t, err)
	return answer
}

// ask fails where the connection does.
func ask(t *testing.T, url string, authorization []string) (Answer, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if authorization != nil {
		r.Header["Authorization"] = authorization
	}
	r.Close = true // fasthttp's end may wait for connections that are idle, for the 90 s that net/http keeps them
	response, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return Answer{
		Status:       response.StatusCode,
		Challenge:    response.Header.Values("WWW-Authenticate"),
		CacheControl: response.Header.Get("Cache-Control"),
		RetryAfter:   response.Header.Get("Retry-After"),
		ContentType:  response.Header.Get("Content-Type"),
		Body:         string(body),
	}, err
}
