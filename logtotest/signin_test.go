package logtotest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

const (
	callback      = "http://localhost:3000/callback"
	organizations = "urn:logto:resource:organizations"
	fullScope     = "openid offline_access profile email roles urn:logto:scope:organizations read:products write:products read:orders invite:member"
)

var verifier = strings.Repeat("v", 43)

// people is a tenant to sign in to: alice reads products by role; in acme, she also writes them, and invites. In globex,
// she reads orders. Bob holds nothing. Carol is suspended.
func people() logtotest.Tenant {
	declared := exchangers()
	declared.Users[0].Username, declared.Users[0].Email = "al", "alice@example.com"
	declared.Users = append(declared.Users, logtotest.User{ID: "carol", Suspended: true})
	declared.Applications = append(declared.Applications,
		logtotest.Application{ID: "spa", Type: "SPA", RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{"http://localhost:3000/bye"}},
		logtotest.Application{ID: "phone", Type: "Native", RedirectURIs: []string{"com.example.shop:/callback", callback}},
		logtotest.Application{ID: "site", Type: "Traditional", Secret: "site-secret", RedirectURIs: []string{"https://site.example/back?a=b"}},
	)
	return declared
}

// asking is a good authorization request of spa, but for what is changed; empty values are left out.
func asking(changes ...string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"client_id":             {"spa"},
		"redirect_uri":          {callback},
		"response_type":         {"code"},
		"scope":                 {fullScope},
		"resource":              {shoppingAPI, ordersAPI, organizations},
		"prompt":                {"consent"},
		"state":                 {"st&te"},
		"nonce":                 {"n-123"},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(sum[:])},
		"code_challenge_method": {"S256"},
	}
	return changed(query, changes...)
}

func changed(query url.Values, changes ...string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		query.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			query.Del(changes[i])
		}
	}
	return query
}

// straight follows no redirect.
var straight = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func send(t *testing.T, r *http.Request) reply {
	t.Helper()
	resp, err := straight.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return reply{resp, ""}
}

// click chooses a user on the page.
func click(t *testing.T, s *logtotest.Server, query url.Values, user string, headers ...string) reply {
	t.Helper()
	headers = append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)
	return send(t, request(t, http.MethodPost, s.URL()+"/oidc/auth?"+query.Encode(), url.Values{"user": {user}}.Encode(), headers...))
}

// landing is the query of where the user was sent.
func landing(t *testing.T, resp reply) url.Values {
	t.Helper()
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	u, err := resp.Location()
	require.NoError(t, err)
	return u.Query()
}

// post sends a form without an Authorization header; headers are name, value, name, value.
func post(t *testing.T, s *logtotest.Server, path string, form url.Values, headers ...string) reply {
	t.Helper()
	headers = append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)
	return do(t, request(t, http.MethodPost, s.URL()+path, form.Encode(), headers...))
}

func redeeming(code string, changes ...string) url.Values {
	return changed(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}, changes...)
}

func refreshing(token string, changes ...string) url.Values {
	return changed(url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {token}}, changes...)
}

// signIn is the answer to the code of alice's click; changes are those of the authorization request.
func signIn(t *testing.T, s *logtotest.Server, changes ...string) map[string]any {
	t.Helper()
	code := landing(t, click(t, s, asking(changes...), "alice")).Get("code")
	resp := post(t, s, "/oidc/token", redeeming(code))
	require.Equal(t, 200, resp.StatusCode, resp.body)
	return resp.decode(t)
}

func requireOAuthError(t *testing.T, resp reply, status int, code, description string) {
	t.Helper()
	require.Equal(t, status, resp.StatusCode, resp.body)
	answer := resp.decode(t)
	require.Equal(t, code, answer["error"])
	require.Equal(t, description, answer["error_description"])
	require.Equal(t, "oidc."+code, answer["code"])
	require.NotEmpty(t, answer["message"])
}

// What a registered address has in its query comes back as it is, with the answer after it.
func TestQueryOfTheAddressStays(t *testing.T) {
	const home = "http://localhost:3000/"
	for _, query := range []string{"?flag&x=a;b", "?b=%zz&a=1+2", "?", ""} {
		declared := people()
		declared.Applications = []logtotest.Application{{ID: "spa", Type: "SPA", RedirectURIs: []string{home + query}, PostLogoutRedirectURIs: []string{home + query}}}
		declared.Organizations = nil
		s := start(t, declared)
		before := strings.TrimSuffix(home+query, "?") + "?"
		if len(query) > 1 {
			before = home + query + "&"
		}
		location := click(t, s, asking("redirect_uri", home+query), "alice").Header.Get("Location")
		require.Regexp(t, "^"+regexp.QuoteMeta(before)+"code=", location)
		out := url.Values{"client_id": {"spa"}, "post_logout_redirect_uri": {home + query}}
		ended := send(t, request(t, http.MethodGet, s.URL()+"/oidc/session/end?"+out.Encode(), ""))
		require.Equal(t, strings.TrimSuffix(home+query, "?"), strings.TrimSuffix(ended.Header.Get("Location"), "?"))
	}
}

