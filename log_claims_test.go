package logtoguard_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

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
