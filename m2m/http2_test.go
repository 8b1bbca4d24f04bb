package m2m_test

import (
	"context"
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

// A time-out ends the stream in HTTP/2, and would leave a connection that answers no
// more to the next request; so would requests to an API at the same origin.
func TestEachTokenRequestHasItsConnection(t *testing.T) {
	t.Run("net/http's transport", func(t *testing.T) {
		eachTokenRequestHasItsConnection(t, func(base http.RoundTripper) http.RoundTripper { return base })
	})
	t.Run("a wrapped one", func(t *testing.T) {
		eachTokenRequestHasItsConnection(t, func(base http.RoundTripper) http.RoundTripper { return roundTrip(base.RoundTrip) })
	})
}

func eachTokenRequestHasItsConnection(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"a","token_type":"Bearer","expires_in":3600}`)
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		connections.Add(1)
		return ctx
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	clock := logtotest.NewClock(noon)
	client := newClient(t, func(cfg *m2m.Config) {
		cfg.Endpoint, cfg.Now = server.URL, clock.Now
		cfg.HTTPClient = &http.Client{Transport: wrap(server.Client().Transport)}
	})
	do(t, client.HTTPClient(), http.MethodGet, server.URL+"/api", nil)
	require.EqualValues(t, 2, connections.Load(), "one for the token, one for the API")
	clock.Advance(time.Hour)
	do(t, client.HTTPClient(), http.MethodGet, server.URL+"/api", nil)
	require.EqualValues(t, 3, connections.Load(), "another for another token, and the API's again")
}