// A whole sign-in by the client of golang.org/x/oauth2, with a secret and without one.
func TestSignInByOAuth2(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := people()
	declared.Now = clock.Now
	s := start(t, declared)
	for _, config := range []oauth2.Config{
		{ClientID: "spa", RedirectURL: callback},
		{ClientID: "phone", RedirectURL: "com.example.shop:/callback"},
		{ClientID: "site", ClientSecret: "site-secret", RedirectURL: "https://site.example/back?a=b"},
	} {
		t.Run(config.ClientID, func(t *testing.T) {
			config.Endpoint = oauth2.Endpoint{AuthURL: s.URL() + "/oidc/auth", TokenURL: s.URL() + "/oidc/token"}
			config.Scopes = []string{"openid", "offline_access", "read:products"}
			verifier := oauth2.GenerateVerifier()
			address := config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier),
				oauth2.SetAuthURLParam("prompt", "consent"), oauth2.SetAuthURLParam("resource", shoppingAPI))
			u, err := url.Parse(address)
			require.NoError(t, err)
			page := get(t, address)
			require.Equal(t, 200, page.StatusCode, page.body)
			require.Contains(t, page.body, "Sign in to "+config.ClientID)

			resp := click(t, s, u.Query(), "alice")
			require.True(t, strings.HasPrefix(resp.Header.Get("Location"), config.RedirectURL), resp.Header.Get("Location"))
			back := landing(t, resp)
			require.Equal(t, "state", back.Get("state"))
			require.Equal(t, s.Endpoint()+"/oidc", back.Get("iss"))

			token, err := config.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier))
			require.NoError(t, err)
			require.Len(t, token.AccessToken, 43, "opaque: no resource was asked for at the token endpoint")
			require.Equal(t, "openid offline_access", token.Extra("scope"))
			require.Equal(t, "alice", claims(t, s, token.Extra("id_token").(string))["sub"])

			form := refreshing(token.RefreshToken, "client_id", config.ClientID, "client_secret", config.ClientSecret, "resource", shoppingAPI)
			answer := post(t, s, "/oidc/token", form).decode(t)
			got := claims(t, s, answer["access_token"].(string))
			delete(got, "jti")
			require.Equal(t, map[string]any{
				"iss": s.Endpoint() + "/oidc", "sub": "alice", "aud": shoppingAPI, "client_id": config.ClientID, "scope": "read:products",
				"iat": float64(noon.Unix()), "exp": float64(noon.Unix() + 3600),
			}, got)
			require.Equal(t, config.ClientID == "site", answer["refresh_token"] == token.RefreshToken, "those without a secret get another one")
		})
	}
}

func TestSignInPage(t *testing.T) {
	s := start(t, people())
	page := get(t, s.URL()+"/oidc/auth?"+asking().Encode())
	require.Equal(t, 200, page.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.Equal(t, "no-store", page.Header.Get("Cache-Control"))
	require.Empty(t, page.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, page.body, `<button name="user" value="alice">al</button>`)
	require.Contains(t, page.body, `<button name="user" value="bob">bob</button>`)
	require.Contains(t, page.body, `<button name="user" value="carol" disabled>carol (suspended)</button>`)

	requireError(t, do(t, request(t, "POST", s.URL()+"/oidc/auth?"+asking().Encode(), "user=carol", "Content-Type", "application/x-www-form-urlencoded")), 401, "user.suspended")
	requireError(t, do(t, request(t, "POST", s.URL()+"/oidc/auth?"+asking().Encode(), "user=dave", "Content-Type", "application/x-www-form-urlencoded")), 404, "entity.not_found")
	require.Equal(t, 404, click(t, s, asking(), strings.Repeat("x", 1<<20)).StatusCode)

	for name, headers := range map[string][]string{
		"another site":                 {"Sec-Fetch-Site", "cross-site"},
		"another port of this machine": {"Sec-Fetch-Site", "same-site"},
		"an old browser, another site": {"Origin", "https://evil.example"},
		"a sandboxed frame":            {"Origin", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 403, click(t, s, asking(), "alice", headers...).StatusCode)
		})
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Origin", s.URL()}} {
		require.NotEmpty(t, landing(t, click(t, s, asking(), "alice", headers...)).Get("code"))
	}
}

func TestLoginHint(t *testing.T) {
	declared := people()
	s := start(t, declared)
	address := "/oidc/auth?" + asking("login_hint", "al").Encode()
	require.Equal(t, 200, get(t, s.URL()+address).StatusCode, "only where the tenant says so")

	declared.SignInByHint = true
	s = start(t, declared)
	for _, hint := range []string{"alice", "al", "alice@example.com"} {
		resp := send(t, request(t, "GET", s.URL()+"/oidc/auth?"+asking("login_hint", hint).Encode(), ""))
		code := landing(t, resp).Get("code")
		require.Equal(t, "alice", claims(t, s, post(t, s, "/oidc/token", redeeming(code)).decode(t)["id_token"].(string))["sub"])
	}
	require.Equal(t, 200, get(t, s.URL()+"/oidc/auth?"+asking("login_hint", "dave").Encode()).StatusCode)
	require.Equal(t, 200, get(t, s.URL()+"/oidc/auth?"+asking().Encode()).StatusCode)
	require.Equal(t, 401, get(t, s.URL()+"/oidc/auth?"+asking("login_hint", "carol").Encode()).StatusCode)
}

