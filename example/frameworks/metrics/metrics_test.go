package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

const expected = `
# HELP logtoguard_key_age_seconds Time since Logto last confirmed the keys. 0 before the first.
# TYPE logtoguard_key_age_seconds gauge
logtoguard_key_age_seconds 90
# HELP logtoguard_key_fetch_failures_total Fetches of the key set that brought no usable keys.
# TYPE logtoguard_key_fetch_failures_total counter
logtoguard_key_fetch_failures_total 1
# HELP logtoguard_key_fetches_total Fetches of the key set that were begun.
# TYPE logtoguard_key_fetches_total counter
logtoguard_key_fetches_total 2
# HELP logtoguard_keys Keys in use.
# TYPE logtoguard_keys gauge
logtoguard_keys 3
# HELP logtoguard_refusals_total Requests that were refused, by the reason of the error.
# TYPE logtoguard_refusals_total counter
logtoguard_refusals_total{reason="keys"} 1
logtoguard_refusals_total{reason="malformed"} 2
logtoguard_refusals_total{reason="scope"} 1
logtoguard_refusals_total{reason="signature"} 4
# HELP logtoguard_signature_checks_total Signatures that were checked.
# TYPE logtoguard_signature_checks_total counter
logtoguard_signature_checks_total 8
# HELP logtoguard_token_cache_entries Verified tokens that are kept.
# TYPE logtoguard_token_cache_entries gauge
logtoguard_token_cache_entries 4
# HELP logtoguard_token_cache_hits_total Tokens that had been verified before.
# TYPE logtoguard_token_cache_hits_total counter
logtoguard_token_cache_hits_total 5
# HELP logtoguard_token_cache_misses_total Tokens that had not been verified before, whatever became of them.
# TYPE logtoguard_token_cache_misses_total counter
logtoguard_token_cache_misses_total 11
# HELP logtoguard_tokens_accepted_total Tokens that were let in.
# TYPE logtoguard_tokens_accepted_total counter
logtoguard_tokens_accepted_total 9
`

// failOnce is a network that is down for one request, and then answers with the
// keys, without sockets, which a bubble can't wait for.
type failOnce struct {
	failed bool
	keys   []any
}

func (f *failOnce) RoundTrip(*http.Request) (*http.Response, error) {
	if !f.failed {
		f.failed = true
		return nil, errors.New("down")
	}
	response := httptest.NewRecorder()
	err := json.NewEncoder(response).Encode(map[string]any{"keys": f.keys})
	return response.Result(), err
}

// No two numbers are the same, so that none can stand for another. In the bubble no
// back-off ends while the test is busy.
func TestCollector(t *testing.T) { synctest.Test(t, testCollector) }

func testCollector(t *testing.T) {
	clock := logtotest.NewClock(time.Now())
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: parity.Audience}}, Now: clock.Now})
	defer logto.Close()
	var keys []any
	for range 3 {
		logto.Rotate("")
		keys = append(keys, logto.Key().JWK())
	}
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(), Audience: []string{parity.Audience},
		HTTPClient: &http.Client{Transport: &failOnce{keys: keys}}, Now: clock.Now, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	defer guard.Close()
	api := routes(guard)
	ask := func(token string, status int) {
		t.Helper()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		response := httptest.NewRecorder()
		api.ServeHTTP(response, r)
		require.Equal(t, status, response.Code)
	}

	reader := logto.Mint(logtotest.Token{Scopes: []string{"read:products"}})
	ask(reader, 503)
	clock.Advance(time.Minute) // past the back-off
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, guard.Ready(ctx))
	for range 6 {
		ask(reader, 200)
	}
	for _, subject := range []string{"a", "b"} {
		ask(logto.Mint(logtotest.Token{Subject: subject, Scopes: []string{"read:products"}}), 200)
	}
	ask(logto.Mint(logtotest.Token{}), 403)
	foreign := logtotest.NewKey("ES384")
	for range 4 {
		ask(logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) { d.Key = foreign }), 401)
	}
	for range 2 {
		ask("a.b.c", 401)
	}
	clock.Advance(90 * time.Second)
	require.NoError(t, testutil.CollectAndCompare(newCollector(guard), strings.NewReader(expected)))
	faults, err := testutil.CollectAndLint(newCollector(guard))
	require.NoError(t, err)
	require.Empty(t, faults)

	response := httptest.NewRecorder()
	api.ServeHTTP(response, httptest.NewRequest("GET", "/metrics", nil))
	require.Contains(t, response.Body.String(), `logtoguard_refusals_total{guard="shop",reason="signature"} 4`)
}

// A Check may give reasons that Prometheus doesn't take, and that are the same once mended.
func TestReasonsOfTheCheck(t *testing.T) {
	reasons := []string{"caf\xe9", "caf\xe8", "caf?", "café"}
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: parity.Audience}}})
	defer logto.Close()
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(), Audience: []string{parity.Audience}, Logger: slog.New(slog.DiscardHandler),
		Check: func(_ context.Context, claims *logtoguard.Claims) error {
			i, _ := strconv.Atoi(claims.Subject())
			return &logtoguard.Error{Status: 403, Reason: reasons[i]}
		},
	})
	require.NoError(t, err)
	defer guard.Close()
	for i := range reasons {
		_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Subject: strconv.Itoa(i)}))
		require.Error(t, err)
	}
	require.NoError(t, testutil.CollectAndCompare(newCollector(guard), strings.NewReader(`
# HELP logtoguard_refusals_total Requests that were refused, by the reason of the error.
# TYPE logtoguard_refusals_total counter
logtoguard_refusals_total{reason="caf?"} 3
logtoguard_refusals_total{reason="café"} 1
`), "logtoguard_refusals_total"))
}

// The README tells the names.
func TestNamesAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	descriptions := make(chan *prometheus.Desc, 100)
	newCollector(parity.NewWorld(t, nil).Guard).Describe(descriptions)
	require.Len(t, descriptions, 10)
	for range 10 {
		name := strings.Split((<-descriptions).String(), `"`)[1]
		require.True(t, strings.Contains(string(readme), "`"+name), name)
	}
}

func TestRuns(t *testing.T) {
	world := parity.NewWorld(t, nil)
	url := "http://" + parity.Run(t, world.Logto)
	require.Equal(t, 401, parity.Ask(t, url, nil).Status)
	response, err := http.Get(url + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `logtoguard_refusals_total{guard="shop",reason="no_token"} 1`)
}
