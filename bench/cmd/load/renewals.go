package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

const (
	newEvery  = time.Second / 14 // a renewal, and a stranger
	namedTurn = 7                // every so many renewals is one of the subject that all forged tokens name
)

// renewals has known tokens, new tokens of subjects that were let in before, and new
// tokens of strangers, each at its rate whatever the answers, beside forged ones.
func renewals(o options, issuer *rig.Rig) error {
	table := newSheet("forged/s | behind | tokens", slices.Concat([]column{{letIn, ""}}, timeColumns,
		[]column{{refusedP99, ""}, {refusedMax, ""}}, forgedColumns)...)
	all := make(map[*row][]sample)
	for round := range o.rounds {
		people := newCrowd(issuer)
		fresh := o.fresh(issuer, people)
		for _, rate := range append([]int{0}, o.rates...) {
			for _, c := range turns(round, o.contenders()) {
				who := func(kind string) *row { return table.row(rate, c.name, kind) }
				samples, err := o.renewed(who("known"), c, issuer, people, fresh, rate)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				for _, kind := range []string{"known", "renewals", namedKind, "strangers"} {
					if len(samples[kind]) > 0 {
						all[who(kind)] = append(all[who(kind)], samples[kind]...)
					}
				}
			}
		}
	}
	for r, samples := range all {
		describe(r, samples)
	}
	o.present(table, fmt.Sprintf("Over HTTP, for %v in each round: known tokens every %v; new tokens of subjects that were let in before, and of strangers, %d of each a second; all rounds of these together. Forged tokens are %s, on at most %d connections.",
		o.length, knownEvery, time.Second/newEvery, o.whose(), o.floodConnections))
	return nil
}

// namedKind are the renewals of the subject that all forged tokens name.
const namedKind = "renewals of the named subject"

// newcomers are new tokens, of which each is sent once to a server.
type newcomers struct{ renewals, strangers []string }

// fresh makes as many as a measurement takes. Each renewal is of another subject of the
// crowd; the first, if all forged tokens name it, has a share of its own.
func (o options) fresh(issuer *rig.Rig, people crowd) (n newcomers) {
	for i := range o.times(newEvery) {
		subject := people.subjects[1+i%(knownSubjects-1)]
		if o.named(i) {
			subject = people.subjects[0]
		}
		n.renewals = append(n.renewals, issuer.Of(subject))
	}
	n.strangers = issuer.Strangers(len(n.renewals))
	return n
}

// named reports whether that renewal is of the subject that all forged tokens name.
func (o options) named(i int) bool { return o.names == oneName && i%namedTurn == 0 }

// renewed is one measurement: what each kind of token got.
func (o options) renewed(known *row, c contender, issuer *rig.Rig, people crowd, fresh newcomers, rate int) (map[string][]sample, error) {
	s, err := people.start(o, c, issuer)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	f, err := startFlood(o.assault(people, s.address, rate), o.lead)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	var old, renewals, strangers []sample
	var group errgroup.Group
	loop := func(into *[]sample, interval time.Duration, n int, request func(i int) []byte) {
		group.Go(func() (err error) {
			*into, err = openLoop(context.Background(), s.address, interval, n, request)
			return err
		})
	}
	loop(&old, knownEvery, o.times(knownEvery), people.known)
	loop(&renewals, newEvery, len(fresh.renewals), func(i int) []byte { return request(fresh.renewals[i]) })
	loop(&strangers, newEvery, len(fresh.strangers), func(i int) []byte { return request(fresh.strangers[i]) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	noteTimes(known, old)
	samples := map[string][]sample{"known": old, "strangers": strangers}
	for _, r := range renewals {
		kind := "renewals"
		if o.named(r.i) {
			kind = namedKind
		}
		samples[kind] = append(samples[kind], r)
	}
	return samples, f.note(known)
}

// Columns of those that were not let in.
const (
	refusedP99 = "others: p99, ms"
	refusedMax = "others: max, ms"
)

// describe is noteTimes for rows whose rounds are too short for quantiles of their own.
func describe(r *row, samples []sample) {
	good, bad := split(samples)
	ms := func(times []time.Duration, q float64) string {
		if len(times) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f", stat.Milli(stat.Quantile(times, q)))
	}
	r.texts[letIn] = fmt.Sprintf("%d of %d", len(good), len(samples))
	r.texts[p50], r.texts[p99], r.texts[longest] = ms(good, 0.5), ms(good, 0.99), ms(good, 1)
	r.texts[refusedP99], r.texts[refusedMax] = ms(bad, 0.99), ms(bad, 1)
}
