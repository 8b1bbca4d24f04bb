package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// explained is a guard that says its steps, as in the example with the stand-in.
func explained(t *testing.T) *fixture {
	f := newFixture(t)
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint:     f.logto.Endpoint(),
		Audience:     []string{audience},
		Logger:       discard(),
		Metadata:     &logtoguard.Metadata{URL: "http://127.0.0.1:8080/.well-known/oauth-protected-resource"},
		ErrorHandler: explainRefusal,
		Check:        f.list.Check,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	return &fixture{f.logto, guard, f.list}
}

func getToken(t *testing.T, h http.Handler, application string) exchange {
	t.Helper()
	res := ask(h, "POST", "/demo/token", `{"application":"`+application+`"}`, "Content-Type", "application/json")
	require.Equal(t, 200, res.Code, res.Body)
	require.Equal(t, "no-store", res.Header().Get("Cache-Control"))
	var got exchange
	require.NoError(t, json.Unmarshal(res.Body.Bytes(), &got))
	return got
}

func TestTokenAsOnTheWire(t *testing.T) {
	f := newFixture(t)
	h := f.tryout(t)
	got := getToken(t, h, "shop-reader")
	require.True(t, strings.HasPrefix(got.Request, "POST /oidc/token HTTP/1.1\r\nHost: "+strings.TrimPrefix(f.logto.URL(), "http://")), got.Request)
	require.Contains(t, got.Request, "Authorization: Basic c2hvcC1yZWFkZXI6c2hvcC1yZWFkZXItc2VjcmV0")
	require.Contains(t, got.Request, "resource=https%3A%2F%2Fshopping.api")
	require.NotContains(t, got.Request, "organization_id")
	require.True(t, strings.HasPrefix(got.Answer, "HTTP/1.1 200 OK\r\n"), got.Answer)
	require.Contains(t, got.Answer, `"scope":"read:products"`)
	require.Contains(t, got.Answer, got.AccessToken)
	require.Equal(t, 1, f.logto.Requests("/oidc/token"), "it was really sent")

	require.Contains(t, getToken(t, h, "acme-bot").Request, "organization_id=acme")
	res := ask(h, "POST", "/demo/token", `{"application":"stranger"}`, "Content-Type", "application/json")
	require.Equal(t, 422, res.Code)
}

func TestTokenWithoutLogto(t *testing.T) {
	f := newFixture(t)
	f.logto.Disturb(logtotest.Down())
	res := ask(f.tryout(t), "POST", "/demo/token", `{"application":"no-role"}`, "Content-Type", "application/json")
	require.Equal(t, 500, res.Code)
	require.NotContains(t, res.Body.String(), "127.0.0.1")
}

// Each way to be refused, and how far it came. Steps before it have passed; what
// comes later was not looked at.
func TestStepsOfEachRefusal(t *testing.T) {
	f := explained(t)
	h := f.tryout(t)
	mint := func(edit func(*logtotest.Draft)) string {
		token := logtotest.Token{ClientID: "app", Audience: audience, Scopes: []string{readProducts}}
		return f.logto.Mint(token, edit)
	}
	set := func(name string, value any) string {
		return mint(func(d *logtotest.Draft) { d.Claims[name] = value })
	}
	good := mint(func(*logtotest.Draft) {})
	manager := getToken(t, h, "shop-manager").AccessToken
	variant := func(path string) string {
		var body struct{ Token string }
		res := ask(h, "POST", path, "", "Authorization", "Bearer "+manager)
		require.Equal(t, 200, res.Code, res.Body)
		require.NoError(t, json.Unmarshal(res.Body.Bytes(), &body))
		return body.Token
	}
	revoked := set("sub", "lost")
	require.Equal(t, 200, ask(h, "POST", "/demo/revoke", "", "Authorization", "Bearer "+revoked).Code)
	const products, acme = "/products", "/organizations/acme/orders"
	for name, row := range map[string]struct{ path, authorization, failed string }{
		"no token":             {products, "", "header"},
		"another scheme":       {products, "Basic YTpi", "header"},
		"two tokens":           {products, "Bearer a b", "header"},
		"opaque":               {products, "Bearer " + strings.Repeat("x", 43), "form"},
		"not JSON":             {products, "Bearer a.b.c", "form"},
		"an ID token":          {products, "Bearer " + variant("/demo/id-token"), "type"},
		"HMAC":                 {products, "Bearer " + mint(func(d *logtotest.Draft) { d.Header["alg"] = "HS256" }), "algorithm"},
		"another issuer":       {products, "Bearer " + set("iss", "https://evil.example/oidc"), "issuer"},
		"issuer not a string":  {products, "Bearer " + set("iss", 1), "issuer"},
		"another audience":     {products, "Bearer " + set("aud", "https://other.api"), "audience"},
		"expired":              {products, "Bearer " + variant("/demo/expired"), "claims"},
		"no expiry":            {products, "Bearer " + mint(func(d *logtotest.Draft) { delete(d.Claims, "exp") }), "claims"},
		"issued ahead":         {products, "Bearer " + set("iat", 4e9), "claims"},
		"bound to a sender":    {products, "Bearer " + set("cnf", map[string]string{"jkt": "x"}), "claims"},
		"an unknown key":       {products, "Bearer " + mint(func(d *logtotest.Draft) { d.Header["kid"] = "other" }), "key"},
		"no signature":         {products, "Bearer " + mint(func(d *logtotest.Draft) { d.Key = nil }), "signature"},
		"revoked":              {products, "Bearer " + revoked, "revocation"},
		"lives too long":       {products, "Bearer " + set("exp", time.Now().Add(25*time.Hour).Unix()), "revocation"},
		"another organization": {acme, "Bearer " + good, "organization"},
		"no such scope":        {acme, "Bearer " + set("organization_id", "acme"), "scope"},
		"let in":               {products, "Bearer " + good, ""},
		"let in, not there":    {"/products/p_none", "Bearer " + good, ""},
	} {
		t.Run(name, func(t *testing.T) {
			headers := []string{wantSteps, "yes"}
			if row.authorization != "" {
				headers = append(headers, "Authorization", row.authorization)
			}
			res := ask(h, "GET", row.path, "", headers...)
			require.Equal(t, wantedSummary(row.failed), res.Header().Get(stepsHeader), res.Body)
			require.Equal(t, row.failed == "", res.Code == 200 || res.Code == 404)

			require.Empty(t, ask(h, "GET", row.path, "", headers[2:]...).Header().Get(stepsHeader), "only who asks is told")
		})
	}
}

