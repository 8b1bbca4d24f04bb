package valkeylog_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/internal/valkeytest"
	"github.com/logtoguard/logtoguard/revocation"
)

func TestEntriesComeInOrder(t *testing.T) {
	s := newServer(t)
	log, at := newLog(t, s.Address), time.UnixMilli(1_800_000_000_123).UTC()
	revocations := []revocation.Revocation{
		{Subject: "alice", At: at},
		{Subject: "alice", ClientID: "web", OrganizationID: "acme", Kind: revocation.Block, At: at.Add(-time.Hour), Reason: "lost \"phone\"\n"},
		{ClientID: "web", Kind: revocation.Lift, At: at},
		{OrganizationID: "acme", At: at},
		{TokenID: "t", At: at, Expires: at.Add(time.Hour)},
	}
	early := follow(t, log, "")
	early.last(t)
	appendTo(t, log)
	appendTo(t, log, revocations[:2]...)
	appendTo(t, log, revocations[2:]...)
	late := follow(t, newLog(t, s.Address), "")
	var ids []string
	for _, e := range s.entries(t) {
		ids = append(ids, e.ID)
	}
	for _, f := range []*follower{early, late} {
		f.last(t, "alice", "alice", "", "", "")
		require.Equal(t, revocations, f.read)
		require.Equal(t, ids, f.cursors)
	}
	rest := follow(t, newLog(t, s.Address), ids[2])
	rest.last(t, "", "")
	require.Equal(t, revocations[3:], rest.read)
	none := follow(t, newLog(t, s.Address), ids[4])
	none.last(t)

	require.Eventually(t, func() bool {
		none.mu.Lock()
		defer none.mu.Unlock()
		return len(none.caughtUp) >= 3 // it goes on saying so
	}, patient, often)
	none.end()
	require.ErrorIs(t, none.ended(t), context.Canceled)
}

func TestPages(t *testing.T) {
	s := newServer(t)
	log := newLog(t, s.Address)
	var subjects []string
	var revocations []revocation.Revocation
	for i := range 3000 {
		subjects = append(subjects, fmt.Sprint("user-", i))
		revocations = append(revocations, cut(subjects[i]))
	}
	appendTo(t, log, revocations...)
	f := follow(t, newLog(t, s.Address), "")
	f.last(t, subjects...)
	require.Equal(t, 3000, f.caughtUp[0], "it caught up before it had read all")
	follow(t, log, f.cursors[999]).last(t, subjects[1000:]...)
}

// What Append does not accept, and what it does all the same.
func TestAppendRefuses(t *testing.T) {
	s := newServer(t)
	log := newLog(t, s.Address)
	require.ErrorContains(t, log.Append(t.Context(), revocation.Revocation{Subject: "alice"}), "valkeylog: revocation 0: it has no At")
	odd := cut("alice")
	odd.Kind = 3
	require.ErrorContains(t, log.Append(t.Context(), cut("bob"), odd), "valkeylog: revocation 1: ")
	require.Empty(t, s.entries(t))

	broken := cut("alice")
	broken.Reason = "a text that was cut: \xc3"
	appendTo(t, log, broken)
	f := follow(t, log, "")
	f.last(t, "alice")
	require.Equal(t, "a text that was cut: \ufffd", f.read[0].Reason)
}

