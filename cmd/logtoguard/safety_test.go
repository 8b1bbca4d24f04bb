package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// What a stranger can put into a token to move a cursor, forge a line or turn text around.
const hostile = "\x1b[2J\x9b1m\r\n  ✓ signature\u202e\u0085\u2028\x7f\u00e9 😀"

// isTame: nothing but ASCII, lines, and the few characters of our own.
func isTame(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && (r < ' ' || r > '~') && !strings.ContainsRune("✓✗→…", r) {
			t.Fatalf("%U in %q", r, text)
		}
	}
}

// Whatever comes for a token: it is explained, it is refused, and the report is tame.
func FuzzExplain(f *testing.F) {
	key := logtotest.NewKey("ES256")
	flags := []string{"explain", "-endpoint", "https://logto.example", "-audience", shopping, "-keys", keyFile(f, key.JWK())}
	header := `{"alg":"ES256","typ":"at+jwt","kid":"` + key.ID() + `"}`
	f.Add(key.Sign([]byte(header), []byte(`{"iss":"https://logto.example/oidc","aud":["https://shopping.api/"]}`)))
	f.Add(key.Sign([]byte(header), []byte(`{"iss":"https://logto.example/oidc","aud":"https://shopping.api","exp":1e300,"nbf":null}`)))
	f.Add(key.Sign([]byte(`{"typ":"JWT","crit":[],"a":{"b":[1,2,{}]}}`), []byte(`{"aud":"`+"\u009b"+`","aud":1}`)))
	f.Add("Bearer a.b.c")
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, token string) {
		for _, extra := range []string{"-json=false", "-json"} {
			out := session{stdin: token}.run(t, append(flags, extra)...)
			if out.status != refused {
				t.Fatalf("exit status %d: %s", out.status, out.stderr)
			}
			isTame(t, out.stdout+out.stderr)
			if extra == "-json" {
				out.report(t)
			}
		}
	})
}

func TestNothingOfATokenCommandsATerminal(t *testing.T) {
	logto := startLogto(t)
	good := logto.Mint(logtotest.Token{}, set(hostile, map[string]any{"x": hostile}), set("name", hostile))
	odd := func(name string) string { return logto.Mint(logtotest.Token{}, set(name, hostile)) }
	header := func(name string) string { return logto.Mint(logtotest.Token{}, setHeader(name, hostile)) }
	tokens := []string{
		good, odd("iss"), odd("aud"), odd("exp"), odd("cnf"), header("typ"), header("alg"), header("kid"), header("crit"),
		hostile, "a." + hostile + ".b",
	}
	for _, token := range tokens {
		for _, extra := range [][]string{nil, {"-json"}} {
			out := session{stdin: token}.run(t, append([]string{"explain", "-endpoint", logto.Endpoint(), "-audience", shopping}, extra...)...)
			isTame(t, out.stdout+out.stderr)
			if extra == nil {
				assert.LessOrEqual(t, strings.Count(out.stdout, "\n  ✓ signature"), 1)
			}
		}
	}
	out := session{stdin: good}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json")
	assert.Equal(t, strings.ToValidUTF8(hostile, "\ufffd"), out.report(t).Claims["name"], "machines get it as it is")
}

func TestLongClaimsAreCut(t *testing.T) {
	logto := startLogto(t)
	token := logto.Mint(logtotest.Token{}, set("long", strings.Repeat("x", 5000)))
	out := session{stdin: token}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping)
	assert.Contains(t, out.stdout, "x… (and 4700 bytes)")
}

