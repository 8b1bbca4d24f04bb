package main

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// refusals has rows for each way in which a token is refused.
var refusals = []struct {
	name   string
	edits  []func(*logtotest.Draft)
	token  func(token string) string // changes it after it was signed
	flags  []string                  // beside the usual ones
	is     error
	check  string // that fails
	advice string // words in it
}{
	{"nothing", nil, instead(""), nil, logtoguard.ErrNoToken, "form", "no token came"},
	{"opaque", nil, instead("9NybN27JstKkzKqrRhDgongGRDub59CV45teTmWabGY"), nil, logtoguard.ErrOpaqueToken, "form", "ask for it with resource=https://shopping.api"},
	{"personal access token", nil, instead("pat_9NybN27JstKkzKqrRhDgongGRDub59CV"), nil, logtoguard.ErrOpaqueToken, "form", "a personal access token: exchange it for an access token first"},
	{"personal access token for organizations", nil, instead("pat_9NybN27JstKkzKqrRhDgongGRDub59CV"), []string{"-organization-tokens"}, logtoguard.ErrOpaqueToken, "form", "a personal access token"},
	{"cut", nil, func(s string) string { return s[:strings.LastIndex(s, ".")] }, nil, logtoguard.ErrMalformed, "form", "copy it again"},
	{"odd encoding", nil, func(s string) string { return s[:len(s)-1] + "~" }, nil, logtoguard.ErrMalformed, "form", "copy it again"},
	{"encrypted", nil, instead("eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d"), nil, logtoguard.ErrMalformed, "form", "encrypted"},
	{"pasted twice", nil, func(s string) string { return s + s }, nil, logtoguard.ErrMalformed, "form", "was it pasted twice?"},
	{"in two lines", nil, func(s string) string { return s[:99] + "\n" + s[99:] }, nil, logtoguard.ErrMalformed, "form", "without line breaks"},
	{"the whole answer", nil, func(s string) string { return `{"access_token":"` + s + `"}` }, nil, logtoguard.ErrMalformed, "form", "this is no token"},
	{"another scheme", nil, instead("Basic dTpw"), nil, logtoguard.ErrOpaqueToken, "form", "this is no token"},
	{"binary", nil, instead("\x00\xff"), nil, logtoguard.ErrOpaqueToken, "form", "this is no token"},
	{"too long", nil, func(s string) string { return s + strings.Repeat("A", 16<<10) }, nil, logtoguard.ErrMalformed, "form", "16 KiB"},
	{"deep", edits(set("deep", json.RawMessage(strings.Repeat("[", 32)+strings.Repeat("]", 32)))), nil, nil, logtoguard.ErrMalformed, "form", "custom-claims script"},
	{"many members", edits(set("many", many(1000))), nil, nil, logtoguard.ErrMalformed, "form", "custom-claims script"},
	{"many members of the header", edits(setHeader("many", many(1000))), nil, nil, logtoguard.ErrMalformed, "form", "custom-claims script"},
	{"deep, and another typ", edits(set("deep", json.RawMessage(strings.Repeat("[", 32)+strings.Repeat("]", 32))), setHeader("typ", "JWT")), nil, nil,
		logtoguard.ErrMalformed, "form", "custom-claims script"},
	{"critical", edits(setHeader("crit", []string{"b64"})), nil, nil, logtoguard.ErrMalformed, "crit", "crit"},
	{"no kid", edits(setHeader("kid", nil)), nil, nil, logtoguard.ErrMalformed, "kid", "names no key"},
	{"ID token", edits(setHeader("typ", nil), set("client_id", nil), set("aud", "webshop")), nil, nil, logtoguard.ErrNotAccessToken, "typ",
		"this is an ID token, for the application webshop: send the access token for https://shopping.api"},
	{"other typ", edits(setHeader("typ", "logout+jwt")), nil, nil, logtoguard.ErrNotAccessToken, "typ", "at+jwt"},
	{"JWT that is no ID token", edits(setHeader("typ", "JWT")), nil, nil, logtoguard.ErrNotAccessToken, "typ", "of another kind"},
	{"unsigned", edits(setHeader("alg", "none")), nil, nil, logtoguard.ErrWrongAlgorithm, "alg", "not signed at all"},
	{"shared secret", edits(setHeader("alg", "HS256")), nil, nil, logtoguard.ErrWrongAlgorithm, "alg", "shared secret"},
	{"unusual algorithm", edits(setHeader("alg", "PS256")), nil, nil, logtoguard.ErrWrongAlgorithm, "alg", "ES384, ES256, ES512, RS256"},
	{"algorithm of another key", edits(setHeader("alg", "RS256")), nil, nil, logtoguard.ErrWrongAlgorithm, "key's alg", "its key is for another algorithm"},
	{"another tenant", edits(set("iss", "https://other.logto.app/oidc"), setHeader("kid", "elsewhere")), nil, nil, logtoguard.ErrWrongIssuer, "iss", "another tenant"},
	{"custom domain", edits(set("iss", "https://auth.example.com/oidc")), nil, nil, logtoguard.ErrWrongIssuer, "iss", "a key of this Logto, which anybody can write: if https://auth.example.com is a custom domain of the tenant, allow it with -custom-domain https://auth.example.com;"},
	{"issuer with a slash", edits(func(d *logtotest.Draft) { d.Claims["iss"] = d.Claims["iss"].(string) + "/" }), nil, nil, logtoguard.ErrWrongIssuer, "iss", "without a slash"},
	{"issuer in upper case", edits(set("iss", "https://Auth.example.com/oidc")), nil, nil, logtoguard.ErrWrongIssuer, "iss", "another issuer"},
	{"issuer over https", edits(func(d *logtotest.Draft) {
		d.Claims["iss"] = strings.Replace(d.Claims["iss"].(string), "http:", "https:", 1)
	}), nil, nil,
		logtoguard.ErrWrongIssuer, "iss", "ENDPOINT exactly"},
	{"no Logto", edits(set("iss", "https://accounts.example.com")), nil, nil, logtoguard.ErrWrongIssuer, "iss", "another issuer"},
	{"no issuer", edits(set("iss", nil)), nil, nil, logtoguard.ErrWrongIssuer, "iss", "another issuer"},
	{"slash too many", edits(set("aud", shopping+"/")), nil, nil, logtoguard.ErrWrongAudience, "aud", "audience is https://shopping.api/, with a slash too many"},
	{"slash too few", nil, nil, []string{"-audience", shopping + "/"}, logtoguard.ErrWrongAudience, "aud", "with a slash too few"},
	{"case", edits(set("aud", "https://Shopping.api")), nil, nil, logtoguard.ErrWrongAudience, "aud", "upper and lower case"},
	{"scheme", edits(set("aud", "http://shopping.api")), nil, nil, logtoguard.ErrWrongAudience, "aud", "http and https"},
	{"another API", edits(set("aud", "https://other.api")), nil, nil, logtoguard.ErrWrongAudience, "aud", "resource=https://shopping.api"},
	{"the application", edits(set("aud", "shop")), nil, nil, logtoguard.ErrWrongAudience, "aud", "the application itself"},
	{"many audiences", edits(set("aud", slices.Repeat([]string{shopping}, 17))), nil, nil, logtoguard.ErrWrongAudience, "aud", "aud holds 17 elements"},
	{"many odd audiences", edits(set("aud", slices.Repeat([]int{0}, 17))), nil, nil, logtoguard.ErrWrongAudience, "aud", "aud holds 17 elements"},
	{"no audience", edits(set("aud", 7)), nil, nil, logtoguard.ErrWrongAudience, "aud", "a string or an array of strings"},
	{"organization token", edits(set("aud", "urn:logto:organization:acme")), nil, nil, logtoguard.ErrWrongAudience, "aud", "-organization-tokens instead"},
	{"no organization token", nil, nil, []string{"-organization-tokens"}, logtoguard.ErrWrongAudience, "aud", "no organization token"},
	{"organization without an ID", edits(set("aud", "urn:logto:organization:")), nil, []string{"-organization-tokens"}, logtoguard.ErrWrongAudience, "aud", "no organization token"},
	{"two organizations", edits(set("aud", []string{"urn:logto:organization:a", "urn:logto:organization:b"})), nil, []string{"-organization-tokens"},
		logtoguard.ErrWrongAudience, "aud", "no more than one"},
	{"an API and two organizations", edits(set("aud", []string{shopping, "urn:logto:organization:a", "urn:logto:organization:b"})), nil, nil,
		logtoguard.ErrWrongAudience, "aud", "no more than one"},
	{"expired", edits(set("exp", ago(3*time.Minute+time.Second))), nil, nil, logtoguard.ErrExpired, "exp", "expired 3 minutes ago: get a new one"},
	{"endless", edits(set("exp", nil)), nil, nil, logtoguard.ErrInvalidClaim, "exp", "exp"},
	{"exp in too many digits", edits(set("exp", json.RawMessage("1795352400."+strings.Repeat("0", 54)))), nil, nil, logtoguard.ErrInvalidClaim, "exp", "exp"},
	{"not yet", edits(set("nbf", ago(-3*time.Minute-30*time.Second))), nil, nil, logtoguard.ErrNotYetValid, "nbf", "its nbf is in 3 minutes"},
	{"odd nbf", edits(set("nbf", "soon")), nil, nil, logtoguard.ErrInvalidClaim, "nbf", "custom-claims script"},
	{"issued later", edits(set("nbf", ago(time.Minute)), set("iat", ago(-3*time.Minute-30*time.Second))), nil, nil, logtoguard.ErrNotYetValid, "iat", "its iat is in 3 minutes"},
	{"no iat", edits(set("iat", nil)), nil, nil, logtoguard.ErrInvalidClaim, "iat", "iat"},
	{"nobody", edits(set("sub", nil)), nil, nil, logtoguard.ErrInvalidClaim, "sub", "another issuer"},
	{"no client", edits(set("client_id", "")), nil, nil, logtoguard.ErrInvalidClaim, "client_id", "another issuer"},
	{"odd scope", edits(set("scope", []string{"read:products"})), nil, nil, logtoguard.ErrInvalidClaim, "scope", "scope"},
	{"odd organization", edits(set("organization_id", 1)), nil, nil, logtoguard.ErrInvalidClaim, "organization_id", "custom-claims script"},
	{"sender-constrained", edits(set("cnf", map[string]any{"jkt": "x"})), nil, nil, logtoguard.ErrSenderConstrained, "cnf", "DPoP"},
	{"key that is gone", edits(setHeader("kid", "gone")), nil, nil, logtoguard.ErrUnknownKey, "key", "signed by a key that Logto no longer publishes, or never did (kid gone)"},
	{"changed", nil, func(s string) string { return s[:len(s)-8] + "AAAAAAAA" }, nil, logtoguard.ErrWrongSignature, "signature", "copy it again"},
	{"another organization", edits(set("organization_id", "other")), nil, []string{"-organization", "acme"},
		logtoguard.ErrWrongOrganization, "organization", "bound to the organization other"},
	{"no organization", nil, nil, []string{"-organization", "acme"}, logtoguard.ErrWrongOrganization, "organization", "organization_id=acme"},
	{"scope is missing", nil, nil, []string{"-scope", "read:products write:products"}, logtoguard.ErrInsufficientScope, "scopes needed", "missing: write:products."},
	{"scope of an organization", edits(set("organization_id", "acme")), nil, []string{"-scope", "read:products"},
		logtoguard.ErrInsufficientScope, "scopes needed", "-organization acme"},
	{"scope in some organization", edits(set("scope", "read:orders read:products")), nil, []string{"-organization-scope", "read:orders", "-scope", "read:products read:orders"},
		logtoguard.ErrInsufficientScope, "scopes needed", "read:orders counts in one only: a user's plain token"},
}

