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

const formType = "application/x-www-form-urlencoded"

const shopSecret = "shop secret+/%:~"

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
		{"organization, without a scope", "no-role", "no-role-secret", form("organization_id", "acme", "scope", "read:products"), "urn:logto:organization:acme", "", nil, 3600},
		{"empty parameters count as absent", "shop", shopSecret, form("resource", shoppingAPI, "organization_id", "", "scope", ""), shoppingAPI, nil, nil, 3600},
		{"the same resource twice", "shop", shopSecret, form("resource", shoppingAPI, "resource", shoppingAPI), shoppingAPI, nil, nil, 3600},
		{"spaces only divide scopes", "shop", shopSecret, form("resource", shoppingAPI, "scope", "read:products\twrite:products  read:products "), shoppingAPI, "read:products", nil, 3600},
		{"unknown parameters twice", "shop", shopSecret, form("resource", shoppingAPI, "foo", "1", "foo", "2", "code", "1", "code", "2"), shoppingAPI, nil, nil, 3600},
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
		{"empty target", "shop", shopSecret, form("resource", "", "organization_id", ""), 400, "invalid_target", "both `resource` and `organization_id` are not provided"},
		{"unknown resource", "shop", shopSecret, form("resource", "https://other.api"), 400, "invalid_target", "resource indicator is missing, or unknown"},
		{"a slash too many", "shop", shopSecret, form("resource", shoppingAPI+"/"), 400, "invalid_target", "resource indicator is missing, or unknown"},
		{"no URI", "shop", shopSecret, form("resource", "shopping"), 400, "invalid_target", "resource indicator must be an absolute URI"},
		{"a fragment", "shop", shopSecret, form("resource", shoppingAPI+"#x"), 400, "invalid_target", "resource indicator must not contain a fragment component"},
		{"two resources", "shop", shopSecret, form("resource", shoppingAPI, "resource", ordersAPI), 400, "invalid_target", "only a single resource indicator value is supported for this grant type"},
		{"two resources, one unknown", "shop", shopSecret, form("resource", shoppingAPI, "resource", "https://other.api"), 400, "invalid_target", "resource indicator is missing, or unknown"},
		{"two resources, one empty", "shop", shopSecret, form("resource", shoppingAPI, "resource", ""), 400, "invalid_target", "resource indicator must be an absolute URI"},
		{"wrong secret", "shop", "wrong", form("resource", shoppingAPI), 401, "invalid_client", "client authentication failed"},
		{"unknown application", "nobody", "x", form("resource", shoppingAPI), 400, "invalid_client", "invalid client nobody"},
		{"not in the organization", "shop", shopSecret, form("organization_id", "acme"), 403, "access_denied", "app has not associated with the organization"},
		{"not in the organization, with a resource", "shop", shopSecret, form("organization_id", "acme", "resource", shoppingAPI), 403, "access_denied", "app has not associated with the organization"},
		{"not in the organization, with an unknown resource", "shop", shopSecret, form("organization_id", "acme", "resource", "x"), 403, "access_denied", "app has not associated with the organization"},
		{"unknown organization", "no-role", "no-role-secret", form("organization_id", "other"), 403, "access_denied", "app has not associated with the organization"},
		{"a grant for people", "shop", shopSecret, "grant_type=authorization_code", 400, "invalid_request", "requested grant type is not allowed for this client"},
		{"a grant for devices", "shop", shopSecret, "grant_type=urn:ietf:params:oauth:grant-type:device_code", 400, "invalid_request", "requested grant type is not allowed for this client"},
		{"an unknown grant", "shop", shopSecret, "grant_type=password", 400, "unsupported_grant_type", "unsupported grant_type requested"},
		{"no grant of the token endpoint", "shop", shopSecret, "grant_type=implicit", 400, "unsupported_grant_type", "unsupported grant_type requested"},
		{"bad escapes", "shop", shopSecret, "grant_type=%zz", 400, "unsupported_grant_type", "unsupported grant_type requested"},
		{"no grant", "shop", shopSecret, "resource=" + shoppingAPI, 400, "invalid_request", "missing required parameter 'grant_type'"},
		{"a scope twice", "shop", shopSecret, form("resource", shoppingAPI, "scope", "a", "scope", "b"), 400, "invalid_request", "'scope' parameter must not be provided twice"},
		{"an organization twice, once empty", "shop", shopSecret, form("organization_id", "acme", "organization_id", ""), 400, "invalid_request", "'organization_id' parameter must not be provided twice"},
		{"a grant twice", "shop", shopSecret, form("grant_type", "password"), 400, "invalid_request", "'grant_type' parameter must not be provided twice"},
		{"a client twice", "shop", "wrong", form("client_id", "shop", "client_id", "shop"), 400, "invalid_request", "'client_id' parameter must not be provided twice"},
		{"two ways to authenticate", "shop", shopSecret, form("client_secret", shopSecret), 400, "invalid_request", "client authentication must only be provided using one mechanism"},
		{"two clients", "shop", shopSecret, form("client_id", "reader"), 400, "invalid_request", "client_id mismatch"},
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
		{"in another case", "bASIC" + encoded[5:], asks, 200, "", ""},
		{"without padding", strings.TrimRight(encoded, "="), asks, 200, "", ""},
		{"body", "", inBody, 200, "", ""},
		{"no secret in the body", "", form("client_id", "shop"), 401, "invalid_client", "client authentication failed"},
		{"wrong secret in the body", "", form("client_id", "shop", "client_secret", "wrong"), 401, "invalid_client", "client authentication failed"},
		{"nothing", "", asks, 400, "invalid_request", "no client authentication mechanism provided"},
		{"a secret without an ID", "", form("client_secret", shopSecret), 400, "invalid_request", "no client authentication mechanism provided"},
		{"Bearer", "Bearer abc", asks, 400, "invalid_request", wrongHeader},
		{"no base64", "Basic !", asks, 400, "invalid_request", wrongHeader},
		{"nothing after it", "Basic", asks, 400, "invalid_request", wrongHeader},
		{"two spaces", "Basic  " + encoded[6:], asks, 400, "invalid_request", wrongHeader},
		{"no colon", basic("shop"), asks, 400, "invalid_request", wrongHeader},
		{"no secret", basic("shop:"), asks, 400, "invalid_request", "client_secret must be provided in the Authorization header"},
		{"no ID", basic(":secret"), asks, 400, "invalid_request", "no client authentication mechanism provided"},
		{"not ASCII", basic("shop:caf%C3%A9"), asks, 400, "invalid_request", "client_id and client_secret in the authorization header are not properly encoded"},
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
			require.Empty(t, resp.Header.Get("WWW-Authenticate"), "it challenges only a header")
		})
	}
}