func TestLosses(t *testing.T) {
	tests := map[string]func(t *testing.T, s *server){
		"the key deleted": func(t *testing.T, s *server) { s.do(t, "DEL", key) },
		"all deleted":     func(t *testing.T, s *server) { s.do(t, "FLUSHALL") },
		// The stream's last id is later than the one that was seen.
		"deleted and written again": func(t *testing.T, s *server) {
			s.do(t, "DEL", key)
			s.add(t, "*", `{"v":1,"kind":"cut","sub":"new","at":1800000000000}`)
		},
		"restarted empty": func(t *testing.T, s *server) {
			s.Kill()
			s.Start(t)
		},
		"restarted empty and written again": func(t *testing.T, s *server) {
			s.Kill()
			s.Start(t)
			s.add(t, "*", `{"v":1,"kind":"cut","sub":"new","at":1800000000000}`)
		},
		// As after a failover to a replica that lagged behind, or without the last second
		// of the append-only file.
		"the last one": func(t *testing.T, s *server) {
			s.loseLast(t, 1)
		},
		"the last one, and written again": func(t *testing.T, s *server) {
			s.loseLast(t, 1)
			s.add(t, "*", `{"v":1,"kind":"cut","sub":"new","at":1800000000000}`)
		},
	}
	for name, lose := range tests {
		for _, live := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/live=%t", name, live), func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				log := newLog(t, s.Address)
				appendTo(t, log, cut("a"), cut("b"), cut("c"))
				f := follow(t, log, "")
				cursor := f.last(t, "a", "b", "c")
				if !live {
					f.end()
					require.ErrorIs(t, f.ended(t), context.Canceled)
				}
				lose(t, s)
				if live && f.ended(t) != nil && strings.HasPrefix(name, "restarted") {
					live = false // it may have been told that the connection has ended
				}
				if !live {
					f = again(t, log, cursor)
				}
				require.ErrorIs(t, f.ended(t), revocation.ErrLogLost)
				require.NotContains(t, f.subjects(), "new", "handed over before the loss was noticed: the cursor would hide it")

				// From the start it works again.
				appendTo(t, log, cut("d"))
				f = again(t, log, "")
				require.Eventually(t, func() bool { return strings.HasSuffix(fmt.Sprint(f.subjects()), "d]") }, patient, often)
				require.NoError(t, f.err)
			})
		}
	}
}

// While a server's clock is behind its newest entry, it counts on from that one's id. So
// what is written after a loss has the ids of what was lost.
func TestLossOfIDsThatComeAgain(t *testing.T) {
	for _, read := range []bool{true, false} {
		t.Run(fmt.Sprint("read=", read), func(t *testing.T) {
			s := newServer(t)
			ahead := idAt(s.now(t).Add(time.Hour), 0)
			s.add(t, ahead, `{"v":1,"kind":"cut","sub":"ahead","at":1800000000000}`)
			log := newLog(t, s.Address)
			f := follow(t, log, "")
			cursor := f.last(t, "ahead")
			if read {
				appendTo(t, log, cut("lost"))
				cursor = f.last(t, "ahead", "lost")
			}
			f.end()
			require.ErrorIs(t, f.ended(t), context.Canceled)
			if !read {
				appendTo(t, log, cut("lost"))
			}
			lost := s.entries(t)[1].ID
			s.loseLast(t, 1)
			appendTo(t, newLog(t, s.Address), cut("new"))
			require.Equal(t, lost, s.entries(t)[1].ID)
			f = follow(t, log, cursor)
			require.ErrorIs(t, f.ended(t), revocation.ErrLogLost)
			require.Empty(t, f.subjects())
			follow(t, log, "").last(t, "ahead", "new")
		})
	}
}

// What was acknowledged, and lost before it was read, is noticed by the Log that has
// appended it: also if the stream has been written since.
func TestLossOfWhatWasNotReadYet(t *testing.T) {
	for _, before := range [][]string{nil, {"before"}} {
		for _, since := range [][]string{nil, {"since"}} {
			t.Run(fmt.Sprint(before, since), func(t *testing.T) {
				s := newServer(t)
				log := newLog(t, s.Address)
				for _, subject := range before {
					appendTo(t, log, cut(subject))
				}
				f := follow(t, log, "")
				cursor := f.last(t, before...)
				f.end()
				require.ErrorIs(t, f.ended(t), context.Canceled)
				appendTo(t, log, cut("lost"))
				s.loseLast(t, 1)
				for _, subject := range since {
					appendTo(t, log, cut(subject))
				}
				follow(t, newLog(t, s.Address), cursor).last(t, since...)
				f = follow(t, log, cursor)
				require.ErrorIs(t, f.ended(t), revocation.ErrLogLost)
				require.Empty(t, f.subjects())
				follow(t, log, "").last(t, append(before, since...)...)
			})
		}
	}
}

