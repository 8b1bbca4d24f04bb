package logtotest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

const personalType = "urn:logto:token-type:personal_access_token"

// exchangers is a tenant whose "web" exchanges tokens of alice and of bob. By role she reads products; in acme, she may
// invite and write products. In globex, she reads orders.
func exchangers() logtotest.Tenant {
	declared := users("alice", "bob")
	declared.Users[0].Roles = []string{"reader"}
	declared.Applications = append(declared.Applications, logtotest.Application{ID: "web", Secret: "web-secret", TokenExchange: true})
	declared.Organizations[0].Members = append(declared.Organizations[0].Members, logtotest.Member{
		UserID: "alice", Scopes: []string{"invite:member"}, ResourceScopes: map[string][]string{shoppingAPI: {"write:products"}},
	})
	declared.Organizations = append(declared.Organizations, logtotest.Organization{ID: "globex", Members: []logtotest.Member{
		{UserID: "alice", ResourceScopes: map[string][]string{ordersAPI: {"read:orders"}}},
	}})
	return declared
}

// personalToken makes a personal access token.
func personalToken(t *testing.T, s *logtotest.Server, user, body string) string {
	t.Helper()
	resp := manage(t, s, "POST", "/users/"+user+"/personal-access-tokens", body)
	require.Equal(t, 201, resp.StatusCode, resp.body)
	return resp.decode(t)["value"].(string)
}

// exchange sends a token request of web; parameters are name, value, name, value.
func exchange(t *testing.T, s *logtotest.Server, pat string, parameters ...string) reply {
	t.Helper()
	asks := form(append([]string{"subject_token", pat, "subject_token_type", personalType}, parameters...)...)
	return askToken(t, s, "web", "web-secret", strings.Replace(asks, "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", 1))
}

func TestPersonalAccessTokenIsExchanged(t *testing.T) {
	const scopes = "read:products write:products read:orders invite:member"
	clock := logtotest.NewClock(noon)
	declared := exchangers()
	declared.Now = clock.Now
	s := start(t, declared)
	pat := personalToken(t, s, "alice", `{"name":"laptop"}`)
	require.True(t, strings.HasPrefix(pat, "pat_"))
	for _, tt := range []struct {
		name         string
		parameters   []string
		audience     string
		scope        any // nil: absent
		organization any
		lifetime     float64
	}{
		{"a resource", []string{"resource", shoppingAPI, "scope", "read:products"}, shoppingAPI, "read:products", nil, 3600},
		{"plain: also what is held in some organization", []string{"resource", shoppingAPI, "scope", scopes}, shoppingAPI, "read:products write:products", nil, 3600},
		{"plain, another resource", []string{"resource", ordersAPI, "scope", scopes}, ordersAPI, "read:orders", nil, 600},
		{"in an organization: also what is held by role", []string{"resource", shoppingAPI, "organization_id", "acme", "scope", scopes}, shoppingAPI, "read:products write:products", "acme", 3600},
		{"in another organization", []string{"resource", shoppingAPI, "organization_id", "globex", "scope", scopes}, shoppingAPI, "read:products", "globex", 3600},
		{"an organization", []string{"organization_id", "acme", "scope", scopes}, "urn:logto:organization:acme", "invite:member", nil, 3600},
		{"an organization without permissions", []string{"organization_id", "globex", "scope", scopes}, "urn:logto:organization:globex", "", nil, 3600},
		{"nothing asked for", []string{"resource", shoppingAPI}, shoppingAPI, nil, nil, 3600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := exchange(t, s, pat, tt.parameters...)
			require.Equal(t, 200, resp.StatusCode, resp.body)
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			answer := resp.decode(t)
			require.Equal(t, "Bearer", answer["token_type"])
			require.Equal(t, tt.lifetime, answer["expires_in"])
			require.Equal(t, tt.scope, answer["scope"])
			got := claims(t, s, answer["access_token"].(string))
			delete(got, "jti")
			want := map[string]any{
				"iss": s.URL() + "/oidc", "sub": "alice", "client_id": "web", "aud": tt.audience,
				"iat": float64(noon.Unix()), "exp": float64(noon.Unix()) + tt.lifetime,
			}
			if tt.scope != nil {
				want["scope"] = tt.scope
			}
			if tt.organization != nil {
				want["organization_id"] = tt.organization
			}
			require.Equal(t, want, got, "it says nothing of where it came from")
		})
	}
	t.Run("a declared token", func(t *testing.T) {
		declared := exchangers()
		declared.Users[0].PersonalAccessTokens = []string{"pat_alice"}
		s := start(t, declared)
		answer := exchange(t, s, "pat_alice", "resource", shoppingAPI, "scope", scopes).decode(t)
		require.Equal(t, "alice", claims(t, s, answer["access_token"].(string))["sub"])
	})
	t.Run("opaque", func(t *testing.T) {
		answer := exchange(t, s, pat, "scope", scopes).decode(t)
		token := answer["access_token"].(string)
		require.Len(t, token, 43)
		require.NotContains(t, token, ".")
		require.NotEqual(t, token, exchange(t, s, pat).decode(t)["access_token"])
		require.Equal(t, 3600.0, answer["expires_in"])
		require.Equal(t, "", answer["scope"])
	})
}

