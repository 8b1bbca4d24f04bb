package logtotest_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

func TestApplications(t *testing.T) {
	const unauthorized = "auth.unauthorized"
	good := logtotest.Token{Subject: "console", Audience: managementAPI, Scopes: []string{"some", "all"}}
	tests := []struct {
		name   string
		token  logtotest.Token
		edit   func(*logtotest.Draft)
		status int
		code   string
	}{
		{"fine", good, nil, 200, ""},
		{"another audience", logtotest.Token{Scopes: []string{"all"}}, nil, 401, unauthorized},
		{"expired", logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}, Lifetime: -time.Second}, nil, 401, unauthorized},
		{"without scope", logtotest.Token{Audience: managementAPI}, nil, 403, "auth.forbidden"},
		{"scope that only looks like it", logtotest.Token{Audience: managementAPI, Scopes: []string{"allx"}}, nil, 403, "auth.forbidden"},
		{"another key under the kid", good, func(d *logtotest.Draft) { d.Key = logtotest.NewKey("ES384") }, 401, unauthorized},
		{"another curve under the kid", good, func(d *logtotest.Draft) { d.Key = logtotest.NewKey("ES256") }, 401, unauthorized},
		{"another algorithm", good, func(d *logtotest.Draft) { d.Header["alg"] = "ES256" }, 401, unauthorized},
		{"another kid", good, func(d *logtotest.Draft) { d.Header["kid"] = "x" }, 401, unauthorized},
		{"another type", good, func(d *logtotest.Draft) { d.Header["typ"] = "JWT" }, 401, unauthorized},
		{"another issuer", good, func(d *logtotest.Draft) { d.Claims["iss"] = "https://evil.example/oidc" }, 401, unauthorized},
		{"exp as a string", good, func(d *logtotest.Draft) { d.Claims["exp"] = "9999999999" }, 401, unauthorized},
		{"no signature", good, func(d *logtotest.Draft) { d.Key = nil }, 401, unauthorized},
	}
	s := start(t, tenant())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var edits []func(*logtotest.Draft)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			resp := get(t, s.URL()+"/api/applications", "Authorization", "Bearer "+s.Mint(tt.token, edits...))
			require.Equal(t, tt.status, resp.StatusCode, resp.body)
			if tt.code != "" {
				require.Equal(t, tt.code, resp.decode(t)["code"])
				return
			}
			require.NotContains(t, resp.body, "secret")
			require.JSONEq(t, `[
				{"id":"no-role","name":"no-role","type":"MachineToMachine"},
				{"id":"console","name":"console","type":"MachineToMachine"},
				{"id":"reader","name":"reader","type":"MachineToMachine"},
				{"id":"shop","name":"shop","type":"MachineToMachine"}
			]`, resp.body)
		})
	}
}

func TestManagementAuthorization(t *testing.T) {
	const missing, otherType, unauthorized, forbidden = "auth.authorization_header_missing", "auth.authorization_token_type_not_supported", "auth.unauthorized", "auth.forbidden"
	messages := map[string]string{
		missing:      "Authorization header is missing.",
		otherType:    "Authorization type is not supported.",
		unauthorized: "Unauthorized. Please check credentials and its scope.",
		forbidden:    "Forbidden. Please check your user roles and permissions.",
	}
	s := start(t, tenant())
	token := s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}})
	for name, tt := range map[string]struct {
		authorization string
		status        int
		code          string
	}{
		"nothing":              {"", 401, missing},
		"Basic":                {"Basic abc", 401, otherType},
		"another case":         {"bearer " + token, 401, otherType},
		"nothing after Bearer": {"Bearer ", 401, unauthorized},
		"an opaque token":      {"Bearer opaque", 401, unauthorized},
		"no space":             {"Bearer" + token, 401, unauthorized},
		"without a scope":      {"Bearer " + s.Mint(logtotest.Token{Audience: managementAPI}), 403, forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				resp := do(t, request(t, method, s.URL()+"/api/applications", "", "Authorization", tt.authorization))
				require.Equal(t, tt.status, resp.StatusCode)
				require.Equal(t, map[string]any{"code": tt.code, "message": messages[tt.code]}, resp.decode(t))
				require.Empty(t, resp.Header.Get("ETag"))
			}
		})
	}
	resp := do(t, request(t, http.MethodPost, s.URL()+"/api/applications", `{}`, "Authorization", "Bearer "+token))
	require.Equal(t, 400, resp.StatusCode)
	require.Equal(t, map[string]any{"code": "guard.invalid_input", "message": "The request body is invalid."}, resp.decode(t))
}

