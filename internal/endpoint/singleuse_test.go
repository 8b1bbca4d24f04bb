package endpoint

import (
	"context"
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

// What is not net/http's own transport can only be used as it is.
func TestSingleUseOfOtherTransports(t *testing.T) {
	other := http.NewFileTransport(http.Dir("."))
	assert.Equal(t, other, SingleUse(other))
	standard := SingleUse(nil)
	require.IsType(t, http.DefaultTransport, standard)
	assert.NotSame(t, http.DefaultTransport, standard)
	assert.False(t, http.DefaultTransport.(*http.Transport).DisableKeepAlives, "the shared one is left as it is")
}
