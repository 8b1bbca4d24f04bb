package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

// world is the application with its Logto and its API.
type world struct {
	logto *logtotest.Server
	url   string // of the application
}

func newWorld(t *testing.T, tokenLifetime time.Duration) world {
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	address := "http://" + server.Listener.Addr().String()
	const audience = "https://shopping.api"
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: audience, Scopes: []string{"read:products"}, TokenLifetime: tokenLifetime}},
		Roles: []logtotest.Role{
			{Name: "reader", Scopes: map[string][]string{audience: {"read:products"}}},
			{Name: "admin", Scopes: map[string][]string{"https://default.logto.app/api": {"all"}}},
		},
		Users: []logtotest.User{{ID: "alice", Username: "al", Roles: []string{"reader"}}, {ID: "bob"}},
		Applications: []logtotest.Application{{
			ID: "web", Type: "Traditional", Secret: "s3cret",
			RedirectURIs: []string{address + "/callback"}, PostLogoutRedirectURIs: []string{address},
		}},
	})
	t.Cleanup(logto.Close)

	guard, err := logtoguard.New(logtoguard.Config{Endpoint: logto.Endpoint(), Audience: []string{audience}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	mux := http.NewServeMux()
	mux.Handle("GET /products", logtoguard.RequireScope("read:products")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		_, _ = io.WriteString(w, "products for "+claims.Subject())
	})))
	api := httptest.NewServer(guard.Handler(mux))
	t.Cleanup(api.Close)

	app, err := newApp(t.Context(), settings{
		Endpoint: logto.Endpoint(), ID: "web", Secret: "s3cret", Audience: audience, API: api.URL, URL: address,
	})
	require.NoError(t, err)
	server.Config.Handler = app.routes()
	server.Start()
	return world{logto, address}
}

// browser follows redirects and keeps cookies.
func browser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar}
}

func send(t *testing.T, client *http.Client, method, address, form string, headers ...string) (resp *http.Response, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err = client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(content)
}

// signIn goes to Logto's page and chooses a user there.
func (w world) signIn(t *testing.T, client *http.Client, user string) (body string) {
	t.Helper()
	page, _ := send(t, client, "GET", w.url+"/sign-in", "")
	require.True(t, strings.HasPrefix(page.Request.URL.String(), w.logto.Endpoint()+"/oidc/auth?"))
	resp, body := send(t, client, "POST", page.Request.URL.String(), "user="+user)
	require.Equal(t, w.url+"/", resp.Request.URL.String(), body)
	return body
}

func TestInTheNameOfTheUser(t *testing.T) {
	w := newWorld(t, time.Hour)
	client := browser(t)
	_, body := send(t, client, "GET", w.url, "")
	require.Contains(t, body, "Sign in")
	resp, _ := send(t, client, "GET", w.url+"/products", "")
	require.Contains(t, resp.Request.URL.String(), "/oidc/auth?", "who is not signed in is sent there")

	require.Contains(t, w.signIn(t, client, "alice"), "Signed in as al")
	resp, body = send(t, client, "GET", w.url+"/products", "")
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "products for alice", body)

	other := browser(t)
	require.Contains(t, w.signIn(t, other, "bob"), "Signed in as bob")
	resp, body = send(t, other, "GET", w.url+"/products", "")
	require.Equal(t, 403, resp.StatusCode, "bob holds nothing")
	require.Contains(t, body, "insufficient_scope")

	resp, _ = send(t, client, "POST", w.url+"/sign-out", "", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, 403, resp.StatusCode)
	resp, body = send(t, client, "POST", w.url+"/sign-out", "")
	require.Equal(t, w.url, resp.Request.URL.String(), "by way of Logto")
	require.Equal(t, 1, w.logto.Requests("/oidc/session/end"))
	require.Contains(t, body, "Sign in")
}

// While a token is valid there is no other, also for requests that come at once.
func TestOneTokenForManyRequests(t *testing.T) {
	w := newWorld(t, time.Hour)
	client := browser(t)
	w.signIn(t, client, "alice")
	before := w.logto.Requests("/oidc/token")
	var requests sync.WaitGroup
	for range 20 {
		requests.Go(func() {
			resp, err := client.Get(w.url + "/products")
			if err == nil {
				resp.Body.Close()
			}
		})
	}
	requests.Wait()
	require.Equal(t, 1, w.logto.Requests("/oidc/token")-before)
}

