package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// assault is what an attacker is told first. It answers when it is connected, and to
// each further line with its toll.
type assault struct {
	Address     string
	Rate        int // requests per second, whatever the answers
	Connections int
	Tokens      []string // sent in turn, each time with another signature of random bytes
	Unknown     bool     // and with another subject
}

// toll is what became of the forged tokens so far.
type toll struct {
	Sent     int64
	Unsent   int64 // as all connections waited for answers
	Statuses map[int]int64
	Fault    string
}

type attacker struct {
	assault
	idle         pool
	sent, unsent atomic.Int64
	statuses     [600]atomic.Int64
	fault        atomic.Pointer[error]
}

func attack(input io.Reader, out io.Writer) error {
	in := bufio.NewReader(input)
	a := &attacker{}
	if err := readJob(in, &a.assault); err != nil {
		return err
	}
	runtime.GOMAXPROCS(1) // it keeps the rate, and leaves the rest to the server
	// Not before all are connected: on a small machine the first would starve the rest.
	for range a.Connections {
		c, err := dial(a.Address)
		if err != nil {
			return err
		}
		a.idle.leave(c)
		go a.read(c) // until the process ends
	}
	go a.send()
	fmt.Fprintln(out, "ready")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := json.NewEncoder(out).Encode(a.toll()); err != nil {
			return err
		}
	}
	return nil
}

// send keeps to the rate.
func (a *attacker) send() {
	forgers := make([]*rig.Forger, len(a.Tokens))
	for i, token := range a.Tokens {
		forgers[i] = rig.NewForger(token)
	}
	var buffer []byte
	begin := time.Now()
	for i := 0; ; time.Sleep(time.Millisecond) {
		for due := int(time.Since(begin).Seconds() * float64(a.Rate)); i < due; i++ {
			c := a.idle.take()
			if c == nil {
				a.unsent.Add(1)
				continue
			}
			forger := forgers[i%len(forgers)]
			if a.Unknown {
				forger.Rename()
			}
			buffer = append(forger.Append(append(buffer[:0], beforeToken...)), afterToken...)
			if _, err := c.conn.Write(buffer); err != nil {
				a.report(err)
				return
			}
			a.sent.Add(1)
		}
	}
}

// read takes a connection's answers, all of which have to be refusals.
func (a *attacker) read(c *client) {
	for {
		status, err := c.answer()
		if err == nil && (status < http.StatusBadRequest || status >= len(a.statuses)) {
			err = fmt.Errorf("a forged token was answered with %d", status)
		}
		if err != nil {
			a.report(err)
			return
		}
		a.statuses[status].Add(1)
		a.idle.leave(c)
	}
}

func (a *attacker) report(err error) { a.fault.CompareAndSwap(nil, &err) }

func (a *attacker) toll() toll {
	t := toll{Sent: a.sent.Load(), Unsent: a.unsent.Load(), Statuses: make(map[int]int64)}
	for status := range a.statuses {
		if n := a.statuses[status].Load(); n > 0 {
			t.Statuses[status] = n
		}
	}
	if err := a.fault.Load(); err != nil {
		t.Fault = (*err).Error()
	}
	return t
}

// A flood is an attacker under way, and what it has done since the last mark. The
// zero value is none.
type flood struct {
	child
	began  time.Time
	before toll
}

// startFlood starts one, waits until queues and buffers are full, and marks.
func startFlood(a assault, lead time.Duration) (*flood, error) {
	f := &flood{}
	if a.Rate == 0 {
		return f, nil
	}
	var err error
	if f.child, _, err = startChild(self, attackArgument, a); err != nil {
		return nil, err
	}
	time.Sleep(lead)
	if err := f.mark(); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

func (f *flood) mark() (err error) {
	f.began = time.Now()
	f.before, err = f.toll()
	return err
}

func (f *flood) toll() (t toll, err error) {
	if err := f.askFor("toll", &t); err != nil {
		return t, err
	}
	if t.Fault != "" {
		return t, fmt.Errorf("the flood broke off: %s", t.Fault)
	}
	return t, nil
}

// note adds what happened since the mark, by status.
func (f *flood) note(r *row) error {
	if f.command == nil {
		return nil
	}
	t, err := f.toll()
	if err != nil {
		return err
	}
	seconds := time.Since(f.began).Seconds()
	rates := map[string]float64{
		forgedSent:   float64(t.Sent-f.before.Sent) / seconds,
		forgedUnsent: float64(t.Unsent-f.before.Unsent) / seconds,
	}
	for status, n := range t.Statuses {
		head := forgedOther
		switch status {
		case http.StatusUnauthorized:
			head = forged401
		case http.StatusServiceUnavailable:
			head = forged503
		}
		rates[head] += float64(n-f.before.Statuses[status]) / seconds
	}
	for _, c := range forgedColumns {
		r.add(c.head, rates[c.head])
	}
	return nil
}

func (f *flood) stop() error {
	if f.command == nil {
		return nil
	}
	return f.child.stop()
}

// Columns of forged tokens.
const (
	forgedSent   = "forged sent/s"
	forgedUnsent = "not sent/s"
	forged401    = "401/s"
	forged503    = "503/s"
	forgedOther  = "other/s"
)

var forgedColumns = []column{{forgedSent, "%.0f"}, {forgedUnsent, "%.0f"}, {forged401, "%.0f"}, {forged503, "%.0f"}, {forgedOther, "%.0f"}}