// No user is sent to an address that is not registered.
func TestUnregisteredAddresses(t *testing.T) {
	s := start(t, people())
	twice := func(name, value string) url.Values {
		query := asking()
		query.Add(name, value)
		return query
	}
	for _, tt := range []struct {
		name       string
		query      url.Values
		code, text string
	}{
		{"no application", asking("client_id", ""), "invalid_request", "missing required parameter 'client_id'"},
		{"unknown application", asking("client_id", "x"), "invalid_client", "invalid client x"},
		{"two applications", twice("client_id", "site"), "invalid_request", "'client_id' parameter must not be provided twice"},
		{"no address", asking("redirect_uri", ""), "invalid_request", "missing required parameter 'redirect_uri'"},
		{"two addresses", twice("redirect_uri", "https://evil.example"), "invalid_request", "'redirect_uri' parameter must not be provided twice"},
		{"another address", asking("redirect_uri", "https://evil.example"), "invalid_redirect_uri", "redirect_uri did not match any of the client's registered redirect_uris"},
		{"a longer path", asking("redirect_uri", callback+"/x"), "invalid_redirect_uri", "redirect_uri did not match any of the client's registered redirect_uris"},
		{"another application's address", asking("client_id", "site"), "invalid_redirect_uri", "redirect_uri did not match any of the client's registered redirect_uris"},
		{"a machine", asking("client_id", "shop"), "invalid_redirect_uri", "redirect_uri did not match any of the client's registered redirect_uris"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := s.URL() + "/oidc/auth?" + tt.query.Encode()
			requireOAuthError(t, get(t, address), 400, tt.code, tt.text)
			requireOAuthError(t, do(t, request(t, "POST", address, "user=alice", "Content-Type", "application/x-www-form-urlencoded")), 400, tt.code, tt.text)
		})
	}
	require.Equal(t, 431, get(t, s.URL()+"/oidc/auth?"+asking("nonce", strings.Repeat("x", 8<<10)).Encode()).StatusCode)
}

func TestAuthorizationRefusals(t *testing.T) {
	s := start(t, people())
	twice := asking()
	twice.Add("state", "other")
	for _, tt := range []struct {
		name       string
		query      url.Values
		code, text string
	}{
		{"no response type", asking("response_type", ""), "invalid_request", "missing required parameter 'response_type'"},
		{"implicit", asking("response_type", "id_token"), "unsupported_response_type", "unsupported response_type requested"},
		{"in the fragment", asking("response_mode", "fragment"), "unsupported_response_mode", "unsupported response_mode requested"},
		{"two states", twice, "invalid_request", "'state' parameter must not be provided twice"},
		{"unknown prompt", asking("prompt", "create"), "invalid_request", "unsupported prompt value requested"},
		{"no prompt, and one", asking("prompt", "none consent"), "invalid_request", "prompt none must only be used alone"},
		{"without a page", asking("prompt", "none"), "login_required", "End-User authentication is required"},
		{"unknown resource", asking("resource", "https://other.api"), "invalid_target", "resource indicator is missing, or unknown"},
		{"resource of another form", asking("resource", "x"), "invalid_target", "resource indicator must be an absolute URI"},
		{"no challenge", asking("code_challenge", "", "code_challenge_method", ""), "invalid_request", "Authorization Server policy requires PKCE to be used for this request"},
		{"challenge without a method", asking("code_challenge_method", ""), "invalid_request", "code_challenge_method must be provided"},
		{"method without a challenge", asking("code_challenge", ""), "invalid_request", "code_challenge must be provided with code_challenge_method"},
		{"plain challenge", asking("code_challenge_method", "plain"), "invalid_request", "not supported value of code_challenge_method"},
		{"short challenge", asking("code_challenge", "x"), "invalid_request", "code_challenge must be a string with a minimum length of 43 characters"},
		{"long challenge", asking("code_challenge", strings.Repeat("x", 129)), "invalid_request", "code_challenge must be a string with a maximum length of 128 characters"},
		{"odd challenge", asking("code_challenge", strings.Repeat("ä", 43)), "invalid_request", "code_challenge contains invalid characters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, resp := range []reply{
				send(t, request(t, "GET", s.URL()+"/oidc/auth?"+tt.query.Encode(), "")),
				click(t, s, tt.query, "alice"),
			} {
				require.True(t, strings.HasPrefix(resp.Header.Get("Location"), callback+"?"))
				require.Equal(t, url.Values{
					"error": {tt.code}, "error_description": {tt.text}, "state": {"st&te"}, "iss": {s.Endpoint() + "/oidc"},
				}, landing(t, resp))
			}
		})
	}
}

func TestCodeRefusals(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := people()
	declared.Now = clock.Now
	s := start(t, declared)
	code := landing(t, click(t, s, asking("resource", shoppingAPI), "alice")).Get("code")
	const grant, text = "invalid_grant", "grant request is invalid"
	for _, tt := range []struct {
		name       string
		form       url.Values
		code, text string
	}{
		{"no code", redeeming(""), "invalid_request", "missing required parameter 'code'"},
		{"no address", redeeming(code, "redirect_uri", ""), "invalid_request", "missing required parameter 'redirect_uri'"},
		{"unknown code", redeeming("x"), grant, text},
		{"another address", redeeming(code, "redirect_uri", "http://localhost:3000/"), grant, text},
		{"another application", redeeming(code, "client_id", "phone"), grant, text},
		{"no verifier", redeeming(code, "code_verifier", ""), grant, text},
		{"another verifier", redeeming(code, "code_verifier", strings.Repeat("w", 43)), grant, text},
		{"short verifier", redeeming(code, "code_verifier", "v"), "invalid_request", "code_verifier must be a string with a minimum length of 43 characters"},
		{"two codes", url.Values{"grant_type": {"authorization_code"}, "client_id": {"spa"}, "code": {code, code}}, "invalid_request", "'code' parameter must not be provided twice"},
		{"unknown resource", redeeming(code, "resource", "https://other.api"), "invalid_target", "resource indicator is missing, or unknown"},
		{"as a refresh token", refreshing(code), grant, text},
		{"machine", redeeming(code, "client_id", "shop", "client_secret", "shop secret+/%:~"), "invalid_request", "requested grant type is not allowed for this client"},
		{"for the application itself", redeeming(code, "grant_type", "client_credentials"), "invalid_request", "requested grant type is not allowed for this client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			requireOAuthError(t, post(t, s, "/oidc/token", tt.form), 400, tt.code, tt.text)
		})
	}
	t.Run("a secret that can't be", func(t *testing.T) {
		requireOAuthError(t, post(t, s, "/oidc/token", redeeming(code, "client_secret", "x")), 401, "invalid_client", "client authentication failed")
	})
	clock.Advance(59 * time.Second)
	require.Equal(t, 200, post(t, s, "/oidc/token", redeeming(code)).StatusCode, "it has outlived all of these")

	code = landing(t, click(t, s, asking("resource", shoppingAPI), "alice")).Get("code")
	clock.Advance(time.Minute)
	requireOAuthError(t, post(t, s, "/oidc/token", redeeming(code)), 400, grant, text)

	code = landing(t, click(t, s, asking("resource", shoppingAPI), "alice")).Get("code")
	requireOAuthError(t, post(t, s, "/oidc/token", redeeming(code, "resource", ordersAPI)), 400, "invalid_target", "resource indicator is missing, or unknown")
}