// The same while a Follow is still reading what comes before.
func TestLossWhileReading(t *testing.T) {
	s := newServer(t)
	log := newLog(t, s.Address)
	appendTo(t, log, slices.Repeat([]revocation.Revocation{cut("alice")}, 1500)...)
	read := 0
	err := log.Follow(t.Context(), "", func(revocation.Revocation, string) {
		if read++; read == 1 {
			s.loseLast(t, 1)
		}
	}, func() { require.Fail(t, "the loss was not noticed") })
	require.ErrorIs(t, err, revocation.ErrLogLost)
	require.Equal(t, 1000, read)
}

// appendOnlyFile is what the server writes entries to.
func (s *server) appendOnlyFile(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Dir, "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	if len(files) == 0 {
		files = []string{filepath.Join(s.Dir, "appendonly.aof")} // before Redis 7
	}
	return files[0]
}

func TestKilledAndRestarted(t *testing.T) {
	s := newServer(t, "--appendonly", "yes", "--appendfsync", "always")
	log := newLog(t, s.Address)
	appendTo(t, log, cut("a"), cut("b"))
	f := follow(t, log, "")
	cursor := f.last(t, "a", "b")
	s.Kill()
	require.NotErrorIs(t, f.ended(t), revocation.ErrLogLost)
	require.Error(t, f.err)
	require.Error(t, log.Append(t.Context(), cut("nowhere")))
	require.NotErrorIs(t, follow(t, log, cursor).ended(t), revocation.ErrLogLost)
	s.Start(t)
	f = again(t, log, cursor)
	f.last(t)
	require.Eventually(t, func() bool { return log.Append(t.Context(), cut("c")) == nil }, patient, often)
	f.last(t, "c")

	info, err := os.Stat(s.appendOnlyFile(t))
	require.NoError(t, err)
	appendTo(t, log, cut("d"))
	f.last(t, "c", "d")
	s.Kill()
	require.NoError(t, os.Truncate(s.appendOnlyFile(t), info.Size()), "the last second is not on the disk")
	s.Start(t)
	require.ErrorIs(t, again(t, log, f.cursors[1]).ended(t), revocation.ErrLogLost)
	again(t, log, "").last(t, "a", "b", "c")
}

// An entry whose id is ahead puts the stream's last id ahead, exactly as a clock does that
// is set back.
func TestServersClockIsSetBack(t *testing.T) {
	s := newServer(t)
	log, now := newLog(t, s.Address), s.now(t)
	log.Retention = 24 * time.Hour
	text := `{"v":1,"kind":"cut","sub":"%s","at":1800000000000}`
	s.add(t, idAt(now.Add(-21*time.Hour), 0), fmt.Sprintf(text, "old"))
	s.add(t, idAt(now, 0), fmt.Sprintf(text, "now"))
	ahead := now.Add(2 * time.Hour)
	s.add(t, idAt(ahead, 0), fmt.Sprintf(text, "ahead"))
	f := follow(t, log, "")
	f.last(t, "old", "now", "ahead")
	for i := range 3 {
		appendTo(t, log, cut(fmt.Sprint(i)))
	}
	f.last(t, "old", "now", "ahead", "0", "1", "2")
	require.Equal(t, []string{idAt(ahead, 1), idAt(ahead, 2), idAt(ahead, 3)}, f.cursors[3:])
	follow(t, newLog(t, s.Address), "").last(t, "old", "now", "ahead", "0", "1", "2")
	require.ErrorContains(t, follow(t, log, "").ended(t), "is followed already")
}

// A server drops blocks of a stream only as a whole: here, 100 entries.
func TestRetention(t *testing.T) {
	tests := []struct{ retention, kept time.Duration }{
		{0, 7 * 24 * time.Hour},
		{-time.Hour, 7 * 24 * time.Hour},
		{time.Hour, time.Hour},
		{time.Nanosecond, 0},
	}
	for _, tt := range tests {
		t.Run(tt.retention.String(), func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			log, now := newLog(t, s.Address), s.now(t)
			log.Retention = tt.retention
			s.fill(t, now.Add(-tt.kept-15*time.Minute), 500, "old")
			s.fill(t, now.Add(-tt.kept-9*time.Minute), 500, "needed: a List keeps it 5 minutes longer, and clocks may differ")
			appendTo(t, log, cut("alice"))
			var old, needed int
			for _, e := range s.entries(t) {
				if e.FieldValues[field] == "old" {
					old++
				} else {
					needed++
				}
			}
			require.Equal(t, 501, needed)
			require.Less(t, old, 100)
			if tt.retention > 0 {
				require.Equal(t, tt.retention, log.Keeps())
			} else {
				require.Equal(t, 7*24*time.Hour, log.Keeps())
			}
		})
	}
}