// many is an object with n members.
func many(n int) map[string]int {
	members := map[string]int{}
	for i := range n {
		members[strconv.Itoa(i)] = i
	}
	return members
}

func edits(list ...func(*logtotest.Draft)) []func(*logtotest.Draft) { return list }

func instead(token string) func(string) string { return func(string) string { return token } }

// ago is a time in a token that is judged at noon.
func ago(d time.Duration) int64 { return noon().Add(-d).Unix() }

// chosen is the value of a flag, or "".
func chosen(flags []string, name string) string {
	if i := slices.Index(flags, name); i >= 0 {
		return flags[i+1]
	}
	return ""
}

// judged is what the library says, without this program.
func judged(t *testing.T, endpoint, token string, flags []string) error {
	t.Helper()
	cfg := logtoguard.Config{
		Endpoint: endpoint, OrganizationTokens: slices.Contains(flags, "-organization-tokens"), Logger: slog.New(slog.DiscardHandler), Now: noon,
	}
	if audience := chosen(flags, "-audience"); audience != "" {
		cfg.Audience = []string{audience}
	}
	if scope := chosen(flags, "-organization-scope"); scope != "" {
		cfg.OrganizationScopes = []string{scope}
	}
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	defer guard.Close()
	claims, err := guard.Verify(t.Context(), token)
	if id := chosen(flags, "-organization"); err == nil && id != "" {
		claims, err = claims.ForOrganization(id)
	}
	if scopes := chosen(flags, "-scope"); err == nil && scopes != "" {
		err = claims.CheckScope(strings.Fields(scopes)...)
	}
	return err
}