// A code that comes twice may have been stolen: what it gave ends.
func TestCodeTwice(t *testing.T) {
	s := start(t, people())
	code := landing(t, click(t, s, asking(), "alice")).Get("code")
	answer := post(t, s, "/oidc/token", redeeming(code)).decode(t)
	require.Equal(t, 200, get(t, s.URL()+"/oidc/me", "Authorization", "Bearer "+answer["access_token"].(string)).StatusCode)
	requireOAuthError(t, post(t, s, "/oidc/token", redeeming(code)), 400, "invalid_grant", "grant request is invalid")
	requireOAuthError(t, post(t, s, "/oidc/token", refreshing(answer["refresh_token"].(string))), 400, "invalid_grant", "grant request is invalid")
	require.Equal(t, 401, get(t, s.URL()+"/oidc/me", "Authorization", "Bearer "+answer["access_token"].(string)).StatusCode)
}

// With a secret, PKCE is optional; but where a challenge came, its verifier has to come too.
func TestCodeWithoutChallenge(t *testing.T) {
	s := start(t, people())
	site := []string{"client_id", "site", "redirect_uri", "https://site.example/back?a=b"}
	query := asking(append(site, "code_challenge", "", "code_challenge_method", "")...)
	form := func() url.Values {
		resp := click(t, s, query, "alice")
		require.Equal(t, "b", landing(t, resp).Get("a"), "the address keeps its own query")
		return redeeming(landing(t, resp).Get("code"), append(site, "client_secret", "site-secret", "code_verifier", "")...)
	}
	require.Equal(t, 200, post(t, s, "/oidc/token", form()).StatusCode)
	requireOAuthError(t, post(t, s, "/oidc/token", changed(form(), "code_verifier", verifier)), 400, "invalid_grant", "grant request is invalid")
	requireOAuthError(t, post(t, s, "/oidc/token", changed(form(), "client_secret", "")), 401, "invalid_client", "client authentication failed")

	t.Run("as @logto/node sends it", func(t *testing.T) { // in the header, and client_id in the body too
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("site:site-secret"))
		require.Equal(t, 200, post(t, s, "/oidc/token", changed(form(), "client_secret", ""), "Authorization", basic).StatusCode)
	})
}

func TestTokensOfTheCode(t *testing.T) {
	s := start(t, people())
	for _, tt := range []struct {
		name     string
		asks     []string // at the authorization endpoint
		redeems  []string // at the token endpoint
		audience string   // empty: opaque
		scope    string
		refresh  bool
	}{
		{"opaque", []string{"scope", "openid profile"}, nil, "", "openid profile", false},
		{"a resource", nil, []string{"resource", shoppingAPI}, shoppingAPI, "read:products write:products", true},
		{"offline_access without consent", []string{"prompt", ""}, nil, "", "openid profile email roles urn:logto:scope:organizations", false},
		{"unknown scopes", []string{"scope", "openid phone x"}, nil, "", "openid", false},
		{"not OpenID: the only resource", []string{"scope", "read:products", "resource", shoppingAPI}, nil, shoppingAPI, "read:products", false},
		{"not OpenID: none of several", []string{"scope", "read:products"}, nil, "", "", false},
		{"scopes without their resource", []string{"scope", "openid read:products", "resource", ""}, nil, "", "openid", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code := landing(t, click(t, s, asking(tt.asks...), "alice")).Get("code")
			answer := post(t, s, "/oidc/token", redeeming(code, tt.redeems...)).decode(t)
			token := answer["access_token"].(string)
			if tt.audience == "" {
				require.Len(t, token, 43)
			} else {
				got := claims(t, s, token)
				require.Equal(t, tt.audience, got["aud"])
				require.Equal(t, tt.scope, got["scope"])
			}
			require.Equal(t, tt.scope, answer["scope"])
			require.Equal(t, tt.refresh, answer["refresh_token"] != nil)
			require.Equal(t, strings.Contains(asking(tt.asks...).Get("scope"), "openid"), answer["id_token"] != nil)
		})
	}
}

