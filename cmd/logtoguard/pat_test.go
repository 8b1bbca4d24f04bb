package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// startLogtoWithUsers starts a stand-in where alice may read products, and invite in acme.
func startLogtoWithUsers(t *testing.T) *logtotest.Server {
	t.Helper()
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: shopping, Scopes: []string{"read:products", "write:products"}}},
		Roles:     []logtotest.Role{{Name: "reader", Scopes: map[string][]string{shopping: {"read:products"}}}},
		Applications: []logtotest.Application{
			{ID: exchangeApp, Secret: exchangeSecret, TokenExchange: true},
			{ID: "ci", Secret: "s3cret-of-ci", TokenExchange: true},
			{ID: "shop", Secret: "s3cret-of-shop"},
		},
		Users:         []logtotest.User{{ID: "alice", Roles: []string{"reader"}, PersonalAccessTokens: []string{"pat_s3cret"}}},
		Organizations: []logtotest.Organization{{ID: "acme", Members: []logtotest.Member{{UserID: "alice", Scopes: []string{"invite"}}}}},
	})
	t.Cleanup(logto.Close)
	return logto
}

func TestTokenOfAUser(t *testing.T) {
	const warning = "ps shows the personal access token to others"
	env := func(pairs ...string) map[string]string {
		vars := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			vars[pairs[i]] = pairs[i+1]
		}
		return vars
	}
	for _, row := range []struct {
		name   string
		from   session
		flags  []string
		status int
		stderr string
	}{
		{"in standard input", session{stdin: "pat_s3cret\n"}, []string{"-pat", "-", "-resource", shopping, "-scope", "read:products"}, fine, "scopes: read:products\n"},
		{"in the environment", session{env: env("LOGTO_PAT", "pat_s3cret")}, []string{"-pat", "-", "-resource", shopping}, fine, "scopes: none\n"},
		{"in the arguments", session{}, []string{"-pat", "pat_s3cret", "-resource", shopping}, fine, warning},
		{"with an application", session{env: env("LOGTO_PAT", "pat_s3cret", "LOGTO_APP_SECRET", "s3cret-of-ci")}, []string{"-pat", "-", "-app", "ci", "-resource", shopping}, fine, "scopes: none\n"},
		{"a secret of another application alone", session{env: env("LOGTO_PAT", "pat_s3cret", "LOGTO_APP_SECRET", "s3cret-of-ci")}, []string{"-pat", "-", "-resource", shopping}, fine, "scopes: none\n"},
		{"organization", session{stdin: "pat_s3cret"}, []string{"-pat", "-", "-organization", "acme", "-scope", "invite"}, fine, "scopes: invite\n"},
		{"API in an organization", session{stdin: "pat_s3cret"}, []string{"-pat", "-", "-organization", "acme", "-resource", shopping, "-scope", "read:products"}, fine, "scopes: read:products\n"},
		{"fewer scopes", session{stdin: "pat_s3cret"}, []string{"-pat", "-", "-resource", shopping, "-scope", "read:products write:products", "-accept-fewer-scopes"}, fine, "scopes: read:products\n"},

		{"a scope too many", session{stdin: "pat_s3cret"}, []string{"-pat", "-", "-resource", shopping, "-scope", "write:products"}, refused, "not granted: write:products (in Logto, assign the user a role that has them; or set -accept-fewer-scopes)"},
		{"unknown", session{stdin: "pat_s3cret_no_more"}, []string{"-pat", "-", "-resource", shopping}, refused, "the personal access token is unknown, or it has expired"},
		{"another organization", session{stdin: "pat_s3cret"}, []string{"-pat", "-", "-organization", "other"}, refused, "the user is not a member of this organization: add the user in Logto, and compare -organization"},
		{"an application that may not", session{env: env("LOGTO_PAT", "pat_s3cret", "LOGTO_APP_SECRET", "s3cret-of-shop")}, []string{"-pat", "-", "-app", "shop", "-resource", shopping}, refused, "allow token exchange for the application"},
		{"another secret", session{env: env("LOGTO_PAT", "pat_s3cret", "LOGTO_APP_SECRET", "other-s3cret")}, []string{"-pat", "-", "-app", "ci", "-resource", shopping}, refused, "LOGTO_APP_SECRET is not, or no longer, a secret of this application"},
		{"no secret", session{env: env("LOGTO_PAT", "pat_s3cret")}, []string{"-pat", "-", "-app", "ci", "-resource", shopping}, wrongUsage, "LOGTO_APP_SECRET is empty"},
		{"none", session{}, []string{"-pat", "-", "-resource", shopping}, wrongUsage, "there is no personal access token"},
		{"an empty variable", session{}, []string{"-pat", "", "-resource", shopping}, wrongUsage, "there is no personal access token"},
		{"two", session{stdin: "pat_s3cret pat_s3cret"}, []string{"-pat", "-", "-resource", shopping}, wrongUsage, "one with spaces in it"},
		{"no resource", session{stdin: "pat_s3cret"}, []string{"-pat", "-"}, wrongUsage, "-resource is empty"},
		{"no value", session{}, []string{"-resource", shopping, "-pat"}, wrongUsage, "flag needs an argument: -pat"},
	} {
		t.Run(row.name, func(t *testing.T) {
			logto := startLogtoWithUsers(t)
			out := row.from.run(t, append([]string{"token", "-endpoint", logto.Endpoint()}, row.flags...)...)
			require.Equal(t, row.status, out.status, out.stderr)
			assert.Contains(t, out.stderr, row.stderr)
			assert.Equal(t, row.status == fine, strings.Count(out.stdout, ".") == 2 && strings.Count(out.stdout, "\n") == 1, "the token and nothing else")
			assert.NotContains(t, out.stdout+out.stderr, "s3cret")
			assert.Equal(t, row.stderr == warning || row.name == "an empty variable", strings.Contains(out.stderr, warning))
		})
	}
}

