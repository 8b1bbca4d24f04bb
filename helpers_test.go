package logtoguard_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

const shopping = "https://shopping.api"

// now is when the tests take place, unless they move the clock.
var now = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// newLogto starts a stand-in with one resource and a clock that stands still.
func newLogto(t testing.TB, algorithm string) (*logtotest.Server, *logtotest.Clock) {
	t.Helper()
	clock := logtotest.NewClock(now)
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: shopping, Scopes: []string{"read:products", "write:products"}}},
		Algorithm: algorithm,
		Now:       clock.Now,
	})
	t.Cleanup(logto.Close)
	return logto, clock
}

// newGuard makes a guard for the stand-in that logs nowhere.
func newGuard(t testing.TB, logto *logtotest.Server, clock *logtotest.Clock, edits ...func(*logtoguard.Config)) *logtoguard.Guard {
	t.Helper()
	cfg := logtoguard.Config{
		Endpoint: logto.Endpoint(),
		Audience: []string{shopping},
		Now:      clock.Now,
		Logger:   slog.New(slog.DiscardHandler),
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	return guard
}

// ready waits for the first keys.
func ready(t testing.TB, guard *logtoguard.Guard) {
	t.Helper()
	require.NoError(t, guard.Ready(t.Context()))
}

// noContent is what the guarded handlers answer.
var noContent = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// serve sends one request with these values of Authorization.
func serve(handler http.Handler, authorization ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// keyServer serves a key set that is changed at will.
type keyServer struct {
	url  string
	keys atomic.Value
}

func newKeyServer(t testing.TB) *keyServer {
	t.Helper()
	s := &keyServer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.keys.Load()})
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *keyServer) serve(jwks ...map[string]any) { s.keys.Store(jwks) }

func jwkUnder(kid string, k *logtotest.Key) map[string]any {
	jwk := k.JWK()
	jwk["kid"] = kid
	return jwk
}
