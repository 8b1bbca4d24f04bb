package contestants

import (
	"net/http"
	"testing"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

func TestEveryContestantDoesTheJob(t *testing.T) {
	for _, algorithm := range rig.Algorithms {
		r := rig.New(algorithm)
		t.Cleanup(r.Close)
		for _, c := range append([]Contestant{Uncached}, All...) {
			if err := c.Sane(r); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestBareChecksTheSignature(t *testing.T) {
	for _, algorithm := range rig.Algorithms {
		r := rig.New(algorithm)
		t.Cleanup(r.Close)
		bare, ok := Find(Bare.Name)
		if !ok {
			t.Fatal("it is not found")
		}
		guarded, stop, err := bare.New(r.Issuer, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(nil) }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		good := r.Good()
		for token, want := range map[string]int{good: http.StatusOK, rig.Forge(good): http.StatusUnauthorized, "x": http.StatusUnauthorized} {
			w := NewAnswer()
			if guarded.ServeHTTP(w, Request(token)); w.Status != want {
				t.Errorf("%s, %s: answer %d, want %d", algorithm, token, w.Status, want)
			}
		}
	}
}
