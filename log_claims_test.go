package logtoguard_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// hostileWords are what no log line may hold as it is: line breaks, escapes of
// terminals in seven bits and in eight, and what turns the direction of text.
const hostileWords = "x\nlevel=INFO msg=forged\r\n\x1b[31mred\x1b]0;owned\x07\u009b31m\u2028\u202egnp.exe\x7f\x00"

// TestHostileClaimsInTheLog: also what Logto signed is quoted, for a tenant's script
// can write it. Whether the token is refused for a scope or let in, and the handler
// logs its claims, by whatever handler of slog, or prints them: no line is broken.
func TestHostileClaimsInTheLog(t *testing.T) {
	for _, name := range []string{"scope", "organization_id", "sub", "client_id", "jti", "act", "note", "kid", "iss", "aud"} {
		for kind, handler := range map[string]func(*logSink) slog.Handler{
			"text": func(s *logSink) slog.Handler { return slog.NewTextHandler(s, &slog.HandlerOptions{Level: everything}) },
			"JSON": func(s *logSink) slog.Handler { return slog.NewJSONHandler(s, &slog.HandlerOptions{Level: everything}) },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				var sink logSink
				logger := slog.New(handler(&sink))
				logto, clock := newLogto(t, "ES256")
				guard := newGuard(t, logto, clock, func(cfg *logtoguard.Config) { cfg.Logger = logger })
				ready(t, guard)
				served := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					claims, _ := logtoguard.ClaimsFromContext(r.Context())
					logger.Info("served", "claims", claims)
					_, _ = fmt.Fprintf(&sink, "%v %+v %#v %s\n", claims, claims, claims, claims)
				})
				token := "Bearer " + logto.Mint(logtotest.Token{}, hostile(name))
				w := serve(guard.Handler(served), token)
				requirePrintable(t, strings.TrimSuffix(fmt.Sprint(w.Header(), w.Body), "\n"))
				w = serve(guard.Handler(logtoguard.RequireScope("read:products")(served)), token)
				require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, w.Code)
				requirePrintable(t, strings.TrimSuffix(fmt.Sprint(w.Header(), w.Body), "\n"))

				require.NotEmpty(t, sink.refusals())
				for line := range strings.Lines(sink.String()) {
					requirePrintable(t, strings.TrimSuffix(line, "\n"))
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
			d.Header[name] = hostileWords
		case "act":
			d.Claims[name] = map[string]any{"sub": hostileWords}
		default:
			d.Claims[name] = hostileWords
		}
	}
}

func requirePrintable(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		require.True(t, ' ' <= r && r <= '~', "%q in %q", r, text)
	}
}