func TestTokenOfAUserIsTheUsers(t *testing.T) {
	logto := startLogtoWithUsers(t)
	out := session{stdin: "pat_s3cret"}.run(t, "token", "-pat", "-", "-endpoint", logto.Endpoint(), "-organization", "acme", "-resource", shopping)
	guard, err := logtoguard.New(logtoguard.Config{Endpoint: logto.Endpoint(), Audience: []string{shopping}})
	require.NoError(t, err)
	defer guard.Close()
	claims, err := guard.Verify(t.Context(), strings.TrimSpace(out.stdout))
	require.NoError(t, err)
	assert.Equal(t, []string{"alice", "cli", "acme"}, []string{claims.Subject(), claims.ClientID(), claims.OrganizationID()})
}

// Only a Logto on this machine can be the one of logtoguard dev.
func TestApplicationHasNoDefaultElsewhere(t *testing.T) {
	out := session{stdin: "pat_s3cret"}.run(t, "token", "-pat", "-", "-endpoint", "https://tenant-id.logto.app", "-resource", shopping)
	assert.Equal(t, wrongUsage, out.status)
	assert.Contains(t, out.stderr, "-app is empty")
}

// What a server sends back of the personal access token is not shown, and a redirect
// doesn't lead it elsewhere.
func TestPersonalAccessTokenStaysSecret(t *testing.T) {
	logto := startLogtoWithUsers(t)
	for name, answer := range map[string]http.HandlerFunc{
		"in an answer": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, body)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		logto.Disturb(func(http.Handler) http.Handler { return answer })
		out := session{stdin: "pat_s3cret"}.run(t, "token", "-pat", "-", "-endpoint", logto.Endpoint(), "-resource", shopping)
		assert.NotEqual(t, fine, out.status, name)
		assert.NotContains(t, out.stdout+out.stderr, "s3cret", name)
		assert.Zero(t, logto.Requests("/elsewhere"))
	}
}