func TestExchangeRefusals(t *testing.T) {
	const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	s := start(t, exchangers())
	pat := personalToken(t, s, "alice", `{"name":"laptop"}`)
	for _, tt := range []struct {
		name       string
		parameters []string // instead of a good request's
		status     int
		code, text string
	}{
		{"no such token", []string{"subject_token", "pat_x"}, 400, "invalid_grant", "grant request is invalid"},
		{"no token", []string{"subject_token", ""}, 400, "invalid_request", "missing required parameter 'subject_token'"},
		{"no type", []string{"subject_token_type", ""}, 400, "invalid_request", "missing required parameter 'subject_token_type'"},
		{"another type", []string{"subject_token_type", "urn:ietf:params:oauth:token-type:access_token"}, 400, "invalid_grant", "grant request is invalid"},
		{"not a member", []string{"organization_id", "other"}, 403, "access_denied", "user is not a member of the organization"},
		{"not a member, and an unknown resource", []string{"organization_id", "other", "resource", "x"}, 403, "access_denied", "user is not a member of the organization"},
		{"unknown resource", []string{"resource", "https://other.api"}, 400, "invalid_target", "resource indicator is missing, or unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			values := map[string]string{"subject_token": pat, "subject_token_type": personalType, "resource": shoppingAPI}
			for i := 0; i < len(tt.parameters); i += 2 {
				values[tt.parameters[i]] = tt.parameters[i+1]
			}
			asks := "grant_type=" + exchangeGrant
			for name, value := range values {
				asks += "&" + name + "=" + value
			}
			requireRefusal(t, askToken(t, s, "web", "web-secret", asks), tt.status, tt.code, tt.text)
		})
	}
	asks := fmt.Sprintf("grant_type=%s&subject_token=%s&subject_token_type=%s&resource=%s", exchangeGrant, pat, personalType, shoppingAPI)
	requireRefusal(t, askToken(t, s, "reader", "reader-secret", asks), 400, "invalid_request", "requested grant type is not allowed for this client")
	requireRefusal(t, askToken(t, s, "web", "web-secret", asks+"&subject_token=x"), 400, "invalid_request", "'subject_token' parameter must not be provided twice")
	requireRefusal(t, askToken(t, s, "web", "wrong", asks), 401, "invalid_client", "client authentication failed")
	require.Equal(t, 401, get(t, s.URL()+"/api/users", "Authorization", "Bearer "+pat).StatusCode, "by itself it is opaque")
}

// What becomes of a personal access token: it outlives a suspension, and nothing else.
func TestPersonalAccessTokenEnds(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := exchangers()
	declared.Now = clock.Now
	s := start(t, declared)
	forever := personalToken(t, s, "alice", `{"name":"forever","expiresAt":null}`)
	brief := personalToken(t, s, "alice", fmt.Sprintf(`{"name":"brief","expiresAt":%d}`, noon.Add(time.Minute).UnixMilli()))
	bobs := personalToken(t, s, "bob", `{"name":"forever"}`)
	works := func(pat string, parameters ...string) bool {
		resp := exchange(t, s, pat, append([]string{"resource", shoppingAPI, "scope", "write:products"}, parameters...)...)
		if resp.StatusCode != 200 {
			require.Contains(t, []int{400, 403}, resp.StatusCode)
			return false
		}
		return true
	}
	manage(t, s, "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`)
	require.True(t, works(forever), "Logto 1.42 doesn't look")
	require.True(t, works(brief))
	clock.Advance(time.Minute)
	require.False(t, works(brief))
	require.True(t, works(forever, "organization_id", "acme"))

	manage(t, s, "DELETE", "/organizations/acme/users/alice", "")
	require.False(t, works(forever, "organization_id", "acme"))
	require.Nil(t, exchange(t, s, forever, "resource", shoppingAPI, "scope", "write:products").decode(t)["scope"], "held in acme only")

	manage(t, s, "DELETE", "/users/alice", "")
	require.False(t, works(forever))
	require.True(t, works(bobs))
}

func TestPersonalAccessTokensByAPI(t *testing.T) {
	declared := exchangers()
	declared.Now = logtotest.NewClock(noon).Now
	s := start(t, declared)
	const path = "/users/alice/personal-access-tokens"
	later := noon.Add(time.Hour).UnixMilli()
	resp := manage(t, s, "POST", path, fmt.Sprintf(`{"name":"laptop","expiresAt":%d}`, later))
	require.Equal(t, 201, resp.StatusCode)
	answer := resp.decode(t)
	require.NotEmpty(t, answer["value"])
	delete(answer, "value")
	require.Equal(t, map[string]any{"userId": "alice", "name": "laptop", "createdAt": float64(noon.UnixMilli()), "expiresAt": float64(later)}, answer)
	require.Nil(t, manage(t, s, "POST", path, `{"name":"desk"}`).decode(t)["expiresAt"])
	for _, body := range []string{
		"", "{}", `{"name":""}`, `{"name":1}`, `{"name":"` + strings.Repeat("x", 257) + `"}`, `{"name":"x","expiresAt":"later"}`,
		fmt.Sprintf(`{"name":"x","expiresAt":%d}`, noon.UnixMilli()), `{"name":"x","expiresAt":-1}`,
	} {
		requireError(t, manage(t, s, "POST", path, body), 400, "guard.invalid_input")
	}
	requireError(t, manage(t, s, "POST", "/users/nobody/personal-access-tokens", `{"name":"x"}`), 422, "entity.relation_foreign_key_not_found")
}
