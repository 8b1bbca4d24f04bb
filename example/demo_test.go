package main

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

// Of the demo applications one may use the Management API.
func TestManagementAPI(t *testing.T) {
	f := newFixture(t)
	for application, want := range map[string]int{"shop-manager": 200, "shop-reader": 403, "no-role": 403, "acme-bot": 403, "acme-viewer": 403} {
		client, err := m2m.New(m2m.Config{
			Endpoint:          f.logto.Endpoint(),
			AppID:             application,
			AppSecret:         application + "-secret",
			Resource:          m2m.ManagementResource("default"),
			Scopes:            []string{"all"},
			AcceptFewerScopes: true,
		})
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.logto.URL()+"/api/applications", nil)
		require.NoError(t, err)
		res, err := client.HTTPClient().Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, application)
	}
}

// People sign in to the page, and its script gets their tokens, by either of its addresses. It may
// ask no more of Logto.
func TestPageAsksLogto(t *testing.T) {
	welcome, stop := start(t, nil)
	defer func() { require.NoError(t, stop()) }()
	addresses := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindAllString(welcome, 2)
	api, logto := addresses[0], addresses[1]
	for _, origin := range []string{api, strings.Replace(api, "127.0.0.1", "localhost", 1)} {
		ask := func(method, path, body string) *http.Response {
			req, err := http.NewRequestWithContext(t.Context(), method, logto+path, strings.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("Origin", origin)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res
		}
		query := url.Values{
			"client_id": {pageClientID}, "redirect_uri": {origin + "/"}, "response_type": {"code"}, "scope": {"openid"},
			"code_challenge": {strings.Repeat("c", 43)}, "code_challenge_method": {"S256"},
		}
		res, err := http.Get(logto + "/oidc/auth?" + query.Encode())
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode)

		redeemed := ask("POST", "/oidc/token", url.Values{
			"client_id": {pageClientID}, "grant_type": {"authorization_code"}, "code": {"c"}, "redirect_uri": {origin + "/"},
		}.Encode())
		require.Equal(t, 400, redeemed.StatusCode, "there is no such code")
		require.Equal(t, origin, redeemed.Header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, 403, ask("GET", "/api/applications", "").StatusCode)
	}
}

// Another site's script can neither read what the demo says nor have anything done:
// not by the page, the API, or the stand-in.
func TestDemoIsForThisMachineOnly(t *testing.T) {
	welcome, stop := start(t, nil)
	defer func() { require.NoError(t, stop()) }()
	addresses := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindAllString(welcome, 2)
	require.Len(t, addresses, 2, "the API's and the stand-in's")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(addresses[0], "http://"))
	require.NoError(t, err)
	_, logtoPort, err := net.SplitHostPort(strings.TrimPrefix(addresses[1], "http://"))
	require.NoError(t, err)

	const form = "grant_type=client_credentials&client_id=shop-manager&client_secret=shop-manager-secret&resource=https%3A%2F%2Fshopping.api"
	for _, ask := range []struct {
		method, port, path, contentType, body string
		want                                  int
	}{
		{"GET", port, "/", "", "", 200},
		{"POST", port, "/demo/token", "application/json", `{"application":"shop-manager"}`, 200},
		{"POST", port, "/demo/expired", "", "", 401},
		{"POST", port, "/demo/revoke", "", "", 401},
		{"GET", port, "/healthz", "", "", 200},
		{"GET", port, "/.well-known/oauth-protected-resource", "", "", 200},
		{"GET", port, "/products", "", "", 401},
		{"POST", port, "/products", "application/json", "{}", 401},
		{"OPTIONS", port, "/products", "", "", 401},
		{"GET", logtoPort, "/oidc/jwks", "", "", 200},
		{"GET", logtoPort, "/oidc/auth", "", "", 400},
		{"POST", logtoPort, "/oidc/token", "application/x-www-form-urlencoded", form, 200},
		{"GET", logtoPort, "/api/applications", "", "", 401},
	} {
		for name, row := range map[string]struct {
			host, origin, site string
			refused            bool
		}{
			"itself":          {"127.0.0.1:" + ask.port, "", "", false},
			"by name":         {"localhost:" + ask.port, "", "none", false},
			"in capitals":     {"LOCALHOST:" + ask.port, "", "", false},
			"by IPv6":         {"[::1]:" + ask.port, "", "", false},
			"same origin":     {"127.0.0.1:" + ask.port, "http://127.0.0.1:" + ask.port, "same-origin", false},
			"rebound name":    {"evil.example:" + ask.port, "http://evil.example:" + ask.port, "same-origin", true},
			"loopback prefix": {"127.0.0.1.evil.example:" + ask.port, "", "", true},
			"no host":         {":" + ask.port, "", "", true},
			"another origin":  {"127.0.0.1:" + ask.port, "https://evil.example", "", true},
			"hidden origin":   {"127.0.0.1:" + ask.port, "null", "", true},
			"another port":    {"127.0.0.1:" + ask.port, "http://127.0.0.1:1", "same-site", true},
			"another name":    {"127.0.0.1:" + ask.port, "http://localhost:" + ask.port, "", true},
			"another site":    {"127.0.0.1:" + ask.port, "", "cross-site", ask.method == "POST"}, // a link leads here too
		} {
			t.Run(ask.method+" "+ask.path+" "+name, func(t *testing.T) {
				req, err := http.NewRequestWithContext(t.Context(), ask.method, "http://127.0.0.1:"+ask.port+ask.path, strings.NewReader(ask.body))
				require.NoError(t, err)
				req.Host = row.host
				for header, value := range map[string]string{"Origin": row.origin, "Sec-Fetch-Site": row.site, "Content-Type": ask.contentType} {
					if value != "" {
						req.Header.Set(header, value)
					}
				}
				res, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				if row.refused {
					require.Equal(t, 403, res.StatusCode)
					require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"))
					return
				}
				require.Equal(t, ask.want, res.StatusCode)
			})
		}
	}
}