func TestRefresh(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := people()
	declared.Now = clock.Now
	s := start(t, declared)
	token := signIn(t, s)["refresh_token"].(string)
	for _, tt := range []struct {
		name         string
		parameters   []string
		audience     string
		scope        string
		organization any
		lifetime     float64
	}{
		{"a resource: also what is held in some organization", []string{"resource", shoppingAPI}, shoppingAPI, "read:products write:products", nil, 3600},
		{"a part of it", []string{"resource", shoppingAPI, "scope", "write:products"}, shoppingAPI, "write:products", nil, 3600},
		{"another resource", []string{"resource", ordersAPI}, ordersAPI, "read:orders", nil, 600},
		{"an organization", []string{"organization_id", "acme"}, "urn:logto:organization:acme", "invite:member", nil, 3600},
		{"an organization without permissions", []string{"organization_id", "globex"}, "urn:logto:organization:globex", "", nil, 3600},
		{"both: also what is held by role", []string{"resource", shoppingAPI, "organization_id", "acme"}, shoppingAPI, "read:products write:products", "acme", 3600},
		{"both, another organization", []string{"resource", shoppingAPI, "organization_id", "globex"}, shoppingAPI, "read:products", "globex", 3600},
		{"Logto's resource without an organization", []string{"resource", organizations}, organizations, "invite:member", nil, 3600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := post(t, s, "/oidc/token", refreshing(token, tt.parameters...))
			require.Equal(t, 200, resp.StatusCode, resp.body)
			answer := resp.decode(t)
			token = answer["refresh_token"].(string)
			got := claims(t, s, answer["access_token"].(string))
			require.Equal(t, tt.audience, got["aud"])
			require.Equal(t, tt.scope, got["scope"])
			require.Equal(t, tt.scope, answer["scope"])
			require.Equal(t, tt.organization, got["organization_id"])
			require.Equal(t, "alice", got["sub"])
			require.Equal(t, "spa", got["client_id"])
			require.Equal(t, tt.lifetime, answer["expires_in"])
			require.Equal(t, !strings.Contains(strings.Join(tt.parameters, " "), "scope"), answer["id_token"] != nil)
		})
	}
	t.Run("opaque", func(t *testing.T) {
		answer := post(t, s, "/oidc/token", refreshing(token)).decode(t)
		token = answer["refresh_token"].(string)
		require.Equal(t, 200, get(t, s.URL()+"/oidc/me", "Authorization", "Bearer "+answer["access_token"].(string)).StatusCode)
	})
	t.Run("nothing held", func(t *testing.T) {
		code := landing(t, click(t, s, asking(), "bob")).Get("code")
		bobs := post(t, s, "/oidc/token", redeeming(code)).decode(t)["refresh_token"].(string)
		answer := post(t, s, "/oidc/token", refreshing(bobs, "resource", shoppingAPI)).decode(t)
		require.Equal(t, "", answer["scope"], "a string in every answer")
		require.NotContains(t, claims(t, s, answer["access_token"].(string)), "scope")
	})
}

func TestRefreshRefusals(t *testing.T) {
	s := start(t, people())
	token := signIn(t, s)["refresh_token"].(string)
	little := signIn(t, s, "scope", "openid offline_access", "resource", shoppingAPI)["refresh_token"].(string)
	for _, tt := range []struct {
		name       string
		form       url.Values
		status     int
		code, text string
	}{
		{"no token", refreshing(""), 400, "invalid_request", "missing required parameter 'refresh_token'"},
		{"unknown token", refreshing("x"), 400, "invalid_grant", "grant request is invalid"},
		{"another application", refreshing(token, "client_id", "phone"), 400, "invalid_grant", "grant request is invalid"},
		{"a scope beyond", refreshing(little, "scope", "openid profile"), 400, "invalid_scope", "refresh token missing requested scope"},
		{"scopes beyond", refreshing(little, "scope", "email profile"), 400, "invalid_scope", "refresh token missing requested scopes"},
		{"not a member", refreshing(token, "organization_id", "other"), 403, "access_denied", "user is not a member of the organization"},
		{"without the scope for organizations", refreshing(little, "organization_id", "acme"), 403, "insufficient_scope", "refresh token missing required scope"},
		{"unknown resource", refreshing(token, "resource", "https://other.api"), 400, "invalid_target", "resource indicator is missing, or unknown"},
		{"a resource that was not asked for", refreshing(little, "resource", ordersAPI), 400, "invalid_target", "resource indicator is missing, or unknown"},
		{"two resources", url.Values{"grant_type": {"refresh_token"}, "client_id": {"spa"}, "refresh_token": {token}, "resource": {shoppingAPI, ordersAPI}}, 400, "invalid_target", "only a single resource indicator value is supported for this grant type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			requireOAuthError(t, post(t, s, "/oidc/token", tt.form), tt.status, tt.code, tt.text)
		})
	}
	require.Equal(t, 200, post(t, s, "/oidc/token", refreshing(token)).StatusCode, "it has outlived all of these")
}

