package logtotest_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

const shopSecret = "shop secret+/%:é"

// form writes a token request's body; parameters are name, value, name, value.
func form(parameters ...string) string {
	values := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(parameters); i += 2 {
		values.Add(parameters[i], parameters[i+1])
	}
	return values.Encode()
}

func TestTokenGrants(t *testing.T) {
	tests := []struct {
		name         string
		id, secret   string
		form         string
		audience     string
		scope        any // nil: absent
		organization any
		lifetime     float64
	}{
		{"a held scope", "shop", shopSecret, form("resource", shoppingAPI, "scope", "write:products"), shoppingAPI, "write:products", nil, 3600},
		{"all that is held", "shop", shopSecret, form("resource", shoppingAPI, "scope", "read:products write:products read:products"), shoppingAPI, "read:products write:products", nil, 3600},
		{"what isn't held is dropped", "reader", "reader-secret", form("resource", shoppingAPI, "scope", "write:products read:products all"), shoppingAPI, "read:products", nil, 3600},
		{"nothing requested", "shop", shopSecret, form("resource", shoppingAPI), shoppingAPI, nil, nil, 3600},
		{"no role", "no-role", "no-role-secret", form("resource", shoppingAPI, "scope", "read:products"), shoppingAPI, nil, nil, 3600},
		{"scopes of another resource", "shop", shopSecret, form("resource", ordersAPI, "scope", "read:products"), ordersAPI, nil, nil, 600},
		{"management", "console", "console-secret", form("resource", managementAPI, "scope", "all"), managementAPI, "all", nil, 3600},
		{"resource of organizations", "shop", shopSecret, form("resource", "urn:logto:resource:organizations"), "urn:logto:resource:organizations", nil, nil, 3600},
		{"resource in an organization", "no-role", "no-role-secret", form("resource", shoppingAPI, "organization_id", "acme", "scope", "read:products write:products"), shoppingAPI, "read:products", "acme", 3600},
		{"organization", "no-role", "no-role-secret", form("organization_id", "acme", "scope", "invite:member read:products"), "urn:logto:organization:acme", "invite:member", nil, 3600},
		{"empty parameters count as absent", "shop", shopSecret, form("resource", shoppingAPI, "resource", "", "organization_id", "", "scope", ""), shoppingAPI, nil, nil, 3600},
	}
	declared := tenant()
	declared.Now = logtotest.NewClock(noon).Now
	s := start(t, declared)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := askToken(t, s, tt.id, tt.secret, tt.form)
			require.Equal(t, http.StatusOK, resp.StatusCode, resp.body)
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			answer := resp.decode(t)
			require.Equal(t, "Bearer", answer["token_type"])
			require.Equal(t, tt.lifetime, answer["expires_in"])
			require.Equal(t, tt.scope, answer["scope"])

			got := claims(t, s, answer["access_token"].(string))
			require.Equal(t, tt.audience, got["aud"])
			require.Equal(t, tt.scope, got["scope"])
			require.Equal(t, tt.organization, got["organization_id"])
			require.Equal(t, tt.id, got["sub"])
			require.Equal(t, tt.id, got["client_id"])
			require.Equal(t, float64(noon.Unix())+tt.lifetime, got["exp"])
		})
	}
}

