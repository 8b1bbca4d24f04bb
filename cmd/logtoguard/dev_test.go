package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

const orders = "https://orders.api"

var ordersFlags = []string{"-audience", orders, "-scope", "read:orders", "-scope", "write:orders"}

// devServer is what logtoguard dev -json prints.
type devServer struct {
	Endpoint, Audience string
	Users              []devUser
	Applications       []devApplication
	Organizations      []devOrganization
}

// startDev runs logtoguard dev -json on a free port until stop, or the end of the test.
func startDev(t *testing.T, args ...string) (server devServer, stop func() (status int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	var stderr strings.Builder
	p := &program{getenv: os.Getenv, stdin: strings.NewReader(""), stdout: stdout, stderr: &stderr, now: time.Now}
	ended := make(chan int, 1)
	go func() {
		ended <- p.run(ctx, append([]string{"dev", "-addr", "127.0.0.1:0", "-json"}, args...))
		stdout.Close()
	}()
	stop = func() int {
		cancel()
		status := <-ended
		ended <- status
		assert.Equal(t, "logtoguard dev: for trying only, as all its secrets are public\n", stderr.String())
		return status
	}
	t.Cleanup(func() { stop() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		require.NoError(t, err, stderr.String())
	}
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&server), line)
	return server, stop
}

