package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// warmTokens are let in before a measurement of new ones, so that the server is warm
// and knows what a check takes.
const warmTokens = 200

// Columns of new tokens.
const (
	letIn    = "let in"
	busy     = "503"
	others   = "others"
	answered = "all answered, s"
	toPeer   = "× golang-jwt"
	toBare   = "× signature checks"
	cpuTime  = "CPU, s"
	peak     = "peak, MB"
	perToken = "KB per request"
)

// burst has many new tokens come at once, in the server itself: each is a request on a
// goroutine of its own, as connections would be too many for one machine.
func burst(o options, issuer *rig.Rig) error {
	table := newSheet("new at once | behind", column{letIn, "%.0f"}, column{busy, "%.0f"}, column{others, "%.0f"}, column{answered, "%.2f"},
		column{toPeer, "%.3f"}, column{toBare, "%.3f"}, column{cpuTime, "%.2f"}, column{peak, "%.0f"}, column{perToken, "%.1f"})
	for round := range o.rounds {
		tokens := issuer.Strangers(warmTokens + slices.Max(o.bursts))
		for _, n := range o.bursts {
			contenders := append(o.contenders(), bare)
			for _, c := range turns(round, contenders) {
				atOnce := n
				if c == bare {
					atOnce = o.procs
				}
				if err := o.burst(table.row(n, c.name), c, issuer, tokens[:warmTokens+n], atOnce); err != nil {
					return err
				}
			}
			for _, c := range contenders {
				r := table.row(n, c.name)
				table.relate(r, toPeer, answered, n, peer.name)
				table.relate(r, toBare, answered, n, bare.name)
			}
		}
	}
	o.present(table, "New tokens of distinct subjects, all at once, in the server; the signature checks alone on all processors.")
	return nil
}

func (o options) burst(r *row, c contender, issuer *rig.Rig, tokens []string, atOnce int) error {
	s, err := o.warmServer(c, issuer, tokens)
	if err != nil {
		return err
	}
	defer s.stop()
	cpuBefore, sizeBefore, err := s.usage()
	if err != nil {
		return err
	}
	result, err := s.run(warmTokens, len(tokens), atOnce)
	if err != nil {
		return err
	}
	cpu, size, err := s.usage()
	if err != nil {
		return err
	}
	result.note(r)
	r.add(cpuTime, (cpu - cpuBefore).Seconds())
	r.add(peak, float64(size)/1e6*1024)
	r.add(perToken, float64(size-sizeBefore)/1e3*1024/float64(len(tokens)-warmTokens))
	return nil
}

// warmServer is a new server that has the tokens, and has let in the first of them.
func (o options) warmServer(c contender, issuer *rig.Rig, tokens []string) (*server, error) {
	s, err := startServer(c, o.procs, issuer.Issuer)
	if err != nil {
		return nil, err
	}
	if err = s.give(tokens); err == nil {
		_, err = s.run(0, warmTokens, o.procs)
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (r result) note(into *row) {
	all := 0
	for _, n := range r.Statuses {
		all += n
	}
	into.add(letIn, float64(r.Statuses[200]))
	into.add(busy, float64(r.Statuses[503]))
	into.add(others, float64(all-r.Statuses[200]-r.Statuses[503]))
	into.add(answered, r.Elapsed.Seconds())
}

// beside has the same, of logtoguard alone, beside a few forged tokens, and beside known ones.
func beside(o options, issuer *rig.Rig) error {
	const toAlone, alone = "× alone", "nothing"
	n := o.bursts[0]
	table := newSheet("beside", slices.Concat([]column{{letIn, "%.0f"}, {busy, "%.0f"}, {others, "%.0f"}, {answered, "%.2f"}, {toAlone, "%.3f"}},
		timeColumns, []column{{refused, "%.0f"}}, forgedColumns)...)
	ways := []struct {
		name  string
		rate  int
		known bool
	}{
		{alone, 0, false}, {"1 forged/s", 1, false}, {"10 forged/s", 10, false}, {"100 forged/s", 100, false}, {"known tokens", 0, true},
	}
	for _, w := range ways {
		table.row(w.name) // in this order
	}
	o.lead *= 2
	for round := range o.rounds {
		tokens := issuer.Strangers(warmTokens + n)
		for _, w := range turns(round, ways) {
			if err := o.beside(table.row(w.name), issuer, tokens, w.rate, w.known); err != nil {
				return err
			}
		}
		for _, w := range ways {
			table.relate(table.row(w.name), toAlone, answered, alone)
		}
	}
	o.present(table, fmt.Sprintf("%d new tokens at once behind logtoguard, beside others over HTTP: forged ones, %s, from %v before on, or known ones every %v, of which p50, p99, max and refused are.",
		n, o.whose(), o.lead, knownEvery))
	return nil
}

func (o options) beside(r *row, issuer *rig.Rig, tokens []string, rate int, known bool) error {
	s, err := o.warmServer(ours, issuer, tokens)
	if err != nil {
		return err
	}
	defer s.stop()
	people := newCrowd(issuer)
	if err := s.letIn(people.tokens); err != nil {
		return err
	}
	f, err := startFlood(o.assault(people, s.address, rate), o.lead)
	if err != nil {
		return err
	}
	defer f.stop()
	ctx, end := context.WithCancel(context.Background())
	var group errgroup.Group
	var result result
	group.Go(func() (err error) {
		defer end()
		result, err = s.run(warmTokens, len(tokens), len(tokens))
		return err
	})
	if known {
		group.Go(func() error {
			samples, err := openLoop(ctx, s.address, knownEvery, math.MaxInt, people.known)
			noteTimes(r, samples)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	result.note(r)
	return f.note(r)
}
