package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
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
	"github.com/logtoguard/logtoguard/revocation"
)

const acmeEvents = "/organizations/acme/orders/events"

// bubbleStart is when the clock of each synctest bubble starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// streams is a shop that serves in a bubble, with a guard that stays outside of it,
// because the keys come over a real network. The guard's clock stands at bubbleStart.
type streams struct {
	logto *logtotest.Server
	guard *logtoguard.Guard
	token string
}

// streamLife ends while a stream is quiet.
const streamLife = time.Hour + 7*time.Second

func newStreams(t *testing.T) *streams {
	now := func() time.Time { return bubbleStart }
	tenant := demoTenant(audience)
	tenant.Now = now
	logto := logtotest.NewServer(tenant)
	t.Cleanup(logto.Close)
	cfg := guardConfig(settings{endpoint: logto.Endpoint(), audience: audience}, discard())
	cfg.Now = now
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	s := &streams{logto: logto, guard: guard}
	s.token = s.mint(t, streamLife)
	return s
}

// mint makes a token that the guard knows already, so that nothing in a bubble waits for
// what is outside.
func (s *streams) mint(t *testing.T, life time.Duration) string {
	token := s.logto.Mint(logtotest.Token{Subject: "bob", ClientID: "web", Audience: audience, OrganizationID: "acme", Scopes: []string{readOrders}, Lifetime: life})
	_, err := s.guard.Verify(t.Context(), token)
	require.NoError(t, err)
	return token
}

// memory is a network without a kernel, in which a bubble sees who waits.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newMemory() memory { return memory{make(chan net.Conn), make(chan struct{})} }

func (m memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m memory) Close() error   { close(m.closed); return nil }
func (m memory) Addr() net.Addr { return &net.TCPAddr{} }

func (m memory) Dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	m.conns <- there
	return here, nil
}

// shop is a server in a bubble.
type shop struct {
	streams *streams
	store   *store
	list    *revocation.List
	network memory
	client  *http.Client
	log     *bytes.Buffer // to be read when the server has ended
	stop    func() error  // as a signal does it
}

var streamProtocols = []string{"HTTP/1.1"}

// inBubble serves the shop over each of streamProtocols. A bubble whose goroutines don't all
// end fails its test.
func inBubble(t *testing.T, test func(*testing.T, *shop)) {
	s := newStreams(t)
	for _, protocol := range streamProtocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				require.Equal(t, bubbleStart, time.Now().UTC())
				ctx, cancel := context.WithCancel(t.Context())
				list, err := revocation.New(revocation.Config{Logger: discard()})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, list.Close()) })
				c := &shop{streams: s, store: newStore(), list: list, network: newMemory(), log: &bytes.Buffer{}}
				srv := newServer(newHandler(ctx, s.guard, c.list.Check, c.store, slog.New(slog.NewTextHandler(c.log, nil))), discard())
				var protocols http.Protocols
				protocols.SetHTTP1(protocol == "HTTP/1.1")
				protocols.SetUnencryptedHTTP2(protocol == "HTTP/2")
				srv.Protocols = &protocols
				transport := &http.Transport{DialContext: c.network.Dial, Protocols: &protocols}
				c.client = &http.Client{Transport: transport}
				ended := make(chan error, 1)
				go func() { ended <- serve(ctx, srv, c.network, shutdownGrace) }()
				c.stop = sync.OnceValue(func() error {
					cancel()
					return <-ended
				})
				t.Cleanup(func() { require.NoError(t, c.stop()) })
				t.Cleanup(transport.CloseIdleConnections)
				test(t, c)
			})
		})
	}
}