// Applications without a secret get another refresh token each time; one that comes again later than 3 s ends them all.
func TestRotationOfRefreshTokens(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := people()
	declared.Now = clock.Now
	s := start(t, declared)
	use := func(token string) (next string) {
		resp := post(t, s, "/oidc/token", refreshing(token))
		if resp.StatusCode != 200 {
			requireOAuthError(t, resp, 400, "invalid_grant", "grant request is invalid")
			return ""
		}
		return resp.decode(t)["refresh_token"].(string)
	}
	first := signIn(t, s)["refresh_token"].(string)
	other := signIn(t, s)["refresh_token"].(string)
	second := use(first)
	third := use(second)
	require.NotEmpty(t, third)
	require.NotEqual(t, first, second)
	clock.Advance(3 * time.Second)
	require.NotEmpty(t, use(second), "what pages ask at once comes in any order")
	clock.Advance(3 * time.Second)
	require.NotEmpty(t, use(second), "3 s after it was last used")
	clock.Advance(3*time.Second + time.Millisecond)
	require.Empty(t, use(second))
	require.Empty(t, use(third))

	clock.Advance(14*24*time.Hour - 10*time.Second)
	other = use(other)
	require.NotEmpty(t, other, "another sign-in")
	clock.Advance(time.Second)
	require.Empty(t, use(other), "a SPA's ends as the first one would have")

	t.Run("at once", func(t *testing.T) {
		token := signIn(t, s)["refresh_token"].(string)
		var requests sync.WaitGroup
		var got atomic.Int64
		for range 8 {
			requests.Go(func() {
				resp, err := http.PostForm(s.URL()+"/oidc/token", refreshing(token))
				if err == nil && resp.Body.Close() == nil && resp.StatusCode == 200 {
					got.Add(1)
				}
			})
		}
		requests.Wait()
		require.EqualValues(t, 8, got.Load())
	})
	t.Run("with a secret", func(t *testing.T) {
		site := []string{"client_id", "site", "redirect_uri", "https://site.example/back?a=b"}
		code := landing(t, click(t, s, asking(site...), "alice")).Get("code")
		token := post(t, s, "/oidc/token", redeeming(code, append(site, "client_secret", "site-secret")...)).decode(t)["refresh_token"].(string)
		use := func() string {
			resp := post(t, s, "/oidc/token", refreshing(token, "client_id", "site", "client_secret", "site-secret"))
			require.Equal(t, 200, resp.StatusCode)
			return resp.decode(t)["refresh_token"].(string)
		}
		require.Equal(t, token, use())
		clock.Advance(10 * 24 * time.Hour) // more than 70 % of 14 days
		next := use()
		require.NotEqual(t, token, next)
		token = next
		clock.Advance(10 * 24 * time.Hour)
		require.NotEqual(t, token, use(), "20 days after the sign-in")
	})
}

func TestIDToken(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := people()
	declared.Now = clock.Now
	s := start(t, declared)
	clock.Advance(time.Minute)
	answer := signIn(t, s)
	token := answer["id_token"].(string)
	header := part(t, token, 0)
	require.Equal(t, map[string]any{"alg": "ES384", "kid": s.Key().ID()}, header, "no typ")
	created, now := float64(noon.UnixMilli()), float64(noon.Add(time.Minute).Unix())
	full := map[string]any{
		"sub": "alice", "name": nil, "picture": nil, "username": "al", "created_at": created, "updated_at": created,
		"email": "alice@example.com", "email_verified": true, "roles": []any{"reader"}, "organizations": []any{"acme", "globex"},
		"nonce": "n-123", "aud": "spa", "auth_time": now, "iat": now, "exp": now + 3600, "iss": s.Endpoint() + "/oidc",
	}
	require.Equal(t, full, claims(t, s, token))

	clock.Advance(time.Minute)
	refreshed := post(t, s, "/oidc/token", refreshing(answer["refresh_token"].(string))).decode(t)["id_token"].(string)
	full["iat"], full["exp"] = now+60, now+3660
	require.Equal(t, full, claims(t, s, refreshed))

	require.Equal(t, map[string]any{
		"sub": "alice", "aud": "spa", "auth_time": now + 60, "iat": now + 60, "exp": now + 3660, "iss": s.Endpoint() + "/oidc",
	}, claims(t, s, signIn(t, s, "scope", "openid", "nonce", "")["id_token"].(string)))
}

func TestMe(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := people()
	declared.Now = clock.Now
	s := start(t, declared)
	me := func(headers ...string) reply { return get(t, s.URL()+"/oidc/me", headers...) }
	answer := signIn(t, s, "scope", "openid profile email")
	token := answer["access_token"].(string)
	require.Equal(t, map[string]any{
		"sub": "alice", "name": nil, "picture": nil, "username": "al", "email": "alice@example.com", "email_verified": true,
		"created_at": float64(noon.UnixMilli()), "updated_at": float64(noon.UnixMilli()),
	}, me("Authorization", "Bearer "+token).decode(t))
	require.Equal(t, 200, post(t, s, "/oidc/me", nil, "Authorization", "bearer "+token).StatusCode)

	realm := `Bearer realm="` + s.Endpoint() + `/oidc"`
	resp := me()
	requireOAuthError(t, resp, 400, "invalid_request", "no access token provided")
	require.Equal(t, realm, resp.Header.Get("WWW-Authenticate"))
	for name, header := range map[string]string{
		"unknown":        "Bearer x",
		"Basic":          "Basic " + token,
		"an ID token":    "Bearer " + answer["id_token"].(string),
		"an access JWT":  "Bearer " + s.Mint(logtotest.Token{Subject: "alice", ClientID: "spa"}),
		"a refresh one":  "Bearer " + signIn(t, s)["refresh_token"].(string),
		"nothing in one": "Bearer",
	} {
		t.Run(name, func(t *testing.T) {
			resp := me("Authorization", header)
			requireOAuthError(t, resp, 401, "invalid_token", "invalid token provided")
			require.Equal(t, realm+`, error="invalid_token", error_description="invalid token provided"`, resp.Header.Get("WWW-Authenticate"))
		})
	}
	plain := signIn(t, s, "scope", "profile")["access_token"].(string)
	requireOAuthError(t, me("Authorization", "Bearer "+plain), 403, "insufficient_scope", "access token missing openid scope")
	clock.Advance(time.Hour)
	require.Equal(t, 401, me("Authorization", "Bearer "+token).StatusCode)
}

