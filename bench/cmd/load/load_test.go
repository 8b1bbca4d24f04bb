package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// The tests' program is its own servers and attackers too.
func TestMain(m *testing.M) {
	child, err := runChild()
	if err != nil {
		log.Fatal(err)
	}
	if !child {
		os.Exit(m.Run())
	}
}

// tiny are options for a measurement that is over at once, and means nothing.
func tiny(part string) options {
	return options{
		part:             part,
		algorithm:        "ES256",
		rounds:           1,
		length:           100 * time.Millisecond,
		lead:             time.Millisecond,
		connections:      2,
		costProcs:        1,
		procs:            2,
		bursts:           numbers{30, 40},
		slices:           2,
		rates:            numbers{100},
		floodConnections: 50,
		names:            unknownNames,
		kinds:            "members",
	}
}

func measure(t *testing.T, o options) string {
	t.Helper()
	var out bytes.Buffer
	o.out = &out
	if err := o.run(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPartsPrintTheirRows(t *testing.T) {
	peer := contestants.BestPeer.Name
	for _, test := range []struct {
		part, names string
		rows        []string
	}{
		{"cost", unknownNames, []string{none, ours.name}},
		{"sustained", unknownNames, []string{"2 | " + ours.name, "16 | " + peer, "16 | " + bare.name}},
		{"burst", unknownNames, []string{"30 | " + peer + " | 30 | 0 | 0", "40 | " + ours.name + " | 40 | 0 | 0", "40 | " + bare.name + " | 40 | 0 | 0"}},
		{"beside", oneName, []string{"nothing | 30 | 0 | 0", "1 forged/s | 30 | 0 | 0", "known tokens | 30 | 0 | 0"}},
		{"flood", allNames, []string{"100 | " + ours.name, "100 | " + peer}},
		{"renewals", unknownNames, []string{"0 | " + ours.name + " | known | 20 of 20", "100 | " + ours.name + " | renewals | 1 of 1", "100 | " + peer + " | strangers"}},
		{"renewals", oneName, []string{"100 | " + ours.name + " | " + namedKind}},
		{"worst", unknownNames, []string{"(none) | " + ours.name, "many members | " + ours.name, "many members in the header | " + peer}},
	} {
		t.Run(test.part+" "+test.names, func(t *testing.T) {
			o := tiny(test.part)
			o.names = test.names
			if test.part == "cost" {
				o.only = ours.name // there are many others
			}
			printed := measure(t, o)
			for _, row := range test.rows {
				if !strings.Contains(printed, "\n| "+row+" |") {
					t.Errorf("no row %q in\n%s", row, printed)
				}
			}
		})
	}
}

func TestWhatCannotBeMeasured(t *testing.T) {
	part, names := tiny("parts"), tiny("flood")
	names.names = "some"
	for _, o := range []options{part, names} {
		if err := o.run(); err == nil {
			t.Errorf("part %s with names %s was measured", o.part, o.names)
		}
	}
}

// Builds of older commits know a job and nothing but their usage.
func TestAnotherBuildBesideThisOne(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := tiny("flood")
	o.against = binary
	if printed, row := measure(t, o), "\n| 100 | logtoguard, "+filepath.Base(binary)+" |"; !strings.Contains(printed, row) {
		t.Errorf("no row %q in\n%s", row, printed)
	}

	older := filepath.Join(t.TempDir(), "older")
	script := "#!/bin/sh\nread job\necho 127.0.0.1:1\nwhile read line; do echo 1000 2000; done\n"
	if err := os.WriteFile(older, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := startServer(contender{"older", older, ours.contestant}, 2, rig.Issuer{})
	if err != nil {
		t.Fatal(err)
	}
	cpu, kib, err := s.usage()
	if err != nil || cpu != time.Microsecond || kib != 2_000 {
		t.Errorf("usage is %v and %d KiB, error %v", cpu, kib, err)
	}
	if err := s.give([]string{"token"}); err == nil {
		t.Error("tokens were given to a build that does not take them")
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestARunIsAllAtOnce(t *testing.T) {
	tokens := strings.Fields(strings.Repeat("token ", 100))
	for _, atOnce := range []int{1, 7, 100, 1_000} {
		// Each of the first requests waits for all of them.
		var first sync.WaitGroup
		first.Add(min(atOnce, len(tokens)))
		var mu sync.Mutex
		arrived := 0
		r := run(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			arrived++
			late := arrived > atOnce
			mu.Unlock()
			if late {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			first.Done()
			first.Wait()
			io.WriteString(w, r.Header.Get("Authorization"))
		}), tokens, atOnce)
		want := min(atOnce, len(tokens))
		if r.Statuses[200] != want || r.Statuses[503] != len(tokens)-want || r.Elapsed <= 0 {
			t.Errorf("%d at once: %+v", atOnce, r)
		}
	}
}

func TestAClosedLoopIsAnsweredAndCounted(t *testing.T) {
	r := rig.New("ES256")
	t.Cleanup(r.Close)
	guarded, stop, err := contestants.Ours.New(r.Issuer, http.HandlerFunc(products))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	address := listen(t, guarded)

	good := r.Good()
	answers := 0
	// A machine that is busy with others may let a short loop pass before its first request.
	for length := time.Millisecond; answers == 0 && length < time.Minute; length *= 2 {
		l, err := closedLoop(address, [][]byte{request(good), request(good)}, length)
		if err != nil {
			t.Fatal(err)
		}
		answers = len(l.latencies)
	}
	if answers == 0 {
		t.Error("no answers")
	}
	// It ends with the refusal.
	if _, err := closedLoop(address, [][]byte{request(rig.Forge(good))}, time.Minute); err == nil {
		t.Error("a refusal passed for an answer")
	}
}

func listen(t *testing.T, handler http.Handler) (address string) {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// The first request is not answered before the third has come: a loop that waited for
// answers would never end.
func TestAnOpenLoopDoesNotWait(t *testing.T) {
	third := make(chan struct{})
	address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") {
		case "Bearer 0":
			<-third
			w.WriteHeader(http.StatusServiceUnavailable)
		case "Bearer 2":
			close(third)
		}
	}))
	samples, err := openLoop(t.Context(), address, time.Millisecond, 3, func(i int) []byte { return request(strconv.Itoa(i)) })
	if err != nil {
		t.Fatal(err)
	}
	statuses := make(map[int]int)
	for _, s := range samples {
		statuses[s.i] = s.status
		if s.took <= 0 {
			t.Errorf("request %d took %v", s.i, s.took)
		}
	}
	if len(samples) != 3 || statuses[0] != 503 || statuses[1] != 200 || statuses[2] != 200 {
		t.Errorf("%d samples, statuses %v", len(samples), statuses)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	if samples, err = openLoop(ctx, address, time.Hour, 3, nil); len(samples) > 0 || err != nil {
		t.Errorf("after its end: %v, error %v", samples, err)
	}
}

// A flood counts what it could send, and what it could not as all its connections waited.
func TestAFloodIsCounted(t *testing.T) {
	r := rig.New("ES256")
	t.Cleanup(r.Close)
	var mu sync.Mutex
	seen := make(map[string]bool)
	full, open := make(chan struct{}), make(chan struct{})
	address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Header.Get("Authorization")] = true
		n := len(seen)
		mu.Unlock()
		switch n {
		case 1:
			w.WriteHeader(http.StatusUnauthorized)
			return
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 5:
			close(full)
		}
		<-open
	}))
	t.Cleanup(func() { close(open) })
	f, err := startFlood(assault{Address: address, Rate: 1_000, Connections: 3, Tokens: []string{r.Good()}, Unknown: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	<-full
	var counted toll
	for counted.Unsent == 0 {
		if counted, err = f.toll(); err != nil {
			t.Fatal(err)
		}
	}
	if counted.Sent != 5 || counted.Statuses[401] != 1 || counted.Statuses[503] != 1 {
		t.Errorf("%+v", counted)
	}
	if err := f.stop(); err != nil {
		t.Error(err)
	}
}

func TestAFloodThatIsLetInIsAFault(t *testing.T) {
	r := rig.New("ES256")
	t.Cleanup(r.Close)
	f, err := startFlood(assault{Address: listen(t, http.HandlerFunc(products)), Rate: 1_000, Connections: 1, Tokens: []string{r.Good()}}, 0)
	if err == nil {
		for err == nil {
			_, err = f.toll()
		}
		f.stop()
	}
	if !strings.Contains(err.Error(), "answered with 200") {
		t.Error(err)
	}
}

func TestSheets(t *testing.T) {
	s := newSheet("a | b", column{"x", "%.0f"}, column{"×", "%.1f"}, column{"text", ""})
	for _, x := range []float64{4, 1, 3, 2} {
		s.row("first", 1).add("x", x)
		s.row("second", 2).add("x", 2)
		s.relate(s.row("first", 1), "×", "x", "second", 2)
		s.relate(s.row("first", 1), "×", "x", "third", 3)
	}
	s.row("second", 2).texts["text"] = "3 of 3"
	var out bytes.Buffer
	s.print(&out)
	want := `| a | b | x | × | text |
|---|---|---:|---:|---:|
| first | 1 | 3 (2–4) | 1.5 (1.0–2.0) | – |
| second | 2 | 2 | – | 3 of 3 |
`
	if got := strings.TrimSuffix(out.String(), "\n"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTurns(t *testing.T) {
	for round, want := range []string{"abc", "bca", "cab", "abc"} {
		if got := strings.Join(turns(round, []string{"a", "b", "c"}), ""); got != want {
			t.Errorf("round %d: %s", round, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	n := numbers{1}
	if err := n.Set("2000,5000"); err != nil || n.String() != "2000,5000" {
		t.Errorf("%v, error %v", n, err)
	}
	if n.Set("2000,x") == nil {
		t.Error("x is a number")
	}
}

func TestTheChartIsXML(t *testing.T) {
	table := newSheet("behind")
	table.row(none).add(requestRate, 80_000)
	table.row("Logto's <recipe>").add(requestRate, 2_000)
	picture := string(chart(options{algorithm: "ES384"}, table))
	decoder := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(picture, "80,000") {
		t.Error("a bar without its figure")
	}
}
