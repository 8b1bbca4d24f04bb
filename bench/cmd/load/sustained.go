package main

import (
	"fmt"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

// sliceTokens are checked by one server before it is the next one's turn: what disturbs
// the machine for longer than that disturbs all alike.
const sliceTokens = 50

// Columns of sustained new tokens.
const (
	tokenCPU  = "CPU per token, µs"
	cpuToPeer = "× golang-jwt"
	cpuToBare = "× signature check"
	tokenRate = "tokens/s"
	rateRatio = "tokens/s × golang-jwt"
)

// sustained measures new tokens without end, in the server itself.
func sustained(o options, issuer *rig.Rig) error {
	table := newSheet("new at a time | behind", column{tokenCPU, "%.1f"}, column{cpuToPeer, "%.3f"}, column{cpuToBare, "%.3f"},
		column{tokenRate, "%.0f"}, column{rateRatio, "%.3f"})
	contenders := append(o.contenders(), bare)
	var servers []*server
	warm := issuer.Strangers(warmTokens)
	for _, c := range contenders {
		s, err := o.warmServer(c, issuer, warm)
		if err != nil {
			return err
		}
		defer s.stop()
		servers = append(servers, s)
	}
	for range o.rounds {
		for _, atOnce := range []int{2, 16} {
			if err := o.sustain(table, servers, issuer.Strangers(o.slices*sliceTokens), atOnce); err != nil {
				return err
			}
			for _, c := range contenders {
				r := table.row(atOnce, c.name)
				table.relate(r, cpuToPeer, tokenCPU, atOnce, peer.name)
				table.relate(r, cpuToBare, tokenCPU, atOnce, bare.name)
				table.relate(r, rateRatio, tokenRate, atOnce, peer.name)
			}
		}
	}
	o.present(table, fmt.Sprintf("New tokens without end, in the server: %d in a round, in slices of %d in turn.", o.slices*sliceTokens, sliceTokens))
	return nil
}

// sustain has each server check the tokens, and adds what that took.
func (o options) sustain(table *sheet, servers []*server, tokens []string, atOnce int) error {
	used, elapsed := make([]float64, len(servers)), make([]float64, len(servers))
	for i, s := range servers {
		if err := s.give(tokens); err != nil {
			return err
		}
		cpu, _, err := s.usage()
		if err != nil {
			return err
		}
		used[i] = -stat.Micro(cpu)
	}
	order := make([]int, len(servers))
	for i := range order {
		order[i] = i
	}
	for slice := range o.slices {
		for _, i := range turns(slice, order) {
			r, err := servers[i].run(slice*sliceTokens, (slice+1)*sliceTokens, atOnce)
			if err != nil {
				return err
			}
			if r.Statuses[200] != sliceTokens {
				return fmt.Errorf("%s: %d good tokens were answered with %v", servers[i].name, sliceTokens, r.Statuses)
			}
			elapsed[i] += r.Elapsed.Seconds()
		}
	}
	for i, s := range servers {
		cpu, _, err := s.usage()
		if err != nil {
			return err
		}
		r := table.row(atOnce, s.name)
		r.add(tokenCPU, (used[i]+stat.Micro(cpu))/float64(len(tokens)))
		r.add(tokenRate, float64(len(tokens))/elapsed[i])
	}
	return nil
}
