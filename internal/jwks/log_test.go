package jwks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// logHandlers are slog's; that of JSON passes on some of what a terminal obeys.
var logHandlers = map[string]func(io.Writer) slog.Handler{
	"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	"JSON": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
}

func TestHostileWordsOfTheIssuerInTheLog(t *testing.T) {
	for name, handler := range logHandlers {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				good := guardtest.JWKUnder(guardtest.HostileWords+strings.Repeat("x", 2000), logtotest.NewKey("ES256"))
				weak := guardtest.JWKUnder(guardtest.HostileWords+strings.Repeat("y", 2000), logtotest.NewKey("ES256"))
				weak["use"] = "enc"
				long := strings.Repeat("n", 100_000)
				twice := json.RawMessage(`{"kid":"twice","\u009b` + long + `":1,"\u009b` + long + `":2}`)
				s.Logto.Disturb(guardtest.KeySetOf(good, weak, twice))
				guard := s.Guard(t, func(cfg *logtoguard.Config) { cfg.Logger = slog.New(handler(s.Log)) })
				guardtest.BecomesReady(t, guard)
				synctest.Wait()
				lines := s.Log.With()
				assert.Len(t, lines, 3, "two keys are skipped, and one is added")
				for _, line := range lines {
					assertTame(t, line)
				}
			})
		})
	}
}

func TestHostileErrorsOfATransportInTheLog(t *testing.T) {
	for name, handler := range logHandlers {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				failing := guardtest.RoundTripper(func(*http.Request) (*http.Response, error) {
					return nil, errors.New(guardtest.HostileWords + strings.Repeat("x", 100_000))
				})
				guard := s.Guard(t, func(cfg *logtoguard.Config) {
					cfg.HTTPClient, cfg.Logger = &http.Client{Transport: failing}, slog.New(handler(s.Log))
				})
				synctest.Wait()
				guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable)
				lines := s.Log.With()
				require.Len(t, lines, 1)
				assertTame(t, lines[0])
				assert.Contains(t, lines[0], "fetching the keys failed")
				assertTame(t, notReady(t, guard).Error())
			})
		})
	}
}

func assertTame(t *testing.T, line string) {
	t.Helper()
	assert.Less(t, len(line), 1500)
	guardtest.RequirePrintable(t, strings.TrimSuffix(line, "\n"))
}

// A key set of 1 MiB can hold a thousand keys, each under a long kid.
func TestManyKeysFloodNoLog(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		known := logtotest.NewKey("ES256")
		set := []any{s.Logto.Key().JWK()}
		for i := range 20 {
			set = append(set, guardtest.JWKUnder(fmt.Sprintf("kid-%03d-%s", i, strings.Repeat("x", 1000)), known))
		}
		s.Logto.Disturb(guardtest.KeySetOf(set...))
		guard := s.ReadyGuard(t)
		guardtest.Accept(t, guard, s.Mint())
		lines := s.Log.With("keys changed", "and 11 more")
		require.Len(t, lines, 1)
		assertTame(t, lines[0])
	})
}

// A key set of 1 MiB can hold half a million keys that are none.
func TestKeySetFloodsNoLog(t *testing.T) {
	for name, row := range map[string]struct {
		odd, lines int
		usable     bool
	}{
		"a few":               {10, 10, true},
		"many":                {999, 11, true},
		"more than are taken": {1000, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				set := []any{s.Logto.Key().JWK()}
				for range row.odd {
					set = append(set, 0)
				}
				s.Logto.Disturb(guardtest.KeySetOf(set...))
				guard := s.Guard(t)
				synctest.Wait()
				assert.Len(t, s.Log.With("skipped"), row.lines)
				if row.usable {
					guardtest.Accept(t, guard, s.Mint())
				} else {
					guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable)
					assert.Len(t, s.Log.With("more than 1000 keys"), 1)
				}
				if row.odd > row.lines {
					assert.LessOrEqual(t, len(s.Log.With(fmt.Sprintf("count=%d", row.odd-10))), 1)
				}
			})
		})
	}
}
