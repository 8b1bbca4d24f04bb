package valkeylog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard/internal/valkeytest"
	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

const (
	key     = "logto:revocations"
	field   = "revocation"
	patient = 30 * time.Second
	often   = 5 * time.Millisecond
)

// A server is a real one, in a process of its own.
type server struct{ *valkeytest.Server }

func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	return &server{valkeytest.New(t, args...)}
}

// do sends one command, on a connection of its own.
func (s *server) do(t testing.TB, command ...string) valkey.ValkeyMessage {
	t.Helper()
	client := connect(t, s.Address)
	defer client.Close()
	answer, err := client.Do(t.Context(), client.B().Arbitrary(command...).Build()).ToMessage()
	require.NoError(t, err)
	return answer
}

// add stores a text as an entry with this id.
func (s *server) add(t testing.TB, id, text string) string {
	t.Helper()
	added := s.do(t, "XADD", key, id, field, text)
	at, err := added.ToString()
	require.NoError(t, err)
	return at
}

// fill adds a text n times, in the same millisecond.
func (s *server) fill(t testing.TB, at time.Time, n int, text string) {
	t.Helper()
	client := connect(t, s.Address)
	defer client.Close()
	commands := make([]valkey.Completed, n)
	for i := range commands {
		commands[i] = client.B().Xadd().Key(key).Id(idAt(at, i+1)).FieldValue().FieldValue(field, text).Build()
	}
	for _, result := range client.DoMulti(t.Context(), commands...) {
		require.NoError(t, result.Error())
	}
}

// idAt is an entry's id if the server's clock shows this.
func idAt(at time.Time, number int) string {
	return fmt.Sprintf("%d-%d", at.UnixMilli(), number)
}

// loseLast makes the server lose the last n entries, as if it had been restarted without
// them.
func (s *server) loseLast(t testing.TB, n int) {
	t.Helper()
	s.do(t, "EVAL", `
		local entries = redis.call('XRANGE', KEYS[1], '-', '+')
		redis.call('DEL', KEYS[1])
		for i = 1, #entries - ARGV[1] do
			redis.call('XADD', KEYS[1], entries[i][1], unpack(entries[i][2]))
		end
		return redis.status_reply('OK')`, "1", key, strconv.Itoa(n))
}

// entries are those of the stream.
func (s *server) entries(t testing.TB) []valkey.XRangeEntry {
	t.Helper()
	answer := s.do(t, "XRANGE", key, "-", "+")
	entries, err := answer.AsXRange()
	require.NoError(t, err)
	return entries
}

// now is the time by the server's clock.
func (s *server) now(t testing.TB) time.Time {
	t.Helper()
	answer := s.do(t, "TIME")
	parts, err := answer.AsStrSlice()
	require.NoError(t, err)
	seconds, err := strconv.ParseInt(parts[0], 10, 64)
	require.NoError(t, err)
	return time.Unix(seconds, 0)
}

func connect(t testing.TB, address string, edits ...func(*valkey.ClientOption)) valkey.Client {
	t.Helper()
	option := valkey.ClientOption{InitAddress: []string{address}, ForceSingleClient: true, DisableCache: true}
	for _, edit := range edits {
		edit(&option)
	}
	client, err := valkey.NewClient(option)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func newLog(t testing.TB, address string, edits ...func(*valkey.ClientOption)) *valkeylog.Log {
	t.Helper()
	log := valkeylog.New(connect(t, address, edits...), key)
	log.Logger = slog.New(slog.DiscardHandler)
	return log
}

// cut is a revocation of a user's tokens.
func cut(subject string) revocation.Revocation {
	return revocation.Revocation{Subject: subject, At: time.UnixMilli(1_800_000_000_000).UTC()}
}

func appendTo(t testing.TB, log *valkeylog.Log, revocations ...revocation.Revocation) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	require.NoError(t, log.Append(ctx, revocations...))
}

// A follower is one Follow.
type follower struct {
	end  context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	read     []revocation.Revocation
	cursors  []string
	caughtUp []int // how many had been read then
	err      error
}

// follow follows a log until the test ends.
func follow(t testing.TB, log *valkeylog.Log, cursor string) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{end: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		err := log.Follow(ctx, cursor, func(r revocation.Revocation, cursor string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.read = append(f.read, r)
			f.cursors = append(f.cursors, cursor)
		}, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.caughtUp = append(f.caughtUp, len(f.read))
		})
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err = err
	}()
	t.Cleanup(func() {
		cancel()
		<-f.done
	})
	return f
}

// subjects are those that have been read.
func (f *follower) subjects() (subjects []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.read {
		subjects = append(subjects, r.Subject)
	}
	return subjects
}

// last waits until the follower has caught up with these, and returns the last cursor.
func (f *follower) last(t testing.TB, subjects ...string) (cursor string) {
	t.Helper()
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.caughtUp) > 0 && f.caughtUp[len(f.caughtUp)-1] >= len(subjects)
	}, patient, often)
	require.Equal(t, subjects, f.subjects())
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Concat([]string{""}, f.cursors)[len(f.cursors)]
}

// ended waits until Follow has returned.
func (f *follower) ended(t testing.TB) error {
	t.Helper()
	select {
	case <-f.done:
	case <-time.After(patient):
		require.Fail(t, "Follow does not return")
	}
	return f.err
}

// again follows as a List does: after every error but a loss it goes on where it was.
func again(t testing.TB, log *valkeylog.Log, cursor string) (f *follower) {
	t.Helper()
	require.Eventually(t, func() bool {
		f = follow(t, log, cursor)
		require.Eventually(t, func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.err != nil || len(f.caughtUp) > 0
		}, patient, often)
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.err == nil || errors.Is(f.err, revocation.ErrLogLost)
	}, patient, often)
	return f
}
