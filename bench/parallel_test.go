package bench

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
)

type floorKey struct{}

// floor does what nobody can avoid who hands something on in the context.
var floor = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	handler(w, r.WithContext(context.WithValue(r.Context(), floorKey{}, w)))
})

// BenchmarkFloor: the handler by itself, and with a value in its context.
func BenchmarkFloor(b *testing.B) {
	for _, f := range []struct {
		name    string
		handler http.Handler
	}{{"bare", handler}, {"context", floor}} {
		b.Run(f.name, func(b *testing.B) {
			w, request := contestants.NewAnswer(), contestants.Request("x")
			b.ReportAllocs()
			for b.Loop() {
				ask(b, f.handler, w, request, accepted)
			}
		})
	}
}

// BenchmarkParallel is for -cpu 1,2: how the floor and a hit scale, and how many
// new tokens a second get through.
func BenchmarkParallel(b *testing.B) {
	b.Run("context", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			w, request := contestants.NewAnswer(), contestants.Request("x")
			for pb.Next() {
				floor.ServeHTTP(w, request)
			}
		})
	})
	b.Run("seen", func(b *testing.B) {
		r := issuer(b, "ES384")
		guarded := start(b, contestants.Ours, r)
		tokens := make([]string, 64)
		for i := range tokens {
			tokens[i] = r.Good()
			ask(b, guarded, contestants.NewAnswer(), contestants.Request(tokens[i]), accepted)
		}
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			w, list := contestants.NewAnswer(), requests(tokens)
			for i := 0; pb.Next(); i++ {
				guarded.ServeHTTP(w, list[i%len(list)])
			}
		})
	})
	for _, algorithm := range []string{"ES384", "ES256"} {
		for _, c := range []contestants.Contestant{contestants.Uncached, contestants.BestPeer} {
			b.Run("new/"+algorithm+"/"+c.Name, func(b *testing.B) {
				r := issuer(b, algorithm)
				guarded, list := start(b, c, r), pool(r)
				var next, refused atomic.Int64
				// Several connections for each processor, as a server has them.
				b.SetParallelism(8)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					w := contestants.NewAnswer()
					for pb.Next() {
						guarded.ServeHTTP(w, list[int(next.Add(1))%distinct])
						if w.Status != accepted {
							refused.Add(1)
						}
					}
				})
				if refused.Load() > 0 {
					b.Fatalf("%d good tokens were refused", refused.Load())
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
