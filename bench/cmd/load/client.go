package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// client is one keep-alive connection. It is less than net/http's client, which
// would take more CPU time than the server that is measured.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(address string) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReader(conn)}, nil
}

const (
	beforeToken = "GET /products HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\nAuthorization: Bearer "
	afterToken  = "\r\n\r\n"
)

// request is a whole request with the token.
func request(token string) []byte { return []byte(beforeToken + token + afterToken) }

// ask sends a request and reads the answer.
func (c *client) ask(request []byte) (status int, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	return c.answer()
}

// answer reads one answer and returns its status.
func (c *client) answer() (status int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := 0
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, err
			}
		}
	}
	_, err = c.in.Discard(length)
	return status, err
}

// A pool has the connections that wait for no answer. It is a stack, so that no more of
// them are in use than are needed.
type pool struct {
	mu   sync.Mutex
	idle []*client
}

// take takes one out, nil if there is none; leave puts one in.
func (p *pool) take() *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c
}

func (p *pool) leave(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}

func (p *pool) close() {
	for c := p.take(); c != nil; c = p.take() {
		c.conn.Close()
	}
}

// load is what a closed loop saw.
type load struct {
	latencies []time.Duration
	elapsed   time.Duration
}

func (l load) perSecond() float64 { return float64(len(l.latencies)) / l.elapsed.Seconds() }

// closedLoop keeps as many connections busy as there are requests, each with its
// own request, one after the other. Every answer has to be 200.
func closedLoop(address string, requests [][]byte, length time.Duration) (load, error) {
	begin := time.Now()
	end := begin.Add(length)
	var group sync.WaitGroup
	all := make([][]time.Duration, len(requests))
	errs := make([]error, len(requests))
	for i, request := range requests {
		group.Go(func() { all[i], errs[i] = loop(address, request, end) })
	}
	group.Wait()
	l := load{elapsed: time.Since(begin)}
	for i := range all {
		if errs[i] != nil {
			return l, errs[i]
		}
		l.latencies = append(l.latencies, all[i]...)
	}
	return l, nil
}

func loop(address string, request []byte, end time.Time) (latencies []time.Duration, err error) {
	c, err := dial(address)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	for now := time.Now(); now.Before(end); {
		status, err := c.ask(request)
		if err != nil {
			return nil, err
		}
		if status != 200 {
			return nil, fmt.Errorf("a good token was answered with %d", status)
		}
		after := time.Now()
		latencies = append(latencies, after.Sub(now))
		now = after
	}
	return latencies, nil
}

// sample is what an open loop saw of one request.
type sample struct {
	i      int
	status int // 0: no answer in time
	took   time.Duration
}

// patience is how long the open loop waits for an answer.
const patience = 30 * time.Second

// openLoop sends n requests, one at each interval, whatever the answers, or until the
// context ends, and waits for all answers. What a request took counts from the time
// when it was due. Each has a connection for itself, which those that are done leave
// to others.
func openLoop(ctx context.Context, address string, interval time.Duration, n int, request func(i int) []byte) ([]sample, error) {
	var idle pool
	defer idle.close()
	var mu sync.Mutex
	var samples []sample
	send := func(i int, due time.Time) (err error) {
		c := idle.take()
		if c == nil {
			if c, err = dial(address); err != nil {
				return err
			}
		}
		c.conn.SetDeadline(due.Add(patience))
		status, err := c.ask(request(i))
		took := time.Since(due)
		mu.Lock()
		defer mu.Unlock()
		samples = append(samples, sample{i, status, took})
		if err == nil {
			idle.leave(c)
			return nil
		}
		c.conn.Close()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return err
	}
	var group errgroup.Group
	begin := time.Now()
	for i := 0; i < n && ctx.Err() == nil; i++ {
		due := begin.Add(time.Duration(i) * interval)
		pause(due)
		group.Go(func() error { return send(i, due) })
	}
	err := group.Wait()
	return samples, err
}

// pause sleeps until then. time.Sleep can be a millisecond late, which is longer than
// most answers take.
func pause(until time.Time) {
	for left := time.Until(until); left > 0; left = time.Until(until) {
		t := syscall.NsecToTimespec(int64(left))
		syscall.Nanosleep(&t, nil) // a signal may end it early
	}
}
