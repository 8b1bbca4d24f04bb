package logtoguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

func checked(check func(context.Context, *logtoguard.Claims) error) func(*logtoguard.Config) {
	return func(cfg *logtoguard.Config) { cfg.Check = check }
}

// A token that is known is asked about again: that is what Check is for.
func TestCheckRunsOnEveryRequest(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	type contextKey struct{}
	var asked []string
	lockedOut := false
	guard := guardtest.NewGuard(t, logto, clock, checked(func(ctx context.Context, c *logtoguard.Claims) error {
		require.Equal(t, "here", ctx.Value(contextKey{}))
		require.True(t, c.HasScope("a"))
		asked = append(asked, c.Subject())
		if lockedOut {
			return errors.New("locked out")
		}
		return nil
	}))
	ctx := context.WithValue(t.Context(), contextKey{}, "here")
	token := logto.Mint(logtotest.Token{Subject: "alice", ClientID: "web", Scopes: []string{"a"}})
	for range 3 {
		_, err := guard.Verify(ctx, token)
		require.NoError(t, err)
	}
	lockedOut = true
	claims, err := guard.Verify(ctx, token)
	require.ErrorIs(t, err, logtoguard.ErrRefusedByCheck)
	require.Nil(t, claims)
	lockedOut = false
	_, err = guard.Verify(ctx, token)
	require.NoError(t, err)
	require.Equal(t, []string{"alice", "alice", "alice", "alice", "alice"}, asked)

	// It is not asked about what is refused anyway.
	for _, token := range []string{"", "x", logto.Mint(logtotest.Token{Lifetime: -time.Hour}), logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) { d.Key = nil })} {
		_, err = guard.Verify(ctx, token)
		require.Error(t, err)
	}
	require.Len(t, asked, 5)
	require.EqualValues(t, 4, guard.Stats().Accepted)
	require.EqualValues(t, 1, guard.Stats().Refused["check"])
}

func TestCheckAnswers(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	mine := errors.New("s3cret detail")
	own := func(status int) *logtoguard.Error {
		return &logtoguard.Error{Status: status, Code: "own_code", Reason: "own_reason", Description: "own words"}
	}
	const refused = `{"error":"invalid_token","error_description":"the token was refused"}`
	const interrupted = `{"error":"temporarily_unavailable","error_description":"the token could not be checked in time"}`
	const answered = `{"error":"own_code","error_description":"own words"}`
	tests := []struct {
		name      string
		err       error
		status    int
		body      string
		challenge string
		reason    string
	}{
		{"401", own(401), 401, answered, `Bearer error="own_code", error_description="own words"`, "own_reason"},
		{"403", own(403), 403, answered, `Bearer error="own_code"`, "own_reason"},
		{"429", own(429), 429, answered, "", "own_reason"},
		{"503", own(503), 503, answered, "", "own_reason"},
		{"wrapped", fmt.Errorf("s3cret: %w", own(403)), 403, answered, `Bearer error="own_code"`, "own_reason"},
		{"joined", errors.Join(mine, own(429)), 429, answered, "", "own_reason"},
		{"without a reason", &logtoguard.Error{Status: 403, Code: "own_code", Description: "own words"}, 403, answered, `Bearer error="own_code"`, "check"},
		{"zero", &logtoguard.Error{}, 401, refused, refusedChallenge, "check"},
		{"200", own(200), 401, refused, refusedChallenge, "check"},
		{"302", own(302), 401, refused, refusedChallenge, "check"},
		{"400", own(400), 401, refused, refusedChallenge, "check"},
		{"404", own(404), 401, refused, refusedChallenge, "check"},
		{"500", own(500), 401, refused, refusedChallenge, "check"},
		{"-1", own(-1), 401, refused, refusedChallenge, "check"},
		{"another error", mine, 401, refused, refusedChallenge, "check"},
		{"the end of a context", context.Canceled, 503, interrupted, "", "check"},
		{"the end of time", fmt.Errorf("s3cret: %w", context.DeadlineExceeded), 503, interrupted, "", "check"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			guard := guardtest.NewGuard(t, logto, clock, checked(func(context.Context, *logtoguard.Claims) error { return tt.err }))
			authorization := "Bearer " + logto.Mint(logtotest.Token{})
			w := guardtest.Serve(guard.Handler(guardtest.NoContent), authorization)
			require.Equal(t, tt.status, w.Code)
			require.JSONEq(t, tt.body, w.Body.String())
			require.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
			require.NotContains(t, fmt.Sprint(w.Header()), "s3cret")

			_, err := guard.VerifyRequest(&http.Request{Header: http.Header{"Authorization": {authorization}}})
			var e *logtoguard.Error
			require.ErrorAs(t, err, &e)
			require.ErrorIs(t, err, tt.err, "errors.Is finds what Check returned")
			require.ErrorIs(t, err, logtoguard.ErrRefusedByCheck)
			require.NotContains(t, err.Error(), "s3cret")
			require.Equal(t, tt.reason, e.Reason)
			require.EqualValues(t, 2, guard.Stats().Refused[tt.reason])
		})
	}
}

