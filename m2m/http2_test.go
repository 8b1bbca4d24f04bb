package m2m_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

// A time-out ends the stream in HTTP/2, and leaves a connection that answers no
// more to the next request.
func TestConnectionThatHangs(t *testing.T) {
	type ordinal struct{}
	var connections atomic.Int64
	hangs := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(ordinal{}) == int64(1) {
			close(hangs)
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"a","token_type":"Bearer","expires_in":3600}`)
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, ordinal{}, connections.Add(1))
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	clock := logtotest.NewClock(noon)
	base, first := server.Client().Transport, true
	client := newClient(t, by(roundTrip(func(r *http.Request) (*http.Response, error) {
		if first {
			first = false
			return timeOut(base, r, hangs)
		}
		return base.RoundTrip(r)
	})), func(cfg *m2m.Config) { cfg.Endpoint, cfg.Now = server.URL, clock.Now })
	_, err := client.Token(t.Context())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	clock.Advance(time.Hour)
	_, err = client.Token(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, connections.Load())
}

// timeOut gives up as a time-out does, but not before the request hangs: by the
// clock, a slow machine may not come so far, and not answer the next request in time.
func timeOut(base http.RoundTripper, r *http.Request, hangs <-chan struct{}) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-hangs:
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := base.RoundTrip(r.WithContext(ctx))
	return nil, errors.Join(context.DeadlineExceeded, err)
}
