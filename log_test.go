package logtoguard_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// everything is a level below all that is logged.
const everything = slog.LevelDebug - 100

// logSink keeps what is logged, by a guard's own goroutine too.
type logSink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *logSink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *logSink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// logger drops the time, so that lines can be compared.
func (s *logSink) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// refusals are the lines of refused requests.
func (s *logSink) refusals() []string {
	var lines []string
	for line := range strings.Lines(s.String()) {
		if strings.Contains(line, "logtoguard: refused") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func loggingGuard(t *testing.T, log *logSink, level slog.Level, edits ...func(*logtoguard.Config)) (*logtotest.Server, *logtoguard.Guard) {
	t.Helper()
	logto, clock := newLogto(t, "")
	edits = append(edits, func(c *logtoguard.Config) { c.Logger = log.logger(level) })
	guard := newGuard(t, logto, clock, edits...)
	ready(t, guard)
	return logto, guard
}

func TestRefusalIsLoggedAtDebug(t *testing.T) {
	var log logSink
	logto, guard := loggingGuard(t, &log, slog.LevelDebug)
	kid, issuer := logto.Key().ID(), logto.Endpoint()+"/oidc"
	seen := " kid=" + kid + " issuer=" + issuer
	tests := []struct {
		name, authorization, want string
	}{
		{"no token", "", "reason=no_token status=401"},
		{"opaque", "Bearer abc", "reason=opaque status=401"},
		{"not an access token", "Bearer " + logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) { d.Header["typ"] = "JWT" }), "reason=not_access_token status=401"},
		{"expired", "Bearer " + logto.Mint(logtotest.Token{Lifetime: -3600e9}), "reason=expired status=401" + seen},
		{"signature", "Bearer " + logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) { d.Key = nil }), "reason=signature status=401" + seen},
		{"issuer", "Bearer " + logto.Mint(logtotest.Token{}, claim("iss", "https://evil.example")),
			"reason=issuer status=401 kid=" + kid + " issuer=https://evil.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			known := len(log.refusals())
			var values []string
			if tt.authorization != "" {
				values = append(values, tt.authorization)
			}
			serve(guard.Handler(noContent), values...)
			lines := log.refusals()
			require.Len(t, lines, known+1)
			require.Equal(t, `level=DEBUG msg="logtoguard: refused" `+tt.want, lines[known])
		})
	}
}

func TestRefusalIsNotLoggedAtInfo(t *testing.T) {
	var log logSink
	logto, guard := loggingGuard(t, &log, slog.LevelInfo)
	before := log.String() // the coming of the keys
	scoped := guard.Handler(logtoguard.RequireScope("read:products")(noContent))
	for _, authorization := range everyAuthorization(logto) {
		serve(scoped, authorization...)
	}
	require.Equal(t, before, log.String())
}

// What a stranger wrote comes into the log short, and quoted unless it is a plain
// word, whatever handler writes it.
func TestHostileWordsInTheLog(t *testing.T) {
	long := strings.Repeat("A", 10_000)
	for name, words := range map[string]struct{ sent, logged string }{
		"line breaks":      {"x\nlevel=INFO msg=forged\r\n", `"x\nlevel=INFO msg=forged\r\n"`},
		"terminal escape":  {"x\x1b[2J\x1b]0;owned\x07", `"x\x1b[2J\x1b]0;owned\a"`},
		"quotes":           {`x"status=200"`, `"x\"status=200\""`},
		"an attribute":     {"status=200", `"status=200"`},
		"a space":          {"a b", `"a b"`},
		"direction":        {"x\u202egnp.exe", `"x\u202egnp.exe"`},
		"10 kB":            {long, long[:64]},
		"line breaks only": {strings.Repeat("\n", 3000), `"` + strings.Repeat(`\n`, 64) + `"`},
		"cut in a rune":    {long[:63] + "é", `"` + long[:63] + `\xc3"`},
	} {
		t.Run(name, func(t *testing.T) {
			logto, clock := newLogto(t, "")
			var records attrSink
			guard := newGuard(t, logto, clock, func(c *logtoguard.Config) { c.Logger = slog.New(&records) })
			ready(t, guard)
			for _, edit := range []func(*logtotest.Draft){
				func(d *logtotest.Draft) { d.Header["kid"] = words.sent },
				claim("iss", words.sent),
			} {
				serve(guard.Handler(noContent), "Bearer "+logto.Mint(logtotest.Token{}, edit))
			}
			require.Equal(t, words.logged, records.value("kid", 0))
			require.Equal(t, words.logged, records.value("issuer", 1))
		})
	}
}