func TestDev(t *testing.T) {
	server, stop := startDev(t, ordersFlags...)
	assert.Equal(t, devServer{
		Endpoint: server.Endpoint, Audience: orders,
		Users: []devUser{{"alice", "alice", "pat_alice"}, {"bob", "bob", "pat_bob"}},
		Applications: []devApplication{
			{"machine", "machine-secret", "MachineToMachine"}, {"nobody", "nobody-secret", "MachineToMachine"}, {"cli", "cli-secret", "MachineToMachine"},
			{"spa", "", "SPA"}, {"web", "web-secret", "Traditional"},
		},
		Organizations: []devOrganization{{"acme"}},
	}, server)

	guard, err := logtoguard.New(logtoguard.Config{Endpoint: server.Endpoint, Audience: []string{orders}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer guard.Close()
	for name, row := range map[string]struct {
		env    map[string]string
		flags  []string
		scopes []string
	}{
		"alice":         {map[string]string{"LOGTO_PAT": "pat_alice"}, []string{"-pat", "-"}, []string{"read:orders", "write:orders"}},
		"alice in acme": {map[string]string{"LOGTO_PAT": "pat_alice"}, []string{"-pat", "-", "-organization", "acme"}, []string{"read:orders", "write:orders"}},
		"bob":           {map[string]string{"LOGTO_PAT": "pat_bob"}, []string{"-pat", "-"}, nil},
		"machine":       {map[string]string{"LOGTO_APP_SECRET": "machine-secret"}, []string{"-app", "machine"}, []string{"read:orders", "write:orders"}},
		"nobody":        {map[string]string{"LOGTO_APP_SECRET": "nobody-secret"}, []string{"-app", "nobody"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			flags := append([]string{"token", "-endpoint", server.Endpoint, "-resource", orders, "-scope", "read:orders write:orders", "-accept-fewer-scopes"}, row.flags...)
			out := session{env: row.env}.run(t, flags...)
			require.Equal(t, fine, out.status, out.stderr)
			claims, err := guard.Verify(t.Context(), strings.TrimSpace(out.stdout))
			require.NoError(t, err)
			subject, organization, inOrganization := strings.Cut(name, " in ")
			assert.Equal(t, subject, claims.Subject())
			assert.Equal(t, organization, claims.OrganizationID())
			if inOrganization {
				claims, err = claims.ForOrganization(organization)
				require.NoError(t, err)
			}
			assert.ElementsMatch(t, row.scopes, claims.Scopes())
		})
	}
	assert.Equal(t, fine, stop())
}

func TestDevWrongUsage(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "tenant.json")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	const api = `{"resources": [{"indicator": "https://orders.api", "scopes": ["read:orders"]}]`
	for _, row := range []struct {
		name string
		args []string
		said string
	}{
		{"nothing", nil, "-audience is empty: name your API"},
		{"a word", []string{"-audience", orders, "orders"}, "it takes flags only"},
		{"unknown flag", []string{"-audience", orders, "-port", "1"}, "-port"},
		{"relative audience", []string{"-audience", "orders"}, `resource "orders" is not an absolute URI`},
		{"audience with a fragment", []string{"-audience", orders + "#x"}, "has a fragment"},
		{"a resource of Logto's", []string{"-audience", "https://default.logto.app/api"}, "built in"},
		{"redirect elsewhere", []string{"-audience", orders, "-redirect", "https://app.example.com/callback"}, "leads off this machine"},
		{"redirect that only looks local", []string{"-audience", orders, "-redirect", "http://localhost.example.com/callback"}, "leads off this machine"},
		{"redirect that is none", []string{"-audience", orders, "-redirect", "localhost:3000"}, `has the redirect URI "localhost:3000"`},
		{"redirect that runs scripts", []string{"-audience", orders, "-redirect", "javascript:alert(1)"}, "has the redirect URI"},
		{"all addresses", []string{"-audience", orders, "-addr", ":3001"}, `-addr is ":3001", which others may reach`},
		{"another address", []string{"-audience", orders, "-addr", "0.0.0.0:3001"}, "which others may reach"},
		{"a name", []string{"-audience", orders, "-addr", "dev.example:3001"}, "which others may reach"},
		{"no port", []string{"-audience", orders, "-addr", "127.0.0.1"}, "write host:port"},

		{"config and flags", []string{"-config", file(api + "}"), "-audience", orders}, "leave those out"},
		{"config and -scope", []string{"-config", file(api + "}"), "-scope", "a"}, "leave those out"},
		{"config and -redirect", []string{"-config", file(api + "}"), "-redirect", "http://localhost/"}, "leave those out"},
		{"config and -init", []string{"-config", file(api + "}"), "-init"}, "leave those out"},
		{"no file", []string{"-config", file("") + ".gone"}, "no such file"},
		{"empty", []string{"-config", file("")}, "line 1, in the whole: unexpected EOF"},
		{"too long", []string{"-config", file(api + "}" + strings.Repeat(" ", maxFile))}, "longer than 1 MiB"},
		{"not JSON", []string{"-config", file(api + "\n\n;}")}, "line 3, in the whole: "},
		{"two objects", []string{"-config", file(api + "}\n{}")}, "line 2, in the whole: "},
		{"an array", []string{"-config", file("[]")}, "the whole is an array, which is not what belongs there"},
		{"a member twice", []string{"-config", file(api + `, "resources": []}`)}, "in /resources: duplicate object member name"},
		{"unknown member", []string{"-config", file(api + `, "tenants": []}`)}, "tenant.json: /tenants is unknown"},
		{"unknown member deep inside", []string{"-config", file(`{"users": [{"id": "a"}, {"id": "b", "pats": []}]}`)}, "/users/1/pats is unknown"},
		{"a member in another case", []string{"-config", file(`{"Users": []}`)}, "/Users is unknown"},
		{"sign-in without a click", []string{"-config", file(`{"sign_in_by_hint": true}`)}, "/sign_in_by_hint is unknown"},
		{"a member of another type", []string{"-config", file(`{"users": [{"id": 1}]}`)}, "/users/0/id is a number, which is not what belongs there"},
		{"a duration in numbers", []string{"-config", file(`{"resources": [{"token_lifetime": 3600}]}`)}, `/resources/0/token_lifetime: a duration is written like "1h"`},
		{"a duration in words", []string{"-config", file(`{"resources": [{"token_lifetime": "an hour"}]}`)}, `/resources/0/token_lifetime: a duration is written like "1h"`},
		{"control characters", []string{"-config", file("{\"\\u001b[31m\": 1}")}, `"/\x1b[31m" is unknown`},
		{"a role that is not declared", []string{"-config", file(`{"users": [{"id": "a", "roles": ["x"]}]}`)}, `user "a" has the role "x", which is not declared: add it to roles`},
		{"unknown algorithm", []string{"-config", file(`{"algorithm": "HS256"}`)}, `unknown algorithm "HS256"`},
		{"redirect elsewhere in a file", []string{"-config", file(`{"applications": [{"id": "a", "type": "SPA", "redirect_uris": ["https://a.example/"]}]}`)}, "leads off this machine"},
		{"sign-out elsewhere in a file", []string{"-config", file(`{"applications": [{"id": "a", "type": "SPA", "post_logout_redirect_uris": ["https://a.example/"]}]}`)}, "leads off this machine"},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := session{}.run(t, append([]string{"dev"}, row.args...)...)
			assert.Equal(t, wrongUsage, out.status)
			assert.Contains(t, out.stderr, row.said)
			assert.Empty(t, out.stdout)
			assert.NotContains(t, out.stderr, "\x1b")
		})
	}
}

