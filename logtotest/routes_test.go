package logtotest_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/logtoguard/logtoguard/logtotest"
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
		{"PUT", "/oidc/me", 404, "PUT on /me"},
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

// elsewhere is a listener that says it has another address.
type elsewhere struct {
	net.Listener
	address net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.address }

// A website that lets its name point at this machine reads nothing (DNS rebinding).
func TestHosts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	declared := tenant()
	declared.Listener = elsewhere{listener, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 3001}}
	declared.Endpoint = "https://Auth.example.com"
	s := start(t, declared)
	url := "http://" + listener.Addr().String()
	for host, want := range map[string]int{
		"192.0.2.1:3001":                200,
		"127.0.0.1:3001":                200,
		"[::1]:3001":                    200,
		"localhost:3001":                200,
		"LocalHost:3001":                200,
		"auth.example.com":              200,
		"evil.example":                  403,
		"evil.example:3001":             403,
		"127.0.0.1.evil.example:3001":   403,
		"localhost":                     403,
		"127.0.0.1":                     403,
		"127.0.0.1:3002":                403,
		"192.0.2.2:3001":                403,
		"auth.example.com:3001":         403,
		"auth.example.com.evil.example": 403,
		"127.0.0.1:3001@evil.example":   403,
	} {
		t.Run(host, func(t *testing.T) {
			before := s.Requests("/oidc/jwks")
			r := request(t, http.MethodGet, url+"/oidc/jwks", "", "Origin", "http://"+host)
			r.Host = host
			resp := do(t, r)
			require.Equal(t, want, resp.StatusCode)
			require.Equal(t, want == 200, strings.Contains(resp.body, "keys"))
			require.Equal(t, want == 403, strings.Contains(resp.body, "set Tenant.Endpoint"))
			require.Equal(t, before+1, s.Requests("/oidc/jwks"))
		})
	}
	s.Disturb(logtotest.Slow(0))
	r := request(t, http.MethodPost, url+"/oidc/token", form("resource", shoppingAPI), "Content-Type", formType)
	r.SetBasicAuth("reader", "reader-secret")
	r.Host = "evil.example:3001"
	require.Equal(t, http.StatusForbidden, do(t, r).StatusCode, "nor while a fault is on")
}

// The port of http need not be written.
func TestHostOnPort80(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	start(t, logtotest.Tenant{Listener: elsewhere{listener, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}}})
	for host, want := range map[string]int{"localhost": 200, "localhost:80": 200, "localhost:8080": 403, "evil.example": 403} {
		r := request(t, http.MethodGet, "http://"+listener.Addr().String()+"/oidc/jwks", "")
		r.Host = host
		require.Equal(t, want, do(t, r).StatusCode, host)
	}
}

// Strangers can't fill the memory with paths.
func TestCountsAreBounded(t *testing.T) {
	s := start(t, tenant())
	long := "/" + strings.Repeat("a", 256)
	require.Equal(t, 404, get(t, s.URL()+long).StatusCode)
	require.Zero(t, s.Requests(long))
	for i := range 1100 {
		require.Equal(t, 404, get(t, fmt.Sprint(s.URL(), "/", i)).StatusCode)
	}
	counted := 0
	for i := range 1100 {
		counted += s.Requests(fmt.Sprint("/", i))
	}
	require.Less(t, counted, 1000)
	require.Greater(t, counted, 900)
	require.Equal(t, 200, get(t, s.URL()+"/oidc/jwks").StatusCode)
	require.Equal(t, 1, s.Requests("/oidc/jwks"), "what Logto has always counts")
}