func (s *shop) request(ctx context.Context, t *testing.T, token string) *http.Request {
	ctx, cancel := context.WithTimeout(ctx, 2*streamLife) // for a stream that doesn't end
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop"+acmeEvents, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

// open starts a stream that counts as begun.
func (s *shop) open(t *testing.T, req *http.Request) (*http.Response, *bufio.Reader) {
	res, err := s.client.Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	body := bufio.NewReader(res.Body)
	require.Regexp(t, "^id: [a-z0-9_]+\n\n$", read(t, body))
	return res, body
}

// read returns the next event, or comment.
func read(t *testing.T, body *bufio.Reader) (event string) {
	t.Helper()
	for !strings.HasSuffix(event, "\n\n") {
		line, err := body.ReadString('\n')
		require.NoError(t, err)
		event += line
	}
	return event
}

func (s *shop) order(t *testing.T, organization string, quantity int) order {
	t.Helper()
	o, err := s.store.addOrder(organization, "bob", orderDetails{"p_tea", quantity})
	require.NoError(t, err)
	return o
}

func event(o order) string {
	return "id: " + o.ID + "\nevent: order\n" +
		`data: {"id":"` + o.ID + `","product_id":"p_tea","quantity":` + string(rune('0'+o.Quantity)) + `,"ordered_by":"bob"}` + "\n\n"
}

// None of the server's time limits cuts a stream, and its token's end does.
func TestStreamEndsWithItsToken(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shop) {
		s.order(t, "acme", 1)
		res, body := s.open(t, s.request(t.Context(), t, s.streams.token))
		s.order(t, "globex", 2)
		require.Equal(t, event(s.order(t, "acme", 3)), read(t, body), "orders of acme, from now on")

		for quiet := keepAlive; quiet < streamLife; quiet += keepAlive {
			require.Equal(t, ":\n\n", read(t, body))
			require.Equal(t, bubbleStart.Add(quiet), time.Now().UTC())
		}
		time.Sleep(streamLife - time.Since(bubbleStart) - time.Nanosecond)
		require.Equal(t, event(s.order(t, "acme", 4)), read(t, body))
		rest, err := io.ReadAll(body)
		require.NoError(t, err, "it ends, and doesn't break off")
		require.Empty(t, rest)
		require.Equal(t, bubbleStart.Add(streamLife), time.Now().UTC())
		require.NoError(t, res.Body.Close())

		require.NoError(t, s.stop())
		require.Contains(t, s.log.String(), `route="GET /organizations/{organizationID}/orders/events" status=200`)
		require.Contains(t, s.log.String(), "took="+streamLife.String()+" client=web")
		require.NotContains(t, s.log.String(), "error")
	})
}

// A quiet stream ends within checkAgain, and no event is sent to a token that was revoked.
func TestStreamEndsWhenItsTokenIsRevoked(t *testing.T) {
	for name, row := range map[string]struct {
		after func(*testing.T, *shop)
		want  time.Duration
	}{
		"quiet":    {func(*testing.T, *shop) {}, 2 * checkAgain},
		"an event": {func(t *testing.T, s *shop) { s.order(t, "acme", 2) }, checkAgain + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *shop) {
				res, body := s.open(t, s.request(t.Context(), t, s.streams.token))
				time.Sleep(checkAgain)
				require.Equal(t, event(s.order(t, "acme", 1)), read(t, body), "it was asked, and goes on")
				require.NoError(t, s.list.Revoke(t.Context(), revocation.Revocation{Subject: "somebody else"}))
				time.Sleep(time.Second)
				require.NoError(t, s.list.Revoke(t.Context(), revocation.Revocation{Subject: "bob"}))
				row.after(t, s)
				rest, err := io.ReadAll(body)
				require.NoError(t, err, "it ends, and doesn't break off")
				require.Empty(t, rest)
				require.Equal(t, row.want, time.Since(bubbleStart))
				require.NoError(t, res.Body.Close())
			})
		})
	}
}

// The guard's ClockSkew lets a token in that is over, but gets it no event.
func TestStreamOfATokenThatIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shop) {
		s.order(t, "acme", 1)
		req := s.request(t.Context(), t, s.streams.mint(t, -time.Second))
		req.Header.Set("Last-Event-ID", "o_none")
		res, err := s.client.Do(req)
		require.NoError(t, err)
		rest, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.NoError(t, res.Body.Close())
	})
}

func TestStreamEndsWhenTheClientLeaves(t *testing.T) {
	for name, after := range map[string]time.Duration{"early": time.Minute, "as the token ends": streamLife} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *shop) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(after, cancel)
				res, body := s.open(t, s.request(ctx, t, s.streams.token))
				_, _ = io.Copy(io.Discard, body) // its error depends on which of both is first
				require.Equal(t, after, time.Since(bubbleStart))
				require.NoError(t, res.Body.Close())
				synctest.Wait()
				require.Contains(t, s.log.String(), "status=200", "the handler has returned")
				require.NotContains(t, s.log.String(), "error")
			})
		})
	}
}

// A client that stays, and reads nothing, is no reason to keep a goroutine.
func TestStreamEndsWhenTheClientReadsNothing(t *testing.T) {
	s := newStreams(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		network, store := newMemory(), newStore()
		var log bytes.Buffer
		srv := newServer(newHandler(ctx, s.guard, nil, store, slog.New(slog.NewTextHandler(&log, nil))), discard())
		ended := make(chan error, 1)
		go func() { ended <- serve(ctx, srv, network, shutdownGrace) }()
		conn, err := network.Dial(ctx, "", "")
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %s\r\n\r\n", acmeEvents, s.token)
		require.NoError(t, err)
		_, err = io.ReadFull(conn, make([]byte, 1))
		require.NoError(t, err)

		time.Sleep(writeLimit)
		synctest.Wait()
		require.Contains(t, log.String(), "took="+writeLimit.String())
		require.NoError(t, conn.Close())
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestStreamEndsWhenTheServerStops(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shop) {
		res, body := s.open(t, s.request(t.Context(), t, s.streams.token))
		time.Sleep(keepAlive / 2)
		begin := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- s.stop() }()
		rest, err := io.ReadAll(body)
		require.NoError(t, err, "it ends, and doesn't break off")
		require.Empty(t, rest)
		require.Equal(t, begin, time.Now())
		require.NoError(t, res.Body.Close())
		require.NoError(t, <-ended, "nothing was cut off")
	})
}

