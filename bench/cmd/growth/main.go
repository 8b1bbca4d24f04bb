// Command growth shows what a request costs as the number of tokens in use grows
// beyond the cache: time, memory and share of hits. See ../../README.md.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"runtime"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

var (
	most   = flag.Int("tokens", 1_000_000, "the most tokens")
	length = flag.Duration("length", 2*time.Second, "length of each measurement; the warm-up before it takes one to ten times as long")
	size   = flag.Int("size", 0, "TokenCacheSize")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	fmt.Printf("Distinct tokens in use, one request after the other, each measured for %v after a warm-up that fills the cache. %s, %s.\n\n",
		*length, runtime.Version(), time.Now().Format(time.DateOnly))
	fmt.Println("| algorithm | tokens | drawn | µs per request | hits | B per request | entries | heap of the guard |")
	fmt.Println("|---|---:|---|---:|---:|---:|---:|---:|")
	for _, s := range []struct {
		algorithm string
		counts    []int
	}{
		{"ES384", []int{1, 1_000, 100_000}},
		// Quicker to mint.
		{"ES256", []int{1, 1_000, 100_000, 1_000_000}},
	} {
		r := rig.New(s.algorithm)
		for _, n := range s.counts {
			if n > *most {
				continue
			}
			tokens := mint(r, n)
			for _, d := range draws(n) {
				if err := measure(r, tokens, d); err != nil {
					log.Fatal(err)
				}
			}
		}
		r.Close()
	}
}

// arena has all tokens in one piece, so that the garbage collector has nothing to
// follow in what belongs to the measurement.
type arena struct {
	text  []byte
	width int
	ends  []uint16 // how much of its width each token uses
}

func mint(r *rig.Rig, n int) *arena {
	a := &arena{width: len(r.Good()) + 8, ends: make([]uint16, n)}
	a.text = make([]byte, n*a.width)
	rig.Each(n, func(i int) {
		a.ends[i] = uint16(copy(a.text[i*a.width:(i+1)*a.width], r.Good()))
	})
	return a
}

// header is an Authorization header, a new string each time as on a connection.
func (a *arena) header(i int) string {
	begin := i * a.width
	return "Bearer " + string(a.text[begin:begin+int(a.ends[i])])
}

// draw says which token comes next.
type draw struct {
	name string
	next func() int
}

func draws(n int) []draw {
	random := rand.New(rand.NewPCG(1, 2))
	uniform := draw{"uniformly", func() int { return random.IntN(n) }}
	if n == 1 {
		return []draw{uniform}
	}
	zipf := rand.NewZipf(random, 1.1, 1, uint64(n-1))
	return []draw{uniform, {"by Zipf, s = 1.1", func() int { return int(zipf.Uint64()) }}}
}

func measure(r *rig.Rig, tokens *arena, d draw) error {
	empty := heap()
	guard, err := contestants.NewGuard(r.Issuer, *size)
	if err != nil {
		return err
	}
	defer guard.Close()
	served := 0
	products := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })
	handler := guard.Handler(logtoguard.RequireScope(rig.Scope)(products))
	// One request is one step of the loop, the making of its header included.
	run := func(length time.Duration) (steps int) {
		request := contestants.Request("")
		for end := time.Now().Add(length); time.Now().Before(end); {
			for range 50 { // reading the clock must not count
				request.Header["Authorization"] = []string{tokens.header(d.next())}
				handler.ServeHTTP(nowhere{}, request)
				steps++
			}
		}
		return steps
	}
	warm := run(*length)
	// Until the cache is as full as it gets, within limits.
	full := min(len(tokens.ends), cmp.Or(*size, 10_000)) * 9 / 10
	for end := time.Now().Add(10 * *length); guard.Stats().TokenCacheEntries < full && time.Now().Before(end); {
		warm += run(*length / 4)
	}
	before := guard.Stats()
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	begin := time.Now()
	steps := run(*length)
	elapsed := time.Since(begin)
	runtime.ReadMemStats(&to)
	after := guard.Stats()
	if served != warm+steps {
		return fmt.Errorf("%d of %d requests were let in", served, warm+steps)
	}
	fmt.Printf("| %s | %d | %s | %.2f | %.1f %% | %d | %d | %.1f MiB |\n",
		r.Algorithm, len(tokens.ends), d.name,
		elapsed.Seconds()*1e6/float64(steps),
		100*float64(after.TokenCacheHits-before.TokenCacheHits)/float64(steps),
		(to.TotalAlloc-from.TotalAlloc)/uint64(steps),
		after.TokenCacheEntries,
		float64(heap()-empty)/(1<<20))
	return nil
}

// nowhere is a ResponseWriter that nothing is written to.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC() // the first one may have been under way
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
