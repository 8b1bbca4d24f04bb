package jwks_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// wire is what lies between guards and a Logto: real sockets, whose other end is
// chosen by the test, and which are counted.
type wire struct {
	logto *logtotest.Server
	clock *logtotest.Clock
	door  atomic.Pointer[string] // where every connection leads
	open  atomic.Int64           // connections
	// patience bounds a whole fetch: an hour with a silent issuer would take
	// minutes otherwise.
	patience  atomic.Int64
	transport *http.Transport
	// meddle may change what the transport returns.
	meddle atomic.Pointer[func(*http.Response)]
}

func newWire(t *testing.T) *wire {
	t.Helper()
	guardtest.NoLeaks(t)
	w := &wire{}
	t.Cleanup(func() {
		w.transport.CloseIdleConnections()
		require.Eventually(t, func() bool { return w.open.Load() == 0 }, 10*time.Second, time.Millisecond,
			"connections are left open")
	})
	w.logto, w.clock = guardtest.NewLogto(t, "ES256")
	w.transport = &http.Transport{DialContext: w.dial, TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
	w.heal()
	return w
}

// heal leads everything to a healthy issuer that has all the time it needs.
func (w *wire) heal() {
	w.logto.Disturb(nil)
	w.lead(strings.TrimPrefix(w.logto.URL(), "http://"))
	w.patience.Store(int64(time.Minute))
	w.meddle.Store(nil)
}

func (w *wire) lead(address string) {
	w.door.Store(&address)
	w.transport.CloseIdleConnections()
}

func (w *wire) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, *w.door.Load())
	if err != nil {
		return nil, err
	}
	w.open.Add(1)
	return &countedConn{Conn: conn, open: &w.open}, nil
}

type countedConn struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(w.patience.Load()))
	response, err := w.transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = &cancellingBody{response.Body, cancel}
	if meddle := w.meddle.Load(); meddle != nil {
		(*meddle)(response)
	}
	return response, nil
}

type cancellingBody struct {
	io.ReadCloser
	cancel func()
}

func (b *cancellingBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

func (w *wire) guard(t *testing.T, edits ...func(*logtoguard.Config)) *logtoguard.Guard {
	t.Helper()
	client := func(cfg *logtoguard.Config) { cfg.HTTPClient = &http.Client{Transport: w} }
	return guardtest.NewGuard(t, w.logto, w.clock, append([]func(*logtoguard.Config){client}, edits...)...)
}

// mint makes a token that is valid at the set time.
func (w *wire) mint() string { return w.logto.Mint(logtotest.Token{}) }

// anHour passes by the set clock, with a request of a new token each minute.
func (w *wire) anHour(each func(token string)) {
	for range 60 {
		w.clock.Advance(time.Minute)
		each(w.mint())
	}
}

func unavailable(t *testing.T, guard *logtoguard.Guard, token string) {
	t.Helper()
	answer := guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+token)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Empty(t, answer.Header().Values("WWW-Authenticate"))
	retryAfter, err := strconv.Atoi(answer.Header().Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, retryAfter)
	require.LessOrEqual(t, retryAfter, 60)
}

// idle: each fetch has failed, so none is under way.
func idle(guard *logtoguard.Guard) bool {
	stats := guard.Stats()
	return stats.KeyFetches == stats.KeyFetchFailures
}

// drip sends one byte of a good answer a second.
func drip(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		r.Header.Del("If-None-Match")
		next.ServeHTTP(answer, r)
		for _, b := range answer.Body.Bytes() {
			_, _ = w.Write([]byte{b})
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
				return
			}
		}
	})
}

// listener is one that the test closes at its end.
func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

const shortPatience = 10 * time.Millisecond

