package valkeylog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
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

	field    = "revocation" // of the stream's entries
	pageSize = 1000

	// patience is how long a command may take. On a link that swallows answers it
	// would never return.
	patience = 2 * time.Second
	block    = "1000" // for how many milliseconds XREAD waits for an entry
)

// A Log is a [revocation.Log] in a stream. Give each List a Log of its own. It reads no
// clock: the ids of entries, which the server makes of its own, say what is old.
type Log struct {
	// Retention is how long entries stay at least, by the server's clock. Default, also
	// for one that is negative: 7 days.
	Retention time.Duration

	// Logger is told at Warn that old entries can't be dropped, and when they can be
	// again. Default: slog.Default().
	Logger *slog.Logger

	client valkey.Client
	key    string

	mu       sync.Mutex
	appended id    // the highest that Append got, and that must still be there
	failure  error // of the latest trimming
}

// New makes a Log. It does not connect yet. Set Retention and Logger before the Log is used.
func New(client valkey.Client, key string) *Log {
	return &Log{client: client, key: key}
}

// Keeps returns how long an entry certainly stays: Retention or its default.
func (l *Log) Keeps() time.Duration {
	if l.Retention <= 0 {
		return defaultRetention
	}
	return l.Retention
}

// Append implements [revocation.Log]. It returns nil once the server has all entries.
// It drops old ones as well, but does not fail if it can't, as those of the caller are
// stored by then: see Logger. It returns within 2 s of the end of ctx.
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
	if l.appended.before(last) {
		l.appended = last
	}
	l.mu.Unlock()
	l.trim(ctx, last)
	return nil
}

// add returns the id of the last entry.
func (l *Log) add(ctx context.Context, commands []valkey.Completed) (last id, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, result := range l.client.DoMulti(ctx, commands...) {
		text, err := result.ToString()
		if err != nil {
			return id{}, err
		}
		if last, err = parseID(text); err != nil {
			return id{}, err
		}
	}
	return last, nil
}

// trim drops what is too old if last is of now. The server may leave up to a block of the stream,
// which costs it less.
func (l *Log) trim(ctx context.Context, last id) {
	keep := uint64((l.Keeps() + margin).Milliseconds())
	oldest := last.ms - min(last.ms, keep)
	err := l.do(ctx, l.command("XTRIM", "MINID", "~", strconv.FormatUint(oldest, 10))).Error()
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
		appended := l.appended
		l.mu.Unlock()
		entries, err := l.read(ctx, cursor, wait)
		if err != nil {
			return err
		}
		// The entry at the cursor is looked for after each reading, and before what was
		// read is handed over. While it is there, all up to it is there: a server loses
		// what is newest, or all. The client connects again on its own, and the stream
		// may have been lost and be written again since, with later ids.
		there, err := l.has(ctx, cursor)
		if err != nil {
			return err
		}
		if !there {
			return l.lost(appended)
		}
		for _, e := range entries {
			cursor = e.ID
			handle(decode(e.FieldValues[field]), cursor)
		}
		if wait = len(entries) < pageSize; !wait {
			continue
		}
		// All was read. What was appended before, and acknowledged, has to be among it.
		if appended != (id{}) {
			at, err := parseID(cmp.Or(cursor, start))
			if err != nil {
				return err
			}
			if at.before(appended) {
				return l.lost(appended)
			}
		}
		caughtUp()
	}
}

const start = "0-0" // before all ids

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

// has reports whether the entry at cursor is there.
func (l *Log) has(ctx context.Context, cursor string) (bool, error) {
	if cursor == "" {
		return true, nil
	}
	entries, err := l.do(ctx, l.command("XRANGE", cursor, cursor)).AsXRange()
	return len(entries) > 0, err
}

// lost reports a loss once: what was appended before it is not waited for any more.
func (l *Log) lost(appended id) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appended == appended {
		l.appended = id{}
	}
	return revocation.ErrLogLost
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

// An id is that of an entry: a time in milliseconds, and a number within it.
type id struct{ ms, seq uint64 }

func (a id) before(b id) bool { return a.ms < b.ms || a.ms == b.ms && a.seq < b.seq }

func parseID(text string) (a id, err error) {
	ms, seq, _ := strings.Cut(text, "-")
	if a.ms, err = strconv.ParseUint(ms, 10, 64); err == nil {
		a.seq, err = strconv.ParseUint(seq, 10, 64)
	}
	return a, err
}
