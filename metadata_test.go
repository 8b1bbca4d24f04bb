package logtoguard_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

const metadataURL = "https://shopping.api/.well-known/oauth-protected-resource"

func withMetadata(m logtoguard.Metadata) func(*logtoguard.Config) {
	return func(cfg *logtoguard.Config) { cfg.Metadata = &m }
}

func TestMetadataDocument(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	full := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{
		Name:          "Shopping API",
		Documentation: "https://shopping.api/docs#tokens",
		Scopes:        []string{"read:products", "write:products"},
	}), func(cfg *logtoguard.Config) {
		cfg.Audience = append(cfg.Audience, "https://old.shopping.api")
		cfg.CustomDomains = []string{"https://login.shop.example/"}
	})
	plain := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{}))
	for _, test := range []struct {
		name  string
		guard *logtoguard.Guard
		want  map[string]any
	}{
		{"everything", full, map[string]any{
			"resource":                 guardtest.Shopping,
			"authorization_servers":    []any{logto.Endpoint() + "/oidc", "https://login.shop.example/oidc"},
			"scopes_supported":         []any{"read:products", "write:products"},
			"bearer_methods_supported": []any{"header"},
			"resource_name":            "Shopping API",
			"resource_documentation":   "https://shopping.api/docs#tokens",
		}},
		{"what is not set is left out", plain, map[string]any{
			"resource":                 guardtest.Shopping,
			"authorization_servers":    []any{logto.Endpoint() + "/oidc"},
			"bearer_methods_supported": []any{"header"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := ask(test.guard.MetadataHandler(), http.MethodGet, metadataURL)
			require.Equal(t, http.StatusOK, w.Code)
			assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
			var document map[string]any
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &document))
			assert.Equal(t, test.want, document)
		})
	}
}

func ask(handler http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestMetadataHandlerOverHTTP(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{URL: metadataURL + "/shop"}))
	mux := http.NewServeMux()
	mux.Handle("/.well-known/", guard.MetadataHandler())
	mux.Handle("/", guard.Handler(guardtest.NoContent))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for _, test := range []struct {
		method, path string
		status       int
		headers      map[string]string
		empty        bool
	}{
		{"GET", "/.well-known/oauth-protected-resource/shop", 200, map[string]string{"Access-Control-Allow-Origin": "*"}, false},
		{"GET", "/.well-known/oauth-protected-resource/shop?x=y", 200, nil, false},
		{"HEAD", "/.well-known/oauth-protected-resource/shop", 200, map[string]string{"Content-Type": "application/json"}, true},
		{"OPTIONS", "/.well-known/oauth-protected-resource/shop", 204, map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": "*",
		}, true},
		{"POST", "/.well-known/oauth-protected-resource/shop", 405, map[string]string{"Allow": "GET, HEAD, OPTIONS"}, false},
		{"GET", "/.well-known/oauth-protected-resource", 404, nil, false},
		{"GET", "/.well-known/oauth-protected-resource/", 404, nil, false},
		{"GET", "/.well-known/oauth-protected-resource/shop/", 404, nil, false},
		{"GET", "/.well-known/openid-configuration", 404, nil, false},
		{"GET", "/products", 401, map[string]string{"WWW-Authenticate": `Bearer resource_metadata="` + metadataURL + `/shop"`}, false},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+test.path, nil)
			require.NoError(t, err)
			response, err := server.Client().Do(request)
			require.NoError(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, test.status, response.StatusCode)
			assert.Equal(t, test.empty, len(body) == 0)
			for name, value := range test.headers {
				assert.Equal(t, value, response.Header.Get(name), name)
			}
		})
	}
}

// RFC 9728, section 3.1.
func TestMetadataURLByDefault(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	for resource, want := range map[string]string{
		"https://shopping.api":               metadataURL,
		"https://shopping.api/":              metadataURL,
		"HTTPS://Shopping.API:443":           metadataURL,
		"https://shopping.api/shop":          metadataURL + "/shop",
		"https://shopping.api/shop/":         metadataURL + "/shop/",
		"https://shopping.api/a%2Fb":         metadataURL + "/a%2Fb",
		"https://shopping.api/shop?tenant=1": metadataURL + "/shop?tenant=1",
		"https://shopping.api?tenant=1":      metadataURL + "?tenant=1",
		"https://shopping.api:8443/shop":     "https://shopping.api:8443/.well-known/oauth-protected-resource/shop",
		"http://127.0.0.1:8080":              "http://127.0.0.1:8080/.well-known/oauth-protected-resource",
	} {
		t.Run(resource, func(t *testing.T) {
			guard := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{}), func(cfg *logtoguard.Config) { cfg.Audience = []string{resource} })
			_, parameters := guardtest.ParseChallenge(t, guardtest.Serve(guard.Handler(guardtest.NoContent)).Header().Get("WWW-Authenticate"))
			assert.Equal(t, map[string]string{"resource_metadata": want}, parameters)
			w := ask(guard.MetadataHandler(), http.MethodGet, want)
			require.Equal(t, http.StatusOK, w.Code)
			var document struct{ Resource string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &document))
			assert.Equal(t, resource, document.Resource, "to the letter, as it is in tokens")
		})
	}
}

