package logtoguard_test

import (
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
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

func loggingGuard(t *testing.T, log *guardtest.Journal, level slog.Level, edits ...func(*logtoguard.Config)) (*logtotest.Server, *logtoguard.Guard) {
	t.Helper()
	logto, clock := guardtest.NewLogto(t, "")
	edits = append(edits, func(c *logtoguard.Config) { c.Logger = log.Logger(level) })
	guard := guardtest.NewGuard(t, logto, clock, edits...)
	guardtest.Ready(t, guard)
	return logto, guard
}

func TestRefusalIsLoggedAtDebug(t *testing.T) {
	var log guardtest.Journal
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
		{"issuer", "Bearer " + logto.Mint(logtotest.Token{}, guardtest.Claim("iss", "https://evil.example")),
			"reason=issuer status=401 kid=" + kid + " issuer=https://evil.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			known := len(log.Refusals())
			var values []string
			if tt.authorization != "" {
				values = append(values, tt.authorization)
			}
			guardtest.Serve(guard.Handler(guardtest.NoContent), values...)
			lines := log.Refusals()
			require.Len(t, lines, known+1)
			require.Equal(t, `level=DEBUG msg="logtoguard: refused" `+tt.want, lines[known])
		})
	}
}

func TestRefusalIsNotLoggedAtInfo(t *testing.T) {
	var log guardtest.Journal
	logto, guard := loggingGuard(t, &log, slog.LevelInfo)
	before := log.String() // the coming of the keys
	scoped := guard.Handler(logtoguard.RequireScope("read:products")(guardtest.NoContent))
	for _, authorization := range everyAuthorization(logto) {
		guardtest.Serve(scoped, authorization...)
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
			logto, clock := guardtest.NewLogto(t, "")
			var records attrSink
			guard := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) { c.Logger = slog.New(&records) })
			guardtest.Ready(t, guard)
			for _, edit := range []func(*logtotest.Draft){
				func(d *logtotest.Draft) { d.Header["kid"] = words.sent },
				guardtest.Claim("iss", words.sent),
			} {
				guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+logto.Mint(logtotest.Token{}, edit))
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
		"iss":        guardtest.Claim("iss", "https://evil.example/oidc"),
		"iss type":   guardtest.Claim("iss", 1),
		"aud":        guardtest.Claim("aud", "https://other.api"),
		"exp":        guardtest.Claim("exp", 1),
		"exp type":   guardtest.Claim("exp", "1"),
		"nbf":        guardtest.Claim("nbf", guardtest.Now.Unix()+3600),
		"iat":        guardtest.Claim("iat", guardtest.Now.Unix()+3600),
		"sub":        guardtest.Claim("sub", ""),
		"scope":      guardtest.Claim("scope", []string{"read:products"}),
		"cnf":        guardtest.Claim("cnf", map[string]any{"jkt": "x"}),
	} {
		edits := []func(*logtotest.Draft){edit, guardtest.Claim("note", "hunter2hunter2")}
		all[name] = []string{"Bearer " + logto.Mint(logtotest.Token{}, edits...)}
	}
	return all
}

// Nothing that lets somebody in may be found in a log, an answer, or an error.
func TestNoTokenIsEverShown(t *testing.T) {
	var log guardtest.Journal
	logto, guard := loggingGuard(t, &log, guardtest.Everything)
	shut := guardtest.NewGuard(t, logto, logtotest.NewClock(guardtest.Now))
	require.NoError(t, shut.Close())
	checks := func(g *logtoguard.Guard) http.Handler {
		organization := logtoguard.RequireOrganization(func(*http.Request) string { return "other" })
		return g.Handler(logtoguard.RequireScope("read:products")(organization(guardtest.NoContent)))
	}
	var shown strings.Builder
	all := everyAuthorization(logto)
	run := func(guard *logtoguard.Guard) {
		for _, authorization := range all {
			w := guardtest.Serve(checks(guard), authorization...)
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
	run(guardtest.NewGuard(t, logto, logtotest.NewClock(guardtest.Now), func(c *logtoguard.Config) { c.Logger = log.Logger(guardtest.Everything) }))
	require.Greater(t, len(log.Refusals()), 3*len(all))

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
	var log guardtest.Journal
	logto, guard := loggingGuard(t, &log, slog.LevelDebug, func(c *logtoguard.Config) {
		c.Check = func(context.Context, *logtoguard.Claims) error { return errors.New("user locked\nout") }
	})
	token := logto.Mint(logtotest.Token{})
	for range 2 { // a new token, and a known one
		w := guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+token)
		require.NotContains(t, w.Body.String()+w.Header().Get("WWW-Authenticate"), "locked")
	}
	require.Len(t, log.Refusals(), 2)
	for _, line := range log.Refusals() {
		require.Contains(t, line, `reason=check`)
		require.Contains(t, line, `user locked\\nout`)
		require.NotContains(t, line, "kid=")
	}
}

// TestHostileClaimsInTheLog: also what Logto signed is quoted, for a tenant's script
// can write it. Whether the token is refused for a scope or let in, and the handler
// logs its claims, by whatever handler of slog, or prints them: no line is broken.
func TestHostileClaimsInTheLog(t *testing.T) {
	for _, name := range []string{"scope", "organization_id", "sub", "client_id", "jti", "act", "note", "kid", "iss", "aud"} {
		for kind, handler := range map[string]func(*guardtest.Journal) slog.Handler{
			"text": func(s *guardtest.Journal) slog.Handler {
				return slog.NewTextHandler(s, &slog.HandlerOptions{Level: guardtest.Everything})
			},
			"JSON": func(s *guardtest.Journal) slog.Handler {
				return slog.NewJSONHandler(s, &slog.HandlerOptions{Level: guardtest.Everything})
			},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				var sink guardtest.Journal
				logger := slog.New(handler(&sink))
				logto, clock := guardtest.NewLogto(t, "ES256")
				guard := guardtest.NewGuard(t, logto, clock, func(cfg *logtoguard.Config) { cfg.Logger = logger })
				guardtest.Ready(t, guard)
				served := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					claims, _ := logtoguard.ClaimsFromContext(r.Context())
					logger.Info("served", "claims", claims)
					_, _ = fmt.Fprintf(&sink, "%v %+v %#v %s\n", claims, claims, claims, claims)
				})
				token := "Bearer " + logto.Mint(logtotest.Token{}, hostile(name))
				w := guardtest.Serve(guard.Handler(served), token)
				guardtest.RequirePrintable(t, strings.TrimSuffix(fmt.Sprint(w.Header(), w.Body), "\n"))
				w = guardtest.Serve(guard.Handler(logtoguard.RequireScope("read:products")(served)), token)
				require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, w.Code)
				guardtest.RequirePrintable(t, strings.TrimSuffix(fmt.Sprint(w.Header(), w.Body), "\n"))

				require.NotEmpty(t, sink.Refusals())
				for line := range strings.Lines(sink.String()) {
					guardtest.RequirePrintable(t, strings.TrimSuffix(line, "\n"))
					require.False(t, strings.HasPrefix(line, "level=INFO msg=forged"), "a line of its own")
				}
			})
		}
	}
}

func hostile(name string) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) {
		switch name {
		case "kid":
			d.Header[name] = guardtest.HostileWords
		case "act":
			d.Claims[name] = map[string]any{"sub": guardtest.HostileWords}
		default:
			d.Claims[name] = guardtest.HostileWords
		}
	}
}
