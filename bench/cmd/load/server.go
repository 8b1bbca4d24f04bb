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
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// serveArgument makes the command a server.
const serveArgument = "serve"

// job is what a server is told on its standard input. Each further line asks for
// its CPU time so far; the end of the input ends it.
type job struct {
	Name   string
	Procs  int
	Issuer rig.Issuer
}

func products(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"products":[{"id":1,"name":"apple"}]}`) // a client that left notices
}

func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Scan()
	var j job
	if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
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
	for lines.Scan() {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			return err
		}
		fmt.Fprintln(out, usage.Utime.Nano()+usage.Stime.Nano(), usage.Maxrss)
	}
	return lines.Err()
}

// server is a server process.
type server struct {
	name, address string
	command       *exec.Cmd
	in            io.WriteCloser
	out           *bufio.Reader
}

func startServer(name string, procs int, issuer rig.Issuer) (*server, error) {
	s := &server{name: name, command: exec.Command("/proc/self/exe", serveArgument)}
	s.command.Stderr = os.Stderr
	var err error
	if s.in, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	order, err := json.Marshal(job{name, procs, issuer})
	if err != nil {
		return nil, err
	}
	s.address, err = s.ask(string(order))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("server of %s: %w", name, err), s.stop())
	}
	return s, nil
}

func (s *server) ask(line string) (string, error) {
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		return "", err
	}
	answer, err := s.out.ReadString('\n')
	return strings.TrimSpace(answer), err
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

func (s *server) stop() error {
	s.in.Close() // the server ends by it
	return s.command.Wait()
}
