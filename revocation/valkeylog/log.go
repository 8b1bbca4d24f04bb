package valkeylog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
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

	client valkey.Client
	key    string

	mu      sync.Mutex
	unread  map[string]bool // the last id of each Append, until Follow has read that far
	failure error           // of the latest trim
}

// New makes a Log. It does not connect yet. Set Retention and Logger before the Log is used.
func New(client valkey.Client, key string) *Log {
	return &Log{client: client, key: key, unread: make(map[string]bool)}
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
	for i, r := range revocations {
		text, err := encode(r)
		if err != nil {
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
		l.unread[last] = true
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

// Follow implements [revocation.Log]. A cursor is the id of an entry.
func (l *Log) Follow(ctx context.Context, cursor string, handle func(revocation.Revocation, string), caughtUp func()) error {
	err := l.follow(ctx, cursor, handle, caughtUp)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("valkeylog: following: %w", err)
}

func (l *Log) follow(ctx context.Context, cursor string, handle func(revocation.Revocation, string), caughtUp func()) error {
	for wait := false; ; {
		l.mu.Lock()
		must := slices.Collect(maps.Keys(l.unread))
		l.mu.Unlock()
		entries, err := l.read(ctx, cursor, wait)
		if err != nil {
			return err
		}
		// The entry at the cursor is looked for after each reading, and before what was
		// read is handed over. While it is there, all up to it is there: a server loses
		// what is newest, or all. The client connects again on its own, and the stream
		// may have been lost and be written again since, with later ids.
		there, err := l.have(ctx, cursor, must)
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

// have reports whether the entries at cursor, if there is one, and at these ids are there.
func (l *Log) have(ctx context.Context, cursor string, ids []string) (bool, error) {
	if cursor != "" {
		ids = append(ids, cursor)
	}
	commands := make([]valkey.Completed, len(ids))
	for i, id := range ids {
		commands[i] = l.command("XRANGE", id, id)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, result := range l.client.DoMulti(ctx, commands...) {
		if entries, err := result.AsXRange(); err != nil || len(entries) == 0 {
			return false, err
		}
	}
	return true, nil
}

func (l *Log) forget(ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
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