func TestPages(t *testing.T) {
	const path = "/api/applications"
	s := start(t, tenant()) // no-role, console, reader and shop, the newest first
	token := "Bearer " + s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}})
	links := func(pairs ...string) []string {
		var list []string
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, "<"+s.URL()+"/applications?"+pairs[i]+`>; rel="`+pairs[i+1]+`"`)
		}
		return list
	}
	for query, tt := range map[string]struct {
		ids   []string
		links []string
	}{
		"?page=1":                            {[]string{"no-role", "console", "reader", "shop"}, links("page=1", "first", "page=1", "last")},
		"?page_size=3":                       {[]string{"no-role", "console", "reader"}, links("page_size=3&page=1", "first", "page_size=3&page=2", "last", "page_size=3&page=2", "next")},
		"?page=2&page_size=3":                {[]string{"shop"}, links("page=1&page_size=3", "first", "page=2&page_size=3", "last", "page=1&page_size=3", "prev")},
		"?a=b&page=2&page_size=1":            {[]string{"console"}, links("a=b&page=1&page_size=1", "first", "a=b&page=4&page_size=1", "last", "a=b&page=1&page_size=1", "prev", "a=b&page=3&page_size=1", "next")},
		"?page=90071992547409&page_size=100": {nil, links("page=1&page_size=100", "first", "page=1&page_size=100", "last", "page=90071992547408&page_size=100", "prev")},
		"?page=1e0":                          {[]string{"no-role", "console", "reader", "shop"}, links("page=1", "first", "page=1", "last")},
		"?page=0X2&page_size=3":              {[]string{"shop"}, links("page=1&page_size=3", "first", "page=2&page_size=3", "last", "page=1&page_size=3", "prev")},
		"?page=%201":                         {[]string{"no-role", "console", "reader", "shop"}, links("page=1", "first", "page=1", "last")},
		"?page=1&page_size=3.0":              {[]string{"no-role", "console", "reader"}, links("page=1&page_size=3.0", "first", "page=2&page_size=3.0", "last", "page=2&page_size=3.0", "next")},
		"?page=1.5&page_size=2":              {[]string{"console", "reader"}, links("page=1&page_size=2", "first", "page=2&page_size=2", "last", "page=2&page_size=2", "next")},
	} {
		t.Run(query, func(t *testing.T) {
			resp := get(t, s.URL()+path+query, "Authorization", token)
			require.Equal(t, tt.ids, idsOf(t, resp))
			require.Equal(t, "4", resp.Header.Get("Total-Number"))
			require.Equal(t, tt.links, resp.Header.Values("Link"))
		})
	}
	for query, ids := range map[string][]string{
		"":                   {"no-role", "console", "reader", "shop"},
		"?page=&page_size=":  {"no-role", "console", "reader", "shop"},
		"?search=%25E%25":    {"no-role", "console", "reader"},
		"?search=%25r":       {"reader"},
		"?search=role":       nil,
		"?types=Traditional": nil,
		"?types=Traditional&types=MachineToMachine": {"no-role", "console", "reader", "shop"},
	} {
		t.Run("all "+query, func(t *testing.T) {
			resp := get(t, s.URL()+path+query, "Authorization", token)
			require.Equal(t, ids, idsOf(t, resp))
			require.Empty(t, resp.Header.Values("Total-Number"))
			require.Empty(t, resp.Header.Values("Link"))
		})
	}
	for _, query := range []string{"?page=0", "?page=-1", "?page=x", "?page=1&page=2", "?page_size=0", "?page_size=101", "?page_size=x", "?page=%20", "?page=1_0", "?page=0x1p0", "?page=0&types=Nope"} {
		t.Run("no page "+query, func(t *testing.T) {
			resp := get(t, s.URL()+path+query, "Authorization", token)
			require.Equal(t, 400, resp.StatusCode)
			require.Equal(t, map[string]any{"code": "guard.invalid_pagination", "message": "The request pagination value is invalid."}, resp.decode(t))
		})
	}
}