// Whoever refuses, and however: the challenge names the configured address, and
// never one that the sender chose.
func TestEveryChallengeNamesTheMetadata(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{}))
	guardtest.Ready(t, guard)
	other := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{URL: "https://other.api/.well-known/oauth-protected-resource"}))
	checked := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{}), func(cfg *logtoguard.Config) {
		cfg.Check = func(ctx context.Context, _ *logtoguard.Claims) error {
			_, err := other.Verify(ctx, "x")
			return err
		}
	})
	own := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{}), func(cfg *logtoguard.Config) {
		cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *logtoguard.Error) { w.WriteHeader(e.Status) }
	})
	inCode := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		logtoguard.WriteError(w, r, claims.CheckScope("write:products"))
	})
	organization := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		_, err := claims.ForOrganization("acme")
		logtoguard.WriteError(w, r, err)
	})
	reader := "Bearer " + logto.Mint(logtotest.Token{Subject: "shop", Scopes: []string{"read:products"}})
	write := logtoguard.RequireScope("write:products")(guardtest.NoContent)
	for _, test := range []struct {
		name          string
		handler       http.Handler
		authorization []string
		status        int
	}{
		{"no token", guard.Handler(guardtest.NoContent), nil, 401},
		{"two headers", guard.Handler(guardtest.NoContent), []string{reader, reader}, 400},
		{"opaque", guard.Handler(guardtest.NoContent), []string{"Bearer x"}, 401},
		{"a scope is missing", guard.Handler(write), []string{reader}, 403},
		{"any scope is missing", guard.Handler(logtoguard.RequireAnyScope("a", "b")(guardtest.NoContent)), []string{reader}, 403},
		{"an organization", guard.Handler(logtoguard.RequireAnyOrganization()(guardtest.NoContent)), []string{reader}, 403},
		{"a scope in code", guard.Handler(inCode), []string{reader}, 403},
		{"an organization in code", guard.Handler(organization), []string{reader}, 403},
		{"a route behind Optional", guard.Optional(write), nil, 401},
		{"another guard's refusal from Check", checked.Handler(guardtest.NoContent), []string{reader}, 401},
		{"an ErrorHandler", own.Handler(guardtest.NoContent), nil, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "https://evil.example/products", nil)
			r.Header["Authorization"] = test.authorization
			r.Header.Set("X-Forwarded-Host", "evil.example")
			r.Header.Set("Forwarded", "host=evil.example")
			w := httptest.NewRecorder()
			test.handler.ServeHTTP(w, r)
			require.Equal(t, test.status, w.Code)
			_, parameters := guardtest.ParseChallenge(t, w.Header().Get("WWW-Authenticate"))
			assert.Equal(t, metadataURL, parameters["resource_metadata"])
		})
	}
}

func TestNoMetadataNoAddress(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	described := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{}))
	_, foreign := described.Verify(t.Context(), "x")
	guard := guardtest.NewGuard(t, logto, clock, func(cfg *logtoguard.Config) {
		cfg.Check = func(context.Context, *logtoguard.Claims) error { return foreign }
	})
	_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Subject: "shop"}))
	var e *logtoguard.Error
	require.ErrorAs(t, err, &e)
	assert.NotContains(t, e.Challenge(), "resource_metadata")
	require.ErrorAs(t, foreign, &e)
	assert.Contains(t, e.Challenge(), "resource_metadata", "the other guard's own error stays as it was")
	assert.Panics(t, func() { guard.MetadataHandler() })
}

func TestNoAddressWithoutChallenge(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	logto.Disturb(logtotest.Down())
	guard := guardtest.NewGuard(t, logto, clock, withMetadata(logtoguard.Metadata{}))
	w := guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+logto.Mint(logtotest.Token{Subject: "shop"}))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Empty(t, w.Header().Values("WWW-Authenticate"))
}

