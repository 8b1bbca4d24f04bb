// Command load measures over real HTTP on loopback, and in the server where the network
// would be in the way: what authentication costs, and what honest load and floods of
// forged tokens do to a server. The server is a process of its own, so that its CPU time
// is its own. See ../../README.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

type options struct {
	out              io.Writer
	algorithm        string
	rounds           int
	length, lead     time.Duration
	connections      int
	costProcs, procs int
	bursts           numbers
	slices           int
	rates            numbers
	floodConnections int
	names            string
	kinds            string
	against          string
	chart            string
	only             string
	part             string
}

// parts are what can be measured.
var parts = []struct {
	name    string
	measure func(options, *rig.Rig) error
}{
	{"cost", cost},
	{"sustained", sustained},
	{"burst", burst},
	{"beside", beside},
	{"flood", floods},
	{"renewals", renewals},
	{"worst", worst},
}

func main() {
	log.SetFlags(0)
	if child, err := runChild(); child {
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	o := options{out: os.Stdout, bursts: numbers{5_000, 20_000}, rates: numbers{2_000, 5_000, 20_000}}
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	flag.StringVar(&o.part, "part", "cost", "what to measure: "+strings.Join(names, ", ")+", or all")
	flag.StringVar(&o.algorithm, "alg", "ES384", "algorithm that signs the tokens: ES384, ES256 or RS256")
	flag.IntVar(&o.rounds, "rounds", 11, "rounds, of which medians and quartiles are shown")
	flag.DurationVar(&o.length, "length", 2*time.Second, "length of each measurement in a round")
	flag.DurationVar(&o.lead, "lead", time.Second, "how long forged tokens come before the measurement")
	flag.IntVar(&o.connections, "connections", 64, "cost: keep-alive connections of the load")
	flag.IntVar(&o.costProcs, "cost-procs", 1, "cost: GOMAXPROCS of the server")
	flag.IntVar(&o.procs, "procs", runtime.NumCPU(), "all others: GOMAXPROCS of the server")
	flag.Var(&o.bursts, "bursts", "burst: how many new tokens come at once; beside: the first of them")
	flag.IntVar(&o.slices, "slices", 40, "sustained: slices of 50 tokens in a round")
	flag.Var(&o.rates, "rates", "flood, renewals: forged tokens per second")
	flag.IntVar(&o.floodConnections, "flood-connections", 6_000, "connections of forged tokens, at most")
	flag.StringVar(&o.names, "names", unknownNames, "flood, renewals, beside: the subjects that forged tokens name: "+unknownNames+"; "+oneName+", of the subjects that were let in; or "+allNames+" of them")
	flag.StringVar(&o.kinds, "kinds", "", "worst: only tokens whose kind has this in it")
	flag.StringVar(&o.against, "against", "", "this command built at another commit, to be measured as well")
	flag.StringVar(&o.chart, "chart", "throughput.svg", "cost: file for the chart; empty: none")
	flag.StringVar(&o.only, "only", "", "measure only contestants whose name has this in it, and what they are compared with")
	flag.Parse()
	if err := o.run(); err != nil {
		log.Fatal(err)
	}
}

func (o options) run() error {
	if !slices.Contains([]string{unknownNames, oneName, allNames}, o.names) {
		return fmt.Errorf("-names %s: neither %s nor %s nor %s", o.names, unknownNames, oneName, allNames)
	}
	issuer := rig.New(o.algorithm)
	defer issuer.Close()
	done := false
	for _, p := range parts {
		if p.name != o.part && o.part != "all" {
			continue
		}
		if err := p.measure(o, issuer); err != nil {
			return err
		}
		done = true
	}
	if !done {
		return fmt.Errorf("there is no part %s", o.part)
	}
	return nil
}

// A contender is a server to measure.
type contender struct{ name, binary, contestant string }

// contenders are logtoguard, its other build if there is one, and the best of the others.
func (o options) contenders() []contender {
	all := []contender{ours}
	if o.against != "" {
		all = append(all, contender{ours.name + ", " + filepath.Base(o.against), o.against, ours.contestant})
	}
	all = append(all, peer)
	return slices.DeleteFunc(all, func(c contender) bool { return !strings.Contains(c.name, o.only) })
}

var (
	ours = itself(contestants.Ours.Name)
	peer = itself(contestants.BestPeer.Name)
	bare = itself(contestants.Bare.Name) // the yardstick for new tokens
)

// itself is the contender that is this build's.
func itself(contestant string) contender { return contender{contestant, self, contestant} }

// entrants are the servers that cost measures, no authentication first.
func (o options) entrants() []string {
	names := []string{none}
	for _, c := range contestants.All {
		if strings.Contains(c.Name, o.only) {
			names = append(names, c.Name)
		}
	}
	return names
}

// turns are the list in another order each round, so that none is always first.
func turns[T any](round int, list []T) []T {
	n := round % len(list)
	return slices.Concat(list[n:], list[:n])
}

// present prints a table and how it was made.
func (o options) present(s *sheet, what string) {
	fmt.Fprintf(o.out, "%s %s, GOMAXPROCS=%d, medians and quartiles of %d rounds. %s, %s, `go run ./cmd/load %s`.\n\n",
		what, o.algorithm, o.procs, o.rounds, machine(), runtime.Version(), strings.Join(os.Args[1:], " "))
	s.print(o.out)
}

// machine says what the figures were measured on.
func machine() string {
	model := "unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo") // not on every system
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %s", model, time.Now().Format(time.DateOnly))
}

// numbers is a flag: 2000,5000.
type numbers []int

func (n *numbers) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*n), " ", ","), "[]")
}

func (n *numbers) Set(text string) error {
	*n = nil
	for field := range strings.SplitSeq(text, ",") {
		number, err := strconv.Atoi(field)
		if err != nil || number < 0 {
			return fmt.Errorf("not a number: %q", field)
		}
		*n = append(*n, number)
	}
	return nil
}
