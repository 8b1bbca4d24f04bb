// Package bench compares logtoguard with the ways in which Go programs check the
// access tokens of Logto today. See README.md.
package bench

import (
	"net/http"
	"sync"
	"testing"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// accepted is the status by which the guarded handler tells that it ran.
const accepted = http.StatusNoContent

var handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(accepted) })

// ask sends a request, and fails the benchmark on any other answer.
func ask(b *testing.B, guarded http.Handler, w *contestants.Answer, r *http.Request, status int) {
	w.Status = 0
	guarded.ServeHTTP(w, r)
	if w.Status != status {
		b.Fatalf("answer %d, want %d", w.Status, status)
	}
}

// start makes a contestant's handler for the length of the benchmark.
func start(b *testing.B, c contestants.Contestant, r *rig.Rig) http.Handler {
	b.Helper()
	guarded, stop, err := c.New(r.Issuer, handler)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	return guarded
}

// issuers keeps one issuer for each algorithm, and checks the contestants once.
var issuers = struct {
	sync.Mutex
	rigs map[string]*rig.Rig
}{rigs: make(map[string]*rig.Rig)}

func issuer(b *testing.B, algorithm string) *rig.Rig {
	b.Helper()
	issuers.Lock()
	defer issuers.Unlock()
	if r := issuers.rigs[algorithm]; r != nil {
		return r
	}
	r := rig.New(algorithm)
	for _, c := range contestants.All {
		if err := c.Sane(r); err != nil {
			b.Fatal(err)
		}
	}
	issuers.rigs[algorithm] = r
	return r
}

// requests are requests with tokens.
func requests(tokens []string) []*http.Request {
	list := make([]*http.Request, len(tokens))
	for i, token := range tokens {
		list[i] = contestants.Request(token)
	}
	return list
}
