package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/revocation"
)

// organizationTokens are tokens for a resource in an organization, of so many users that
// they don't all stay in a processor's cache. No list that is measured refuses one.
func organizationTokens(b *testing.B) (*rig.Rig, []string) {
	b.Helper()
	r := issuer(b, "ES384")
	tokens := rig.Mint(4096, func() string {
		return r.InOrganization(rand.Text()[:12], rand.Text()[:21])
	})
	return r, tokens
}

// someone is the i-th revocation of a list: a quarter each of users, of users in an
// organization, of applications and of tokens, with names as long as Logto's.
func someone(i int) revocation.Revocation {
	switch i % 4 {
	case 0:
		return revocation.Revocation{Subject: rand.Text()[:12], Kind: revocation.Block}
	case 1:
		return revocation.Revocation{Subject: rand.Text()[:12], OrganizationID: rand.Text()[:21]}
	case 2:
		return revocation.Revocation{ClientID: rand.Text()[:21]}
	}
	return revocation.Revocation{TokenID: rand.Text()[:21]}
}

func newList(b *testing.B, entries int, log revocation.Log) *revocation.List {
	b.Helper()
	list, err := revocation.New(revocation.Config{Log: log, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { list.Close() })
	all := make([]revocation.Revocation, entries)
	for i := range all {
		all[i] = someone(i)
	}
	if err := list.Revoke(context.Background(), all...); err != nil {
		b.Fatal(err)
	}
	if err := list.Ready(context.Background()); err != nil {
		b.Fatal(err)
	}
	return list
}

// memoryLog is a Log that keeps nothing and has always been read: with it, Check also
// looks at the clock.
type memoryLog struct{}

func (memoryLog) Append(context.Context, ...revocation.Revocation) error { return nil }

func (memoryLog) Follow(ctx context.Context, _ string, _ func(revocation.Revocation, string), caughtUp func()) error {
	for ticker := time.NewTicker(time.Second); ; {
		caughtUp()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			ticker.Stop()
			return ctx.Err()
		}
	}
}

// revoking revokes 1,000 times a second until the benchmark ends.
func revoking(b *testing.B, list *revocation.List) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for begin, i := time.Now(), int64(0); ; {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			// All that are due: on one processor, this comes to its turn some 100 times a second.
			for ; i < time.Since(begin).Milliseconds(); i++ {
				if err := list.Revoke(context.Background(), someone(int(i))); err != nil {
					b.Error(err)
				}
			}
		}
	})
	b.Cleanup(func() { cancel(); done.Wait() })
}

// BenchmarkRevocation is for -cpu 1,2: what Check adds to the request of a token that
// was seen before, by the size of the list. Compare with none.
func BenchmarkRevocation(b *testing.B) {
	r, tokens := organizationTokens(b)
	run := func(name string, list func(b *testing.B) *revocation.List) {
		b.Run(name, func(b *testing.B) {
			cfg := contestants.GuardConfig(r.Issuer, 0)
			if list != nil {
				cfg.Check = list(b).Check
			}
			guard, err := logtoguard.New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { guard.Close() })
			guarded := guard.Handler(handler)
			list := requests(tokens)
			for _, request := range list {
				ask(b, guarded, contestants.NewAnswer(), request, accepted)
			}
			var start atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				w := contestants.NewAnswer()
				for i := int(start.Add(997)); pb.Next(); i++ {
					guarded.ServeHTTP(w, list[i%len(list)])
				}
			})
		})
	}
	run("none", nil)
	for _, entries := range []int{0, 1, 100_000} {
		run(strconv.Itoa(entries), func(b *testing.B) *revocation.List { return newList(b, entries, nil) })
		run(fmt.Sprint(entries, "/log"), func(b *testing.B) *revocation.List { return newList(b, entries, memoryLog{}) })
		run(fmt.Sprint(entries, "/revoking"), func(b *testing.B) *revocation.List {
			list := newList(b, entries, nil)
			revoking(b, list)
			return list
		})
	}
}

// BenchmarkRevocationCheck is Check alone.
func BenchmarkRevocationCheck(b *testing.B) {
	r, tokens := organizationTokens(b)
	guard, err := contestants.NewGuard(r.Issuer, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer guard.Close()
	claims := make([]*logtoguard.Claims, len(tokens))
	for i, token := range tokens {
		if claims[i], err = guard.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
	for _, entries := range []int{0, 1, 100_000} {
		for _, busy := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/revoking=%v", entries, busy), func(b *testing.B) {
				list := newList(b, entries, nil)
				if busy {
					revoking(b, list)
				}
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						if err := list.Check(context.Background(), claims[i%len(claims)]); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

// BenchmarkRevocationMemory measures what an entry weighs: just before the table
// grows, and just after.
func BenchmarkRevocationMemory(b *testing.B) {
	for _, entries := range []int{98_000, 100_000} {
		b.Run(strconv.Itoa(entries), func(b *testing.B) {
			var perEntry float64
			for b.Loop() {
				before := liveHeap()
				list := newList(b, entries, nil)
				perEntry = float64(liveHeap()-before) / float64(entries)
				runtime.KeepAlive(list)
			}
			b.ReportMetric(perEntry, "B/entry")
		})
	}
}
