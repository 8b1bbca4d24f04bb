package logtotest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsNotThere(t *testing.T) {
	const text = "text/plain; charset=utf-8"
	s := start(t, tenant())
	for _, tt := range []struct {
		method, path string
		status       int
		want         string // a text, or what an error says is not there
	}{
		{"GET", "/oidc", 404, "GET on /"},
		{"GET", "/oidc/", 404, "GET on /"},
		{"GET", "/oidc/me", 404, "GET on /me"},
		{"GET", "/oidc/nope/?x=y", 404, "GET on /nope/"},
		{"GET", "/oidc/a%20b", 404, "GET on /a%20b"},
		{"GET", "/oidc//jwks", 404, "GET on //jwks"},
		{"GET", "/oidc/jwks//", 404, "GET on /jwks//"},
		{"GET", "/oidc/%6Awks", 404, "GET on /%6Awks"},
		{"PUT", "/oidc/token", 404, "PUT on /token"},
		{"GET", "/oidc/token/", 404, "GET on /token/"},
		{"POST", "/oidc/jwks", 404, "POST on /jwks"},
		{"OPTIONS", "/oidc/token", 404, "OPTIONS on /token"}, // no preflight: it asks for no method
		{"GET", "/oidcjwks", 404, "Not Found"},
		{"GET", "/OIDC/jwks", 404, "Not Found"},
		{"GET", "/.well-known/openid-configuration", 404, "Not Found"},
		{"POST", "/", 404, "Not Found"},
		{"GET", "/api", 404, "Not Found"},
		{"GET", "/api/nope", 404, "Not Found"},
		{"DELETE", "/api/applications", 405, "Method Not Allowed"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			resp := do(t, request(t, tt.method, s.URL()+tt.path, ""))
			require.Equal(t, tt.status, resp.StatusCode)
			require.Empty(t, resp.Header.Get("ETag")+resp.Header.Get("Cache-Control")+resp.Header.Get("Access-Control-Allow-Origin"))
			if resp.Header.Get("Content-Type") == text {
				require.Equal(t, tt.want, resp.body)
				return
			}
			description := "unrecognized route or not allowed method (" + tt.want + ")"
			require.Equal(t, map[string]any{"code": "oidc.invalid_request", "message": "Request is invalid.", "error": "invalid_request", "error_description": description}, resp.decode(t))
		})
	}
}

func TestPathsAreTakenAsLogtoDoes(t *testing.T) {
	s := start(t, tenant())
	for _, path := range []string{"/oidc/jwks", "/oidc/jwks/", "/oidc/JWKS", "/oidc/.well-known/OpenID-configuration/", "/oidc/.well-known/oauth-authorization-server/"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			resp := do(t, request(t, method, s.URL()+path, ""))
			require.Equal(t, http.StatusOK, resp.StatusCode, path)
			require.Equal(t, method == http.MethodGet, resp.Header.Get("ETag") != "", path)
		}
	}
	resp := get(t, s.URL()+"/oidc/.well-known/openid-configuration", "If-None-Match", "*")
	require.Equal(t, http.StatusNotModified, resp.StatusCode)

	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	root, err := client.Get(s.URL())
	require.NoError(t, err)
	require.NoError(t, root.Body.Close())
	require.Equal(t, http.StatusFound, root.StatusCode)
	require.Equal(t, s.URL()+"/unknown-session", root.Header.Get("Location"))
}

func TestAnyWebsiteMayRead(t *testing.T) {
	s := start(t, tenant())
	for _, path := range []string{"/oidc/jwks", "/oidc/.well-known/openid-configuration"} {
		require.Equal(t, "*", get(t, s.URL()+path).Header.Get("Access-Control-Allow-Origin"))
		resp := get(t, s.URL()+path, "Origin", "https://app.example")
		require.Equal(t, "https://app.example", resp.Header.Get("Access-Control-Allow-Origin"))
		require.Empty(t, resp.Header.Get("Access-Control-Expose-Headers"))
	}
	require.Empty(t, get(t, s.URL()+"/api/applications", "Origin", "https://app.example").Header.Get("Access-Control-Allow-Origin"))

	for path, method := range map[string]string{"/oidc/token": "POST", "/oidc/token/": "POST", "/oidc/jwks": "GET"} {
		resp := do(t, request(t, http.MethodOptions, s.URL()+path, "", "Origin", "https://app.example",
			"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,x-a"))
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
		require.Equal(t, "https://app.example", resp.Header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, method, resp.Header.Get("Access-Control-Allow-Methods"))
		require.Equal(t, "authorization,x-a", resp.Header.Get("Access-Control-Allow-Headers"))
		require.Equal(t, "3600", resp.Header.Get("Access-Control-Max-Age"))
		require.Empty(t, resp.Header.Get("Access-Control-Expose-Headers")+resp.Header.Get("Cache-Control"))
	}
}
