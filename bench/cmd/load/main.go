// Command load measures over real HTTP on loopback: what authentication costs a
// server, and what is left of it under a flood of forged tokens. The server is a
// process of its own, so that its CPU time is its own. See ../../README.md.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

type options struct {
	algorithm   string
	rounds      int
	length      time.Duration
	connections int
	procs       int
	floodProcs  int
	chart       string
	only        string
	part        string
}

// none is the server without authentication.
const none = "no authentication"

func main() {
	log.SetFlags(0)
	if len(os.Args) == 2 && os.Args[1] == serveArgument {
		if err := serve(os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	var o options
	flag.StringVar(&o.algorithm, "alg", "ES384", "algorithm that signs the tokens: ES384, ES256 or RS256")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, of which the medians are shown")
	flag.DurationVar(&o.length, "length", 1500*time.Millisecond, "length of each measurement in a round")
	flag.IntVar(&o.connections, "connections", 64, "keep-alive connections of the load")
	flag.IntVar(&o.procs, "server-procs", 1, "GOMAXPROCS of the server")
	flag.IntVar(&o.floodProcs, "flood-procs", 2, "GOMAXPROCS of the server in the flood")
	flag.StringVar(&o.chart, "chart", "throughput.svg", "file for the chart; empty: none")
	flag.StringVar(&o.only, "only", "", "measure only contestants whose name has this in it, and "+none)
	flag.StringVar(&o.part, "part", "all", "what to measure: cost, flood or all")
	flag.Parse()
	if err := run(o); err != nil {
		log.Fatal(err)
	}
}

func run(o options) error {
	issuer := rig.New(o.algorithm)
	defer issuer.Close()
	if o.part != "flood" {
		if err := cost(o, issuer); err != nil {
			return err
		}
	}
	if o.part != "cost" {
		return flood(o, issuer)
	}
	return nil
}

// entrants are the servers to measure, no authentication first.
func (o options) entrants() []string {
	names := []string{none}
	for _, c := range contestants.All {
		if strings.Contains(c.Name, o.only) {
			names = append(names, c.Name)
		}
	}
	return names
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
