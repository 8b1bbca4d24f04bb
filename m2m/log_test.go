package m2m_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/m2m"
)

const (
	failed = `level=WARN msg="m2m: renewing the token failed: serving on with the one that is there"`
	works  = `level=WARN msg="m2m: renewing the token works again"`
)

func logged(to *guardtest.Journal) func(*m2m.Config) {
	return func(c *m2m.Config) { c.Logger = slog.New(slog.NewTextHandler(to, nil)) }
}

func expired(int32, *http.Request) (*http.Response, error) {
	return jsonAnswer(400, `{"error":"invalid_request","error_description":"client secret has expired"}`), nil
}

// A planned end of a secret is noticed while the token still works.
func TestRenewalsThatFailAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log guardtest.Journal
		w := newWorld(nil)
		client := newClient(t, by(w), clocked(w.clock), logged(&log))
		for _, step := range []struct {
			advance       time.Duration
			answer        func(int32, *http.Request) (*http.Response, error)
			works         bool // a call gets a token
			failed, again int  // lines so far
		}{
			{0, expired, false, 0, 0}, // the caller gets the error
			{time.Second, nil, true, 0, 0},
			{46 * time.Minute, expired, true, 1, 0},
			{10 * time.Second, expired, true, 1, 0},
			{13 * time.Minute, expired, true, 1, 0},
			{time.Minute, expired, false, 1, 0},
			{time.Minute, nil, true, 1, 1},
			{50 * time.Minute, nil, true, 1, 1},
			{50 * time.Minute, down, true, 2, 1},
			{10 * time.Second, nil, true, 2, 2},
		} {
			w.clock.Advance(step.advance)
			w.logto.answer = step.answer
			_, err := client.Token(t.Context())
			assert.Equal(t, step.works, err == nil)
			synctest.Wait()
			require.Equal(t, []int{step.failed, step.again}, []int{len(log.With(failed)), len(log.With(works))}, "after %v", step.advance)
		}
		assert.Len(t, log.With(failed, "expires=2026-11-22T13:00:01.000Z", "client secret has expired", "config.app_id=manager", "config.resource="+shopping), 1)
		assert.Len(t, log.With("config.app_id=manager"), 4, "no other lines")
		assertNoSecret(t, log.String())
	})
}

// The caller of an API that answers 401 doesn't see why there is no other token.
func TestAFailedRenewalAfter401IsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log guardtest.Journal
		w := newWorld(accept("token-1"))
		client := w.client(t, logged(&log))
		do(t, client, http.MethodGet, "https://api.example/", nil)
		w.api, w.logto.answer = accept(), expired
		require.Equal(t, 401, do(t, client, http.MethodGet, "https://api.example/", nil).StatusCode)
		synctest.Wait()
		require.Len(t, log.With(failed), 1)
	})
}

// calling is a handler that sends what is logged somewhere by the Client itself.
type calling struct {
	slog.Handler
	call func()
}

func (c calling) Handle(ctx context.Context, record slog.Record) error {
	c.call()
	return c.Handler.Handle(ctx, record)
}

func (c calling) WithAttrs([]slog.Attr) slog.Handler { return c }

func TestALoggerMayCallTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil)
		var client *m2m.Client
		calls := 0
		client = newClient(t, by(w), clocked(w.clock), func(c *m2m.Config) {
			c.Logger = slog.New(calling{slog.NewTextHandler(io.Discard, nil), func() {
				calls++
				token(t, client)
			}})
		})
		token(t, client)
		w.clock.Advance(50 * time.Minute)
		w.logto.answer = down
		token(t, client)
		synctest.Wait()
		require.Equal(t, 1, calls)
	})
}

func TestTheDefaultLogger(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		var log guardtest.Journal
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		w := newWorld(nil)
		client := newClient(t, by(w), clocked(w.clock))
		slog.SetDefault(before)
		token(t, client)
		w.clock.Advance(50 * time.Minute)
		w.logto.answer = down
		token(t, client)
		synctest.Wait()
		require.Len(t, log.With(failed), 1, "that of the time of New")
	})
}
