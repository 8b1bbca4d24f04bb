package main

import (
	"fmt"
	"os"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

// none is the server without authentication.
const none = "no authentication"

// Columns of cost.
const (
	requestCPU  = "CPU of the server per request, µs"
	cpuToNone   = "× no authentication"
	cpuToOurs   = "× logtoguard"
	requestRate = "requests/s"
)

// cost measures what a request with a token seen before costs the server.
func cost(o options, issuer *rig.Rig) error {
	for _, c := range contestants.All {
		if err := c.Sane(issuer); err != nil {
			return err
		}
	}
	o.procs = o.costProcs
	requests := make([][]byte, o.connections)
	for i := range requests {
		requests[i] = request(issuer.Good())
	}
	var servers []*server
	for _, name := range o.entrants() {
		s, err := startServer(itself(name), o.procs, issuer.Issuer)
		if err != nil {
			return err
		}
		defer s.stop()
		servers = append(servers, s)
		if _, err := closedLoop(s.address, requests, o.length/4); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	table := newSheet("behind", column{requestCPU, "%.1f"}, column{cpuToNone, "%.2f"}, column{cpuToOurs, "%.2f"},
		column{requestRate, "%.0f"}, column{p50, "%.2f"}, column{p99, "%.2f"})
	for range o.rounds {
		for _, s := range servers {
			if err := o.cost(table.row(s.name), s, requests); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		for _, r := range table.rows {
			table.relate(r, cpuToNone, requestCPU, none)
			table.relate(r, cpuToOurs, requestCPU, ours.name)
		}
	}
	o.present(table, fmt.Sprintf("Tokens seen before over HTTP, %d connections that are never idle, for %v in each round.", o.connections, o.length))
	if o.chart == "" {
		return nil
	}
	return os.WriteFile(o.chart, chart(o, table), 0o644)
}

func (o options) cost(r *row, s *server, requests [][]byte) error {
	before, _, err := s.usage()
	if err != nil {
		return err
	}
	l, err := closedLoop(s.address, requests, o.length)
	if err != nil {
		return err
	}
	after, _, err := s.usage()
	if err != nil {
		return err
	}
	r.add(requestCPU, stat.Micro(after-before)/float64(len(l.latencies)))
	r.add(requestRate, l.perSecond())
	r.add(p50, stat.Milli(stat.Median(l.latencies)))
	r.add(p99, stat.Milli(stat.Quantile(l.latencies, 0.99)))
	return nil
}
