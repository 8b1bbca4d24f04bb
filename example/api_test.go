package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

const audience = "https://shopping.api"

// fixture is a guard that trusts a stand-in with the demo applications.
type fixture struct {
	logto *logtotest.Server
	guard *logtoguard.Guard
	list  *revocation.List // is asked by the guard
}

func newFixture(t *testing.T) *fixture {
	logto := logtotest.NewServer(demoTenant(audience))
	t.Cleanup(logto.Close)
	list, err := revocation.New(revocation.Config{Logger: discard()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, list.Close()) })
	cfg := guardConfig(settings{endpoint: logto.Endpoint(), audience: audience}, discard())
	cfg.Check = list.Check
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	return &fixture{logto, guard, list}
}

// api is the shop as it is at every start.
func (f *fixture) api() http.Handler {
	return newHandler(context.Background(), f.guard, f.list.Check, newStore(), discard())
}

// token asks the stand-in for one as the guide says, with every scope there is.
func (f *fixture) token(t *testing.T, application, organization string) string {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"},
		"resource":   {audience},
		"scope":      {strings.Join([]string{readProducts, writeProducts, readOrders, writeOrders}, " ")},
	}
	if organization != "" {
		form.Set("organization_id", organization)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.logto.URL()+"/oidc/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.SetBasicAuth(application, application+"-secret")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	return answer.AccessToken
}

// call sends one request; the answer must be JSON, or nothing.
func call(t *testing.T, api http.Handler, method, path, token, body string) *httptest.ResponseRecorder {
	t.Helper()
	var content io.Reader // a nil one where there is no body
	if body != "" {
		content = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, path, content)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res := httptest.NewRecorder()
	api.ServeHTTP(res, req)
	if res.Body.Len() > 0 {
		require.Equal(t, "application/json", res.Header().Get("Content-Type"))
		require.True(t, json.Valid(res.Body.Bytes()), res.Body.String())
	}
	return res
}

// TestEveryApplicationOnEveryRoute is the table of who may do what.
func TestEveryApplicationOnEveryRoute(t *testing.T) {
	f := newFixture(t)
	tokens := []struct{ name, token string }{
		{"nobody", ""},
		{"shop-manager", f.token(t, "shop-manager", "")},
		{"shop-reader", f.token(t, "shop-reader", "")},
		{"no-role", f.token(t, "no-role", "")},
		{"acme-bot without an organization", f.token(t, "acme-bot", "")},
		{"acme-bot in acme", f.token(t, "acme-bot", "acme")},
		{"acme-viewer in acme", f.token(t, "acme-viewer", "acme")},
		{"forged", f.token(t, "shop-manager", "") + "AAAA"},
	}
	const (
		tea   = `{"name":"Assam, 250 g","price_cents":1150}`
		order = `{"product_id":"p_tea","quantity":2}`
	)
	for _, row := range []struct {
		method, path, body string
		want               [8]int // in the order of tokens
	}{
		{"GET", "/healthz", "", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
		{"GET", "/readyz", "", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
		{"GET", "/products", "", [8]int{401, 200, 200, 403, 403, 403, 403, 401}},
		{"HEAD", "/products", "", [8]int{401, 200, 200, 403, 403, 403, 403, 401}},
		{"GET", "/products/p_tea", "", [8]int{401, 200, 200, 403, 403, 403, 403, 401}},
		{"GET", "/products/p_none", "", [8]int{401, 404, 404, 403, 403, 403, 403, 401}},
		{"POST", "/products", tea, [8]int{401, 201, 403, 403, 403, 403, 403, 401}},
		{"PUT", "/products/p_tea", tea, [8]int{401, 200, 403, 403, 403, 403, 403, 401}},
		{"PUT", "/products/p_none", tea, [8]int{401, 404, 403, 403, 403, 403, 403, 401}},
		{"DELETE", "/products/p_tea", "", [8]int{401, 204, 403, 403, 403, 403, 403, 401}},
		{"DELETE", "/products/p_none", "", [8]int{401, 404, 403, 403, 403, 403, 403, 401}},
		{"GET", "/me", "", [8]int{401, 200, 200, 200, 200, 200, 200, 401}},
		{"GET", "/organizations/acme/orders", "", [8]int{401, 403, 403, 403, 403, 200, 200, 401}},
		{"POST", "/organizations/acme/orders", order, [8]int{401, 403, 403, 403, 403, 201, 403, 401}},
		{"HEAD", "/organizations/acme/orders/events", "", [8]int{401, 403, 403, 403, 403, 200, 200, 401}},
		{"HEAD", "/organizations/globex/orders/events", "", [8]int{401, 403, 403, 403, 403, 403, 403, 401}},
		{"GET", "/organizations/globex/orders", "", [8]int{401, 403, 403, 403, 403, 403, 403, 401}},
		{"POST", "/organizations/globex/orders", order, [8]int{401, 403, 403, 403, 403, 403, 403, 401}},
		{"GET", "/organizations/%20/orders", "", [8]int{401, 403, 403, 403, 403, 403, 403, 401}},
		{"GET", "/nowhere", "", [8]int{401, 404, 404, 404, 404, 404, 404, 401}},
		{"PATCH", "/products", tea, [8]int{401, 405, 405, 405, 405, 405, 405, 401}},
		{"POST", "/healthz", tea, [8]int{401, 404, 404, 404, 404, 404, 404, 401}},
	} {
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			for i, bearer := range tokens {
				res := call(t, f.api(), row.method, row.path, bearer.token, row.body)
				require.Equal(t, row.want[i], res.Code, "%s: %s", bearer.name, res.Body)
			}
		})
	}
}