func TestFailingIssuer(t *testing.T) {
	disturbed := func(fault logtotest.Fault) func(*testing.T, *wire) {
		return func(_ *testing.T, w *wire) { w.logto.Disturb(fault) }
	}
	impatient := func(fault logtotest.Fault) func(*testing.T, *wire) {
		return func(_ *testing.T, w *wire) {
			w.patience.Store(int64(shortPatience))
			w.logto.Disturb(fault)
		}
	}
	meddled := func(f func(*http.Response)) func(*testing.T, *wire) {
		return func(_ *testing.T, w *wire) { w.meddle.Store(&f) }
	}
	for _, c := range []struct {
		name  string
		begin func(*testing.T, *wire)
		says  string // a part of what Ready says
	}{
		// Not a port that was free just now: another process may take it.
		{"refuses connections", func(_ *testing.T, w *wire) { w.lead("127.0.0.1:1") }, "refused"},
		{"never takes the connection from the kernel", func(t *testing.T, w *wire) {
			w.patience.Store(int64(shortPatience))
			w.lead(listener(t).Addr().String())
		}, "deadline"},
		{"never answers", impatient(guardtest.Hold(nil)), "deadline"},
		{"one byte a second", impatient(drip), "deadline"},
		{"closes without an answer", disturbed(logtotest.Down()), "EOF"},
		{"resets without an answer", disturbed(guardtest.Hijacked("")), "reset"},
		{"resets in the header", disturbed(guardtest.Hijacked("HTTP/1.1 200 OK\r\nContent-Type: appl")), "jwks"},
		{"resets in the body", disturbed(guardtest.Hijacked("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"keys\":[")), "jwks"},
		{"speaks no HTTP", disturbed(guardtest.Hijacked("220 mail.example ESMTP\r\n")), "malformed"},
		{"redirects in a loop", disturbed(redirect(guardtest.JWKSPath)), "redirect"},
		{"empty set", disturbed(logtotest.EmptyKeySet()), "no usable key"},
		{"a page of another type", disturbed(logtotest.Garbage()), "not a key set"},
		{"500", disturbed(logtotest.Status(http.StatusInternalServerError)), "500"},
		{"body shorter than announced", disturbed(guardtest.Hijacked("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nConnection: close\r\n\r\n{\"keys\":[]}")), "jwks"},
		{"body longer than announced", disturbed(answerOf("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{\"keys\":[{}]}")), "not a key set"},
		{"negative length", disturbed(answerOf("HTTP/1.1 200 OK\r\nContent-Length: -1\r\nConnection: close\r\n\r\n{\"keys\":[]}")), "Content-Length"},
		{"two lengths", disturbed(answerOf("HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"keys\":[]}")), "Content-Length"},
		{"transport with a body without end", meddled(func(r *http.Response) {
			r.StatusCode, r.ContentLength = http.StatusOK, 10
			r.Body = &cancellingBody{io.NopCloser(endless{}), closing(r.Body)}
		}), "longer than 1 MiB"},
		{"transport with half a body", meddled(func(r *http.Response) {
			r.StatusCode = http.StatusOK
			r.Body = &cancellingBody{io.NopCloser(strings.NewReader(`{"keys":[`)), closing(r.Body)}
		}), "not a key set"},
		{"transport without a body", meddled(func(r *http.Response) {
			closing(r.Body)()
			r.StatusCode, r.ContentLength, r.Body = http.StatusOK, 0, nil
		}), "not a key set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t)
			early := w.guard(t)
			guardtest.Ready(t, early)
			w.transport.CloseIdleConnections()
			c.begin(t, w)
			late := w.guard(t)
			w.anHour(func(token string) {
				guardtest.Admitted(t, early, token)
				unavailable(t, late, token)
				// On a busy machine a fetch outlasts the request that asked for it.
				require.Eventually(t, func() bool { return idle(late) }, time.Minute, time.Millisecond)
			})
			require.Contains(t, guardtest.WhyNotReady(t, late), c.says)
			// Once a minute. What begins by itself, by the real time, has its back-off too: a
			// busy machine has time for no more than the first few.
			const most = 60 + 6
			stats := late.Stats()
			require.GreaterOrEqual(t, stats.KeyFetches, uint64(60))
			require.LessOrEqual(t, stats.KeyFetches, uint64(most))
			require.Equal(t, stats.KeyFetches, stats.KeyFetchFailures)
			require.LessOrEqual(t, early.Stats().KeyFetches, uint64(most))
			require.LessOrEqual(t, w.logto.Requests(guardtest.JWKSPath), 10*2*most, "a fetch follows ten redirects at most")

			// Nobody can say after a day whether the known keys still hold.
			w.clock.Advance(guardtest.GreatestAge + time.Minute)
			unavailable(t, early, w.mint())
			unavailable(t, late, w.mint())

			w.heal()
			w.clock.Advance(guardtest.LongestBackOff)
			guardtest.Admitted(t, early, w.mint())
			guardtest.Admitted(t, late, w.mint())
			guardtest.Ready(t, early)
			guardtest.Ready(t, late)
			require.Less(t, late.Stats().KeyAge, time.Minute)

			// Back to the pace of a healthy issuer: each 5 min, as far as whole minutes show it.
			before := late.Stats().KeyFetches
			w.anHour(func(token string) {
				guardtest.Admitted(t, late, token)
			})
			require.LessOrEqual(t, late.Stats().KeyFetches-before, uint64(13))
		})
	}
}

