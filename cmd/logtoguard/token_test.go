package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/logtoguard/logtoguard/logtotest"
)

func TestToken(t *testing.T) {
	const secret = "s3cret-of-shop"
	inEnvironment := session{env: map[string]string{"LOGTO_APP_SECRET": secret}}
	for _, row := range []struct {
		name   string
		from   session
		flags  []string
		status int
		stderr string
	}{
		{"secret in the environment", inEnvironment, []string{"-resource", shopping, "-scope", "read:products"}, fine, "expires in 59 minutes; scopes: read:products\n"},
		{"secret in standard input", session{stdin: secret + "\n"}, []string{"-resource", shopping}, fine, "scopes: none\n"},
		{"organization", inEnvironment, []string{"-organization", "acme", "-scope", "invite"}, fine, "scopes: invite\n"},
		{"a scope too many", inEnvironment, []string{"-resource", shopping, "-scope", "read:products write:products"}, refused,
			"not granted: write:products (in Logto, assign the application a machine-to-machine role that has them; or set -accept-fewer-scopes)"},
		{"fewer scopes", inEnvironment, []string{"-resource", shopping, "-scope", "read:products write:products", "-accept-fewer-scopes"}, fine, "scopes: read:products\n"},
		{"wrong secret", session{stdin: "wrong-s3cret"}, []string{"-resource", shopping}, refused, "LOGTO_APP_SECRET is not, or no longer, a secret of this application"},
		{"no secret", session{}, []string{"-resource", shopping}, wrongUsage, "LOGTO_APP_SECRET is empty"},
		{"slash too many", inEnvironment, []string{"-resource", shopping + "/"}, refused, "-resource ends in a slash"},
		{"no resource", inEnvironment, nil, wrongUsage, "-resource is empty"},
		{"another organization", inEnvironment, []string{"-organization", "other"}, refused, "compare -organization"},
	} {
		t.Run(row.name, func(t *testing.T) {
			logto := startLogto(t)
			out := row.from.run(t, append([]string{"token", "-endpoint", logto.Endpoint(), "-app", "shop"}, row.flags...)...)
			assert.Equal(t, row.status, out.status, out.stderr)
			assert.Contains(t, out.stderr, row.stderr)
			assert.Equal(t, row.status == fine, strings.Count(out.stdout, ".") == 2 && strings.Count(out.stdout, "\n") == 1, "the token and nothing else")
			assert.NotContains(t, out.stdout+out.stderr, "s3cret")
			if row.status == fine {
				kind := []string{"-audience", shopping}
				if strings.HasPrefix(row.name, "organization") {
					kind = []string{"-organization-tokens"}
				}
				piped := session{stdin: out.stdout}.run(t, append([]string{"explain", "-endpoint", logto.Endpoint()}, kind...)...)
				assert.Equal(t, fine, piped.status, piped.stdout)
				staysSecret(t, strings.TrimSpace(out.stdout), piped)
			}
		})
	}
}

func TestNoScopeIsSaid(t *testing.T) {
	logto := startLogto(t)
	for scope, said := range map[string]bool{"": true, "read:products": false} {
		out := session{stdin: "s3cret-of-shop"}.run(t, "token", "-endpoint", logto.Endpoint(), "-app", "shop", "-resource", shopping, "-scope", scope)
		assert.Equal(t, fine, out.status)
		assert.Equal(t, said, strings.Contains(out.stderr, "no permission without -scope: ask for some, such as -scope read:products\n"), out.stderr)
	}
	out := session{stdin: "wrong"}.run(t, "token", "-endpoint", logto.Endpoint(), "-app", "shop", "-resource", shopping)
	assert.NotContains(t, out.stderr, "-scope", "there is no token")
}

// A fault of Logto, or of what answers in its place, says nothing about the application.
func TestNoAnswerForAToken(t *testing.T) {
	for name, fault := range map[string]logtotest.Fault{
		"down": logtotest.Down(), "a page": logtotest.Garbage(),
		"400": logtotest.Status(400), "404": logtotest.Status(404), "429": logtotest.Status(429), "500": logtotest.Status(500), "302": logtotest.Status(302),
	} {
		t.Run(name, func(t *testing.T) {
			logto := startLogto(t)
			logto.Disturb(fault)
			out := session{stdin: "s3cret-of-shop"}.run(t, "token", "-endpoint", logto.Endpoint(), "-app", "shop", "-resource", shopping)
			assert.Equal(t, undecided, out.status)
			assert.Empty(t, out.stdout)
		})
	}
}