// Faults that end at Logto before its token endpoint: their answers have none of its headers.
func TestTokenRequestsThatGetNowhere(t *testing.T) {
	s := start(t, tenant())
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("shop:%zz"))
	for name, tt := range map[string]struct {
		authorization, body string
		status              int
		contentType, want   string
	}{
		"too large":                 {"", form("scope", strings.Repeat("a", 56<<10)), 404, "text/plain; charset=utf-8", "Not Found"},
		"bad escapes":               {basic, form("resource", shoppingAPI), 500, "application/json; charset=utf-8", `{"message":"Internal server error."}`},
		"escapes that make no text": {"Basic " + base64.StdEncoding.EncodeToString([]byte("shop:%ff")), form(), 500, "application/json; charset=utf-8", `{"message":"Internal server error."}`},
	} {
		t.Run(name, func(t *testing.T) {
			resp := do(t, request(t, http.MethodPost, s.URL()+"/oidc/token", tt.body, "Content-Type", formType, "Authorization", tt.authorization))
			require.Equal(t, tt.status, resp.StatusCode)
			require.Equal(t, tt.contentType, resp.Header.Get("Content-Type"))
			require.Equal(t, tt.want, resp.body)
			require.Empty(t, resp.Header.Get("Cache-Control"))
			require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
		})
	}
}