func TestRetentionForEver(t *testing.T) {
	s := newServer(t)
	log := newLog(t, s.Address)
	log.Retention = math.MaxInt64
	s.fill(t, time.UnixMilli(1), 500, "old")
	appendTo(t, log, cut("alice"))
	require.Len(t, s.entries(t), 501)
}

// An id does not depend on the clock of the process that writes, nor does what is dropped.
func TestWriterWhoseClockIsAhead(t *testing.T) {
	s := newServer(t)
	log, now := newLog(t, s.Address), s.now(t)
	log.Retention = 24 * time.Hour
	s.fill(t, now.Add(-23*time.Hour), 500, `{"v":1,"kind":"cut","sub":"other","at":1800000000000}`)
	ahead := cut("ahead")
	ahead.At = now.Add(25 * time.Hour).UTC()
	appendTo(t, log, ahead)
	appendTo(t, log, cut("after"))
	entries := s.entries(t)
	require.Len(t, entries, 502)
	for _, e := range entries[500:] {
		ms, err := strconv.ParseInt(strings.Split(e.ID, "-")[0], 10, 64)
		require.NoError(t, err)
		require.WithinDuration(t, now, time.UnixMilli(ms), time.Minute)
	}
	f := follow(t, log, entries[499].ID)
	f.last(t, "ahead", "after")
	require.Equal(t, ahead, f.read[0])
}

func TestReset(t *testing.T) {
	s := newServer(t)
	p := valkeytest.NewProxy(t, s.Server)
	log := newLog(t, p.Address)
	appendTo(t, log, cut("a"))
	f := follow(t, log, "")
	cursor := f.last(t, "a")
	p.Reset()
	require.NotErrorIs(t, f.ended(t), revocation.ErrLogLost)
	f = again(t, log, cursor)
	require.Eventually(t, func() bool { return log.Append(t.Context(), cut("b")) == nil }, patient, often)
	f.last(t, "b")
}

// On a link that swallows answers neither method hangs, and once it works again, both do.
func TestSwallowedAnswers(t *testing.T) {
	guardtest.NoLeaks(t)
	s := newServer(t)
	p := valkeytest.NewProxy(t, s.Server)
	log := newLog(t, p.Address)
	appendTo(t, log, cut("a"))
	f := follow(t, log, "")
	cursor := f.last(t, "a")
	p.Swallow(true)
	begin := time.Now()
	require.ErrorIs(t, f.ended(t), context.DeadlineExceeded)
	for range 2 { // on the connection that was there, and on a new one
		require.ErrorIs(t, log.Append(t.Context(), cut("b")), context.DeadlineExceeded)
	}
	require.ErrorIs(t, follow(t, log, cursor).ended(t), context.DeadlineExceeded)
	require.Less(t, time.Since(begin), 20*time.Second) // 8 s, on an idle machine

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, log.Append(ctx, cut("b")), context.DeadlineExceeded)
	err := log.Follow(ctx, cursor, func(revocation.Revocation, string) { require.Fail(t, "ctx has ended") }, func() {})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	p.Swallow(false)
	f = follow(t, log, cursor)
	appendTo(t, log, cut("c"))
	require.Eventually(t, func() bool { return strings.HasSuffix(fmt.Sprint(f.subjects()), "c]") }, patient, often)
}

// A Close of the List does not wait for XREAD.
func TestFollowEndsAtOnce(t *testing.T) {
	s := newServer(t)
	log := newLog(t, s.Address)
	begin := time.Now()
	for range 20 { // 20 s in all, if each waited for the end of an XREAD
		f := follow(t, log, "")
		f.last(t)
		f.end()
		require.ErrorIs(t, f.ended(t), context.Canceled)
	}
	require.Less(t, time.Since(begin), 10*time.Second)
}

