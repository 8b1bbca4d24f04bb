package bench

import (
	"net/http"
	"testing"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// distinct is how many tokens a benchmark of new tokens goes round in: enough that
// none is still in a cache with room for one.
const distinct = 2_000

// everyone runs a benchmark for all algorithms and contestants. Those of one
// algorithm follow each other, so that a noisy machine is noisy to all of them.
func everyone(b *testing.B, all []contestants.Contestant, run func(*testing.B, contestants.Contestant, *rig.Rig)) {
	for _, algorithm := range rig.Algorithms {
		b.Run(algorithm, func(b *testing.B) {
			r := issuer(b, algorithm)
			for _, c := range all {
				b.Run(c.Name, func(b *testing.B) { run(b, c, r) })
			}
		})
	}
}

// BenchmarkSeen: a token that came before.
func BenchmarkSeen(b *testing.B) {
	everyone(b, contestants.All, func(b *testing.B, c contestants.Contestant, r *rig.Rig) {
		guarded := start(b, c, r)
		token := r.Good()
		w := contestants.NewAnswer()
		ask(b, guarded, w, contestants.Request(token), accepted)
		// Another copy, as on a connection: the same string would be compared by its address.
		request := contestants.Request(token)
		b.ReportAllocs()
		for b.Loop() {
			ask(b, guarded, w, request, accepted)
		}
	})
}

// newTokens has contestants to whom each token is new.
func newTokens() []contestants.Contestant {
	return append([]contestants.Contestant{contestants.Uncached}, contestants.All[1:]...)
}

var pools = make(map[string][]*http.Request)

// pool keeps the tokens for the benchmarks of new ones.
func pool(r *rig.Rig) []*http.Request {
	if pools[r.Algorithm] == nil {
		pools[r.Algorithm] = requests(rig.Mint(distinct, r.Good))
	}
	return pools[r.Algorithm]
}

// BenchmarkNew: a token that did not come before. The raw signature check is among
// the contestants here, so that the ratio is one of neighbours.
func BenchmarkNew(b *testing.B) {
	checks := rawChecks(b)
	for _, algorithm := range rig.Algorithms {
		b.Run(algorithm, func(b *testing.B) {
			r := issuer(b, algorithm)
			list := pool(r)
			for _, raw := range checks {
				if raw.algorithm == algorithm {
					b.Run("raw", func(b *testing.B) {
						for b.Loop() {
							raw.check()
						}
					})
				}
			}
			for _, c := range newTokens() {
				b.Run(c.Name, func(b *testing.B) {
					guarded := start(b, c, r)
					w := contestants.NewAnswer()
					ask(b, guarded, w, contestants.Request(r.Good()), accepted) // who fetches keys late does it here
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						ask(b, guarded, w, list[i%distinct], accepted)
					}
				})
			}
		})
	}
}

// BenchmarkRefuse: tokens that are refused, and how many fetches of keys each costs.
func BenchmarkRefuse(b *testing.B) {
	for _, bad := range rig.Bad {
		b.Run(bad.Kind, func(b *testing.B) {
			everyone(b, contestants.All, func(b *testing.B, c contestants.Contestant, r *rig.Rig) {
				guarded := start(b, c, r)
				w := contestants.NewAnswer()
				ask(b, guarded, w, contestants.Request(r.Good()), accepted)
				request := contestants.Request(bad.Make(r))
				// A few fetches for an unknown kid are right: what counts is whether they go on.
				for range 5 {
					guarded.ServeHTTP(w, request)
				}
				before := r.Fetches()
				b.ReportAllocs()
				for b.Loop() {
					w.Status = 0
					guarded.ServeHTTP(w, request)
					if w.Status == accepted {
						b.Fatal("a bad token was accepted")
					}
				}
				b.ReportMetric(float64(r.Fetches()-before)/float64(b.N), "fetches/op")
			})
		})
	}
}
