package valkeylog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard/revocation"
)

const (
	defaultRetention = 7 * 24 * time.Hour
	// margin is how much longer than Retention entries stay: a guard's ClockSkew is 5
	// minutes at most, and a revocation's At may be ahead of the server's clock.
	margin = 10 * time.Minute

	field     = "revocation" // of the stream's entries
	start     = "0-0"        // before the ids of all entries
	pageSize  = 1000
	maxUnread = 1000 // where Follow is not called

	// patience is how long a command may take. On a link that swallows answers it
	// would never return.
	patience = 2 * time.Second
	block    = "1000" // for how many milliseconds XREAD waits for an entry
)

// A Log is a [revocation.Log] in a stream. Give each List a Log of its own. It reads no
// clock: what is old is known from the ids of entries, which the server makes of its clock.
type Log struct {
	// Retention is how long entries stay at least, by the server's clock. Default, also
	// for one that is negative: 7 days.
	Retention time.Duration

	// Logger gets at Warn that old entries can't be dropped, and that they can again.
	// Default: slog.Default().
	Logger *slog.Logger

	client    valkey.Client
	key       string
	following atomic.Bool

	mu      sync.Mutex
	unread  map[string]string // the last entry of each Append by its id, until Follow has read that far
	lastID  string            // of the entry that Follow handed over last, and what it says
	last    string
	failure error // of the latest trim
}

// New makes a Log. It does not connect yet. Set Retention and Logger before the Log is used.
func New(client valkey.Client, key string) *Log {
	return &Log{client: client, key: key, unread: make(map[string]string)}
}

// Keeps returns how long an entry certainly stays: Retention or its default.
func (l *Log) Keeps() time.Duration {
	if l.Retention <= 0 {
		return defaultRetention
	}
	return l.Retention
}

// Append implements [revocation.Log]. It returns nil once the server has all entries.
// Then it drops old ones. If it can't, it logs that and returns nil, as the caller's are
// stored. It returns at most 2 s after ctx has ended.
func (l *Log) Append(ctx context.Context, revocations ...revocation.Revocation) error {
	if len(revocations) == 0 {
		return nil
	}
	commands := make([]valkey.Completed, len(revocations))
	var text string
	for i, r := range revocations {
		var err error
		if text, err = encode(r); err != nil {
			return fmt.Errorf("valkeylog: revocation %d: %w", i, err)
		}
		commands[i] = l.command("XADD", "*", field, text)
	}
	last, err := l.add(ctx, commands)
	if err != nil {
		return fmt.Errorf("valkeylog: appending: %w", err)
	}
	l.mu.Lock()
	if len(l.unread) < maxUnread {
		l.unread[last] = text
	}
	l.mu.Unlock()
	l.trim(ctx, last)
	return nil
}

// add returns the id of the last entry.
func (l *Log) add(ctx context.Context, commands []valkey.Completed) (last string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, result := range l.client.DoMulti(ctx, commands...) {
		if last, err = result.ToString(); err != nil {
			if strings.HasPrefix(err.Error(), "READONLY") {
				// The server is a replica now: behind the same address, another connection
				// may lead to the primary.
				_ = l.do(ctx, l.command("QUIT"))
			}
			return "", err
		}
	}
	return last, nil
}

// trim drops what is too old, if the entry with the id last was made now. With "~" the
// server drops only whole blocks of entries, which is cheap.
func (l *Log) trim(ctx context.Context, last string) {
	ms, _, _ := strings.Cut(last, "-")
	now, err := strconv.ParseInt(ms, 10, 64)
	if err == nil {
		oldest := max(0, now-l.Keeps().Milliseconds()-margin.Milliseconds())
		err = l.do(ctx, l.command("XTRIM", "MINID", "~", strconv.FormatInt(oldest, 10))).Error()
	}
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	before := l.failure
	l.failure = err
	l.mu.Unlock()
	logger := cmp.Or(l.Logger, slog.Default())
	switch {
	case before == nil && err != nil:
		logger.Warn("valkeylog: old entries can't be dropped, and the stream grows", "key", l.key, "error", err)
	case before != nil && err == nil:
		logger.Warn("valkeylog: old entries are dropped again", "key", l.key)
	}
}

