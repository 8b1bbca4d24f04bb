package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// tryout is the API with the page before it, as the example runs it.
func (f *fixture) tryout(t *testing.T) http.Handler {
	t.Helper()
	h, err := newTryout(f.logto, audience, f.list, f.guard, f.api(), discard())
	require.NoError(t, err)
	return h
}

// ask sends a request as the page does: from the address that it is at.
func ask(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res := httptest.NewRecorder()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	h.ServeHTTP(res, req)
	return res
}

func TestPageIsOneDocument(t *testing.T) {
	f := newFixture(t)
	res := ask(f.tryout(t), "GET", "/", "")
	require.Equal(t, 200, res.Code)
	h := res.Header()
	require.Equal(t, "text/html; charset=utf-8", h.Get("Content-Type"))
	require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	require.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
	require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"))
	require.Equal(t, "no-store", h.Get("Cache-Control"))
	require.Regexp(t, `^default-src 'none'; style-src 'sha256-[\w+/]{43}='; script-src 'sha256-[\w+/]{43}='; `+
		`connect-src 'self' `+f.logto.URL()+`; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$`, h.Get("Content-Security-Policy"))

	document := res.Body.String()
	require.NotRegexp(t, `(src|href)="[^#d]`, document, "nothing from elsewhere")
	require.NotRegexp(t, ` (style|on\w+)="`, document, "the policy would stop it")
	require.NotRegexp(t, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`, document)
	require.NotContains(t, document, "-secret")
	require.NotContains(t, document, "ZgotmplZ", "the template put something where it is not safe")
}

// Settings end in the page, and stay text there.
func TestPageQuotesSettings(t *testing.T) {
	p, err := newPage("http://127.0.0.1:3001", `https://shop.example/"><script>alert(1)</script>`)
	require.NoError(t, err)
	require.NotContains(t, string(p.document), "<script>alert")
	require.Contains(t, string(p.document), "&lt;script&gt;alert")
	require.Len(t, regexp.MustCompile(`-src 'sha256-`).FindAllString(p.policy, -1), 2)
}

// A policy has no syntax for IPv6 addresses.
func TestPolicyNamesLogto(t *testing.T) {
	for logto, source := range map[string]string{
		"http://127.0.0.1:3001": "http://127.0.0.1:3001",
		"http://localhost:3001": "http://localhost:3001",
		"http://[::1]:3001":     "http://*:3001",
	} {
		require.Contains(t, policyFor(nil, logto), "; connect-src 'self' "+source+"; ")
	}
}

// Where a real Logto is used, none of it is there.
func TestPageIsForTheStandInOnly(t *testing.T) {
	logto := logtotest.NewServer(demoTenant(audience))
	defer logto.Close()
	for name, row := range map[string]struct {
		vars map[string]string
		want int
	}{
		"stand-in":   {nil, 200},
		"real Logto": {map[string]string{"LOGTO_ENDPOINT": logto.Endpoint()}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			welcome, stop := start(t, row.vars)
			api := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(welcome)
			get := func(path string) *http.Response {
				req, err := http.NewRequestWithContext(t.Context(), "GET", api+path, nil)
				require.NoError(t, err)
				req.Header.Set(wantSteps, "yes")
				res, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				return res
			}
			require.Equal(t, row.want, get("/").StatusCode)
			require.Equal(t, row.want == 200, get("/products").Header.Get(stepsHeader) != "")
			require.Equal(t, row.want == 200, strings.Contains(welcome, "in a browser"))
			for _, path := range []string{"/demo/token", "/demo/expired", "/demo/id-token", "/demo/revoke"} {
				res, err := http.Post(api+path, "application/json", strings.NewReader(`{"application":"shop-manager"}`))
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				if path == "/demo/token" {
					require.Equal(t, row.want, res.StatusCode)
				} else {
					require.Equal(t, 401, res.StatusCode)
				}
			}
			require.NoError(t, stop())
		})
	}
}

// What the page says of the routes is what newRoutes does: a token with just what
// a row names is let in, and one that lacks it is told so.
func TestPageKnowsTheRoutes(t *testing.T) {
	f := newFixture(t)
	mint := func(organization string, scopes ...string) string {
		return f.logto.Mint(logtotest.Token{ClientID: "app", Audience: audience, OrganizationID: organization, Scopes: scopes})
	}
	var patterns []string
	for _, group := range pageRoutes() {
		for _, route := range group.Routes {
			_, pattern := newRoutes(t.Context(), nil, newStore()).Handler(httptest.NewRequest(route.Method, route.Path, nil))
			patterns = append(patterns, pattern)
			t.Run(route.Method+" "+route.Path, func(t *testing.T) {
				try := func(token string) *httptest.ResponseRecorder {
					return call(t, f.api(), route.Method, route.Path, token, route.Body)
				}
				require.Equal(t, group.Guarded, try("").Code == 401)
				require.Less(t, try(mint(route.Organization, route.Scope)).Code, 300)
				if route.Scope != "" {
					require.Contains(t, try(mint(route.Organization)).Header().Get("WWW-Authenticate"), `scope="`+route.Scope+`"`)
				}
				if route.Organization != "" {
					require.Equal(t, 403, try(mint("other", route.Scope)).Code)
				}
			})
		}
	}
	require.Subset(t, patterns, []string{
		"GET /products", "GET /products/{id}", "POST /products", "PUT /products/{id}", "DELETE /products/{id}",
		"GET /organizations/{organizationID}/orders", "POST /organizations/{organizationID}/orders", "GET /me",
	})
}