func TestRevocation(t *testing.T) {
	s := start(t, people())
	revoke := func(token string, changes ...string) reply {
		return post(t, s, "/oidc/token/revocation", changed(url.Values{"client_id": {"spa"}, "token": {token}}, changes...))
	}
	works := func(answer map[string]any) (access bool) {
		return get(t, s.URL()+"/oidc/me", "Authorization", "Bearer "+answer["access_token"].(string)).StatusCode == 200
	}
	answer := signIn(t, s)
	refresh := answer["refresh_token"].(string)
	requireOAuthError(t, revoke(""), 400, "invalid_request", "missing required parameter 'token'")
	requireOAuthError(t, revoke(refresh, "client_id", "phone"), 400, "invalid_request", "this token does not belong to you")
	requireOAuthError(t, revoke(answer["id_token"].(string)), 400, "unsupported_token_type", "Structured JWT Tokens cannot be revoked via the revocation_endpoint")
	requireOAuthError(t, revoke(refresh, "client_secret", "x"), 401, "invalid_client", "client authentication failed")

	resp := revoke(answer["access_token"].(string))
	require.Equal(t, 200, resp.StatusCode)
	require.Empty(t, resp.body)
	require.False(t, works(answer))
	answer = post(t, s, "/oidc/token", refreshing(refresh)).decode(t)
	require.True(t, works(answer))

	refresh = answer["refresh_token"].(string)
	require.Equal(t, 200, revoke(refresh, "token_type_hint", "access_token").StatusCode)
	require.False(t, works(answer), "all of the sign-in ends")
	requireOAuthError(t, post(t, s, "/oidc/token", refreshing(refresh)), 400, "invalid_grant", "grant request is invalid")
	require.Equal(t, 200, revoke(refresh).StatusCode)
	require.Equal(t, 200, revoke("x").StatusCode)
}

func TestEndOfSession(t *testing.T) {
	s := start(t, people())
	end := func(pairs ...string) reply {
		return send(t, request(t, "GET", s.URL()+"/oidc/session/end?"+changed(url.Values{}, pairs...).Encode(), ""))
	}
	const bye = "http://localhost:3000/bye"
	require.Equal(t, bye+"?state=s", end("client_id", "spa", "post_logout_redirect_uri", bye, "state", "s").Header.Get("Location"))
	require.Equal(t, bye, end("client_id", "spa", "post_logout_redirect_uri", bye).Header.Get("Location"))
	for _, resp := range []reply{end(), end("client_id", "spa"), end("post_logout_redirect_uri", bye)} {
		require.Equal(t, 200, resp.StatusCode)
		require.Empty(t, resp.Header.Get("Location"))
	}
	for query, text := range map[string]string{
		"client_id=spa&post_logout_redirect_uri=https%3A%2F%2Fevil.example": "post_logout_redirect_uri not registered",
		"client_id=phone&post_logout_redirect_uri=" + url.QueryEscape(bye):  "post_logout_redirect_uri not registered",
		"client_id=x": "invalid client x",
		"client_id=spa&post_logout_redirect_uri=a&post_logout_redirect_uri=b": "'post_logout_redirect_uri' parameter must not be provided twice",
	} {
		resp := get(t, s.URL()+"/oidc/session/end?"+query)
		require.Equal(t, 400, resp.StatusCode)
		require.Equal(t, text, resp.decode(t)["error_description"])
	}
}

// Browsers leave the default port out of Origin, however the address is registered.
func TestOriginOnTheDefaultPort(t *testing.T) {
	for address, origin := range map[string]string{
		"http://localhost:80/cb": "http://localhost", "https://localhost:443/cb": "https://localhost", "http://[0:0::1]:5/cb": "http://[::1]:5",
	} {
		s := start(t, logtotest.Tenant{Applications: []logtotest.Application{{ID: "spa", Type: "SPA", RedirectURIs: []string{address}}}})
		resp := post(t, s, "/oidc/token/revocation", url.Values{"client_id": {"spa"}, "token": {"x"}}, "Origin", origin)
		require.Equal(t, 200, resp.StatusCode, resp.body)
	}
}

// Scripts of an application's own websites read the answers, and no others.
func TestOrigins(t *testing.T) {
	s := start(t, people())
	const own, foreign = "http://localhost:3000", "https://evil.example"
	answer := signIn(t, s)
	refresh, access := answer["refresh_token"].(string), answer["access_token"].(string)
	for path, ask := range map[string]func(origin string) reply{
		"/oidc/token": func(origin string) reply {
			resp := post(t, s, "/oidc/token", refreshing(refresh), "Origin", origin)
			if next, ok := resp.decode(t)["refresh_token"].(string); ok {
				refresh = next
			}
			return resp
		},
		"/oidc/me": func(origin string) reply {
			return get(t, s.URL()+"/oidc/me", "Authorization", "Bearer "+access, "Origin", origin)
		},
		"/oidc/token/revocation": func(origin string) reply {
			return post(t, s, "/oidc/token/revocation", url.Values{"client_id": {"spa"}, "token": {"x"}}, "Origin", origin)
		},
	} {
		t.Run(path, func(t *testing.T) {
			resp := ask(own)
			require.Equal(t, 200, resp.StatusCode, resp.body)
			require.Equal(t, own, resp.Header.Get("Access-Control-Allow-Origin"))
			for _, origin := range []string{foreign, "null", "http://localhost:3001", "https://localhost:3000"} {
				resp := ask(origin)
				requireOAuthError(t, resp, 400, "invalid_request", "origin "+origin+" not allowed for client: spa")
				require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
			}
			preflight := func(origin string) reply {
				return do(t, request(t, "OPTIONS", s.URL()+path, "", "Origin", origin,
					"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"))
			}
			resp = preflight(own)
			require.Equal(t, 204, resp.StatusCode)
			require.Equal(t, own, resp.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "authorization", resp.Header.Get("Access-Control-Allow-Headers"))
			require.Contains(t, resp.Header.Get("Access-Control-Allow-Methods"), "POST")
			require.Empty(t, preflight("null").Header.Get("Access-Control-Allow-Origin"))
		})
	}
	t.Run("a scheme has no origin", func(t *testing.T) {
		form := url.Values{"client_id": {"phone"}, "token": {"x"}}
		require.Equal(t, 400, post(t, s, "/oidc/token/revocation", form, "Origin", "null").StatusCode)
	})
}