// What the advice says is not said again as a note.
func TestOneHintForASlash(t *testing.T) {
	logto := startLogto(t)
	token := logto.Mint(logtotest.Token{})
	endsInSlash := logto.Mint(logtotest.Token{}, set("aud", shopping+"/"))
	for _, row := range []struct {
		name, token, audience string
		status, advice, notes int
	}{
		{"too many in the flag", token, shopping + "/", refused, 1, 0},
		{"too many in the token", endsInSlash, shopping, refused, 1, 0},
		{"in both", endsInSlash, shopping + "/", fine, 1, 1}, // on scopes; on the slash
		{"another API", endsInSlash, "https://other.api/", refused, 1, 0},
		{"another fault", token + "~", shopping + "/", refused, 1, 1},
	} {
		got := session{stdin: row.token}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", row.audience, "-json")
		assert.Equal(t, row.status, got.status, row.name)
		assert.Len(t, got.report(t).Advice, row.advice, row.name)
		assert.Len(t, got.report(t).Notes, row.notes, row.name)
	}
}

func TestRefusals(t *testing.T) {
	logto := startLogto(t, noon)
	for _, row := range refusals {
		t.Run(row.name, func(t *testing.T) {
			token := logto.Mint(logtotest.Token{Subject: "shop", Scopes: []string{"read:products"}}, row.edits...)
			if row.token != nil {
				token = row.token(token)
			}
			flags := append([]string{"explain", "-endpoint", logto.Endpoint()}, row.flags...)
			if chosen(row.flags, "-audience") == "" && !slices.Contains(row.flags, "-organization-tokens") {
				flags = append(flags, "-audience", shopping)
			}
			var want *logtoguard.Error
			require.ErrorAs(t, judged(t, logto.Endpoint(), token, flags), &want)
			require.ErrorIs(t, want, row.is)

			people := session{stdin: token + "\n", now: noon}.run(t, flags...)
			assert.Equal(t, refused, people.status, people.stderr)
			assert.Contains(t, people.stdout, "\n  ✗ "+row.check+" ")
			assert.Equal(t, 1, strings.Count(people.stdout, "✗"))
			assert.Contains(t, people.stdout, row.advice)

			machines := session{stdin: token + "\n", now: noon}.run(t, append(flags, "-json")...)
			assert.Equal(t, refused, machines.status)
			got := machines.report(t)
			assert.Equal(t, row.check, got.failed())
			inOrder(t, got.Checks)
			assert.Contains(t, strings.Join(got.Advice, "\n"), row.advice)
			assert.Equal(t, []any{"refused", want.Reason, want.Status, want.Description, want.Challenge()},
				[]any{got.Verdict, got.Reason, got.Status, got.Description, got.Challenge})
			staysSecret(t, token, people, machines)
		})
	}
}

// inOrder: what passed, what failed, and nothing about the rest.
func inOrder(t *testing.T, list []result) {
	t.Helper()
	expected := "passed"
	for _, c := range list {
		switch {
		case c.Result == "failed":
			assert.Equal(t, "passed", expected)
			expected = "not_reached"
			assert.NotEmpty(t, c.Expected)
		case assert.Equal(t, expected, c.Result, c.Name) && expected == "not_reached":
			assert.Empty(t, c.Found, c.Name)
		}
	}
}

// staysSecret: neither the token nor its signature is anywhere.
func staysSecret(t *testing.T, token string, outcomes ...outcome) {
	t.Helper()
	signature := token[strings.LastIndex(token, ".")+1:]
	for _, out := range outcomes {
		for _, text := range []string{out.stdout, out.stderr} {
			if len(signature) > 20 {
				assert.NotContains(t, text, signature[:20])
				assert.NotContains(t, text, signature[len(signature)-20:])
			}
		}
	}
}
