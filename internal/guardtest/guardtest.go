// Package guardtest holds what the tests of several packages share: a stand-in for
// Logto and guards that trust it, a Logto in a synctest bubble, key sets that fail in
// many ways, tokens with one fault each, and logs that can be read.
package guardtest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// Shopping is the audience of the guards, and the one resource of the stand-in.
const Shopping = "https://shopping.api"

// Now is when the tests take place, unless they move the clock.
var Now = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// Algorithms are the signature algorithms that a guard accepts.
var Algorithms = []string{"ES384", "ES256", "ES512", "RS256"}

// NewLogto starts a stand-in for Logto with one resource, and with a clock that
// stands still at Now. An empty algorithm is Logto's default.
func NewLogto(t testing.TB, algorithm string) (*logtotest.Server, *logtotest.Clock) {
	t.Helper()
	clock := logtotest.NewClock(Now)
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: Shopping, Scopes: []string{"read:products", "write:products"}}},
		Algorithm: algorithm,
		Now:       clock.Now,
	})
	t.Cleanup(logto.Close)
	return logto, clock
}

// NewGuard makes a guard that trusts the stand-in and logs nothing, unless an edit
// changes that. It is closed at the end of the test.
func NewGuard(t testing.TB, logto *logtotest.Server, clock *logtotest.Clock, edits ...func(*logtoguard.Config)) *logtoguard.Guard {
	t.Helper()
	cfg := logtoguard.Config{
		Endpoint: logto.Endpoint(),
		Audience: []string{Shopping},
		Now:      clock.Now,
		Logger:   slog.New(slog.DiscardHandler),
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	return guard
}

// Ready waits for the first keys of a guard.
func Ready(t testing.TB, guard *logtoguard.Guard) {
	t.Helper()
	require.NoError(t, guard.Ready(t.Context()))
}

// NoContent answers 204, as the guarded handlers of the tests do.
var NoContent = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// Serve sends one request with these values of Authorization, and returns the answer.
func Serve(handler http.Handler, authorization ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// Admitted fails the test unless the guard lets a request with this token in.
func Admitted(t *testing.T, guard *logtoguard.Guard, token string) {
	t.Helper()
	require.Equal(t, http.StatusNoContent, Serve(guard.Handler(NoContent), "Bearer "+token).Code)
}

// Accept fails the test unless the guard accepts the token.
func Accept(t *testing.T, guard *logtoguard.Guard, token string) {
	t.Helper()
	_, err := guard.Verify(t.Context(), token)
	require.NoError(t, err)
}

// Refuse fails the test unless the guard refuses the token for this reason. It
// returns the refusal.
func Refuse(t *testing.T, guard *logtoguard.Guard, token string, reason error) *logtoguard.Error {
	t.Helper()
	_, err := guard.Verify(t.Context(), token)
	require.ErrorIs(t, err, reason)
	var e *logtoguard.Error
	require.ErrorAs(t, err, &e)
	return e
}

// Crowd verifies the tokens of n callers at the same time, and returns their errors.
func Crowd(ctx context.Context, guard *logtoguard.Guard, n int, token func(i int) string) []error {
	tokens, errs := make([]string, n), make([]error, n)
	for i := range tokens {
		tokens[i] = token(i)
	}
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			_, errs[i] = guard.Verify(ctx, tokens[i])
		})
	}
	close(begin)
	wg.Wait()
	return errs
}

// Background runs f on a goroutine of its own. Its error is sent to the channel.
func Background(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// BecomesReady waits for keys for as long as the longest back-off: in a bubble,
// waiting for ever takes no time, so a test must not.
func BecomesReady(t *testing.T, guard *logtoguard.Guard) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), LongestBackOff)
	defer cancel()
	require.NoError(t, guard.Ready(ctx))
}

// WhyNotReady returns the error of a guard that has no keys.
func WhyNotReady(t *testing.T, guard *logtoguard.Guard) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := guard.Ready(ctx)
	require.ErrorIs(t, err, logtoguard.ErrKeysUnavailable)
	return err.Error()
}

// WhyNotReadyYet is like WhyNotReady, once the first fetch has failed.
func WhyNotReadyYet(t *testing.T, guard *logtoguard.Guard) string {
	t.Helper()
	require.Eventually(t, func() bool { return guard.Stats().KeyFetchFailures > 0 }, 10*time.Second, time.Millisecond)
	// The count comes a moment before the state that goes with it.
	require.Eventually(t, func() bool {
		return !strings.Contains(WhyNotReady(t, guard), "first fetch")
	}, 10*time.Second, time.Millisecond)
	return WhyNotReady(t, guard)
}

// NoLeaks fails the test if goroutines are left at its end. It looks after all other
// cleanups of the test: call it first.
func NoLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		err := goleak.Find(before)
		// goleak waits for less than a second, in which a busy machine may end no goroutine.
		for begin := time.Now(); err != nil && time.Since(begin) < time.Minute; {
			err = goleak.Find(before)
		}
		require.NoError(t, err)
	})
}
