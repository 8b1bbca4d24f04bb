package logtotest_test

import (
	"testing"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

func TestInconsistentTenants(t *testing.T) {
	tests := []struct {
		name string
		edit func(*logtotest.Tenant)
		want string
	}{
		{"unknown algorithm", func(t *logtotest.Tenant) { t.Algorithm = "HS256" }, `unknown algorithm "HS256"`},
		{"another algorithm than the key's", func(t *logtotest.Tenant) { t.Algorithm, t.Key = "RS256", logtotest.NewKey("ES256") }, "the algorithm is RS256, and the key is for ES256"},
		{"endpoint without a scheme", func(t *logtotest.Tenant) { t.Endpoint = "auth.example.com" }, `endpoint "auth.example.com" is no http or https URL`},
		{"resource without an indicator", func(t *logtotest.Tenant) { t.Resources[0].Indicator = "" }, "one resource has an empty name or ID"},
		{"resource twice", func(t *logtotest.Tenant) { t.Resources[1].Indicator = shoppingAPI }, `resource "https://shopping.api" is declared twice`},
		{"Management API", func(t *logtotest.Tenant) { t.Resources[1].Indicator = managementAPI }, "built in"},
		{"two scopes in one", func(t *logtotest.Tenant) { t.Resources[0].Scopes[0] = "a b" }, `resource "https://shopping.api" has the scope "a b"`},
		{"empty scope", func(t *logtotest.Tenant) { t.Organizations[0].Members[0].Scopes[0] = "" }, `has the scope ""`},
		{"lifetime", func(t *logtotest.Tenant) { t.Resources[0].TokenLifetime = time.Millisecond }, "give it at least a second"},
		{"role without a name", func(t *logtotest.Tenant) { t.Roles[0].Name = "" }, "one role has an empty name or ID"},
		{"role twice", func(t *logtotest.Tenant) { t.Roles[0].Name = "writer" }, `role "writer" is declared twice`},
		{"role for an unknown resource", func(t *logtotest.Tenant) { t.Roles[0].Scopes["https://other.api"] = nil }, `role "reader" has scopes of the resource "https://other.api"`},
		{"role with an unknown scope", func(t *logtotest.Tenant) { t.Roles[0].Scopes[shoppingAPI][0] = "x" }, `role "reader" has the scope "x"`},
		{"application without an ID", func(t *logtotest.Tenant) { t.Applications[0].ID = "" }, "one application has an empty name or ID"},
		{"application without a secret", func(t *logtotest.Tenant) { t.Applications[0].Secret = "" }, `application "shop" has no secret`},
		{"application of an unknown type", func(t *logtotest.Tenant) { t.Applications[0].Type = "spa" }, `application "shop" has the type "spa": choose from`},
		{"SPA with a secret", func(t *logtotest.Tenant) { t.Applications[3].Type = "SPA" }, `application "no-role" has a secret, which its type SPA can't keep`},
		{"Traditional without a secret", func(t *logtotest.Tenant) {
			t.Applications[3] = logtotest.Application{ID: "web", Type: "Traditional"}
		}, `application "web" has no secret`},
		{"Traditional with roles", func(t *logtotest.Tenant) { t.Applications[0].Type = "Traditional" }, `application "shop" has roles`},
		{"Traditional as a member", func(t *logtotest.Tenant) { t.Applications[3].Type = "Traditional" }, `member "no-role" of organization "acme" has the type Traditional`},
		{"machine with a redirect URI", func(t *logtotest.Tenant) {
			t.Applications[0].RedirectURIs = []string{"http://localhost:3000/callback"}
		}, `users don't sign in to a machine`},
		{"redirect URI without a host", redirectTo("Traditional", "/callback"), `application "x" has the redirect URI "/callback"`},
		{"redirect URI with a fragment", redirectTo("SPA", "http://localhost/#callback"), `application "x" has the redirect URI "http://localhost/#callback"`},
		{"redirect URI of an own scheme", redirectTo("SPA", "com.example.shop:/callback"), `application "x" has the redirect URI "com.example.shop:/callback"`},
		{"redirect URI that is a script", redirectTo("Native", "javascript:alert(1)"), `application "x" has the redirect URI "javascript:alert(1)"`},
		{"address after signing out", func(t *logtotest.Tenant) {
			t.Applications = append(t.Applications, logtotest.Application{ID: "x", Type: "SPA", PostLogoutRedirectURIs: []string{"localhost"}})
		}, `application "x" has the redirect URI "localhost"`},
		{"application twice", func(t *logtotest.Tenant) { t.Applications[0].ID = "reader" }, `application "reader" is declared twice`},
		{"application with an unknown role", func(t *logtotest.Tenant) { t.Applications[0].Roles[0] = "x" }, `application "shop" has the role "x"`},
		{"organization without an ID", func(t *logtotest.Tenant) { t.Organizations[0].ID = "" }, "one organization has an empty name or ID"},
		{"organization twice", func(t *logtotest.Tenant) { t.Organizations = append(t.Organizations, t.Organizations[0]) }, `organization "acme" is declared twice`},
		{"unknown member", func(t *logtotest.Tenant) { t.Organizations[0].Members[0].ApplicationID = "x" }, `member "x" of organization "acme" is no declared application`},
		{"user without an ID", func(t *logtotest.Tenant) { t.Users[0].ID = "" }, "one user has an empty name or ID"},
		{"user twice", func(t *logtotest.Tenant) { t.Users = append(t.Users, t.Users[0]) }, `user "alice" is declared twice`},
		{"user who is an application", func(t *logtotest.Tenant) { t.Users[0].ID = "shop" }, `user "shop" is declared twice`},
		{"username twice", func(t *logtotest.Tenant) {
			t.Users[0].Username = "al"
			t.Users = append(t.Users, logtotest.User{ID: "bob", Username: "al"})
		}, `user "bob" has the username or email of user "alice"`},
		{"email twice", func(t *logtotest.Tenant) {
			t.Users[0].Email = "a@example.com"
			t.Users = append(t.Users, logtotest.User{ID: "bob", Email: "a@example.com"})
		}, `user "bob" has the username or email of user "alice"`},
		{"personal access token of another form", func(t *logtotest.Tenant) { t.Users[0].PersonalAccessTokens = []string{"x"} }, `user "alice" has a personal access token without pat_`},
		{"personal access token twice", func(t *logtotest.Tenant) { t.Users[0].PersonalAccessTokens = []string{"pat_x", "pat_x"} }, `user "alice" has a personal access token without pat_`},
		{"user with an unknown role", func(t *logtotest.Tenant) { t.Users[0].Roles = []string{"x"} }, `user "alice" has the role "x"`},
		{"unknown user", func(t *logtotest.Tenant) { t.Organizations[0].Members[0] = logtotest.Member{UserID: "x"} }, `member "x" of organization "acme" is no declared user`},
		{"application as a user", func(t *logtotest.Tenant) { t.Organizations[0].Members[0] = logtotest.Member{UserID: "shop"} }, `member "shop" of organization "acme" is no declared user`},
		{"member of both kinds", func(t *logtotest.Tenant) { t.Organizations[0].Members[0].UserID = "alice" }, `member "no-role" of organization "acme" has a UserID too`},
		{"nobody", func(t *logtotest.Tenant) { t.Organizations[0].Members[0] = logtotest.Member{} }, `member "" of organization "acme" is no declared application`},
		{"user twice in an organization", func(t *logtotest.Tenant) {
			t.Organizations[0].Members = []logtotest.Member{{UserID: "alice"}, {UserID: "alice"}}
		}, `member "alice" of organization "acme" is declared twice`},
		{"hook without an ID", func(t *logtotest.Tenant) { t.Hooks[0].ID = "" }, "one hook has an empty name or ID"},
		{"hook twice", func(t *logtotest.Tenant) { t.Hooks = append(t.Hooks, t.Hooks[0]) }, `hook "hook" is declared twice`},
		{"hook without a key", func(t *logtotest.Tenant) { t.Hooks[0].SigningKey = "" }, `hook "hook" has no signing key`},
		{"hook without a URL", func(t *logtotest.Tenant) { t.Hooks[0].URL = "" }, `hook "hook" has the URL ""`},
		{"hook with half a URL", func(t *logtotest.Tenant) { t.Hooks[0].URL = "127.0.0.1:9" }, `hook "hook" has the URL "127.0.0.1:9"`},
		{"hook with an unknown event", func(t *logtotest.Tenant) { t.Hooks[0].Events = []string{"User.Delete"} }, `hook "hook" has the event "User.Delete"`},
		{"hook without events", func(t *logtotest.Tenant) { t.Hooks[0].Events = []string{} }, `hook "hook" has no events`},
		{"member with an unknown scope", func(t *logtotest.Tenant) {
			t.Organizations[0].Members[0].ResourceScopes[shoppingAPI][0] = "x"
		}, `member "no-role" of organization "acme" has the scope "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			declared := users("alice")
			declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key"}}
			require.NoError(t, declared.Validate())
			tt.edit(&declared)
			require.ErrorContains(t, declared.Validate(), tt.want)
			defer func() {
				message := recover()
				if err, ok := message.(error); ok {
					message = err.Error()
				}
				require.Contains(t, message, tt.want)
				require.Contains(t, message, "logtotest: ")
			}()
			logtotest.NewServer(declared).Close()
		})
	}
}

func redirectTo(kind, uri string) func(*logtotest.Tenant) {
	application := logtotest.Application{ID: "x", Type: kind, RedirectURIs: []string{uri}}
	if kind == "Traditional" {
		application.Secret = "secret"
	}
	return func(t *logtotest.Tenant) { t.Applications = append(t.Applications, application) }
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	declared := tenant()
	declared.Applications[0].Secret = ""
	declared.Roles[0].Name = ""
	defer func() {
		err := recover().(error)
		require.ErrorContains(t, err, `application "shop" has no secret`)
		require.ErrorContains(t, err, "one role has an empty name")
	}()
	logtotest.NewServer(declared).Close()
}

func TestTenantIsCopied(t *testing.T) {
	declared := users("alice")
	declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key", Events: []string{"User.Deleted"}}}
	s := start(t, declared)
	declared.Users[0].ID = "bob"
	declared.Hooks[0].Events[0] = "Organization.Deleted"
	require.Equal(t, []string{"alice"}, idsOf(t, manage(t, s, "GET", "/users", "")))
	require.Equal(t, []any{"User.Deleted"}, manage(t, s, "GET", "/hooks/hook", "").decode(t)["events"])
	declared.Roles[0].Scopes[shoppingAPI][0] = "write:products"
	declared.Applications[1].Secret = "changed"
	resp := askToken(t, s, "reader", "reader-secret", form("resource", shoppingAPI, "scope", "read:products write:products"))
	require.Equal(t, "read:products", resp.decode(t)["scope"])
}