// A file that -init printed declares what the flags declare.
func TestDevInit(t *testing.T) {
	flags := append([]string{"-redirect", "http://localhost:4200/callback"}, ordersFlags...)
	out := session{}.run(t, append([]string{"dev", "-init"}, flags...)...)
	require.Equal(t, fine, out.status, out.stderr)
	name := filepath.Join(t.TempDir(), "tenant.json")
	require.NoError(t, os.WriteFile(name, []byte(out.stdout), 0o600))
	assert.Contains(t, out.stdout, `"token_lifetime": "1h"`)

	tenant, err := parseTenant(out.stdout)
	require.NoError(t, err)
	assert.Equal(t, devTenant(orders, []string{"read:orders", "write:orders"}, []string{"http://localhost:4200/callback"}), tenant)
	byFlags, _ := startDev(t, flags...)
	byFile, _ := startDev(t, "-config", name)
	byFile.Endpoint = byFlags.Endpoint
	assert.Equal(t, byFlags, byFile)
}

// Every field of a tenant has its member, which the help names.
func TestDevConfigIsWhole(t *testing.T) {
	var names []string
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		if typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			field := typ.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "-" {
				require.Regexp(t, `^[a-z_]+$`, name, field.Name)
				names = append(names, name)
				visit(field.Type)
			}
		}
	}
	visit(reflect.TypeFor[logtotest.Tenant]())
	require.Greater(t, len(names), 30)
	for _, name := range names {
		assert.Regexp(t, `(?m)\b`+name+`\b`, devHelp)
	}
}

func TestDevDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"1h": time.Hour, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "0h10m": 10 * time.Minute, "20s": 20 * time.Second, "100h": 100 * time.Hour} {
		tenant, err := parseTenant(`{"resources":[{"token_lifetime":"` + text + `"}]}`)
		require.NoError(t, err)
		require.Equal(t, want, tenant.Resources[0].TokenLifetime)
		printed, err := formatTenant(tenant)
		require.NoError(t, err)
		again, err := parseTenant(printed)
		require.NoError(t, err)
		require.Equal(t, tenant, again)
	}
}

func TestDevState(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state")
	first, stop := startDev(t, append([]string{"-state", name}, ordersFlags...)...)
	out := session{stdin: "pat_alice"}.run(t, "token", "-pat", "-", "-endpoint", first.Endpoint, "-resource", orders)
	require.Equal(t, fine, out.status, out.stderr)
	require.Equal(t, fine, stop())
	if runtime.GOOS != "windows" {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file is left")

	verdict := func(endpoint string) error {
		// On another port than before: the endpoint is the old one.
		guard, err := logtoguard.New(logtoguard.Config{Endpoint: first.Endpoint, JWKSURL: endpoint + "/oidc/jwks", Audience: []string{orders}, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		defer guard.Close()
		_, err = guard.Verify(t.Context(), strings.TrimSpace(out.stdout))
		return err
	}
	again, _ := startDev(t, append([]string{"-state", name}, ordersFlags...)...)
	require.NoError(t, verdict(again.Endpoint))
	other, _ := startDev(t, ordersFlags...)
	require.ErrorIs(t, verdict(other.Endpoint), logtoguard.ErrUnknownKey)
}

func TestDevStateThatIsRefused(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		name = filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(name, []byte(text), mode))
		require.NoError(t, os.Chmod(name, mode))
		return name
	}
	key := string(logtotest.NewKey("ES384").PEM())
	rows := map[string]struct {
		name   string
		status int
		said   string
	}{
		"no key":         {file("garbage", "garbage", 0o600), wrongUsage, "is not what logtoguard dev has written"},
		"empty":          {file("empty", "", 0o600), wrongUsage, "is not what logtoguard dev has written"},
		"a folder":       {folder, wrongUsage, "is not a file"},
		"no such folder": {filepath.Join(folder, "none", "state"), undecided, "no such file or directory"},
	}
	if runtime.GOOS != "windows" {
		for name, mode := range map[string]os.FileMode{"world": 0o604, "group": 0o640, "all": 0o644} {
			rows["readable by "+name] = struct {
				name   string
				status int
				said   string
			}{file(name, key, mode), wrongUsage, "others can read " + filepath.Join(folder, name)}
		}
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			out := session{}.run(t, "dev", "-audience", orders, "-addr", "127.0.0.1:0", "-state", row.name)
			assert.Equal(t, row.status, out.status)
			assert.Contains(t, out.stderr, row.said)
			assert.Empty(t, out.stdout)
		})
	}

	config := file("tenant.json", `{"algorithm": "RS256"}`, 0o600)
	out := session{}.run(t, "dev", "-config", config, "-addr", "127.0.0.1:0", "-state", file("key", key, 0o600))
	assert.Equal(t, wrongUsage, out.status)
	assert.Contains(t, out.stderr, "the algorithm is RS256, and the key is for ES384")
}

func TestDevPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	state := filepath.Join(t.TempDir(), "state")
	out := session{}.run(t, "dev", "-audience", orders, "-addr", taken.Addr().String(), "-state", state)
	assert.Equal(t, undecided, out.status)
	assert.Contains(t, out.stderr, taken.Addr().String())
	assert.Contains(t, out.stderr, "choose another address with -addr, such as 127.0.0.1:3002")
	assert.NoFileExists(t, state)
}

// What websites make a browser ask is refused, but for those that people sign in from.
func TestDevIsForThisMachine(t *testing.T) {
	server, _ := startDev(t, append([]string{"-redirect", "http://localhost:5173/callback", "-redirect", "http://127.0.0.1:80/callback"}, ordersFlags...)...)
	host := strings.TrimPrefix(server.Endpoint, "http://")
	_, port, err := net.SplitHostPort(host)
	require.NoError(t, err)
	for name, row := range map[string]struct {
		host, origin, path string
		want               int
	}{
		"itself":                    {host, "", "/oidc/jwks", 200},
		"by name":                   {"localhost:" + port, "", "/oidc/jwks", 200},
		"a rebound name":            {"evil.example:" + port, "", "/oidc/jwks", 403},
		"a rebound name and origin": {"evil.example:" + port, "http://evil.example:" + port, "/oidc/jwks", 403},
		"another origin":            {host, "https://evil.example", "/oidc/jwks", 403},
		"a hidden origin":           {host, "null", "/oidc/jwks", 403},
		"another local origin":      {host, "http://localhost:8080", "/oidc/jwks", 403},
		"a redirect URI's":          {host, "http://localhost:5173", "/oidc/jwks", 200},
		"one with a default port":   {host, "http://127.0.0.1", "/oidc/.well-known/openid-configuration", 200},
		"it may not administer":     {host, "http://localhost:5173", "/api/users", 403},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.Endpoint+row.path, nil)
			require.NoError(t, err)
			r.Host = row.host
			if row.origin != "" {
				r.Header.Set("Origin", row.origin)
			}
			response, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, row.want, response.StatusCode)
			if row.want == 200 && row.origin != "" {
				assert.Equal(t, row.origin, response.Header.Get("Access-Control-Allow-Origin"))
			}
		})
	}
}

// A person signs in to a page of the usual address, which may then ask for tokens.
func TestDevSignIn(t *testing.T) {
	server, _ := startDev(t, ordersFlags...)
	spa := oauth2.Config{
		ClientID:    "spa",
		RedirectURL: "http://localhost:5173/callback",
		Scopes:      []string{"openid", "read:orders"},
		Endpoint:    oauth2.Endpoint{AuthURL: server.Endpoint + "/oidc/auth", TokenURL: server.Endpoint + "/oidc/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()
	address := spa.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", orders), oauth2.SetAuthURLParam("login_hint", "alice"))
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	send := func(method, origin, body string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		response, err := browser.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response
	}
	assert.Equal(t, 200, send("GET", "", "").StatusCode, "a hint doesn't sign in: the page is shown")
	assert.Equal(t, 403, send("POST", "http://localhost:5173", "user=alice").StatusCode, "only the page itself signs in")
	response := send("POST", server.Endpoint, "user=alice")
	back, err := response.Location()
	require.NoError(t, err, response.Status)
	assert.Equal(t, spa.RedirectURL, "http://"+back.Host+back.Path)

	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: asPage{"http://localhost:5173"}})
	token, err := spa.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier), oauth2.SetAuthURLParam("resource", orders))
	require.NoError(t, err)
	guard, err := logtoguard.New(logtoguard.Config{Endpoint: server.Endpoint, Audience: []string{orders}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer guard.Close()
	claims, err := guard.Verify(t.Context(), token.AccessToken)
	require.NoError(t, err)
	assert.Equal(t, []string{"alice", "spa"}, []string{claims.Subject(), claims.ClientID()})
	assert.True(t, claims.HasScope("read:orders"))
}

// asPage sends requests as a page of an origin does, which may read what is answered to it only.
type asPage struct{ origin string }

func (p asPage) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Origin", p.origin)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && response.Header.Get("Access-Control-Allow-Origin") != p.origin {
		err = errors.New("not for this page")
	}
	return response, err
}