func TestTokenRequestBodies(t *testing.T) {
	const noGrant, otherType = "missing required parameter 'grant_type'", "only application/x-www-form-urlencoded content-type bodies are supported on POST /token"
	asks := form("resource", shoppingAPI)
	s := start(t, tenant())
	for name, tt := range map[string]struct{ contentType, body, refusal string }{
		"a form":                   {formType, asks, ""},
		"a form in Latin 1":        {formType + "; charset=iso-8859-1", asks, ""},
		"JSON":                     {"application/json", `{"grant_type":"client_credentials","resource":"` + shoppingAPI + `"}`, ""},
		"JSON with a charset":      {"application/json; charset=utf-8", `{"grant_type":"client_credentials","resource":["` + shoppingAPI + `"],"foo":{},"bar":null,"baz":1.5}`, ""},
		"JSON, a parameter twice":  {"application/json", `{"grant_type":"client_credentials","scope":["a","b"]}`, "'scope' parameter must not be provided twice"},
		"JSON, null":               {"application/json", `{"grant_type":null}`, noGrant},
		"JSON, a list":             {"application/json", `["grant_type"]`, noGrant},
		"no JSON":                  {"application/json", asks, noGrant},
		"a form that says nothing": {formType, "", noGrant},
		"no type":                  {"", asks, noGrant},
		"another type":             {"text/plain", asks, otherType},
		"a longer type":            {"application/json1", "{}", otherType},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, http.MethodPost, s.URL()+"/oidc/token", tt.body, "Content-Type", tt.contentType)
			r.SetBasicAuth("reader", "reader-secret")
			resp := do(t, r)
			if tt.refusal == "" {
				require.Equal(t, http.StatusOK, resp.StatusCode, resp.body)
				return
			}
			requireRefusal(t, resp, 400, "invalid_request", tt.refusal)
		})
	}
	t.Run("the query", func(t *testing.T) {
		r := request(t, http.MethodPost, s.URL()+"/oidc/token?"+asks, "", "Content-Type", formType)
		r.SetBasicAuth("reader", "reader-secret")
		requireRefusal(t, do(t, r), 400, "invalid_request", noGrant)
	})
}

// Scripts of a website get no token: a machine's application has no website.
func TestTokenForAScript(t *testing.T) {
	s := start(t, tenant())
	local := strings.Replace(s.URL(), "127.0.0.1", "localhost", 1)
	for name, tt := range map[string]struct{ origin, id, secret, refusal string }{
		"of Logto's own": {s.URL(), "reader", "reader-secret", ""},
		"of another":     {"https://app.example", "reader", "reader-secret", "origin https://app.example not allowed for client: reader"},
		"wrong secret":   {"null", "reader", "wrong", "origin null not allowed for client: reader"},
		"another name":   {local, "reader", "reader-secret", "origin " + local + " not allowed for client: reader"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, http.MethodPost, s.URL()+"/oidc/token", form("resource", shoppingAPI), "Content-Type", formType, "Origin", tt.origin)
			r.SetBasicAuth(tt.id, tt.secret)
			resp := do(t, r)
			require.Equal(t, "WWW-Authenticate", resp.Header.Get("Access-Control-Expose-Headers"))
			if tt.refusal == "" {
				require.Equal(t, http.StatusOK, resp.StatusCode, resp.body)
				require.Equal(t, tt.origin, resp.Header.Get("Access-Control-Allow-Origin"))
				return
			}
			requireRefusal(t, resp, 400, "invalid_request", tt.refusal)
			require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
		})
	}
}

// A text for each code, whatever the description.
var messages = map[string]string{
	"access_denied":          "Access denied.",
	"invalid_client":         "An OIDC error occurred: oidc.invalid_client.",
	"invalid_grant":          "Grant request is invalid.",
	"invalid_request":        "Request is invalid.",
	"invalid_target":         "Invalid resource indicator.",
	"unsupported_grant_type": "Unsupported `grant_type` requested.",
}

func requireRefusal(t *testing.T, resp reply, status int, code, text string) {
	t.Helper()
	require.Equal(t, status, resp.StatusCode, resp.body)
	require.Equal(t, "application/json; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	require.Equal(t, map[string]any{"code": "oidc." + code, "message": messages[code], "error": code, "error_description": text}, resp.decode(t))
}