func TestRefusalsSayWhatIsMissing(t *testing.T) {
	f := newFixture(t)
	api := f.api()

	res := call(t, api, "GET", "/products", "", "")
	require.Equal(t, "Bearer", res.Header().Get("WWW-Authenticate"))

	res = call(t, api, "POST", "/products", f.token(t, "shop-reader", ""), `{}`)
	require.Contains(t, res.Header().Get("WWW-Authenticate"), `error="insufficient_scope"`)
	require.Contains(t, res.Header().Get("WWW-Authenticate"), `scope="write:products"`)

	res = call(t, api, "POST", "/organizations/acme/orders", f.token(t, "acme-viewer", "acme"), `{}`)
	require.Contains(t, res.Header().Get("WWW-Authenticate"), `error="insufficient_scope"`)
	require.Contains(t, res.Header().Get("WWW-Authenticate"), `scope="write:orders"`)

	res = call(t, api, "GET", "/organizations/globex/orders", f.token(t, "acme-bot", "acme"), "")
	require.Contains(t, res.Header().Get("WWW-Authenticate"), `error="insufficient_scope"`)
	require.NotContains(t, res.Header().Get("WWW-Authenticate"), `scope="`)
}

// A member of the organization without the scopes, and one with some of them.
func TestMembershipIsNotEnough(t *testing.T) {
	f := newFixture(t)
	mint := func(scopes ...string) string {
		return f.logto.Mint(logtotest.Token{Subject: "user-1", ClientID: "web", Audience: audience, OrganizationID: "acme", Scopes: scopes})
	}
	const path, body = "/organizations/acme/orders", `{"product_id":"p_tea","quantity":1}`
	require.Equal(t, 403, call(t, f.api(), "GET", path, mint(), "").Code)
	require.Equal(t, 403, call(t, f.api(), "GET", path, mint(writeOrders), "").Code)
	require.Equal(t, 403, call(t, f.api(), "POST", path, mint(readOrders), body).Code)
	require.Equal(t, 403, call(t, f.api(), "GET", "/products", mint(readProducts), "").Code, "the organization's scopes count in it only")

	res := call(t, f.api(), "POST", path, mint(writeOrders), body)
	require.Equal(t, 201, res.Code)
	require.Contains(t, res.Body.String(), `"ordered_by":"user-1"`)
}

// A user's plain token carries what the user holds in any organization: it must open
// no route, not even one whose author forgot the organization.
func TestScopesOfAnotherOrganization(t *testing.T) {
	f := newFixture(t)
	plain := f.logto.Mint(logtotest.Token{Subject: "carol", ClientID: "web", Audience: audience, Scopes: []string{readOrders, writeOrders, readProducts}})
	for _, scope := range []string{readOrders, writeOrders} {
		forgotten := f.guard.Handler(logtoguard.RequireScope(scope)(handle(healthz)))
		require.Equal(t, 403, call(t, forgotten, "GET", "/orders", plain, "").Code, scope)
	}
	require.Equal(t, 403, call(t, f.api(), "GET", "/organizations/acme/orders", plain, "").Code)
	require.Equal(t, 200, call(t, f.api(), "GET", "/products", plain, "").Code)
	require.Contains(t, call(t, f.api(), "GET", "/me", plain, "").Body.String(), `"scopes":["read:products"]`)
}

func TestMe(t *testing.T) {
	f := newFixture(t)
	var got map[string]any
	ask := func(token string) {
		got = nil
		require.NoError(t, json.Unmarshal(call(t, f.api(), "GET", "/me", token, "").Body.Bytes(), &got))
	}

	ask(f.token(t, "acme-bot", "acme"))
	require.Equal(t, "acme-bot", got["subject"])
	require.Equal(t, "acme-bot", got["client_id"])
	require.Equal(t, true, got["machine"])
	require.Equal(t, []any{}, got["scopes"], "an organization's scopes count where it is served")
	require.Equal(t, "acme", got["organization_id"])
	expires, err := time.Parse(time.RFC3339, got["expires_at"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), expires, time.Minute)

	ask(f.logto.Mint(logtotest.Token{Subject: "user-1", ClientID: "web", Audience: audience}))
	require.Equal(t, "user-1", got["subject"])
	require.Equal(t, "web", got["client_id"])
	require.Equal(t, false, got["machine"])
	require.Equal(t, []any{}, got["scopes"], "an empty list, not null")
	require.NotContains(t, got, "organization_id")
}

func TestReadyOnceTheKeysAreThere(t *testing.T) {
	logto := logtotest.NewServer(demoTenant(audience))
	defer logto.Close()
	logto.Disturb(logtotest.Down())
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(),
		Audience: []string{audience},
		Logger:   discard(),
	})
	require.NoError(t, err)
	defer guard.Close()
	api := newHandler(t.Context(), guard, nil, newStore(), discard())

	res := call(t, api, "GET", "/readyz", "", "")
	require.Equal(t, 503, res.Code)
	require.Contains(t, res.Body.String(), `"error":"service_unavailable"`)
	require.NotContains(t, res.Body.String(), "127.0.0.1", "where Logto is, is nobody's business")
	require.Equal(t, 200, call(t, api, "GET", "/healthz", "", "").Code)

	logto.Disturb(nil)
	require.NoError(t, guard.Ready(t.Context()))
	require.Equal(t, 200, call(t, api, "GET", "/readyz", "", "").Code)
}