func TestFiltersThatLogtoRefuses(t *testing.T) {
	s := start(t, tenant())
	token := "Bearer " + s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}})
	guard := map[string]any{"code": "guard.invalid_input", "message": "The request query is invalid."}
	fault := map[string]any{"message": "Internal server error."}
	for query, tt := range map[string]struct {
		status int
		body   map[string]any
	}{
		"?types=Nope":                        {400, guard},
		"?types=":                            {400, guard},
		"?types=MachineToMachine&types=Nope": {400, guard},
		"?types=Nope&search=":                {400, guard},
		"?page=1&types=Nope":                 {400, guard},
		"?search=":                           {500, fault},
		"?search=a&search=b":                 {500, fault},
	} {
		t.Run(query, func(t *testing.T) {
			resp := get(t, s.URL()+"/api/applications"+query, "Authorization", token)
			require.Equal(t, tt.status, resp.StatusCode)
			require.Equal(t, tt.body, resp.decode(t))
			require.Empty(t, resp.Header.Values("Link"))
		})
	}
}

func idsOf(t *testing.T, resp reply) []string {
	t.Helper()
	require.Equal(t, http.StatusOK, resp.StatusCode, resp.body)
	var list []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(resp.body), &list), resp.body)
	var ids []string
	for _, application := range list {
		ids = append(ids, application.ID)
	}
	return ids
}

func TestApplicationsOfAnRSATenantByClock(t *testing.T) {
	clock := logtotest.NewClock(noon)
	s := start(t, logtotest.Tenant{ID: "acme", Algorithm: "RS256", Now: clock.Now})
	token := "Bearer " + s.Mint(logtotest.Token{Audience: "https://acme.logto.app/api", Scopes: []string{"all"}})
	resp := get(t, s.URL()+"/api/applications", "Authorization", token)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.JSONEq(t, "[]", resp.body)
	clock.Advance(time.Hour)
	require.Equal(t, 401, get(t, s.URL()+"/api/applications", "Authorization", token).StatusCode)
	clock.Set(noon)
	require.Equal(t, 200, get(t, s.URL()+"/api/applications", "Authorization", token).StatusCode)
}

func TestFaults(t *testing.T) {
	s := start(t, tenant())
	jwks, discovery := s.URL()+"/oidc/jwks", s.URL()+"/oidc/.well-known/openid-configuration"

	s.Disturb(logtotest.Status(http.StatusInternalServerError))
	require.Equal(t, 500, get(t, jwks).StatusCode)
	s.Disturb(logtotest.Garbage())
	resp := get(t, jwks)
	require.Equal(t, 200, resp.StatusCode)
	require.NotContains(t, resp.body, "keys")
	s.Disturb(logtotest.EmptyKeySet())
	require.JSONEq(t, `{"keys":[]}`, get(t, jwks).body)
	require.Equal(t, s.URL()+"/oidc", get(t, discovery).decode(t)["issuer"])
	s.Disturb(logtotest.Slow(time.Nanosecond))
	require.Equal(t, 200, askToken(t, s, "reader", "reader-secret", form("resource", shoppingAPI)).StatusCode)
	require.Equal(t, 404, askToken(t, s, "reader", "reader-secret", form("scope", string(make([]byte, 64<<10)))).StatusCode)
	s.Disturb(nil)
	require.Len(t, publishedIDs(t, s), 1)

	require.Equal(t, 4, s.Requests("/oidc/jwks"))
	require.Equal(t, 1, s.Requests("/oidc/.well-known/openid-configuration"))
	require.Equal(t, 0, s.Requests("/oidc/me"))
}

