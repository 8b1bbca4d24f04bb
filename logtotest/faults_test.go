package logtotest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
	"github.com/stretchr/testify/require"
)

func newClient(t *testing.T, s *logtotest.Server) *m2m.Client {
	t.Helper()
	client, err := m2m.New(m2m.Config{Endpoint: s.Endpoint(), AppID: "reader", AppSecret: "reader-secret", Resource: shoppingAPI})
	require.NoError(t, err)
	return client
}

// How a client sees Logto's refusals, and that there is nothing else that they disturb.
func TestRefusals(t *testing.T) {
	s := start(t, tenant())
	for name, tt := range map[string]struct {
		fault             logtotest.Fault
		status            int
		code, description string
		body              map[string]any
		headers           bool // of the token endpoint
	}{
		"expired secret": {
			logtotest.SecretExpired(), 400, "invalid_request", "client secret has expired",
			map[string]any{"code": "oidc.invalid_request", "message": "Request is invalid.", "error": "invalid_request", "error_description": "client secret has expired"}, false,
		},
		"wrong type": {
			logtotest.WrongApplicationType(), 400, "invalid_request", "requested grant type is not allowed for this client",
			map[string]any{"code": "oidc.invalid_request", "message": "Request is invalid.", "error": "invalid_request", "error_description": "requested grant type is not allowed for this client"}, true,
		},
		"script": {
			logtotest.DeniedByScript("closed on Sundays"), 400, "access_denied", "closed on Sundays",
			map[string]any{"code": "oidc.access_denied", "message": "Access denied.", "error": "access_denied", "error_description": "closed on Sundays"}, true,
		},
		"used up": {
			logtotest.TokensUsedUp(), 429, "auth.exceed_token_limit", "Token limit exceeded. Please contact your administrator.",
			map[string]any{"code": "auth.exceed_token_limit", "message": "Token limit exceeded. Please contact your administrator."}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.Disturb(tt.fault)
			_, err := newClient(t, s).Token(t.Context())
			var refused *m2m.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.status, refused.Status)
			require.Equal(t, tt.code, refused.Code)
			require.Equal(t, tt.description, refused.Description)

			for _, path := range []string{"/oidc/token", "/oidc/token/"} {
				resp := do(t, request(t, http.MethodPost, s.URL()+path, form(), "Content-Type", formType))
				require.Equal(t, tt.status, resp.StatusCode)
				require.Equal(t, tt.body, resp.decode(t))
				require.Equal(t, tt.headers, resp.Header.Get("Access-Control-Allow-Origin") == "*")
				require.Equal(t, tt.headers, resp.Header.Get("Cache-Control") == "no-store")
			}
			require.Len(t, publishedIDs(t, s), 1)
			require.Equal(t, 404, get(t, s.URL()+"/oidc/token").StatusCode)
			preflight := do(t, request(t, http.MethodOptions, s.URL()+"/oidc/token", "", "Access-Control-Request-Method", "POST"))
			require.Equal(t, 204, preflight.StatusCode)

			s.Disturb(nil)
			_, err = newClient(t, s).Token(t.Context())
			require.NoError(t, err)
		})
	}
}

// A hanging script costs a client more than five seconds, which it has to be ready to wait.
func TestScriptHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		healthy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		hanging := logtotest.ScriptHangs()(healthy)
		for path, want := range map[string]time.Duration{"/oidc/token": 5600 * time.Millisecond, "/oidc/jwks": 0} {
			asked := time.Now()
			w := httptest.NewRecorder()
			hanging.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
			require.Equal(t, http.StatusTeapot, w.Code)
			require.Equal(t, want, time.Since(asked), path)
		}
	})

	s := start(t, tenant())
	s.Disturb(logtotest.ScriptHangs())
	require.Len(t, publishedIDs(t, s), 1, "only tokens take that long")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := newClient(t, s).Token(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
