package revocation_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

// A world has a Logto whose clock the test moves, and makes claims of its tokens.
type world struct {
	logto *logtotest.Server
	clock *logtotest.Clock
	guard *logtoguard.Guard
}

func newWorld(t testing.TB) *world {
	t.Helper()
	logto, clock := guardtest.NewLogto(t, "ES256")
	return &world{logto, clock, guardtest.NewGuard(t, logto, clock)}
}

// list makes a List that goes by the world's clock and logs nothing.
func (w *world) list(t testing.TB, edits ...func(*revocation.Config)) *revocation.List {
	t.Helper()
	return newList(t, append([]func(*revocation.Config){func(cfg *revocation.Config) { cfg.Now = w.clock.Now }}, edits...)...)
}

func newList(t testing.TB, edits ...func(*revocation.Config)) *revocation.List {
	t.Helper()
	cfg := revocation.Config{Logger: slog.New(slog.DiscardHandler)}
	for _, edit := range edits {
		edit(&cfg)
	}
	list, err := revocation.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = list.Close() })
	return list
}

// claims mints a token now and has it verified.
func (w *world) claims(t testing.TB, token logtotest.Token, edits ...func(*logtotest.Draft)) *logtoguard.Claims {
	t.Helper()
	claims, err := w.guard.Verify(context.Background(), w.logto.Mint(token, edits...))
	require.NoError(t, err)
	return claims
}

// alice is a user's token in an organization.
var alice = logtotest.Token{Subject: "alice", ClientID: "web", OrganizationID: "acme"}

func id(jti string) func(*logtotest.Draft) { return guardtest.Claim("jti", jti) }

func actor(subject string) func(*logtotest.Draft) {
	return guardtest.Claim("act", map[string]string{"sub": subject})
}

// issued sets iat, and exp an hour later.
func issued(at time.Time) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) {
		d.Claims["iat"], d.Claims["exp"] = at.Unix(), at.Add(time.Hour).Unix()
	}
}

func letIn(t *testing.T, list *revocation.List, claims *logtoguard.Claims) {
	t.Helper()
	require.NoError(t, list.Check(t.Context(), claims))
}

func refused(t *testing.T, list *revocation.List, claims *logtoguard.Claims) {
	t.Helper()
	require.ErrorIs(t, list.Check(t.Context(), claims), revocation.ErrRevoked)
}

func revoke(t *testing.T, list *revocation.List, revocations ...revocation.Revocation) {
	t.Helper()
	require.NoError(t, list.Revoke(t.Context(), revocations...))
}

// A record is a Log in memory, which can fail in several ways. Its cursors are indices.
type record struct {
	mu       sync.Mutex
	entries  []revocation.Revocation
	appended []int         // how many entries came with each Append
	err      error         // what Append and Follow return
	deaf     bool          // Append waits until its context ends
	lost     bool          // Follow returns ErrLogLost once
	news     chan struct{} // is closed when any of this changes
	follows  []followed
}

// followed is one call of Follow.
type followed struct {
	at     time.Time
	cursor string
}

func (r *record) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	if r.news != nil {
		close(r.news)
	}
	r.news = make(chan struct{})
}

func (r *record) fail(err error) { r.change(func() { r.err = err }) }

func (r *record) Append(ctx context.Context, revocations ...revocation.Revocation) (err error) {
	r.mu.Lock()
	deaf := r.deaf
	r.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return ctx.Err()
	}
	r.change(func() {
		if err = r.err; err == nil {
			r.entries = append(r.entries, revocations...)
			r.appended = append(r.appended, len(revocations))
		}
	})
	return err
}

func (r *record) Follow(ctx context.Context, cursor string, handle func(revocation.Revocation, string), caughtUp func()) error {
	next := 0
	if cursor != "" {
		next, _ = strconv.Atoi(cursor)
	}
	r.change(func() { r.follows = append(r.follows, followed{time.Now(), cursor}) })
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		r.mu.Lock()
		fresh, err, lost, news := slices.Clone(r.entries[min(next, len(r.entries)):]), r.err, r.lost, r.news
		r.lost = false
		r.mu.Unlock()
		if lost {
			return revocation.ErrLogLost
		}
		if err != nil {
			return err
		}
		for _, entry := range fresh {
			next++
			handle(entry, strconv.Itoa(next))
		}
		caughtUp()
		select {
		case <-news:
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *record) all() []revocation.Revocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.entries)
}

func (r *record) followed() []followed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.follows)
}

func logged(log revocation.Log) func(*revocation.Config) {
	return func(cfg *revocation.Config) { cfg.Log = log }
}

func journaled(j *guardtest.Journal) func(*revocation.Config) {
	return func(cfg *revocation.Config) { cfg.Logger = j.Logger(slog.LevelDebug) }
}

var errDown = errors.New("the log is down")