func TestSuspensionSignsOut(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *logtotest.Server){
		"suspended": func(t *testing.T, s *logtotest.Server) {
			manage(t, s, "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`)
		},
		"deleted": func(t *testing.T, s *logtotest.Server) { manage(t, s, "DELETE", "/users/alice", "") },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, people())
			answer := signIn(t, s)
			code := landing(t, click(t, s, asking(), "alice")).Get("code")
			bobs := post(t, s, "/oidc/token", redeeming(landing(t, click(t, s, asking(), "bob")).Get("code"))).decode(t)["refresh_token"].(string)
			end(t, s)
			require.Equal(t, 400, post(t, s, "/oidc/token", refreshing(answer["refresh_token"].(string))).StatusCode)
			require.Equal(t, 401, get(t, s.URL()+"/oidc/me", "Authorization", "Bearer "+answer["access_token"].(string)).StatusCode)
			require.NotEqual(t, 303, click(t, s, asking(), "alice").StatusCode)
			require.Equal(t, name == "suspended", post(t, s, "/oidc/token", redeeming(code)).StatusCode == 200, "Logto leaves codes")
			require.Equal(t, 200, post(t, s, "/oidc/token", refreshing(bobs)).StatusCode)
		})
	}
	t.Run("no longer suspended", func(t *testing.T) {
		s := start(t, people())
		manage(t, s, "PATCH", "/users/carol/is-suspended", `{"isSuspended":false}`)
		require.NotEmpty(t, landing(t, click(t, s, asking(), "carol")).Get("code"))
	})
}

// What a user holds is looked at twice: what was not held at the sign-in isn't granted later, and what is gone is gone.
func TestGrantsAndMemberships(t *testing.T) {
	s := start(t, people())
	token := signIn(t, s)["refresh_token"].(string)
	scope := func(parameters ...string) any {
		resp := post(t, s, "/oidc/token", refreshing(token, parameters...))
		require.Equal(t, 200, resp.StatusCode, resp.body)
		answer := resp.decode(t)
		token = answer["refresh_token"].(string)
		return answer["scope"]
	}
	require.Equal(t, "read:products write:products", scope("resource", shoppingAPI))
	manage(t, s, "DELETE", "/organizations/acme/users/alice", "")
	require.Equal(t, "read:products", scope("resource", shoppingAPI))
	requireOAuthError(t, post(t, s, "/oidc/token", refreshing(token, "organization_id", "acme")), 403, "access_denied", "user is not a member of the organization")
}

// A user's plain token holds what the user holds in some organization: a route that asks for a scope only lets it in.
func TestPlainTokensOfUsersAreATrap(t *testing.T) {
	s := start(t, people())
	answer := signIn(t, s)
	tokens := map[string]string{}
	for name, parameters := range map[string][]string{"plain": nil, "acme": {"organization_id", "acme"}, "globex": {"organization_id", "globex"}} {
		answer = post(t, s, "/oidc/token", refreshing(answer["refresh_token"].(string), append(parameters, "resource", shoppingAPI)...)).decode(t)
		tokens[name] = answer["access_token"].(string)
	}
	guard := func(organizationScopes ...string) *logtoguard.Guard {
		guard, err := logtoguard.New(logtoguard.Config{Endpoint: s.Endpoint(), Audience: []string{shoppingAPI}, OrganizationScopes: organizationScopes})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, guard.Close()) })
		return guard
	}
	naive, knowing := guard(), guard("write:products")
	served := func(*http.Request) string { return "acme" }
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		name                string
		handler             http.Handler
		plain, acme, globex int
	}{
		{"a scope only", naive.Handler(logtoguard.RequireScope("write:products")(ok)), 200, 403, 403},
		{"OrganizationScopes", knowing.Handler(logtoguard.RequireScope("write:products")(ok)), 403, 403, 403},
		{"RequireOrganization", naive.Handler(logtoguard.RequireOrganization(served)(logtoguard.RequireScope("write:products")(ok))), 403, 200, 403},
		{"both", knowing.Handler(logtoguard.RequireOrganization(served)(logtoguard.RequireScope("write:products")(ok))), 403, 200, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]int{}
			for name, token := range tokens {
				r := request(t, "GET", "http://shopping.api/", "", "Authorization", "Bearer "+token)
				w := httptest.NewRecorder()
				tt.handler.ServeHTTP(w, r)
				got[name] = w.Code
			}
			require.Equal(t, map[string]int{"plain": tt.plain, "acme": tt.acme, "globex": tt.globex}, got)
		})
	}
}
