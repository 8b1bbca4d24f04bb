package main

import (
	"strings"
	"testing"
)

func TestRatiosAreThoseOfOneRound(t *testing.T) {
	const runs = `goos: linux
BenchmarkRaw/P-384-2 	 100	 400 ns/op	 8 B/op	 1 allocs/op
BenchmarkSeen/a-2    	 100	 100 ns/op	 16 B/op	 2 allocs/op
BenchmarkRaw/P-384-2 	 100	 4000 ns/op	 8 B/op	 1 allocs/op
BenchmarkSeen/a-2    	 100	 1000 ns/op	 16 B/op	 2 allocs/op
PASS
`
	r, err := read(strings.NewReader(runs))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := r.show(&out, "Raw/P-384"); err != nil {
		t.Fatal(err)
	}
	if want := "| Seen/a-2 | 1.000 | 0.2500 | 4.0 | 2 | 16 |  |"; !strings.Contains(out.String(), want) {
		t.Errorf("got\n%s\nwithout %s", out.String(), want)
	}
	if err := r.show(&out, "Raw/P-512"); err == nil {
		t.Error("a yardstick that is not there was found")
	}
}
