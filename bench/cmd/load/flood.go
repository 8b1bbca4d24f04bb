package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

const (
	floodRate        = 20_000 // forged tokens per second
	floodConnections = 512
	floodTokens      = 8_000 // distinct; nobody remembers a refusal, so they may come again
	knownConnections = 16
)

// flooded has what known tokens got, a value for each round.
type flooded struct {
	name                                         string
	quiet, storm, quietP50, stormP50             []float64
	quietP99, stormP99, kept, slower, sent, told []float64
}

// flood sends forged tokens whatever the answers, while known tokens go on.
func flood(o options, issuer *rig.Rig) error {
	known := make([][]byte, knownConnections)
	for i := range known {
		known[i] = request(issuer.Good())
	}
	good := issuer.Good()
	forged := make([][]byte, floodTokens)
	for i := range forged {
		forged[i] = request(rig.Forge(good))
	}
	table := []*flooded{{name: contestants.Ours.Name}, {name: contestants.BestPeer.Name}}
	for range o.rounds {
		for _, f := range table {
			if err := f.measure(o, issuer, known, forged); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	fmt.Printf("Known tokens on %d connections while forged ones come open-loop, at most %d/s on %d connections; %s, server with GOMAXPROCS=%d, medians of %d rounds of %v.\n\n",
		knownConnections, floodRate, floodConnections, o.algorithm, o.floodProcs, o.rounds, o.length)
	fmt.Println("| behind | known/s, quiet | known/s, flooded | kept | p50 quiet | p50 flooded | p99 quiet | p99 flooded | × | forged sent/s | answered/s |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	m := stat.Median[float64]
	for _, f := range table {
		fmt.Printf("| %s | %.0f | %.0f | %.0f %% | %.0f µs | %.0f µs | %.0f µs | %.0f µs | %.1f | %.0f | %.0f |\n", f.name,
			m(f.quiet), m(f.storm), 100*m(f.kept), m(f.quietP50), m(f.stormP50), m(f.quietP99), m(f.stormP99), m(f.slower), m(f.sent), m(f.told))
	}
	return nil
}

func (f *flooded) measure(o options, issuer *rig.Rig, known, forged [][]byte) error {
	s, err := startServer(f.name, o.floodProcs, issuer.Issuer)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := closedLoop(s.address, known, o.length/4); err != nil {
		return err
	}
	quiet, err := closedLoop(s.address, known, o.length)
	if err != nil {
		return err
	}
	attack, err := startAttack(s.address, forged)
	if err != nil {
		return err
	}
	time.Sleep(o.length / 4) // until queues and buffers are full
	sent, told, begin := attack.sent.Load(), attack.answered.Load(), time.Now()
	storm, err := closedLoop(s.address, known, o.length)
	seconds := time.Since(begin).Seconds()
	f.sent = append(f.sent, float64(attack.sent.Load()-sent)/seconds)
	f.told = append(f.told, float64(attack.answered.Load()-told)/seconds)
	if err := errors.Join(err, attack.stop()); err != nil {
		return err
	}
	calm, rough := stat.Micro(stat.Quantile(quiet.latencies, 0.99)), stat.Micro(stat.Quantile(storm.latencies, 0.99))
	f.quiet, f.storm = append(f.quiet, quiet.perSecond()), append(f.storm, storm.perSecond())
	f.quietP50 = append(f.quietP50, stat.Micro(stat.Median(quiet.latencies)))
	f.stormP50 = append(f.stormP50, stat.Micro(stat.Median(storm.latencies)))
	f.quietP99, f.stormP99 = append(f.quietP99, calm), append(f.stormP99, rough)
	f.kept = append(f.kept, storm.perSecond()/quiet.perSecond())
	f.slower = append(f.slower, rough/calm)
	return nil
}

// attack is a flood that is under way.
type attack struct {
	sent, answered atomic.Int64
	ending         atomic.Bool
	fault          atomic.Pointer[error]
	conns          []net.Conn
	group          sync.WaitGroup
}

func startAttack(address string, forged [][]byte) (*attack, error) {
	a := &attack{}
	var clients []*client
	for range floodConnections {
		c, err := dial(address)
		if err != nil {
			return nil, errors.Join(err, a.stop())
		}
		a.conns, clients = append(a.conns, c.conn), append(clients, c)
	}
	// Not before all are connected: on a small machine the first would starve the rest.
	for i, c := range clients {
		a.group.Go(func() { a.send(c.conn, forged, i) })
		a.group.Go(func() { a.read(c) })
	}
	return a, nil
}

// send keeps to the schedule of its share of the rate, without waiting for
// answers: only full buffers of the network hold it up.
func (a *attack) send(conn net.Conn, forged [][]byte, i int) {
	const pause = time.Second * floodConnections / floodRate
	time.Sleep(pause * time.Duration(i) / floodConnections)
	ticks := time.NewTicker(pause)
	defer ticks.Stop()
	for ; !a.ending.Load(); i += floodConnections {
		if _, err := conn.Write(forged[i%len(forged)]); err != nil {
			a.report(err)
			return
		}
		a.sent.Add(1)
		<-ticks.C
	}
}

// read takes the answers, all of which have to be refusals.
func (a *attack) read(c *client) {
	for {
		status, err := c.answer()
		if err == nil && status < 400 {
			err = fmt.Errorf("a forged token was answered with %d", status)
		}
		if err != nil {
			a.report(err)
			return
		}
		a.answered.Add(1)
	}
}

func (a *attack) report(err error) {
	if !a.ending.Load() && !errors.Is(err, io.EOF) {
		a.fault.CompareAndSwap(nil, &err)
	}
}

func (a *attack) stop() error {
	a.ending.Store(true)
	for _, conn := range a.conns {
		conn.Close()
	}
	a.group.Wait()
	if err := a.fault.Load(); err != nil {
		return *err
	}
	return nil
}
