package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// job is what a server is told first; it answers with its address. Further lines are
//
//	tokens N           N lines follow, each a token: the answer is the same line, before they come
//	run FROM TO N      a request for each of these tokens, N at a time: the answer is a result
//	usage              the answer is its CPU time so far, and its largest size in KiB
//
// Servers of other builds are measured beside this one (-against), so job and usage
// must stay as they are.
type job struct {
	Name   string
	Procs  int
	Issuer rig.Issuer
}

func products(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"products":[{"id":1,"name":"apple"}]}`) // a client that left notices
}

func serve(input io.Reader, out io.Writer) error {
	in := bufio.NewReader(input)
	var j job
	if err := readJob(in, &j); err != nil {
		return err
	}
	runtime.GOMAXPROCS(j.Procs)
	handler := http.Handler(http.HandlerFunc(products))
	if j.Name != none {
		c, ok := contestants.Find(j.Name)
		if !ok {
			return fmt.Errorf("no contestant %q", j.Name)
		}
		guarded, stop, err := c.New(j.Issuer, handler)
		if err != nil {
			return err
		}
		defer stop()
		handler = guarded
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(listener, handler) // until the process ends
	fmt.Fprintln(out, listener.Addr())
	lines := bufio.NewScanner(in)
	var tokens []string
	for lines.Scan() {
		var n, from, to int
		switch line := lines.Text(); {
		case scans(line, "tokens %d", &n):
			fmt.Fprintln(out, line)
			for tokens = tokens[:0]; len(tokens) < n && lines.Scan(); {
				tokens = append(tokens, lines.Text())
			}
		case scans(line, "run %d %d %d", &from, &to, &n):
			err = json.NewEncoder(out).Encode(run(handler, tokens[from:to], n))
		default:
			err = printUsage(out)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

func scans(line, format string, into ...any) bool {
	_, err := fmt.Sscanf(line, format, into...)
	return err == nil
}

func printUsage(out io.Writer) error {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	// Not usage.Maxrss, which begins with the size of the process that started this one.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, size, _ := strings.Cut(string(status), "VmHWM:")
	size, _, _ = strings.Cut(size, "kB")
	_, err = fmt.Fprintln(out, usage.Utime.Nano()+usage.Stime.Nano(), strings.TrimSpace(size))
	return err
}

// result is what became of the requests of a run.
type result struct {
	Elapsed  time.Duration // until all were answered
	Statuses map[int]int
}

// run calls the handler with each token, that many at a time, which all begin at once.
func run(handler http.Handler, tokens []string, atOnce int) result {
	atOnce = min(atOnce, len(tokens))
	statuses := make([]int, len(tokens))
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	var taken atomic.Int64
	taken.Store(int64(atOnce))
	ready.Add(atOnce)
	for first := range atOnce {
		done.Go(func() {
			request := contestants.Request(tokens[first])
			ready.Done()
			<-start
			for i := first; ; request = contestants.Request(tokens[i]) {
				answer := contestants.NewAnswer()
				handler.ServeHTTP(answer, request)
				statuses[i] = answer.Status
				if i = int(taken.Add(1)) - 1; i >= len(tokens) {
					return
				}
			}
		})
	}
	ready.Wait()
	begin := time.Now()
	close(start)
	done.Wait()
	r := result{time.Since(begin), make(map[int]int)}
	for _, status := range statuses {
		r.Statuses[status]++
	}
	return r
}

// server is a server process.
type server struct {
	child
	name, address string
}

func startServer(c contender, procs int, issuer rig.Issuer) (*server, error) {
	process, address, err := startChild(c.binary, serveArgument, job{c.contestant, procs, issuer})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return &server{process, c.name, address}, nil
}

// give hands over tokens for runs.
func (s *server) give(tokens []string) error {
	order := fmt.Sprintf("tokens %d", len(tokens))
	if answer, err := s.ask(order); err != nil {
		return err
	} else if answer != order {
		return fmt.Errorf("%s: this build can't run tokens by itself", s.name)
	}
	_, err := io.WriteString(s.in, strings.Join(tokens, "\n")+"\n")
	return err
}

// run has the server do it with tokens that it was given.
func (s *server) run(from, to, atOnce int) (r result, err error) {
	err = s.askFor(fmt.Sprintf("run %d %d %d", from, to, atOnce), &r)
	return r, err
}

// usage is the CPU time that the server has used, and its largest size in KiB.
func (s *server) usage() (cpu time.Duration, kib int64, err error) {
	answer, err := s.ask("usage")
	if err != nil {
		return 0, 0, err
	}
	first, second, _ := strings.Cut(answer, " ")
	nanoseconds, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, 0, err
	}
	kib, err = strconv.ParseInt(second, 10, 64)
	return time.Duration(nanoseconds), kib, err
}

// letIn sends the tokens one after the other, all of which have to be let in.
func (s *server) letIn(tokens []string) error {
	c, err := dial(s.address)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	for _, token := range tokens {
		if status, err := c.ask(request(token)); err != nil || status != http.StatusOK {
			return errors.Join(err, fmt.Errorf("%s: a good token was answered with %d", s.name, status))
		}
	}
	return nil
}