func TestOddJSON(t *testing.T) {
	logto := startLogto(t)
	head, err := json.Marshal(map[string]any{"alg": "ES384", "typ": "at+jwt", "kid": logto.Key().ID()})
	require.NoError(t, err)
	double := strings.Replace(string(head), "{", `{"crit":1,"crit":2,`, 1)
	for _, row := range []struct{ name, header, payload, check, found string }{
		{"claims twice", string(head), `{"iss":"a","iss":"b"}`, "claims", "has a member twice"},
		{"claims cut", string(head), `{"iss":"a","sub`, "claims", "cut off"},
		{"claims are an array", string(head), `[]`, "claims", "not a JSON object"},
		{"claims are not UTF-8", string(head), "{\"iss\":\"\xff\"}", "claims", "not valid UTF-8"},
		{"header twice", double, `{}`, "form", "has a member twice"},
		{"no header", `null`, `{}`, "form", "not a JSON object"},
	} {
		t.Run(row.name, func(t *testing.T) {
			token := logto.Key().Sign([]byte(row.header), []byte(row.payload))
			out := session{stdin: token}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json")
			got := out.report(t)
			assert.Equal(t, []any{"malformed", row.check}, []any{got.Reason, got.failed()})
			assert.Equal(t, row.check == "claims", got.Header != nil)
			assert.Equal(t, row.payload == "{}", got.Claims != nil)
			for _, c := range got.Checks {
				if c.Name == row.check {
					assert.Contains(t, c.Found, row.found)
				}
			}
		})
	}
}

func TestDeepClaims(t *testing.T) {
	logto := startLogto(t)
	deep := json.RawMessage(strings.Repeat("[", 5000) + strings.Repeat("]", 5000))
	token := logto.Mint(logtotest.Token{}, set("deep", deep))
	out := session{stdin: token}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json")
	assert.Equal(t, refused, out.status)
	assert.Contains(t, out.stdout, "nested 5001 deep")
	assert.Less(t, len(out.stdout), 20<<10)
}

func TestColour(t *testing.T) {
	terminal, err := os.OpenFile("/dev/zero", os.O_RDWR, 0) // a character device, like a terminal
	require.NoError(t, err)
	defer terminal.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	file, err := os.Create(t.TempDir() + "/out")
	require.NoError(t, err)
	defer file.Close()
	for _, row := range []struct {
		name string
		out  *os.File
		env  map[string]string
		want bool
	}{
		{"terminal", terminal, nil, true},
		{"NO_COLOR", terminal, map[string]string{"NO_COLOR": "1"}, false},
		{"empty NO_COLOR", terminal, map[string]string{"NO_COLOR": ""}, true},
		{"dumb", terminal, map[string]string{"TERM": "dumb"}, false},
		{"file", file, nil, false},
		{"null", null, nil, false},
	} {
		p := &program{stdout: row.out, getenv: func(name string) string { return row.env[name] }}
		assert.Equal(t, row.want, p.colour(), row.name)
	}
	coloured, plain := &text{colour: true}, &text{}
	assert.Equal(t, "\x1b[31m✗\x1b[0m", coloured.in(red, "✗"))
	assert.Equal(t, "✗", plain.in(red, "✗"))
}

func TestShow(t *testing.T) {
	for s, want := range map[string]string{
		"https://shopping.api": "https://shopping.api", "": `""`, " a": `" a"`, "a b": "a b", "é": `"\u00e9"`, "a\n": `"a\n"`,
	} {
		assert.Equal(t, want, show(s))
	}
	assert.False(t, strings.ContainsFunc(show(hostile), unicode.IsControl))
}

// A string that reads like another value, or like none, is told apart from it.
func TestShowValue(t *testing.T) {
	for raw, want := range map[string]string{
		``: "none", `"none"`: `"none"`, `"abc"`: "abc", `1`: "1", `"1"`: `"1"`, `null`: "null", `"null"`: `"null"`,
		`["a"]`: `["a"]`, `"[\"a\"]"`: `"[\"a\"]"`, `"\"a\""`: `"\"a\""`, `""`: `""`,
	} {
		var value jsontext.Value
		if raw != "" {
			value = jsontext.Value(raw)
		}
		assert.Equal(t, want, showValue(value), raw)
	}
	logto := startLogto(t)
	for _, row := range []struct {
		edit         func(*logtotest.Draft)
		check, found string
	}{
		{set("exp", "1"), "exp", `"1"`},
		{set("exp", "2026-11-22"), "exp", `"2026-11-22"`},
		{set("exp", nil), "exp", "none"},
		{setHeader("alg", "none"), "alg", `"none"`},
		{setHeader("alg", nil), "alg", "none"},
	} {
		out := session{stdin: logto.Mint(logtotest.Token{}, row.edit)}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json")
		for _, c := range out.report(t).Checks {
			if c.Name == row.check {
				assert.Equal(t, []string{"failed", row.found}, []string{c.Result, c.Found})
			}
		}
	}
}
