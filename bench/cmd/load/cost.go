package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

// figures of one contestant, a value for each round.
type figures struct {
	name                     string
	cpu, perSecond, p50, p99 []float64
	ratio                    []float64 // of the CPU time to that without authentication in the same round
}

// cost measures what a request with a token seen before costs the server.
func cost(o options, issuer *rig.Rig) error {
	for _, c := range contestants.All {
		if err := c.Sane(issuer); err != nil {
			return err
		}
	}
	requests := make([][]byte, o.connections)
	for i := range requests {
		requests[i] = request(issuer.Good())
	}
	names := o.entrants()
	servers := make([]*server, len(names))
	table := make([]figures, len(names))
	for i, name := range names {
		s, err := startServer(name, o.procs, issuer.Issuer)
		if err != nil {
			return err
		}
		defer s.stop()
		servers[i], table[i].name = s, name
		if _, err := closedLoop(s.address, requests, o.length/4); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for range o.rounds {
		for i, s := range servers {
			if err := table[i].measure(s, requests, o.length); err != nil {
				return err
			}
			last := len(table[i].cpu) - 1
			table[i].ratio = append(table[i].ratio, table[i].cpu[last]/table[0].cpu[last])
		}
	}
	show(o, table)
	if o.chart == "" {
		return nil
	}
	return os.WriteFile(o.chart, chart(o, table), 0o644)
}

func (f *figures) measure(s *server, requests [][]byte, length time.Duration) error {
	before, _, err := s.usage()
	if err != nil {
		return err
	}
	l, err := closedLoop(s.address, requests, length)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	after, _, err := s.usage()
	if err != nil {
		return err
	}
	f.cpu = append(f.cpu, stat.Micro(after-before)/float64(len(l.latencies)))
	f.perSecond = append(f.perSecond, l.perSecond())
	f.p50 = append(f.p50, stat.Micro(stat.Quantile(l.latencies, 0.5)))
	f.p99 = append(f.p99, stat.Micro(stat.Quantile(l.latencies, 0.99)))
	return nil
}

func show(o options, table []figures) {
	fmt.Printf("Tokens seen before, %s, %d connections, server with GOMAXPROCS=%d, medians of %d rounds of %v. %s, %s.\n\n",
		o.algorithm, o.connections, o.procs, o.rounds, o.length, machine(), runtime.Version())
	fmt.Println("| behind | CPU of the server per request | × no authentication | × logtoguard | requests/s | p50 | p99 |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|")
	ours := 0.0
	for _, f := range table {
		if f.name == contestants.Ours.Name {
			ours = stat.Median(f.cpu)
		}
	}
	for _, f := range table {
		cpu := stat.Median(f.cpu)
		fmt.Printf("| %s | %.1f µs | %.2f | %.2f | %.0f | %.0f µs | %.0f µs |\n",
			f.name, cpu, stat.Median(f.ratio), cpu/ours, stat.Median(f.perSecond), stat.Median(f.p50), stat.Median(f.p99))
	}
	fmt.Println()
}