func TestWrongType(t *testing.T) {
	s := newServer(t)
	log := newLog(t, s.Address)
	s.do(t, "SET", key, "not a stream")
	require.ErrorContains(t, log.Append(t.Context(), cut("alice")), "valkeylog: appending: WRONGTYPE")
	for _, cursor := range []string{"", "1-1"} {
		err := follow(t, log, cursor).ended(t)
		require.ErrorContains(t, err, "valkeylog: following: WRONGTYPE")
		require.NotErrorIs(t, err, revocation.ErrLogLost)
	}
}

func TestEntriesThatCanNotBeRead(t *testing.T) {
	s := newServer(t)
	log := newLog(t, s.Address)
	s.add(t, "*", "garbage")
	s.add(t, "*", "{"+strings.Repeat(" ", 4<<20)+"}")
	s.do(t, "XADD", key, "*", "other", "field")
	s.do(t, "XADD", key, "*", "other", "field", field, `{"v":1,"kind":"cut","sub":"readable","at":1800000000000}`)
	appendTo(t, log, cut("alice"))
	f := follow(t, log, "")
	f.last(t, "", "", "", "readable", "alice")
	require.Equal(t, make([]revocation.Revocation, 3), f.read[:3])
}

// user makes one that may do this with the key, and nothing else.
func user(t *testing.T, s *server, commands ...string) func(*valkey.ClientOption) {
	t.Helper()
	s.do(t, append([]string{"ACL", "SETUSER", "revocations", "reset", "on", ">secret", "~" + key}, commands...)...)
	return func(option *valkey.ClientOption) { option.Username, option.Password = "revocations", "secret" }
}

func TestACL(t *testing.T) {
	documented, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	all := []string{"+ping", "+xadd", "+xread", "+xrange", "+xtrim"}
	require.Contains(t, string(documented), "ACL SETUSER revocations on >password ~logto:revocations "+strings.Join(all, " ")+"\n")
	works := func(t *testing.T, s *server, edits ...func(*valkey.ClientOption)) {
		var journal guardtest.Journal
		log := newLog(t, s.Address, edits...)
		log.Logger = journal.Logger(slog.LevelDebug)
		appendTo(t, log, cut("a"))
		f := follow(t, log, "")
		f.last(t, "a")
		appendTo(t, log, cut("b"))
		f.last(t, "a", "b")
		f.end() // no CLIENT UNBLOCK: the connection is closed
		require.ErrorIs(t, f.ended(t), context.Canceled)
		follow(t, log, f.cursors[0]).last(t, "b")
		require.Empty(t, journal.String())
	}
	t.Run("suffices", func(t *testing.T) {
		s := newServer(t)
		works(t, s, user(t, s, all...))
	})
	t.Run("with other options", func(t *testing.T) {
		s := newServer(t)
		login := user(t, s, append(all, "+client|tracking", "+cluster|slots")...)
		works(t, s, login, func(option *valkey.ClientOption) { option.ForceSingleClient, option.DisableCache = false, false })
	})
	t.Run("nothing can be left out", func(t *testing.T) {
		s := newServer(t)
		log := newLog(t, s.Address, user(t, s, "+xread", "+xrange", "+xtrim"))
		require.ErrorContains(t, log.Append(t.Context(), cut("a")), "xadd")
		log = newLog(t, s.Address, user(t, s, "+xadd", "+xrange", "+xtrim"))
		appendTo(t, log, cut("a"))
		require.ErrorContains(t, follow(t, log, "").ended(t), "xread")
		log = newLog(t, s.Address, user(t, s, "+xadd", "+xread", "+xtrim"))
		require.ErrorContains(t, follow(t, log, "").ended(t), "xrange")
	})
}