func TestTokenRefusals(t *testing.T) {
	tests := []struct {
		name       string
		id, secret string
		form       string
		status     int
		code       string
		text       string
	}{
		{"no target", "shop", shopSecret, form(), 400, "invalid_target", "both `resource` and `organization_id` are not provided"},
		{"unknown resource", "shop", shopSecret, form("resource", "https://other.api"), 400, "invalid_target", "resource indicator is missing, or unknown"},
		{"a slash too many", "shop", shopSecret, form("resource", shoppingAPI+"/"), 400, "invalid_target", "resource indicator is missing, or unknown"},
		{"two resources", "shop", shopSecret, form("resource", shoppingAPI, "resource", ordersAPI), 400, "invalid_target", "only a single resource indicator value is supported for this grant type"},
		{"wrong secret", "shop", "wrong", form("resource", shoppingAPI), 401, "invalid_client", "client authentication failed"},
		{"empty secret", "shop", "", form("resource", shoppingAPI), 401, "invalid_client", "client authentication failed"},
		{"unknown application", "nobody", "x", form("resource", shoppingAPI), 400, "invalid_client", "invalid client nobody"},
		{"not in the organization", "shop", shopSecret, form("organization_id", "acme"), 403, "access_denied", "app has not associated with the organization"},
		{"not in the organization, with a resource", "shop", shopSecret, form("organization_id", "acme", "resource", shoppingAPI), 403, "access_denied", "app has not associated with the organization"},
		{"unknown organization", "no-role", "no-role-secret", form("organization_id", "other"), 403, "access_denied", "app has not associated with the organization"},
		{"another grant", "shop", shopSecret, "grant_type=authorization_code", 400, "unsupported_grant_type", "unsupported grant_type requested"},
		{"no grant", "shop", shopSecret, "resource=" + shoppingAPI, 400, "invalid_request", "missing required parameter 'grant_type'"},
		{"a parameter twice", "shop", shopSecret, form("resource", shoppingAPI, "scope", "a", "scope", "b"), 400, "invalid_request", "'scope' parameter must not be provided twice"},
		{"two ways to authenticate", "shop", shopSecret, form("client_secret", shopSecret), 400, "invalid_request", "client authentication must only be provided using one mechanism"},
		{"two clients", "shop", shopSecret, form("client_id", "reader"), 400, "invalid_request", "mismatch in body and authorization client ids"},
		{"too large", "shop", shopSecret, form("scope", strings.Repeat("a", 64<<10)), 400, "invalid_request", "failed to parse the request body"},
		{"bad escapes", "shop", shopSecret, "grant_type=%zz", 400, "invalid_request", "failed to parse the request body"},
	}
	s := start(t, tenant())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := askToken(t, s, tt.id, tt.secret, tt.form)
			requireRefusal(t, resp, tt.status, tt.code, tt.text)
			challenge := resp.Header.Get("WWW-Authenticate")
			require.Equal(t, tt.status == http.StatusUnauthorized, strings.HasPrefix(challenge, "Basic "), challenge)
		})
	}
}

func TestTokenClientAuthentication(t *testing.T) {
	const wrongHeader = "invalid authorization header value format"
	asks := form("resource", shoppingAPI)
	inBody := form("resource", shoppingAPI, "client_id", "shop", "client_secret", shopSecret)
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	encoded := basic(url.QueryEscape("shop") + ":" + url.QueryEscape(shopSecret))
	tests := []struct {
		name, authorization, form string
		status                    int
		code, text                string
	}{
		{"Basic", encoded, asks, 200, "", ""},
		{"Basic, and the same client in the body", encoded, form("resource", shoppingAPI, "client_id", "shop"), 200, "", ""},
		{"as it stands in the guide", basic("reader:reader-secret"), asks, 200, "", ""},
		{"body", "", inBody, 200, "", ""},
		{"no secret in the body", "", form("client_id", "shop"), 401, "invalid_client", "client authentication failed"},
		{"nothing", "", asks, 400, "invalid_request", "no client authentication mechanism provided"},
		{"Bearer", "Bearer abc", asks, 400, "invalid_request", wrongHeader},
		{"no base64", "Basic !", asks, 400, "invalid_request", wrongHeader},
		{"no colon", basic("shop"), asks, 400, "invalid_request", wrongHeader},
		{"bad escapes", basic("shop:%zz"), asks, 400, "invalid_request", wrongHeader},
	}
	s := start(t, tenant())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, http.MethodPost, s.URL()+"/oidc/token", tt.form, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			resp := do(t, r)
			if tt.status == http.StatusOK {
				require.Equal(t, http.StatusOK, resp.StatusCode, resp.body)
				return
			}
			requireRefusal(t, resp, tt.status, tt.code, tt.text)
		})
	}
}

func TestTokenRequestShape(t *testing.T) {
	s := start(t, tenant())
	address := s.URL() + "/oidc/token"
	for _, contentType := range []string{"", "application/json"} {
		resp := do(t, request(t, http.MethodPost, address, form(), "Content-Type", contentType))
		requireRefusal(t, resp, 400, "invalid_request", "the body must be application/x-www-form-urlencoded")
	}
	require.Equal(t, http.StatusNotFound, get(t, address).StatusCode)

	r := request(t, http.MethodPost, address+"?"+form("resource", shoppingAPI), "", "Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("reader", "reader-secret")
	requireRefusal(t, do(t, r), 400, "invalid_request", "missing required parameter 'grant_type'")
}

func requireRefusal(t *testing.T, resp reply, status int, code, text string) {
	t.Helper()
	require.Equal(t, status, resp.StatusCode, resp.body)
	require.Equal(t, "application/json; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	require.Equal(t, map[string]any{"code": "oidc." + code, "message": text, "error": code, "error_description": text}, resp.decode(t))
}