func TestMetadataFaults(t *testing.T) {
	m := func(edit func(*logtoguard.Metadata)) *logtoguard.Metadata {
		var metadata logtoguard.Metadata
		edit(&metadata)
		return &metadata
	}
	at := func(url string) *logtoguard.Metadata { return &logtoguard.Metadata{URL: url} }
	const endpoint = "https://tenant-id.logto.app"
	api := []string{guardtest.Shopping}
	for _, test := range []struct {
		name string
		cfg  logtoguard.Config
		want []string
	}{
		{"organization tokens", logtoguard.Config{OrganizationTokens: true, Metadata: at("")}, []string{"Metadata needs a resource indicator"}},
		{"an indicator that is no URL", logtoguard.Config{Audience: []string{"urn:shop"}, Metadata: at("")}, []string{"Audience[0], as the resource of Metadata, is not an http(s) URL"}},
		{"an indicator with a fragment", logtoguard.Config{Audience: []string{guardtest.Shopping + "#x"}, Metadata: at(metadataURL)}, []string{"has a fragment"}},
		{"an indicator in plain http", logtoguard.Config{Audience: []string{"http://shopping.api"}, Metadata: at(metadataURL)}, []string{"Audience[0], as the resource of Metadata, is not encrypted"}},
		{"no URL", logtoguard.Config{Audience: api, Metadata: at("shopping.api")}, []string{"Metadata.URL is not an http(s) URL"}},
		{"plain http", logtoguard.Config{Audience: api, Metadata: at("http://shopping.api/.well-known/oauth-protected-resource")}, []string{"Metadata.URL is not encrypted"}},
		{"a password", logtoguard.Config{Audience: api, Metadata: at("https://u:secret@shopping.api/.well-known/oauth-protected-resource")}, []string{"Metadata.URL holds a user name or password"}},
		{"another path", logtoguard.Config{Audience: api, Metadata: at(guardtest.Shopping)}, []string{"Metadata.URL is not where clients look"}},
		{"a path that begins like it", logtoguard.Config{Audience: api, Metadata: at(metadataURL + "s")}, []string{"Metadata.URL is not where clients look"}},
		{"a URL that no header can hold", logtoguard.Config{Audience: api, Metadata: at(metadataURL + "/é")}, []string{"Metadata.URL has characters that addresses are sent without"}},
		{"an indicator that no header can hold", logtoguard.Config{Audience: []string{"https://müller.example"}, Metadata: at("")}, []string{"Audience[0], as the resource of Metadata, has characters that"}},
		{"a query that no header can hold", logtoguard.Config{Audience: []string{guardtest.Shopping + "/?q=é"}, Metadata: at("")}, []string{"Audience[0], as the resource of Metadata, has characters that"}},
		{"an empty fragment", logtoguard.Config{Audience: []string{guardtest.Shopping + "#"}, Metadata: at("")}, []string{"Audience[0], as the resource of Metadata, has a fragment"}},
		{"an empty segment", logtoguard.Config{Audience: []string{guardtest.Shopping + "//v1"}, Metadata: at("")}, []string{"Audience[0], as the resource of Metadata, has an empty segment or dots"}},
		{"dots", logtoguard.Config{Audience: api, Metadata: at(metadataURL + "/../x")}, []string{"Metadata.URL has an empty segment or dots"}},
		{"dots, escaped", logtoguard.Config{Audience: api, Metadata: at(metadataURL + "/%2e%2e/x")}, []string{"Metadata.URL has an empty segment or dots"}},
		{"documentation with a password", logtoguard.Config{Audience: api, Metadata: m(func(m *logtoguard.Metadata) { m.Documentation = "https://u:secret@docs.example" })}, []string{"Metadata.Documentation holds a user name or password"}},
		{"documentation", logtoguard.Config{Audience: api, Metadata: m(func(m *logtoguard.Metadata) { m.Documentation = "see wiki" })}, []string{"Metadata.Documentation is not an http(s) URL"}},
		{"scopes in one string, and none", logtoguard.Config{Audience: api, Metadata: m(func(m *logtoguard.Metadata) { m.Scopes = []string{"read", "a b", ""} })},
			[]string{"Metadata.Scopes[1] is empty, or has a space", "Metadata.Scopes[2] is empty, or has a space"}},
		{"with other faults", logtoguard.Config{Metadata: at("x")}, []string{"Audience is empty", "Metadata needs a resource indicator"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.cfg.Endpoint = endpoint
			_, err := logtoguard.New(test.cfg)
			require.Error(t, err)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), "secret")
			assert.Len(t, unwrapAll(errors.Unwrap(err)), len(test.want), "%v", err)
		})
	}
}

// unwrapAll counts what errors.Join has joined, and what is joined in that.
func unwrapAll(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		all = append(all, unwrapAll(e)...)
	}
	return all
}