func wantedSummary(failed string) string {
	var words []string
	state := "passed"
	for _, name := range []string{"header", "form", "type", "algorithm", "issuer", "audience", "claims", "key", "signature", "revocation", "organization", "scope"} {
		if name == failed {
			words, state = append(words, name+"=failed"), "open"
			continue
		}
		words = append(words, name+"="+state)
	}
	return strings.Join(words, ", ")
}

// A guard that is closed says nothing of the token, so no step has passed.
func TestStepsOfWhatIsNotTheToken(t *testing.T) {
	f := explained(t)
	h := f.tryout(t)
	token := f.token(t, "shop-manager", "")
	require.NoError(t, f.guard.Close())
	res := ask(h, "GET", "/products", "", wantSteps, "yes", "Authorization", "Bearer "+token)
	require.Equal(t, 503, res.Code)
	require.NotRegexp(t, "passed|failed", res.Header().Get(stepsHeader))
	require.NotRegexp(t, "passed|failed", summary(stepsOf(errors.New("the disk is gone"))))
}

// The button revokes for one machine, until it asks for another token.
func TestRevoke(t *testing.T) {
	f := newFixture(t)
	h := f.tryout(t)
	manager, reader := getToken(t, h, "shop-manager").AccessToken, getToken(t, h, "shop-reader").AccessToken
	products := func(token string) *httptest.ResponseRecorder {
		return ask(h, "GET", "/products", "", "Authorization", "Bearer "+token)
	}
	require.Equal(t, 401, ask(h, "POST", "/demo/revoke", "").Code, "who has no token can't revoke one")
	require.Equal(t, 200, products(manager).Code)

	res := ask(h, "POST", "/demo/revoke", "", "Authorization", "Bearer "+manager)
	require.Equal(t, 200, res.Code)
	require.JSONEq(t, `{"revoked":"shop-manager"}`, res.Body.String())
	res = products(manager)
	require.Equal(t, 401, res.Code)
	require.Contains(t, res.Header().Get("WWW-Authenticate"), `error="invalid_token", error_description="the token was revoked"`)
	require.Equal(t, 401, ask(h, "POST", "/demo/revoke", "", "Authorization", "Bearer "+manager).Code)
	require.Equal(t, 200, products(reader).Code)

	later := f.logto.Mint(logtotest.Token{ClientID: "shop-manager", Audience: audience, Scopes: []string{readProducts}},
		func(d *logtotest.Draft) { d.Claims["iat"] = time.Now().Unix() + 1 })
	require.Equal(t, 200, products(later).Code, "from the next second on")
}

// For a person it ends the tokens of every application, and of no other person.
func TestRevokePerson(t *testing.T) {
	f := newFixture(t)
	h := f.tryout(t)
	products := func(person, application string) *httptest.ResponseRecorder {
		token := f.logto.Mint(logtotest.Token{Subject: person, ClientID: application, Audience: audience, Scopes: []string{readProducts}},
			func(d *logtotest.Draft) { d.Claims["iat"] = time.Now().Add(-time.Minute).Unix() })
		return ask(h, "GET", "/products", "", "Authorization", "Bearer "+token)
	}
	token := f.logto.Mint(logtotest.Token{Subject: "alice", ClientID: pageClientID, Audience: audience})
	res := ask(h, "POST", "/demo/revoke", "", "Authorization", "Bearer "+token)
	require.JSONEq(t, `{"revoked":"alice"}`, res.Body.String())
	require.Equal(t, 401, products("alice", pageClientID).Code)
	require.Equal(t, 401, products("alice", "another").Code)
	require.Equal(t, 200, products("bob", pageClientID).Code)
}

// Where no guard stands, no check was passed.
func TestNoStepsOutsideOfTheGuard(t *testing.T) {
	f := explained(t)
	h, err := newTryout(f.logto, audience, f.list, f.guard, discoverable(f.guard, f.api()), discard())
	require.NoError(t, err)
	for _, path := range []string{"/healthz", "/readyz", "/.well-known/oauth-protected-resource"} {
		res := ask(h, "GET", path, "", wantSteps, "yes")
		require.Equal(t, 200, res.Code)
		require.Empty(t, res.Header().Get(stepsHeader))
	}
}

func TestTryoutLogsNoSecret(t *testing.T) {
	f := explained(t)
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h, err := newTryout(f.logto, audience, f.list, f.guard, f.api(), log)
	require.NoError(t, err)
	token := getToken(t, h, "shop-manager").AccessToken
	require.Equal(t, 200, ask(h, "POST", "/demo/expired", "", "Authorization", "Bearer "+token).Code)
	require.Equal(t, 401, ask(h, "POST", "/demo/expired", "").Code)
	require.Contains(t, lines.String(), `route="POST /demo/token" status=200`)
	require.NotContains(t, lines.String(), "shop-manager-secret")
	require.NotContains(t, lines.String(), token)
}
