package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

func TestLetIn(t *testing.T) {
	logto := startLogto(t, noon)
	for _, row := range []struct {
		name   string
		token  logtotest.Token
		flags  []string
		advice string // "": none
	}{
		{"with the scope", logtotest.Token{Scopes: []string{"read:products"}}, []string{"-scope", "read:products"}, ""},
		{"two scopes, two flags", logtotest.Token{Scopes: []string{"b", "a"}}, []string{"-scope", "a", "-scope", "b"}, ""},
		{"scopes not asked for", logtotest.Token{Scopes: []string{"read:products"}}, nil, "not judged here without -scope"},
		{"without a scope", logtotest.Token{}, nil, "it holds no scope"},
		{"organization not asked for", logtotest.Token{OrganizationID: "acme"}, nil, "try -organization"},
		{"scope in an organization", logtotest.Token{OrganizationID: "acme", Scopes: []string{"a"}}, []string{"-organization", "acme", "-scope", "a"}, ""},
		{"scope of organizations, in one", logtotest.Token{OrganizationID: "acme", Scopes: []string{"a"}},
			[]string{"-organization-scope", "b", "-organization-scope", "a", "-organization", "acme", "-scope", "a"}, ""},
		{"scopes of organizations, in one flag", logtotest.Token{OrganizationID: "acme", Scopes: []string{"a"}},
			[]string{"-organization-scope", "b a", "-organization", "acme", "-scope", "a"}, ""},
		{"another scope of organizations", logtotest.Token{Scopes: []string{"a", "b"}}, []string{"-organization-scope", "b", "-scope", "a"}, ""},
		{"organization token", logtotest.Token{Audience: "urn:logto:organization:acme", Scopes: []string{"a"}},
			[]string{"-organization-tokens", "-organization", "acme", "-scope", "a"}, ""},
		{"just expired, within the skew", logtotest.Token{Lifetime: -time.Minute}, []string{"-clock-skew", "2m"}, "it holds no scope"},
	} {
		t.Run(row.name, func(t *testing.T) {
			flags := append([]string{"explain", "-endpoint", logto.Endpoint(), "-json"}, row.flags...)
			if !strings.Contains(strings.Join(row.flags, " "), "-organization-tokens") {
				flags = append(flags, "-audience", shopping)
			}
			token := logto.Mint(row.token)
			out := session{stdin: token, now: noon}.run(t, flags...)
			require.Equal(t, fine, out.status, out.stdout)
			got := out.report(t)
			assert.Equal(t, "let_in", got.Verdict)
			for _, c := range got.Checks {
				assert.Equal(t, "passed", c.Result, c.Name)
				assert.NotEmpty(t, c.Found, c.Name)
			}
			assert.Equal(t, row.advice == "", len(got.Advice) == 0, got.Advice)
			assert.Contains(t, strings.Join(got.Advice, "\n"), row.advice)
			assert.Equal(t, logto.Endpoint()+"/oidc", got.Claims["iss"])
			assert.Equal(t, "at+jwt", got.Header["typ"])
			staysSecret(t, token, out)
		})
	}
}

func TestNoClockSkew(t *testing.T) {
	logto := startLogto(t, noon)
	token := logto.Mint(logtotest.Token{Lifetime: -2 * time.Second})
	flags := []string{"explain", "-endpoint", logto.Endpoint(), "-audience", shopping}
	s := session{stdin: token, now: noon}
	assert.Equal(t, fine, s.run(t, flags...).status)
	assert.Equal(t, refused, s.run(t, append(flags, "-clock-skew", "0")...).status)
}

func TestValuesStandInAColumn(t *testing.T) {
	logto := startLogto(t)
	token := logto.Mint(logtotest.Token{Subject: "alice"}, set("preferred_username", "al"), set(strings.Repeat("x", 99), 1))
	out := session{stdin: token}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping)
	column := strings.Repeat(" ", 2*nameWidth)
	assert.Contains(t, out.stdout, "\n    "+("sub" + column)[:len(column)]+"  alice\n")
	assert.Contains(t, out.stdout, "\n    "+("preferred_username" + column)[:len(column)]+"  al\n")
	assert.Contains(t, out.stdout, "x  1\n")
}

func TestReportForPeople(t *testing.T) {
	logto := startLogto(t, noon)
	token := logto.Mint(logtotest.Token{Subject: "alice", ClientID: "webshop"})
	s := session{stdin: token, now: func() time.Time { return noon().Add(time.Second) }}
	out := s.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping)
	require.Equal(t, fine, out.status)
	assert.Contains(t, out.stdout, "\n    exp              1795352400  2026-11-22 13:00:00 UTC, in 59 minutes\n")
	assert.Contains(t, out.stdout, "\n    sub              alice\n")
	assert.Contains(t, out.stdout, "\n  ✓ signature        made by that key (not shown)\n\nIt would be let in.\n")
	assert.NotContains(t, out.stdout, "\x1b", "no colours where there is no terminal")
	assert.NotContains(t, out.stdout, "not verified")
	assert.Empty(t, out.stderr)

	out = s.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", "https://other.api")
	assert.Contains(t, out.stdout, "not verified")
	assert.Contains(t, out.stdout, "  ✗ aud              expected: https://other.api\n                     found:    https://shopping.api\n"+
		"  not reached: exp, nbf, iat, sub, client_id, scope, organization_id, cnf, key, key's alg, signature\n")
	assert.Contains(t, out.stdout, `WWW-Authenticate: Bearer error="invalid_token"`)
}

// The tokens of a Logto 1.42.0, by its key set in a file.
func TestRealTokens(t *testing.T) {
	data, err := os.ReadFile("../../testdata/real-tokens.json")
	require.NoError(t, err)
	var real struct {
		JWKS   struct{ Keys []map[string]any }
		Tokens []struct {
			What, Token string
			IssuedAt    int64 `json:"issued_at"`
		}
	}
	require.NoError(t, json.Unmarshal(data, &real))
	failing := map[string]string{
		"organization token, no resource": "aud",
		"an ID token: to be refused":      "typ",
		"an opaque token: to be refused":  "form",
	}
	file := keyFile(t, real.JWKS.Keys...)
	require.Len(t, real.Tokens, 8)
	for _, token := range real.Tokens {
		t.Run(token.What, func(t *testing.T) {
			s := session{stdin: token.Token, now: func() time.Time { return time.Unix(token.IssuedAt+1, 0) }}
			out := s.run(t, "explain", "-endpoint", "http://127.0.0.1:3001", "-audience", shopping, "-keys", file, "-json")
			assert.Equal(t, failing[token.What], out.report(t).failed())
			assert.Equal(t, failing[token.What] == "", out.status == fine)
			staysSecret(t, token.Token, out)
		})
	}
}