// answerOf writes this instead of an answer, and closes the connection in order.
func answerOf(answer string) logtotest.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

func closing(c io.Closer) func() { return func() { _ = c.Close() } }

// What a transport says of the length is not believed: only what can be read counts.
func TestTransportThatLiesAboutLength(t *testing.T) {
	for _, length := range []int64{0, 1, 100, 1 << 20, 1<<63 - 1, -1, -1 << 63} {
		t.Run(strconv.FormatInt(length, 10), func(t *testing.T) {
			w := newWire(t)
			lie := func(r *http.Response) { r.ContentLength = length }
			w.meddle.Store(&lie)
			guard := w.guard(t)
			guardtest.Ready(t, guard)
			w.anHour(func(token string) { guardtest.Admitted(t, guard, token) })
			require.LessOrEqual(t, guard.Stats().KeyFetches, uint64(14))
			require.Zero(t, guard.Stats().KeyFetchFailures)
		})
	}
}

// Nor is the type: Logto writes application/jwk-set+json, proxies write what they
// like, and what counts is whether it is a key set.
func TestKeySetOfAnotherType(t *testing.T) {
	for _, contentType := range []string{"", "text/html", "text/plain; charset=iso-8859-1", "application/octet-stream", "not a type"} {
		t.Run(contentType, func(t *testing.T) {
			w := newWire(t)
			w.logto.Disturb(guardtest.After(func(_ *http.Request, answer *httptest.ResponseRecorder) {
				answer.Header()["Content-Type"] = []string{contentType}
			}))
			guard := w.guard(t)
			guardtest.Ready(t, guard)
			guardtest.Admitted(t, guard, w.mint())
		})
	}
}

// An expired certificate is an outage like any other, and renewing it ends it.
func TestExpiredCertificate(t *testing.T) {
	w := newWire(t)
	expired, renewed := guardtest.Certificate(t, time.Now().Add(-time.Hour)), guardtest.Certificate(t, time.Now().Add(time.Hour))
	var current atomic.Pointer[tls.Certificate]
	current.Store(expired)
	server := httptest.NewUnstartedServer(guardtest.KeySetOf(w.logto.Key().JWK())(nil))
	server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil }}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of each handshake
	server.StartTLS()
	t.Cleanup(server.Close)
	w.lead(server.Listener.Addr().String())
	w.transport.TLSClientConfig.RootCAs.AddCert(expired.Leaf)
	w.transport.TLSClientConfig.RootCAs.AddCert(renewed.Leaf)

	guard := w.guard(t, func(cfg *logtoguard.Config) { cfg.JWKSURL = "https://issuer.example/oidc/jwks" })
	w.anHour(func(token string) { unavailable(t, guard, token) })
	require.Contains(t, guardtest.WhyNotReady(t, guard), "expired")
	require.LessOrEqual(t, guard.Stats().KeyFetches, uint64(63))

	current.Store(renewed)
	w.clock.Advance(guardtest.LongestBackOff)
	guardtest.Admitted(t, guard, w.mint())
}

// While the answer is now good and now empty, the good ones count.
func TestIssuerThatFlips(t *testing.T) {
	w := newWire(t)
	// Empty for as long as it takes to see that: the guard tries again by itself.
	w.logto.Disturb(logtotest.EmptyKeySet())
	guard := w.guard(t)
	require.Contains(t, guardtest.WhyNotReadyYet(t, guard), "no usable key")
	var asked atomic.Int64
	w.logto.Disturb(func(next http.Handler) http.Handler {
		empty := logtotest.EmptyKeySet()(next)
		return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if asked.Add(1)%2 == 0 {
				empty.ServeHTTP(answer, r)
				return
			}
			next.ServeHTTP(answer, r)
		})
	})
	require.Eventually(t, func() bool {
		w.clock.Advance(guardtest.LongestBackOff)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return guard.Ready(ctx) == nil
	}, time.Minute, time.Millisecond)
	w.anHour(func(token string) { guardtest.Admitted(t, guard, token) })
	stats := guard.Stats()
	require.LessOrEqual(t, stats.KeyFetches, uint64(26), "an empty answer costs one more fetch")
	require.LessOrEqual(t, stats.KeyFetchFailures, uint64(14))
	require.Equal(t, 1, stats.Keys)

	w.heal()
	w.clock.Advance(guardtest.LongestBackOff)
	// A refresh that began before may still bring the empty set. This waits for one that began after.
	guardtest.Refuse(t, guard, w.logto.Mint(logtotest.Token{}, guardtest.Kid("absent")), logtoguard.ErrUnknownKey)
	w.clock.Advance(guardtest.GreatestAge + time.Minute)
	guardtest.Admitted(t, guard, w.mint())
	require.Less(t, guard.Stats().KeyAge, time.Minute)
}