// attrSink keeps the attributes of refusals as the guard hands them on.
type attrSink struct {
	mu      sync.Mutex
	records []map[string]string
}

func (s *attrSink) Enabled(context.Context, slog.Level) bool { return true }
func (s *attrSink) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *attrSink) WithGroup(string) slog.Handler            { return s }

func (s *attrSink) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Level == slog.LevelDebug {
		attrs := map[string]string{}
		r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value.String(); return true })
		s.records = append(s.records, attrs)
	}
	return nil
}

func (s *attrSink) value(key string, record int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[record][key]
}

// everyAuthorization is one Authorization for each kind of refusal, and one that is let in.
func everyAuthorization(logto *logtotest.Server) map[string][]string {
	all := map[string][]string{
		"basic":           {"Basic YWRtaW46aHVudGVyMg=="},
		"two headers":     {"Bearer hunter2.hunter2.first", "Bearer hunter2.hunter2.second"},
		"two values":      {"Bearer hunter2.hunter2.first hunter2.hunter2.second"},
		"not token68":     {`Bearer "hunter2.hunter2.quoted"`},
		"opaque":          {"Bearer hunter2hunter2hunter2hunter2"},
		"bad base64":      {"Bearer hunter2~.hunter2~.hunter2~"},
		"no JSON":         {"Bearer aHVudGVyMmh1bnRlcjI.aHVudGVyMmh1bnRlcjI.aHVudGVyMmh1bnRlcjI"},
		"too long":        {"Bearer " + strings.Repeat("hunter2", 3000)},
		"good":            {"Bearer " + logto.Mint(logtotest.Token{Scopes: []string{"read:products"}})},
		"no scope":        {"Bearer " + logto.Mint(logtotest.Token{})},
		"an organization": {"Bearer " + logto.Mint(logtotest.Token{OrganizationID: "acme", Scopes: []string{"read:products"}})},
		"duplicate":       {"Bearer " + logto.Key().Sign([]byte(`{"typ":"at+jwt","alg":"ES384","kid":"`+logto.Key().ID()+`"}`), []byte(`{"note":"hunter2hunter2","note":"hunter2hunter2"}`))},
	}
	for name, edit := range map[string]func(*logtotest.Draft){
		"typ":        func(d *logtotest.Draft) { d.Header["typ"] = "JWT" },
		"alg":        func(d *logtotest.Draft) { d.Header["alg"] = "HS256" },
		"alg of key": func(d *logtotest.Draft) { d.Header["alg"] = "ES256" },
		"crit":       func(d *logtotest.Draft) { d.Header["crit"] = []string{"b64"} },
		"no kid":     func(d *logtotest.Draft) { delete(d.Header, "kid") },
		"kid":        func(d *logtotest.Draft) { d.Header["kid"] = "unknown" },
		"key":        func(d *logtotest.Draft) { d.Key = logtotest.NewKey("ES384") },
		"signature":  func(d *logtotest.Draft) { d.Key = logtotest.NewKey("ES256") },
		"unsigned":   func(d *logtotest.Draft) { d.Key = nil },
		"iss":        claim("iss", "https://evil.example/oidc"),
		"iss type":   claim("iss", 1),
		"aud":        claim("aud", "https://other.api"),
		"exp":        claim("exp", 1),
		"exp type":   claim("exp", "1"),
		"nbf":        claim("nbf", now.Unix()+3600),
		"iat":        claim("iat", now.Unix()+3600),
		"sub":        claim("sub", ""),
		"scope":      claim("scope", []string{"read:products"}),
		"cnf":        claim("cnf", map[string]any{"jkt": "x"}),
	} {
		edits := []func(*logtotest.Draft){edit, claim("note", "hunter2hunter2")}
		all[name] = []string{"Bearer " + logto.Mint(logtotest.Token{}, edits...)}
	}
	return all
}

