package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	theine "github.com/Yiling-J/theine-go"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"
)

// claims stands for what is kept of a token.
type claims [256]byte

// library is a cache under comparison.
type library struct {
	name string
	open func(size int) (get func(string) *claims, set func(string, *claims), closeCache func())
}

var libraries = []library{
	{"otter v2", func(size int) (func(string) *claims, func(string, *claims), func()) {
		c := otter.Must(&otter.Options[string, *claims]{
			MaximumSize: size,
			// As logtoguard has it: no goroutine to own.
			Executor: func(task func()) { task() },
		})
		get := func(key string) *claims { v, _ := c.GetIfPresent(key); return v }
		return get, func(key string, v *claims) { c.Set(key, v) }, c.CleanUp
	}},
	{"theine", func(size int) (func(string) *claims, func(string, *claims), func()) {
		c, err := theine.NewBuilder[string, *claims](int64(size)).Build()
		if err != nil {
			panic(err) // the size is constant
		}
		get := func(key string) *claims { v, _ := c.Get(key); return v }
		return get, func(key string, v *claims) { c.Set(key, v, 1) }, c.Close
	}},
	{"golang-lru 2Q", func(size int) (func(string) *claims, func(string, *claims), func()) {
		c, err := lru.New2Q[string, *claims](size)
		if err != nil {
			panic(err) // the size is constant
		}
		get := func(key string) *claims { v, _ := c.Get(key); return v }
		return get, func(key string, v *claims) { c.Add(key, v) }, c.Purge
	}},
}

// keys are as long as tokens, and begin alike as they do. Each call makes copies of
// its own, because a request's token is not the string that the cache has.
func keys(n int) []string {
	prefix := strings.Repeat("x", 590)
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%010d", prefix, i)
	}
	return list
}

// BenchmarkCacheHit is for -cpu 1,2.
func BenchmarkCacheHit(b *testing.B) {
	const tokens = 2_000
	for _, l := range libraries {
		b.Run(l.name, func(b *testing.B) {
			get, set, closeCache := l.open(10_000)
			defer closeCache()
			for _, key := range keys(tokens) {
				set(key, &claims{})
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				list := keys(tokens)
				misses := 0
				for i := rand.IntN(tokens); pb.Next(); i++ {
					if get(list[i%tokens]) == nil {
						misses++
					}
				}
				if misses > 0 {
					b.Errorf("%d misses", misses)
				}
			})
		})
	}
}

// BenchmarkCacheRatio draws tokens by Zipf's law while every other request comes
// with a token that is used just once. The share of hits is among the others.
func BenchmarkCacheRatio(b *testing.B) {
	const size, tokens, draws = 1_000, 100_000, 300_000
	for _, l := range libraries {
		b.Run(l.name, func(b *testing.B) {
			share := 0.0
			for b.Loop() {
				get, set, closeCache := l.open(size)
				zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, tokens-1)
				hits := 0
				for i := range draws {
					key := fmt.Sprint("z", zipf.Uint64())
					if get(key) != nil {
						hits++
					} else {
						set(key, &claims{})
					}
					once := fmt.Sprint("once", i)
					if get(once) == nil {
						set(once, &claims{})
					}
				}
				share = float64(hits) / draws
				closeCache()
			}
			b.ReportMetric(100*share, "%hits")
		})
	}
}

// BenchmarkCacheMemory is what the library itself needs for an entry.
func BenchmarkCacheMemory(b *testing.B) {
	const size = 10_000
	for _, l := range libraries {
		b.Run(l.name, func(b *testing.B) {
			list, value := keys(size), &claims{}
			perEntry := 0.0
			for b.Loop() {
				before := liveHeap()
				get, set, closeCache := l.open(size)
				for _, key := range list {
					set(key, value)
				}
				perEntry = float64(liveHeap()-before) / size
				runtime.KeepAlive(get)
				closeCache()
			}
			b.ReportMetric(perEntry, "B/entry")
			runtime.KeepAlive(list)
		})
	}
}

// liveHeap is what is in use after a collection.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // the first one may have been under way
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
