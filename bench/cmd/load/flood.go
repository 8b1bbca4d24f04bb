package main

import (
	"fmt"
	"slices"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

// knownConnections are those of the closed loop.
const knownConnections = 16

// Columns of a flood.
const (
	quietRate   = "known/s, quiet"
	floodedRate = "known/s, flooded"
	kept        = "kept, %"
	quietP50    = "p50 quiet, ms"
	floodedP50  = "p50 flooded, ms"
	quietP99    = "p99 quiet, ms"
	floodedP99  = "p99 flooded, ms"
	p99Ratio    = "p99 ×"
)

// floods has known tokens on a few connections that are never idle, first alone, and then
// beside forged ones.
func floods(o options, issuer *rig.Rig) error {
	table := newSheet("forged/s | behind", slices.Concat([]column{
		{quietRate, "%.0f"}, {floodedRate, "%.0f"}, {kept, "%.0f"},
		{quietP50, "%.2f"}, {floodedP50, "%.2f"}, {quietP99, "%.2f"}, {floodedP99, "%.2f"}, {p99Ratio, "%.1f"},
	}, forgedColumns)...)
	for round := range o.rounds {
		people := newCrowd(issuer)
		for _, rate := range o.rates {
			for _, c := range turns(round, o.contenders()) {
				if err := o.flooded(table.row(rate, c.name), c, issuer, people, rate); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
			}
		}
	}
	o.present(table, fmt.Sprintf("Known tokens over HTTP, one after the other on %d connections, %v without and %v with forged ones, %s, on at most %d connections.",
		knownConnections, o.length, o.length, o.whose(), o.floodConnections))
	return nil
}

func (o options) flooded(r *row, c contender, issuer *rig.Rig, people crowd, rate int) error {
	s, err := people.start(o, c, issuer)
	if err != nil {
		return err
	}
	defer s.stop()
	known := make([][]byte, knownConnections)
	for i := range known {
		known[i] = people.known(i)
	}
	if _, err := closedLoop(s.address, known, o.length/4); err != nil {
		return err
	}
	quiet, err := closedLoop(s.address, known, o.length)
	if err != nil {
		return err
	}
	f, err := startFlood(o.assault(people, s.address, rate), o.lead)
	if err != nil {
		return err
	}
	defer f.stop()
	storm, err := closedLoop(s.address, known, o.length)
	if err != nil {
		return err
	}
	calm, rough := stat.Milli(stat.Quantile(quiet.latencies, 0.99)), stat.Milli(stat.Quantile(storm.latencies, 0.99))
	r.add(quietRate, quiet.perSecond())
	r.add(floodedRate, storm.perSecond())
	r.add(kept, 100*storm.perSecond()/quiet.perSecond())
	r.add(quietP50, stat.Milli(stat.Median(quiet.latencies)))
	r.add(floodedP50, stat.Milli(stat.Median(storm.latencies)))
	r.add(quietP99, calm)
	r.add(floodedP99, rough)
	r.add(p99Ratio, rough/calm)
	return f.note(r)
}
