package logtoguard_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

const (
	jwks = "/oidc/jwks"

	// What the design promises, written down once more: the tests don't ask the code.
	longestRefresh = 5*time.Minute + 30*time.Second
	longestBackOff = time.Minute
	greatestAge    = 24 * time.Hour
)

// scene is a Logto in a synctest bubble, where hours pass in no time and
// synctest.Wait tells when nothing is under way any more.
type scene struct {
	logto  *logtotest.Server
	client *http.Client // reaches logto, whatever the address
	log    *journal
}

// inBubble runs a test in a bubble of its own.
func inBubble(t *testing.T, test func(t *testing.T, s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newScene(t, "127.0.0.1:3001")) })
}

func newScene(t *testing.T, address string) *scene {
	network := &pipes{address: address, dialled: make(chan net.Conn), closed: make(chan struct{})}
	// An RSA key is slow to make, and ES256 is the fastest to check.
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: shopping}},
		Algorithm: "ES256",
		Listener:  network,
	})
	t.Cleanup(logto.Close)
	transport := &http.Transport{DialContext: network.dial, DialTLSContext: network.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &scene{logto: logto, client: &http.Client{Transport: transport}, log: &journal{}}
}

// guard makes a guard that has begun its first fetch. Its clock is the bubble's.
func (s *scene) guard(t *testing.T, edits ...func(*logtoguard.Config)) *logtoguard.Guard {
	t.Helper()
	cfg := logtoguard.Config{
		Endpoint:   s.logto.Endpoint(),
		Audience:   []string{shopping},
		HTTPClient: s.client,
		Logger:     slog.New(slog.NewTextHandler(s.log, nil)),
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	return guard
}

// becomesReady waits for keys, but not for ever: in a bubble the years fly by.
func becomesReady(t *testing.T, guard *logtoguard.Guard) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longestBackOff)
	defer cancel()
	require.NoError(t, guard.Ready(ctx))
}

// readyGuard makes a guard that has keys.
func (s *scene) readyGuard(t *testing.T, edits ...func(*logtoguard.Config)) *logtoguard.Guard {
	t.Helper()
	guard := s.guard(t, edits...)
	becomesReady(t, guard)
	synctest.Wait()
	return guard
}

func (s *scene) fetches() int { return s.logto.Requests(jwks) }

// mint makes a valid token, unless an edit spoils it.
func (s *scene) mint(edits ...func(*logtotest.Draft)) string {
	return s.logto.Mint(logtotest.Token{}, edits...)
}

// kid lets a token name another key than the one that signs it.
func kid(id string) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) { d.Header["kid"] = id }
}

// signedBy lets another key sign a token, and be named by it.
func signedBy(k *logtotest.Key) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) {
		d.Key, d.Header["kid"], d.Header["alg"] = k, k.ID(), k.Algorithm()
	}
}

// clockOf sets a guard's clock.
func clockOf(clock *logtotest.Clock) func(*logtoguard.Config) {
	return func(cfg *logtoguard.Config) { cfg.Now = clock.Now }
}

func accept(t *testing.T, guard *logtoguard.Guard, token string) {
	t.Helper()
	_, err := guard.Verify(t.Context(), token)
	require.NoError(t, err)
}

// refuse returns the refusal, which has to be for this reason.
func refuse(t *testing.T, guard *logtoguard.Guard, token string, reason error) *logtoguard.Error {
	t.Helper()
	_, err := guard.Verify(t.Context(), token)
	require.ErrorIs(t, err, reason)
	var e *logtoguard.Error
	require.ErrorAs(t, err, &e)
	return e
}

// background runs f besides the test, and returns where its error can be waited for.
func background(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// crowd verifies a token of each of n callers at the same time.
func crowd(ctx context.Context, guard *logtoguard.Guard, n int, token func(i int) string) []error {
	tokens, errs := make([]string, n), make([]error, n)
	for i := range tokens {
		tokens[i] = token(i)
	}
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			_, errs[i] = guard.Verify(ctx, tokens[i])
		})
	}
	close(begin)
	wg.Wait()
	return errs
}

// after shows each answer to f, which may change it, before it is sent.
func after(f func(r *http.Request, answer *httptest.ResponseRecorder)) logtotest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			f(r, answer)
			maps.Copy(w.Header(), answer.Header())
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		})
	}
}

// hold makes each answer at once, and sends it when release is closed: what it
// says may be outdated by then. A nil channel never releases.
func hold(release <-chan struct{}) logtotest.Fault {
	return after(func(r *http.Request, _ *httptest.ResponseRecorder) {
		select {
		case <-release:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	})
}

// answer is a fault that answers whatever is asked with this.
func answer(status int, header map[string]string, body string) logtotest.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for name, value := range header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

// keySetOf is a fault that answers with a key set of these.
func keySetOf(keys ...any) logtotest.Fault {
	body, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return answer(http.StatusOK, nil, string(body))
}

// times notes when requests come, and passes them on to a fault, if there is one.
type times struct {
	mu    sync.Mutex
	noted []time.Time
}

func (n *times) before(fault logtotest.Fault) logtotest.Fault {
	return func(next http.Handler) http.Handler {
		if fault != nil {
			next = fault(next)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.mu.Lock()
			n.noted = append(n.noted, time.Now())
			n.mu.Unlock()
			next.ServeHTTP(w, r)
		})
	}
}

// gaps are the times from one request to the next.
func (n *times) gaps() []time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(n.noted); i++ {
		gaps = append(gaps, n.noted[i].Sub(n.noted[i-1]))
	}
	return gaps
}

// journal keeps log lines.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(line))
	return len(line), nil
}

// with returns the lines that hold all of these parts.
func (j *journal) with(parts ...string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []string
next:
	for _, line := range j.lines {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// pipes is a network of one server without sockets, which a bubble can't wait
// for. Every address leads to that server, so that a client who should not go
// elsewhere is seen to arrive there.
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
func (a pipeAddr) String() string  { return string(a) }
