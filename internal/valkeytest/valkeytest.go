// Package valkeytest starts real Valkey or Redis servers for tests, and links to them
// that can fail. It is in the root module because several others use it.
package valkeytest

import (
	"io"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a server may take to start.
const patience = 30 * time.Second

// A Server is a process of its own. What it stores stays in its directory.
type Server struct {
	Address string
	Dir     string

	args  []string
	life  io.Closer     // ends it
	ended chan struct{} // is closed when it has
}

// A shell kills the server, with -9, when its own input ends: at Kill, and when the tests
// end in whatever way.
const shell = `exec 3<&0; "$@" & pid=$!; { read -r _ <&3; kill -9 $pid; } 2>/dev/null & wait $pid`

// New starts an empty server, which is killed when the test ends.
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir(), args: args}
	for range 10 { // another process may take the port
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		s.Address = listener.Addr().String()
		require.NoError(t, listener.Close())
		if s.tryStart(t) {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatal("the server does not start")
	return nil
}

// Start starts it again after Kill.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	require.True(t, s.tryStart(t), "the server does not start again")
}

// Kill is kill -9: the server does not get to save anything.
func (s *Server) Kill() {
	_ = s.life.Close()
	<-s.ended
}

func (s *Server) tryStart(t testing.TB) bool {
	t.Helper()
	binary, err := exec.LookPath("valkey-server")
	if err != nil {
		binary, err = exec.LookPath("redis-server")
	}
	require.NoError(t, err, "these tests need a server: install Debian's package valkey-server or redis-server")
	_, port, err := net.SplitHostPort(s.Address)
	require.NoError(t, err)
	args := []string{"-c", shell, "sh", binary, "--bind", "127.0.0.1", "--port", port, "--dir", s.Dir, "--save", ""}
	process := exec.Command("sh", append(args, s.args...)...)
	s.life, err = process.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	ended := make(chan struct{})
	go func() {
		_ = process.Wait()
		close(ended)
	}()
	s.ended = ended
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(time.Millisecond) {
		answers := s.answers()
		select {
		case <-ended: // what answers has taken its port
			return false
		default:
		}
		if answers {
			return true
		}
	}
	s.Kill()
	return false
}

func (s *Server) answers() bool {
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	answer := make([]byte, 7)
	_, _ = io.WriteString(conn, "PING\r\n")
	_, err = io.ReadFull(conn, answer)
	return err == nil && string(answer) == "+PONG\r\n"
}

// A Proxy is a link to a server that can fail.
type Proxy struct {
	Address string

	mu       sync.Mutex
	conns    map[*net.TCPConn]bool // those of clients
	swallows bool
	refuses  bool
	server   string // where new connections go
}

// NewProxy makes a link that works.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{Address: listener.Addr().String(), conns: make(map[*net.TCPConn]bool), server: s.Address}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			refuses, server := p.refuses, p.server
			p.conns[conn.(*net.TCPConn)] = true
			p.mu.Unlock()
			if refuses {
				p.Reset()
				continue
			}
			running.Go(func() { p.link(conn, server) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.Reset()
		running.Wait()
	})
	return p
}

func (p *Proxy) link(client net.Conn, address string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	defer func() { _ = server.Close() }()
	asking.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		swallows := p.swallows
		p.mu.Unlock()
		if !swallows {
			if _, err = client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
}

// Lead leads new connections to another server.
func (p *Proxy) Lead(to *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = to.Address
}

// Swallow says whether answers get lost.
func (p *Proxy) Swallow(answers bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallows = answers
}

// Refuse says whether connections are reset, those that are there and new ones.
func (p *Proxy) Refuse(connections bool) {
	p.mu.Lock()
	p.refuses = connections
	p.mu.Unlock()
	if connections {
		p.Reset()
	}
}

// Reset ends all connections, without a farewell.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
	clear(p.conns)
}
