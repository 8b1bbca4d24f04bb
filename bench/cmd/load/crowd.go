package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

const (
	knownSubjects = 300
	knownEvery    = 5 * time.Millisecond // a request of the open loop
)

// Whom forged tokens name.
const (
	unknownNames = "unknown"
	oneName      = "one"
	allNames     = "all"
)

// whose says so in a sentence.
func (o options) whose() string {
	return map[string]string{
		unknownNames: "each of another unknown subject",
		oneName:      "all of one subject that was let in",
		allNames:     fmt.Sprintf("of %d subjects that were let in, in turn", knownSubjects),
	}[o.names]
}

// times is how often a request comes in a measurement.
func (o options) times(interval time.Duration) int { return max(1, int(o.length/interval)) }

// A crowd has subjects that are let in before a flood begins, and a token of each.
type crowd struct{ subjects, tokens []string }

func newCrowd(issuer *rig.Rig) crowd {
	c := crowd{subjects: rig.Subjects(knownSubjects)}
	for _, subject := range c.subjects {
		c.tokens = append(c.tokens, issuer.Of(subject))
	}
	return c
}

// known is one request after the other with their tokens.
func (c crowd) known(i int) []byte { return request(c.tokens[i%len(c.tokens)]) }

// assault is a flood in the names of -names, of which one is the first subject's.
// It has connections for requests that wait ten seconds, as far as the limit allows.
func (o options) assault(c crowd, address string, rate int) assault {
	a := assault{
		Address:     address,
		Rate:        rate,
		Connections: min(o.floodConnections, 10*rate),
		Tokens:      c.tokens[:1],
		Unknown:     o.names == unknownNames,
	}
	if o.names == allNames {
		a.Tokens = c.tokens
	}
	return a
}

// start starts a server that has let the crowd in.
func (c crowd) start(o options, who contender, issuer *rig.Rig) (*server, error) {
	s, err := startServer(who, o.procs, issuer.Issuer)
	if err != nil {
		return nil, err
	}
	if err := s.letIn(c.tokens); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// Columns of those that are let in by an open loop, and how many are not.
const (
	p50     = "p50, ms"
	p99     = "p99, ms"
	longest = "max, ms"
	refused = "refused"
)

var timeColumns = []column{{p50, "%.2f"}, {p99, "%.2f"}, {longest, "%.1f"}}

// noteTimes adds a round of known tokens.
func noteTimes(r *row, samples []sample) {
	good, bad := split(samples)
	r.add(p50, stat.Milli(stat.Median(good)))
	r.add(p99, stat.Milli(stat.Quantile(good, 0.99)))
	r.add(longest, stat.Milli(stat.Quantile(good, 1)))
	r.add(refused, float64(len(bad)))
}

// split has the times of those who were let in, and of the others.
func split(samples []sample) (good, bad []time.Duration) {
	for _, s := range samples {
		if s.status == http.StatusOK {
			good = append(good, s.took)
		} else {
			bad = append(bad, s.took)
		}
	}
	return good, bad
}
