package logtotest

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Server is a Logto in the process. Any number of goroutines may use it at once.
type Server struct {
	directory *directory
	endpoint  string
	url       string
	hosts     map[string]bool // that requests may be addressed to
	now       func() time.Time

	signInByHint bool

	server      *http.Server
	running     context.Context // ends with Close; every request's context is under it
	stop        context.CancelFunc
	connections sync.WaitGroup
	deliveries  sync.WaitGroup // of webhooks; connections start them

	mu       sync.Mutex
	keys     keyRing
	fault    Fault
	requests map[string]int // by path
	webhooks webhooks

	credentials credentials
}

// What is counted is bounded: with requests for ever other paths, strangers would fill the memory.
const (
	maxCountedPaths = 1000
	maxCountedPath  = 256 // bytes
)

// NewServer starts a server for the tenant, which is copied. As [net/http/httptest.NewServer] does, it panics where
// it can't listen; and also where the declaration contradicts itself, with words that say what to mend.
func NewServer(t Tenant) *Server {
	now := t.Now
	if now == nil {
		now = time.Now
	}
	directory, err := newDirectory(t, now())
	must(err)
	s := &Server{
		directory: directory,
		now:       now,
		webhooks:  newWebhooks(t.HTTPClient),
		keys:      keyRing{current: t.Key},
		requests:  map[string]int{},

		signInByHint: t.SignInByHint,
		credentials:  credentials{byValue: map[string]*credential{}},
	}
	if t.Key == nil {
		s.keys.current = NewKey(cmp.Or(t.Algorithm, "ES384"))
	}
	listener := t.Listener
	if listener == nil {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		must(err)
	}
	s.url = "http://" + listener.Addr().String()
	s.endpoint = strings.TrimRight(cmp.Or(t.Endpoint, s.url), "/")
	s.hosts = hostsOf(listener.Addr().String(), s.endpoint)
	for path := range routes {
		s.requests[path] = 0 // counts, whatever else comes
	}
	s.start(listener)
	return s
}

func (s *Server) start(listener net.Listener) {
	s.running, s.stop = context.WithCancel(context.Background())
	s.server = &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return s.running },
		ConnState:         s.follow,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		// No ReadTimeout and WriteTimeout: Slow must be able to outlast every client.
	}
	s.connections.Go(func() { _ = s.server.Serve(listener) })
}

// follow counts the connections, so that Close can wait for the last of them.
func (s *Server) follow(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.connections.Add(1)
		// http.Server.Close misses a connection that is accepted while it runs.
		if s.running.Err() != nil {
			_ = conn.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.connections.Done()
	}
}

// Close stops listening, closes all connections, gives up webhooks that are under way, and waits until all is through.
func (s *Server) Close() {
	s.stop()
	_ = s.server.Close()
	s.connections.Wait()
	s.deliveries.Wait()
	s.webhooks.close()
}

// Endpoint is the Logto endpoint that clients are configured with; the issuer is Endpoint + "/oidc".
func (s *Server) Endpoint() string { return s.endpoint }

// URL is where the server listens. It differs from Endpoint only if [Tenant].Endpoint is set.
func (s *Server) URL() string { return s.url }

// Requests is the number of requests that have come for a path, such as "/oidc/jwks", disturbed and refused ones
// included. Of paths that Logto doesn't have, or that hold an ID, only the first 1,000 are counted, and none above 256
// bytes.
func (s *Server) Requests(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path]
}

func (s *Server) issuer() string { return s.endpoint + oidcMount }

func (s *Server) handler() http.Handler {
	healthy := http.HandlerFunc(s.serve)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := s.count(r.URL.Path)
		switch {
		case !s.hosts[canonicalHost(r.Host)]:
			http.Error(w, "another name than this server's may be a website's: ask for "+s.url+", or set Tenant.Endpoint to the address that clients use", http.StatusForbidden)
		case fault == nil:
			healthy.ServeHTTP(w, r)
		default:
			fault(healthy).ServeHTTP(w, r)
		}
	})
}

// count notes a request, and returns the fault that it meets.
func (s *Server) count(path string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.requests[path]; known || len(s.requests) < maxCountedPaths && len(path) <= maxCountedPath {
		s.requests[strings.Clone(path)]++ // a clone: the path is a part of all that the request line held
	}
	return s.fault
}

// hostsOf are the hosts that requests may name: the listener's address, this machine's names with its port, and the
// endpoint's. A request for any other comes from a website that lets its own name point here, so that its script may
// read the answer (DNS rebinding).
func hostsOf(address, endpoint string) map[string]bool {
	hosts := map[string]bool{canonicalHost(address): true}
	_, port, _ := net.SplitHostPort(address) // an address in memory has no port
	for _, name := range []string{"127.0.0.1", "[::1]", "localhost"} {
		hosts[canonicalHost(name+":"+port)] = true
	}
	if u, err := url.Parse(endpoint); err == nil {
		hosts[canonicalHost(u.Host)] = true
	}
	return hosts
}

// canonicalHost drops the port that a URL need not have.
func canonicalHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(host, ":80"), ":"))
}
