package contestants

import (
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
