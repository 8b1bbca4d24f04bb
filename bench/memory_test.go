package bench

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// BenchmarkMemory fills a guard's cache of the default size, and measures what it
// holds: typical tokens, the dearest ones that count for one, and long ones. It
// uses ES256, which is quicker to sign; an ES384 token is 43 bytes longer.
func BenchmarkMemory(b *testing.B) {
	const size = 10_000
	for _, kind := range []struct {
		name   string
		tokens int
		mint   func(*rig.Rig) string
	}{
		{"typical", size, (*rig.Rig).Good},
		{"one-long-claim-2KiB", size, func(r *rig.Rig) string { return r.Padded(2_048) }},
		{"many-scopes-2KiB", size, func(r *rig.Rig) string { return r.With("scope", strings.Repeat("a ", 590)) }},
		{"many-audiences-2KiB", size, (*rig.Rig).ManyAudiences},
		{"16KiB", size, func(r *rig.Rig) string { return r.Padded(16 << 10) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			r := rig.New("ES256")
			defer r.Close()
			var entries, length, perEntry, total float64
			for b.Loop() {
				guard, err := contestants.NewGuard(r.Issuer, size)
				if err != nil {
					b.Fatal(err)
				}
				before := liveHeap()
				rig.Each(kind.tokens, func(int) {
					token := kind.mint(r)
					if _, err := guard.Verify(context.Background(), token); err != nil {
						b.Error(err)
					}
				})
				total = float64(liveHeap() - before)
				entries = float64(guard.Stats().TokenCacheEntries)
				perEntry, length = total/entries, float64(len(kind.mint(r)))
				runtime.KeepAlive(guard)
				guard.Close()
			}
			b.ReportMetric(length, "B/token")
			b.ReportMetric(entries, "entries")
			b.ReportMetric(perEntry, "B/entry")
			b.ReportMetric(total/(1<<20), "MiB")
		})
	}
}