func TestDownAnswersNothing(t *testing.T) {
	s := start(t, tenant())
	s.Disturb(logtotest.Down())
	_, err := http.DefaultClient.Do(request(t, http.MethodPost, s.URL()+"/oidc/token", form()))
	require.Error(t, err)
	require.Equal(t, 1, s.Requests("/oidc/token"))
}

// entering makes a fault tell that a request has come to it.
func entering(f logtotest.Fault, entered, left chan<- struct{}) logtotest.Fault {
	return func(next http.Handler) http.Handler {
		disturbed := f(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			entered <- struct{}{}
			defer func() { left <- struct{}{} }()
			disturbed.ServeHTTP(w, r)
		})
	}
}

func TestSlowEndsWhenTheClientLeaves(t *testing.T) {
	s := start(t, tenant())
	entered, left := make(chan struct{}, 1), make(chan struct{}, 1)
	s.Disturb(entering(logtotest.Slow(time.Hour), entered, left))
	ctx, cancel := context.WithCancel(t.Context())
	r := request(t, http.MethodPost, s.URL()+"/oidc/token", form(), "Content-Type", "application/x-www-form-urlencoded")
	failed := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(r.WithContext(ctx))
		failed <- err
	}()
	<-entered
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	<-left
}

func TestCloseWaitsForHandlers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	declared := tenant()
	declared.Listener = listener
	s := logtotest.NewServer(declared)
	entered, left := make(chan struct{}, 1), make(chan struct{}, 1)
	s.Disturb(entering(logtotest.Slow(time.Hour), entered, left))
	failed := make(chan error, 1)
	r := request(t, http.MethodGet, s.URL()+"/oidc/jwks", "")
	go func() {
		_, err := http.DefaultClient.Do(r)
		failed <- err
	}()
	<-entered
	s.Close()
	require.Len(t, left, 1, "the handler is through when Close returns")
	require.Error(t, <-failed)
	s.Close() // twice does no harm
	// Not by dialling: the port may be another process's by now.
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestListenerIsTheCallers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := start(t, logtotest.Tenant{Listener: listener})
	require.Equal(t, "http://"+listener.Addr().String(), s.URL())
	require.Equal(t, s.URL(), s.Endpoint())
	require.Len(t, publishedIDs(t, s), 1)
}

func TestConcurrentUse(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := members("alice")
	declared.Now = clock.Now
	declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key"}}
	s := start(t, declared)
	changes := []string{
		"PATCH /users/alice/is-suspended " + `{"isSuspended":true}`, "POST /users/alice/personal-access-tokens " + `{"name":"x"}`,
		"PUT /organizations/acme/users " + `{"userIds":["alice"]}`, "PUT /organizations/acme/users " + `{"userIds":[]}`,
		"PATCH /hooks/hook " + `{"enabled":true}`, "GET /hooks/hook/recent-logs ", "GET /users ", "GET /organizations/acme/users ",
	}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 5 {
				token := s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}, Lifetime: 24 * time.Hour})
				for _, change := range changes {
					parts := strings.SplitN(change, " ", 3)
					r, _ := http.NewRequest(parts[0], s.URL()+"/api"+parts[1], strings.NewReader(parts[2]))
					r.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
					if resp, err := http.DefaultClient.Do(r); err == nil {
						_ = resp.Body.Close()
					}
				}
				s.Rotate("ES256")
				s.Announce("")
				s.DropPrevious()
				s.Mint(logtotest.Token{})
				s.Disturb(logtotest.EmptyKeySet())
				s.Disturb(nil)
				clock.Advance(time.Second)
				resp, err := http.Get(s.URL() + "/oidc/jwks")
				if err == nil {
					_ = resp.Body.Close()
				}
			}
		})
	}
	workers.Wait()
	require.Equal(t, 20, s.Requests("/oidc/jwks"))
	require.Equal(t, noon.Add(20*time.Second), clock.Now())
}