// During a roll-out two instances answer in turn, each with a key that the other
// has not. A token is let in, or its key is the one that the last answer lacked;
// and the issuer is not flooded.
func TestRollOut(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		oldKey, newKey := s.Logto.Key(), logtotest.NewKey("ES256")
		instances := []http.Handler{guardtest.KeySetOf(oldKey.JWK())(nil), guardtest.KeySetOf(newKey.JWK())(nil)}
		var asked atomic.Int64
		s.Logto.Disturb(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
				// Not quite in turn: in step with the requests each would find its key.
				instances[asked.Add(1)/3%2].ServeHTTP(answer, r)
			})
		})
		guard := s.ReadyGuard(t)
		verdicts := map[int]int{}
		for range 60 {
			time.Sleep(time.Minute)
			for _, token := range []string{s.Mint(), s.Mint(guardtest.SignedBy(newKey))} {
				answer := guardtest.Serve(guard.Handler(guardtest.NoContent), "Bearer "+token)
				verdicts[answer.Code]++
				if answer.Code != http.StatusNoContent {
					require.Equal(t, http.StatusUnauthorized, answer.Code)
					require.Contains(t, answer.Header().Get("WWW-Authenticate"), "does not publish")
				}
			}
		}
		t.Log("status of 120 requests:", verdicts, "fetches:", guard.Stats().KeyFetches)
		require.Greater(t, verdicts[http.StatusNoContent], 60, "most find the instance that knows them")
		// A fetch for each of two requests a minute, and a refresh now and then.
		require.LessOrEqual(t, guard.Stats().KeyFetches, uint64(120+14))

		s.Logto.Disturb(guardtest.KeySetOf(newKey.JWK()))
		time.Sleep(guardtest.LongestRefresh)
		guardtest.Accept(t, guard, s.Mint(guardtest.SignedBy(newKey)))
	})
}

// A client whose own policy would follow a redirect anywhere does not get keys
// from anywhere.
func TestRedirectPolicyOfTheCaller(t *testing.T) {
	w := newWire(t)
	elsewhere, _ := guardtest.NewLogto(t, "ES256")
	w.logto.Disturb(redirect(elsewhere.URL() + guardtest.JWKSPath))
	var asked atomic.Int64
	guard := w.guard(t, func(cfg *logtoguard.Config) {
		cfg.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error {
			asked.Add(1)
			return nil
		}
	})
	w.anHour(func(token string) { unavailable(t, guard, token) })
	require.LessOrEqual(t, guard.Stats().KeyFetches, uint64(63))
	require.Zero(t, elsewhere.Requests(guardtest.JWKSPath))
	require.Zero(t, asked.Load(), "what is forbidden anyway is not asked about")

	// Within the same origin it is the caller's policy that decides.
	w.logto.Disturb(redirect("/elsewhere"))
	w.clock.Advance(guardtest.LongestBackOff)
	guardtest.Admitted(t, guard, w.mint())
	require.Positive(t, asked.Load())
}

// The client that the guard makes for itself keeps no connection, and takes one that
// waits for an answer with it.
func TestCloseEndsTheGuardsConnections(t *testing.T) {
	for name, fault := range map[string]logtotest.Fault{"answered": nil, "never answered": guardtest.Hold(nil)} {
		t.Run(name, func(t *testing.T) {
			guardtest.NoLeaks(t)
			var open atomic.Int64
			clock := logtotest.NewClock(guardtest.Now)
			logto := logtotest.NewServer(logtotest.Tenant{
				Resources: []logtotest.Resource{{Indicator: guardtest.Shopping}}, Algorithm: "ES256", Now: clock.Now,
				Listener: &countingListener{listener(t), &open},
			})
			t.Cleanup(logto.Close)
			logto.Disturb(fault)
			guard := guardtest.NewGuard(t, logto, clock)
			left := int64(1)
			if fault == nil {
				guardtest.Ready(t, guard)
				left = 0
			}
			require.Eventually(t, func() bool { return open.Load() == left && logto.Requests(guardtest.JWKSPath) == 1 }, 10*time.Second, time.Millisecond)
			require.NoError(t, guard.Close())
			require.Eventually(t, func() bool { return open.Load() == 0 }, 10*time.Second, time.Millisecond,
				"the server still sees the connection")
		})
	}
}

type countingListener struct {
	net.Listener
	open *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: conn, open: l.open}, nil
}