func TestRefresh(t *testing.T) {
	w := newWorld(t, time.Second) // x/oauth2 wants ten more
	client := browser(t)
	w.signIn(t, client, "alice")
	before := w.logto.Requests("/oidc/token")
	for range 3 {
		_, body := send(t, client, "GET", w.url+"/products", "")
		require.Equal(t, "products for alice", body)
	}
	require.Equal(t, 3, w.logto.Requests("/oidc/token")-before)

	management := w.logto.Mint(logtotest.Token{Audience: "https://default.logto.app/api", Scopes: []string{"all"}})
	suspend, err := http.NewRequestWithContext(t.Context(), "PATCH", w.logto.URL()+"/api/users/alice/is-suspended", strings.NewReader(`{"isSuspended":true}`))
	require.NoError(t, err)
	suspend.Header.Set("Authorization", "Bearer "+management)
	suspend.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(suspend)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	resp, _ = send(t, client, "GET", w.url+"/products", "")
	require.Contains(t, resp.Request.URL.String(), "/oidc/auth?", "the session has ended")

	w.signIn(t, client, "bob")
	w.logto.Disturb(logtotest.Down())
	resp, _ = send(t, client, "GET", w.url+"/products", "")
	require.Equal(t, 502, resp.StatusCode)
	_, body := send(t, client, "GET", w.url, "")
	require.Contains(t, body, "Signed in as bob", "an outage ends no session")
}

// What comes back has to belong to what this browser has begun.
func TestForeignAnswers(t *testing.T) {
	w := newWorld(t, time.Hour)
	straight := func(client *http.Client) *http.Client {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		return client
	}
	for _, tt := range []struct {
		name   string
		change func(jar http.CookieJar, app *url.URL, answer url.Values)
		status int
	}{
		{"as it is", func(http.CookieJar, *url.URL, url.Values) {}, 303},
		{"another state", func(_ http.CookieJar, _ *url.URL, answer url.Values) { answer.Set("state", "x") }, 400},
		{"another issuer", func(_ http.CookieJar, _ *url.URL, answer url.Values) { answer.Set("iss", "https://evil.example/oidc") }, 400},
		{"no issuer", func(_ http.CookieJar, _ *url.URL, answer url.Values) { answer.Del("iss") }, 400},
		{"another browser", func(jar http.CookieJar, app *url.URL, _ url.Values) {
			jar.SetCookies(app, []*http.Cookie{{Name: attemptCookie, Value: "", Path: "/"}})
		}, 400},
		{"refused", func(_ http.CookieJar, _ *url.URL, answer url.Values) { answer.Set("error", "access_denied") }, 403},
		{"another code", func(_ http.CookieJar, _ *url.URL, answer url.Values) { answer.Set("code", "x") }, 502},
		{"another nonce", changeAttempt(1), 502},
		{"another verifier", changeAttempt(2), 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := straight(browser(t))
			start, _ := send(t, client, "GET", w.url+"/sign-in", "")
			back, _ := send(t, client, "POST", start.Header.Get("Location"), "user=alice")
			answer, err := back.Location()
			require.NoError(t, err)
			query := answer.Query()
			tt.change(client.Jar, answer, query)
			answer.RawQuery = query.Encode()
			resp, _ := send(t, client, "GET", answer.String(), "")
			require.Equal(t, tt.status, resp.StatusCode)
			_, body := send(t, client, "GET", w.url, "")
			require.Equal(t, tt.status == 303, strings.Contains(body, "Signed in"))
		})
	}
}

func changeAttempt(part int) func(http.CookieJar, *url.URL, url.Values) {
	return func(jar http.CookieJar, app *url.URL, _ url.Values) {
		for _, cookie := range jar.Cookies(app) {
			parts := strings.Split(cookie.Value, ".")
			parts[part] = strings.Repeat("x", 43)
			jar.SetCookies(app, []*http.Cookie{{Name: attemptCookie, Value: strings.Join(parts, "."), Path: "/"}})
		}
	}
}