// Append does not fail, as its entries are stored, but the failure is logged.
func TestTrimmingFails(t *testing.T) {
	s := newServer(t)
	var journal guardtest.Journal
	log := newLog(t, s.Address, user(t, s, "+xadd", "+xread", "+xrange"))
	log.Logger = journal.Logger(slog.LevelDebug)
	appendTo(t, log, cut("a"))
	appendTo(t, log, cut("b"))
	require.Len(t, journal.With("level=WARN", "old entries can't be dropped", "xtrim"), 1)
	s.do(t, "ACL", "SETUSER", "revocations", "+xtrim")
	appendTo(t, log, cut("c"))
	appendTo(t, log, cut("d"))
	require.Len(t, journal.With("level=WARN", "old entries are dropped again"), 1)
	require.Len(t, journal.With("level="), 2)
	follow(t, log, "").last(t, "a", "b", "c", "d")
}

// A replica may lag behind.
func TestNothingIsReadFromReplicas(t *testing.T) {
	primary, replica := newServer(t), newServer(t)
	_, port, _ := strings.Cut(primary.Address, ":")
	replica.do(t, "REPLICAOF", "127.0.0.1", port)
	log := newLog(t, primary.Address, func(option *valkey.ClientOption) {
		option.ForceSingleClient = false
		option.Standalone.ReplicaAddress = []string{replica.Address}
		option.SendToReplicas = func(command valkey.Completed) bool { return command.IsReadOnly() }
	})
	replica.Kill()
	appendTo(t, log, cut("a"))
	follow(t, log, "").last(t, "a")
}

// A List that only follows may have a client of a read replica.
func TestReadReplica(t *testing.T) {
	primary := newServer(t, "--repl-diskless-sync-delay", "0")
	_, port, err := net.SplitHostPort(primary.Address)
	require.NoError(t, err)
	replica := newServer(t, "--replicaof", "127.0.0.1", port)
	writer, reader := newList(t, newLog(t, primary.Address)), newList(t, newLog(t, replica.Address))
	ready(t, writer)
	ready(t, reader)
	users := newCrowd(t, 2)
	require.NoError(t, writer.Revoke(t.Context(), revocation.Revocation{Subject: name(1)}))
	users.refused(t, reader, map[int]bool{1: true})

	// What is lost is appended again by those that can, and then no one else has to.
	primary.do(t, "DEL", key)
	require.Eventually(t, func() bool { return len(primary.entries(t)) == 1 }, patient, often)
	require.Eventually(t, func() bool { return reader.Stats().Unsaved == 0 }, patient, often)
	users.refused(t, reader, map[int]bool{1: true})

	// What it revokes itself can't be stored there.
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	require.ErrorContains(t, reader.Revoke(ctx, revocation.Revocation{Subject: name(0)}), "READONLY")
	users.refused(t, reader, map[int]bool{0: true, 1: true})
	users.refused(t, writer, map[int]bool{1: true})
}

// After a failover behind one address, a connection to the former primary stays, which is
// a replica now.
func TestFormerPrimary(t *testing.T) {
	former, primary := newServer(t), newServer(t)
	p := valkeytest.NewProxy(t, former.Server)
	log := newLog(t, p.Address)
	appendTo(t, log, cut("a"))
	former.do(t, "REPLICAOF", "127.0.0.1", "1")
	require.ErrorContains(t, log.Append(t.Context(), cut("b")), "READONLY")
	p.Lead(primary.Server)
	require.Eventually(t, func() bool { return log.Append(t.Context(), cut("b")) == nil }, patient, often)
	require.Len(t, primary.entries(t), 1)
}

// Redis Cluster: the client finds the server that has the key.
func TestCluster(t *testing.T) {
	s := newServer(t, "--cluster-enabled", "yes")
	s.do(t, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	require.Eventually(t, func() bool {
		answer := s.do(t, "CLUSTER", "INFO")
		text, err := answer.ToString()
		return err == nil && strings.Contains(text, "cluster_state:ok")
	}, patient, often)
	log := newLog(t, s.Address, func(option *valkey.ClientOption) { option.ForceSingleClient = false })
	f := follow(t, log, "")
	f.last(t)
	appendTo(t, log, cut("a"), cut("b"))
	cursor := f.last(t, "a", "b")
	s.do(t, "DEL", key)
	require.ErrorIs(t, f.ended(t), revocation.ErrLogLost)
	require.ErrorIs(t, follow(t, log, cursor).ended(t), revocation.ErrLogLost)
}