// Nothing that lets somebody in may be found in a log, an answer, or an error.
func TestNoTokenIsEverShown(t *testing.T) {
	var log logSink
	logto, guard := loggingGuard(t, &log, everything)
	shut := newGuard(t, logto, logtotest.NewClock(now))
	require.NoError(t, shut.Close())
	checks := func(g *logtoguard.Guard) http.Handler {
		organization := logtoguard.RequireOrganization(func(*http.Request) string { return "other" })
		return g.Handler(logtoguard.RequireScope("read:products")(organization(noContent)))
	}
	var shown strings.Builder
	all := everyAuthorization(logto)
	run := func(guard *logtoguard.Guard) {
		for _, authorization := range all {
			w := serve(checks(guard), authorization...)
			fmt.Fprintln(&shown, w.Body, w.Header())
			r, _ := http.NewRequest(http.MethodGet, "/", nil)
			r.Header["Authorization"] = authorization
			claims, err := guard.VerifyRequest(r)
			fmt.Fprintf(&shown, "%v %+v\n%s\n", claims, claims, strings.Join(errorTexts(err), "\n"))
		}
	}
	run(guard)
	run(shut)
	logto.Disturb(logtotest.Down())
	run(newGuard(t, logto, logtotest.NewClock(now), func(c *logtoguard.Config) { c.Logger = log.logger(everything) }))
	require.Greater(t, len(log.refusals()), 3*len(all))

	text := shown.String() + log.String()
	for name, authorization := range all {
		for _, secret := range secretsOf(authorization) {
			require.False(t, strings.Contains(text, secret), "%s: %s is shown", name, secret)
		}
	}
}

// errorTexts are the texts of an error and of all that it wraps.
func errorTexts(err error) []string {
	if err == nil {
		return nil
	}
	texts := []string{err.Error(), fmt.Sprintf("%+v", err)}
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		texts = append(texts, errorTexts(wrapper.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			texts = append(texts, errorTexts(inner)...)
		}
	}
	return texts
}

// secretsOf are the words of these headers, the parts of tokens, and what they encode.
func secretsOf(authorization []string) []string {
	secrets := []string{"hunter2"}
	for _, value := range authorization {
		secrets = append(secrets, value)
		for _, word := range strings.Fields(value)[1:] {
			secrets = append(secrets, word)
			for _, part := range strings.Split(word, ".") {
				if len(part) < 8 {
					continue
				}
				secrets = append(secrets, part)
				if raw, err := base64.RawURLEncoding.DecodeString(part); err == nil && len(raw) >= 8 {
					secrets = append(secrets, string(raw), hex.EncodeToString(raw), fmt.Sprint(raw))
				}
			}
		}
	}
	return secrets
}

// The text of an error that Check returned is for the log only, on one line.
func TestCheckIsLogged(t *testing.T) {
	var log logSink
	logto, guard := loggingGuard(t, &log, slog.LevelDebug, func(c *logtoguard.Config) {
		c.Check = func(context.Context, *logtoguard.Claims) error { return errors.New("user locked\nout") }
	})
	w := serve(guard.Handler(noContent), "Bearer "+logto.Mint(logtotest.Token{}))
	require.NotContains(t, w.Body.String()+w.Header().Get("WWW-Authenticate"), "locked")
	require.Len(t, log.refusals(), 1)
	require.Contains(t, log.refusals()[0], `reason=check`)
	require.Contains(t, log.refusals()[0], `user locked\\nout`)
}
