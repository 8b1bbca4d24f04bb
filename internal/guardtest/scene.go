package guardtest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

const (
	// JWKSPath is where Logto publishes its keys.
	JWKSPath = "/oidc/jwks"

	// What is promised of the keys, written down independently of the code.
	LongestRefresh = 5*time.Minute + 30*time.Second
	LongestBackOff = time.Minute
	GreatestAge    = 24 * time.Hour
)

// A Scene is a Logto in a synctest bubble, where hours pass in no time and
// synctest.Wait returns once nothing is under way.
type Scene struct {
	Logto  *logtotest.Server
	Client *http.Client // reaches Logto, whatever the address
	Log    *Journal     // of the guards
}

// InBubble runs a test in a bubble of its own.
func InBubble(t *testing.T, test func(t *testing.T, s *Scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, NewScene(t, "127.0.0.1:3001")) })
}

// NewScene makes a further scene in the bubble that t runs in, for a Logto with
// another address or tenant.
func NewScene(t *testing.T, address string, edits ...func(*logtotest.Tenant)) *Scene {
	network := &pipes{address: address, dialled: make(chan net.Conn), closed: make(chan struct{})}
	tenant := logtotest.Tenant{
		Resources:    []logtotest.Resource{{Indicator: Shopping}},
		Applications: []logtotest.Application{{ID: "bot", Secret: "bot-secret"}},
		Algorithm:    "ES256", // an RSA key is slow to make, and ES256 is the fastest to check
		Listener:     network,
	}
	for _, edit := range edits {
		edit(&tenant)
	}
	logto := logtotest.NewServer(tenant)
	t.Cleanup(logto.Close)
	transport := &http.Transport{DialContext: network.dial, DialTLSContext: network.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &Scene{Logto: logto, Client: &http.Client{Transport: transport}, Log: &Journal{}}
}

// Guard makes a guard that has started its first fetch. Its clock is the bubble's.
func (s *Scene) Guard(t *testing.T, edits ...func(*logtoguard.Config)) *logtoguard.Guard {
	t.Helper()
	cfg := logtoguard.Config{
		Endpoint:   s.Logto.Endpoint(),
		Audience:   []string{Shopping},
		HTTPClient: s.Client,
		Logger:     slog.New(slog.NewTextHandler(s.Log, nil)),
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	return guard
}

// ReadyGuard makes a guard that has keys.
func (s *Scene) ReadyGuard(t *testing.T, edits ...func(*logtoguard.Config)) *logtoguard.Guard {
	t.Helper()
	guard := s.Guard(t, edits...)
	BecomesReady(t, guard)
	synctest.Wait()
	return guard
}

// Fetches returns how often the keys were asked for.
func (s *Scene) Fetches() int { return s.Logto.Requests(JWKSPath) }

// Mint makes a valid token, unless an edit spoils it.
func (s *Scene) Mint(edits ...func(*logtotest.Draft)) string {
	return s.Logto.Mint(logtotest.Token{}, edits...)
}

// ClockOf makes a guard use this clock.
func ClockOf(clock *logtotest.Clock) func(*logtoguard.Config) {
	return func(cfg *logtoguard.Config) { cfg.Now = clock.Now }
}

// pipes is a network of one server without sockets, which a bubble can't wait
// for. Every address leads to that server, so a client that goes where it should
// not is seen to arrive there.
type pipes struct {
	address string
	dialled chan net.Conn
	closing sync.Once
	closed  chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, address string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.dialled <- server:
		return client, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	return nil, cmp.Or(ctx.Err(), fmt.Errorf("dial %s: %w", address, net.ErrClosed))
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.dialled:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.closing.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr(p.address) }

type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }

func (a pipeAddr) String() string { return string(a) }