// Follow implements [revocation.Log]. A cursor is the id of an entry. It fails while
// another Follow of the same Log runs: two Lists would hide losses from each other.
func (l *Log) Follow(ctx context.Context, cursor string, handle func(revocation.Revocation, string), caughtUp func()) error {
	if !l.following.CompareAndSwap(false, true) {
		return errors.New("valkeylog: the Log is followed already: give each List one of its own")
	}
	defer l.following.Store(false)
	err := l.follow(ctx, cursor, handle, caughtUp)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("valkeylog: following: %w", err)
}

func (l *Log) follow(ctx context.Context, cursor string, handle func(revocation.Revocation, string), caughtUp func()) error {
	for wait := false; ; {
		must := l.stored(cursor)
		entries, err := l.read(ctx, cursor, wait)
		if err != nil {
			return err
		}
		// The entry at the cursor is looked for after each reading, and before what was
		// read is handed over. While it is there, all up to it is there: a server loses
		// what is newest, or all. The client connects again on its own, and the stream
		// may have been lost and be written again since, with later ids.
		there, err := l.have(ctx, must)
		if err != nil {
			return err
		}
		wait = len(entries) < pageSize
		if !there || wait {
			l.forget(must) // reported as lost, or among what was read
		}
		if !there {
			return revocation.ErrLogLost
		}
		for _, e := range entries {
			cursor = e.ID
			l.mu.Lock()
			l.lastID, l.last = cursor, e.FieldValues[field]
			l.mu.Unlock()
			handle(decode(e.FieldValues[field]), cursor)
		}
		if wait {
			caughtUp()
		}
	}
}

// read returns at most a page of what comes after cursor. If there is nothing, it may wait.
func (l *Log) read(ctx context.Context, cursor string, wait bool) ([]valkey.XRangeEntry, error) {
	args := []string{"XREAD", "COUNT", strconv.Itoa(pageSize)}
	if wait {
		args = append(args, "BLOCK", block)
	}
	command := l.client.B().Arbitrary(append(args, "STREAMS")...).Keys(l.key).Args(cmp.Or(cursor, start)).Blocking()
	streams, err := l.do(ctx, command).AsXRead()
	if valkey.IsValkeyNil(err) {
		return nil, nil
	}
	return streams[l.key], err
}

// stored returns by their ids the entries that the stream has to have: that at cursor,
// and those of Append that were not read yet. What one says is "" if that is not known.
func (l *Log) stored(cursor string) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	must := maps.Clone(l.unread)
	if _, there := must[cursor]; cursor != "" && !there {
		must[cursor] = ""
		if cursor == l.lastID {
			must[cursor] = l.last
		}
	}
	return must
}

// have reports whether the stream has these. Their ids are not enough: while the server's
// clock is behind its newest entry, as after a failover between clocks that differ, it
// counts on from there, and gives the ids of lost entries to others.
func (l *Log) have(ctx context.Context, must map[string]string) (bool, error) {
	ids := slices.Collect(maps.Keys(must))
	commands := make([]valkey.Completed, len(ids))
	for i, id := range ids {
		commands[i] = l.command("XRANGE", id, id)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i, result := range l.client.DoMulti(ctx, commands...) {
		entries, err := result.AsXRange()
		if err != nil || len(entries) == 0 {
			return false, err
		}
		if text := must[ids[i]]; text != "" && text != entries[0].FieldValues[field] {
			return false, nil
		}
	}
	return true, nil
}

func (l *Log) forget(must map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range must {
		delete(l.unread, id)
	}
}

// command makes one that has a connection to itself, for which the client's word is
// Blocking: one that hangs is closed then, and the next command gets another. As it is
// an Arbitrary one, it is not sent again without our knowledge, and never to a replica.
func (l *Log) command(name string, args ...string) valkey.Completed {
	return l.client.B().Arbitrary(name).Keys(l.key).Args(args...).Blocking()
}

// do returns as soon as ctx ends, which is what UnblockOnCancel means.
func (l *Log) do(ctx context.Context, command valkey.Completed) valkey.ValkeyResult {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.client.Do(ctx, command.UnblockOnCancel())
}
