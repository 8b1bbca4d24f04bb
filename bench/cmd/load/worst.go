package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// worstRate is how many of the worst tokens come in a second.
const worstRate = 500

// worst has known tokens beside the longest tokens that are read, full of what takes long.
func worst(o options, issuer *rig.Rig) error {
	table := newSheet("full of | behind", slices.Concat(timeColumns, []column{{refused, "%.0f"}}, forgedColumns)...)
	people := newCrowd(issuer)
	o.length, o.lead = o.length/2, o.lead/2 // there are many kinds
	for round := range o.rounds {
		for _, c := range turns(round, o.contenders()) {
			if err := o.besideWorst(table.row("(none)", c.name), c, issuer, people, assault{}); err != nil {
				return err
			}
		}
		for _, kind := range rig.Worst {
			if !strings.Contains(kind.Kind, o.kinds) {
				continue
			}
			a := assault{Rate: worstRate, Connections: min(o.floodConnections, 2*worstRate), Tokens: []string{kind.Make(issuer)}}
			for _, c := range turns(round, o.contenders()) {
				if err := o.besideWorst(table.row(kind.Kind, c.name), c, issuer, people, a); err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, kind.Kind, err)
				}
			}
		}
	}
	o.present(table, fmt.Sprintf("Known tokens over HTTP, every %v for %v in each round, beside %d forged ones of %d KiB a second.",
		knownEvery, o.length, worstRate, rig.MaxToken>>10))
	return nil
}

func (o options) besideWorst(r *row, c contender, issuer *rig.Rig, people crowd, a assault) error {
	s, err := people.start(o, c, issuer)
	if err != nil {
		return err
	}
	defer s.stop()
	a.Address = s.address
	f, err := startFlood(a, o.lead)
	if err != nil {
		return err
	}
	defer f.stop()
	samples, err := openLoop(context.Background(), s.address, knownEvery, o.times(knownEvery), people.known)
	if err != nil {
		return err
	}
	noteTimes(r, samples)
	return f.note(r)
}