// Who comes back after the end of a token misses no order.
func TestStreamGoesOnAfterTheLastEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shop) {
		first, second := s.order(t, "acme", 1), s.order(t, "acme", 2)
		for last, want := range map[string][]order{
			first.ID:                     {second},
			second.ID:                    nil,
			"of a shop before a restart": {first, second},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			req := s.request(ctx, t, s.streams.token)
			req.Header.Set("Last-Event-ID", last)
			res, body := s.open(t, req)
			for _, o := range want {
				require.Equal(t, event(o), read(t, body))
			}
			require.Equal(t, ":\n\n", read(t, body), "and nothing more")
			cancel()
			require.NoError(t, res.Body.Close())
		}
	})
}

// It need not have had any.
func TestStreamGoesOnAfterItsStart(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shop) {
		for n := range 2 {
			res, err := s.client.Do(s.request(t.Context(), t, s.streams.token))
			require.NoError(t, err)
			start, isID := strings.CutPrefix(read(t, bufio.NewReader(res.Body)), "id: ")
			require.True(t, isID)
			require.NoError(t, res.Body.Close())
			missed := s.order(t, "acme", n)

			req := s.request(t.Context(), t, s.streams.token)
			req.Header.Set("Last-Event-ID", strings.TrimSpace(start))
			res, body := s.open(t, req)
			require.Equal(t, event(missed), read(t, body))
			require.NoError(t, res.Body.Close())
		}
	})
}

// Refusals come before a stream begins, and are no stream.
func TestStreamIsRefusedBeforeItBegins(t *testing.T) {
	f := newFixture(t)
	mint := func(organization string, scopes ...string) string {
		return f.logto.Mint(logtotest.Token{ClientID: "web", Audience: audience, OrganizationID: organization, Scopes: scopes})
	}
	for name, row := range map[string]struct {
		token string
		want  int
	}{
		"no token":             {"", 401},
		"no scope":             {mint("acme"), 403},
		"another scope":        {mint("acme", writeOrders), 403},
		"another organization": {mint("globex", readOrders), 403},
		"no organization":      {mint("", readOrders), 403},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, row.want, call(t, f.api(), "GET", acmeEvents, row.token, "").Code)
		})
	}
}

// A handler that wraps the ResponseWriter without Unwrap would let WriteTimeout cut all streams.
func TestStreamNeedsTheConnection(t *testing.T) {
	s := newStreams(t)
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		api := newHandler(t.Context(), s.guard, nil, newStore(), slog.New(slog.NewTextHandler(&log, nil)))
		require.Equal(t, 500, call(t, api, "GET", acmeEvents, s.token, "").Code)
	})
	require.Contains(t, log.String(), `error="feature not supported"`)
}

// What is sent goes by the context, and by the wall clock, too: the context's timer is late
// where the machine slept or its clock was set. Whatever error the check has ends a stream.
func TestStreamSendsNothingAfterItsEnd(t *testing.T) {
	s := newStreams(t)
	claims, err := s.guard.Verify(t.Context(), s.token)
	require.NoError(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	unknown := &logtoguard.Error{Status: http.StatusServiceUnavailable, Reason: "revocation"}
	answer := func(err error) check {
		return func(context.Context, *logtoguard.Claims) error { return err }
	}
	for name, row := range map[string]struct {
		ctx   context.Context
		left  time.Duration
		check check
		want  error
	}{
		// These go on to write, which takes more than a recorder.
		"before the end":  {t.Context(), time.Minute, nil, http.ErrNotSupported},
		"not revoked":     {t.Context(), time.Minute, answer(nil), http.ErrNotSupported},
		"at the end":      {t.Context(), 0, nil, context.DeadlineExceeded},
		"after the end":   {t.Context(), -time.Hour, nil, context.DeadlineExceeded},
		"the client left": {gone, time.Minute, nil, context.Canceled},
		"both, whichever": {gone, 0, nil, context.Canceled},
		"revoked":         {t.Context(), time.Minute, answer(revocation.ErrRevoked), revocation.ErrRevoked},
		"not known":       {t.Context(), time.Minute, answer(unknown), unknown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(claims.ExpiresAt().Add(-row.left)))
				w := httptest.NewRecorder()
				err := eventStream{row.ctx, claims, row.check, w}.send(":\n\n")
				require.ErrorIs(t, err, row.want)
				require.Empty(t, w.Body)
			})
		})
	}
}
