package guardtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// A KeyServer serves a key set that the test changes.
type KeyServer struct {
	// URL is the endpoint: it serves the key set at every path.
	URL  string
	keys atomic.Value
}

// NewKeyServer starts one without keys. It is closed at the end of the test.
func NewKeyServer(t testing.TB) *KeyServer {
	t.Helper()
	s := &KeyServer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.keys.Load()})
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Serve replaces the key set by these JWKs.
func (s *KeyServer) Serve(jwks ...map[string]any) { s.keys.Store(jwks) }

// JWKUnder returns the key's public JWK with another kid.
func JWKUnder(kid string, k *logtotest.Key) map[string]any {
	jwk := k.JWK()
	jwk["kid"] = kid
	return jwk
}

// After is a fault that shows each answer to f, which may change it, before it is sent.
func After(f func(r *http.Request, answer *httptest.ResponseRecorder)) logtotest.Fault {
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

// Hold is a fault that makes each answer at once, and sends it when release is
// closed: what it says may be outdated by then. A nil channel never releases.
func Hold(release <-chan struct{}) logtotest.Fault {
	return After(func(r *http.Request, _ *httptest.ResponseRecorder) {
		select {
		case <-release:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	})
}

// Answer is a fault that gives the same answer to every request.
func Answer(status int, header map[string]string, body string) logtotest.Fault {
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

// KeySetOf is a fault that answers with a key set of these JWKs.
func KeySetOf(keys ...any) logtotest.Fault {
	body, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return Answer(http.StatusOK, nil, string(body))
}

// Hijacked is a fault that writes these bytes instead of an answer, and resets the
// connection.
func Hijacked(answer string) logtotest.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, answer)
			if tcp, ok := conn.(*net.TCPConn); ok {
				// Nothing lingers: the kernel sends a reset.
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		})
	}
}

// Times notes when requests arrive. The zero value is ready to use.
type Times struct {
	mu    sync.Mutex
	noted []time.Time
}

// Before is a fault that notes when each request comes, and passes it on to another
// fault, which may be nil.
func (n *Times) Before(fault logtotest.Fault) logtotest.Fault {
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

// Gaps returns the times from one request to the next.
func (n *Times) Gaps() []time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(n.noted); i++ {
		gaps = append(gaps, n.noted[i].Sub(n.noted[i-1]))
	}
	return gaps
}

// Certificate makes a self-signed certificate for issuer.example.
func Certificate(t *testing.T, expires time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"issuer.example"},
		NotBefore:    expires.Add(-48 * time.Hour),
		NotAfter:     expires,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// A RoundTripper is a function that serves as an http.RoundTripper.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f(r).
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
