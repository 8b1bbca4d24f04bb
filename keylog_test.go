package logtoguard_test

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
			inBubble(t, func(t *testing.T, s *scene) {
				good := jwkUnder(hostileWords+strings.Repeat("x", 2000), logtotest.NewKey("ES256"))
				weak := jwkUnder(hostileWords+strings.Repeat("y", 2000), logtotest.NewKey("ES256"))
				weak["use"] = "enc"
				long := strings.Repeat("n", 100_000)
				twice := json.RawMessage(`{"kid":"twice","\u009b` + long + `":1,"\u009b` + long + `":2}`)
				s.logto.Disturb(keySetOf(good, weak, twice))
				guard := s.guard(t, func(cfg *logtoguard.Config) { cfg.Logger = slog.New(handler(s.log)) })
				becomesReady(t, guard)
				synctest.Wait()
				lines := s.log.with()
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
			inBubble(t, func(t *testing.T, s *scene) {
				failing := roundTripper(func(*http.Request) (*http.Response, error) {
					return nil, errors.New(hostileWords + strings.Repeat("x", 100_000))
				})
				guard := s.guard(t, func(cfg *logtoguard.Config) {
					cfg.HTTPClient, cfg.Logger = &http.Client{Transport: failing}, slog.New(handler(s.log))
				})
				synctest.Wait()
				refuse(t, guard, s.mint(), logtoguard.ErrKeysUnavailable)
				lines := s.log.with()
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
	requirePrintable(t, strings.TrimSuffix(line, "\n"))
}

// A key set of 1 MiB can hold a thousand keys, each under a long kid.
func TestManyKeysFloodNoLog(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		known := logtotest.NewKey("ES256")
		set := []any{s.logto.Key().JWK()}
		for i := range 20 {
			set = append(set, jwkUnder(fmt.Sprintf("kid-%03d-%s", i, strings.Repeat("x", 1000)), known))
		}
		s.logto.Disturb(keySetOf(set...))
		guard := s.readyGuard(t)
		accept(t, guard, s.mint())
		lines := s.log.with("keys changed", "and 11 more")
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
			inBubble(t, func(t *testing.T, s *scene) {
				set := []any{s.logto.Key().JWK()}
				for range row.odd {
					set = append(set, 0)
				}
				s.logto.Disturb(keySetOf(set...))
				guard := s.guard(t)
				synctest.Wait()
				assert.Len(t, s.log.with("skipped"), row.lines)
				if row.usable {
					accept(t, guard, s.mint())
				} else {
					refuse(t, guard, s.mint(), logtoguard.ErrKeysUnavailable)
					assert.Len(t, s.log.with("more than 1000 keys"), 1)
				}
				if row.odd > row.lines {
					assert.LessOrEqual(t, len(s.log.with(fmt.Sprintf("count=%d", row.odd-10))), 1)
				}
			})
		})
	}
}
