package endpoint

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSingleUse(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			type ordinal struct{}
			connections := 0
			var asked []string // the connection of each request
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, strconv.Itoa(r.Context().Value(ordinal{}).(int))+" "+r.Proto+r.URL.Path)
				if r.URL.Path == "/from" {
					http.Redirect(w, r, "/to", http.StatusFound)
				}
			}))
			server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
				connections++
				return context.WithValue(ctx, ordinal{}, connections)
			}
			server.EnableHTTP2 = protocol == "HTTP/2.0"
			server.StartTLS()
			defer server.Close()
			shared := server.Client()
			alone := &http.Client{Transport: SingleUse(shared.Transport)}
			for _, request := range []struct {
				client *http.Client
				path   string
			}{{shared, "/"}, {alone, "/from"}, {shared, "/"}, {alone, "/"}} {
				response, err := request.client.Get(server.URL + request.path)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
			}
			assert.Equal(t, []string{
				"1 " + protocol + "/", "2 " + protocol + "/from", "3 " + protocol + "/to", "1 " + protocol + "/", "4 " + protocol + "/",
			}, asked)
		})
	}
}

type stub func(*http.Request) (*http.Response, error)

func (s stub) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// A transport that is not net/http's is told, by a request that is not the caller's.
func TestSingleUseOfAnyTransport(t *testing.T) {
	failure := errors.New("down")
	mine := httptest.NewRequest(http.MethodGet, "https://tenant-id.logto.app/", nil)
	_, err := SingleUse(stub(func(r *http.Request) (*http.Response, error) {
		assert.True(t, r.Close)
		return nil, failure
	})).RoundTrip(mine)
	require.ErrorIs(t, err, failure)
	assert.False(t, mine.Close)
}