const refusedChallenge = `Bearer error="invalid_token", error_description="the token was refused"`

// Check costs what it does itself, and nothing else.
func TestCheckThatAcceptsDoesNotAllocate(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock, checked(func(context.Context, *logtoguard.Claims) error { return nil }))
	token := logto.Mint(logtotest.Token{})
	guardtest.Accept(t, guard, token)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = guard.Verify(context.Background(), token) }))
}

// A func that returns a nil *Error as an error is a usual mistake, and no
// permission: it is refused, at every level of logging.
func TestCheckReturnsANilError(t *testing.T) {
	var log guardtest.Journal
	logto, guard := loggingGuard(t, &log, guardtest.Everything, checked(func(context.Context, *logtoguard.Claims) error {
		return (*logtoguard.Error)(nil)
	}))
	require.NotPanics(t, func() {
		w := guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+logto.Mint(logtotest.Token{}))
		require.Equal(t, 401, w.Code)
		require.Equal(t, refusedChallenge, w.Header().Get("WWW-Authenticate"))
	})
}

// An error that Check shares between requests stays as it is, whatever becomes of the answer.
func TestCheckKeepsItsError(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	shared := &logtoguard.Error{Status: 403, Code: "insufficient_scope", Scopes: []string{"a"}}
	guard := guardtest.NewGuard(t, logto, clock, checked(func(context.Context, *logtoguard.Claims) error { return shared }))
	_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{}))
	var e *logtoguard.Error
	require.ErrorAs(t, err, &e)
	require.NotSame(t, shared, e)
	require.Equal(t, "check", e.Reason)
	e.Scopes[0], e.Code = "changed", "changed"
	require.Equal(t, &logtoguard.Error{Status: 403, Code: "insufficient_scope", Scopes: []string{"a"}}, shared)
}

func TestCheckMayAskForScopesAndPatience(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock, checked(func(_ context.Context, c *logtoguard.Claims) error {
		if c.IsMachine() {
			return &logtoguard.Error{Status: 429, Code: "slow_down", Description: "too many calls", RetryAfter: 1500 * time.Millisecond}
		}
		return c.CheckScope("read:products")
	}))
	w := guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+logto.Mint(logtotest.Token{}))
	require.Equal(t, 429, w.Code)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	user := logtotest.Token{Subject: "alice", ClientID: "web"}
	authorization := "Bearer " + logto.Mint(user)
	w = guardtest.Serve(guard.Handler(guardtest.NoContent), authorization)
	require.Equal(t, 403, w.Code)
	require.Equal(t, scopeChallenge, w.Header().Get("WWW-Authenticate"))
	_, err := guard.VerifyRequest(&http.Request{Header: http.Header{"Authorization": {authorization}}})
	require.ErrorIs(t, err, logtoguard.ErrInsufficientScope)
	require.ErrorIs(t, err, logtoguard.ErrRefusedByCheck)
	require.EqualValues(t, 2, guard.Stats().Refused["scope"])

	user.Scopes = []string{"read:products"}
	require.Equal(t, 204, guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+logto.Mint(user)).Code)
}

// A client that hangs up has not been refused.
func TestCheckOfARequestThatEnds(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock, checked(func(ctx context.Context, _ *logtoguard.Claims) error {
		<-ctx.Done()
		return fmt.Errorf("query: %w", ctx.Err())
	}))
	guardtest.Ready(t, guard)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := guard.Verify(ctx, logto.Mint(logtotest.Token{}))
	var e *logtoguard.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 503, e.Status)
	require.Empty(t, e.Challenge())
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, guard.Stats().Accepted)
	require.Empty(t, guard.Stats().Refused)

	// What is wrong with the token is wrong, whoever still listens.
	_, err = guard.Verify(ctx, logto.Mint(logtotest.Token{Lifetime: -time.Hour}))
	require.ErrorIs(t, err, logtoguard.ErrExpired)
	require.Equal(t, map[string]uint64{"expired": 1}, guard.Stats().Refused)
}
