package main

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
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

// request is a whole request with the token.
func request(token string) []byte {
	return []byte("GET /products HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\nAuthorization: Bearer " + token + "\r\n\r\n")
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
		if _, err := c.conn.Write(request); err != nil {
			return nil, err
		}
		status, err := c.answer()
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
