package logtotest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFromThisMachine(t *testing.T) {
	const self, app = "http://127.0.0.1:3001", "http://localhost:5173"
	handler := logtotest.FromThisMachine(app)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, row := range []struct {
		name, method, host, path, origin, site string
		want                                   int
	}{
		{"no browser", "POST", "127.0.0.1:3001", "/oidc/token", "", "", 200},
		{"localhost", "GET", "LocalHost:3001", "/oidc/jwks", "", "", 200},
		{"IPv6", "GET", "[::1]:3001", "/oidc/jwks", "", "", 200},
		{"another name", "GET", "evil.example:3001", "/oidc/jwks", "", "", 403},
		{"a loopback address in a name", "GET", "127.0.0.1.evil.example:3001", "/oidc/jwks", "", "", 403},
		{"no name", "GET", ":3001", "/oidc/jwks", "", "", 403},
		{"its own origin", "POST", "127.0.0.1:3001", "/api/users", self, "same-origin", 200},
		{"an origin that is named", "POST", "127.0.0.1:3001", "/oidc/token", app, "cross-site", 200},
		{"its preflight", "OPTIONS", "127.0.0.1:3001", "/oidc/token", app, "cross-site", 200},
		{"but not the Management API", "GET", "127.0.0.1:3001", "/api/users", app, "cross-site", 403},
		{"nor what only begins like /oidc", "GET", "127.0.0.1:3001", "/oidcx", app, "cross-site", 403},
		{"another origin", "GET", "127.0.0.1:3001", "/oidc/jwks", "https://evil.example", "cross-site", 403},
		{"another port of the origin", "GET", "127.0.0.1:3001", "/oidc/jwks", "http://localhost:5174", "same-site", 403},
		{"an origin that begins like it", "GET", "127.0.0.1:3001", "/oidc/jwks", app + ".evil.example", "cross-site", 403},
		{"a hidden origin", "POST", "127.0.0.1:3001", "/oidc/token", "null", "cross-site", 403},
		{"another site's form, without an origin", "POST", "127.0.0.1:3001", "/oidc/token", "", "cross-site", 403},
		{"another site's link", "GET", "127.0.0.1:3001", "/oidc/auth", "", "cross-site", 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), row.method, row.path, nil)
			r.Host = row.host
			for name, value := range map[string]string{"Origin": row.origin, "Sec-Fetch-Site": row.site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			assert.Equal(t, row.want, w.Code, w.Body)
		})
	}
	require.Panics(t, func() { logtotest.FromThisMachine("localhost:5173") })
}
