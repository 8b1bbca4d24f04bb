package main

import (
	"net"
	"net/http"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

func TestAnswersAsNetHTTP(t *testing.T) {
	server := parity.Reference // for its paths
	server.Start = start
	parity.Test(t, server)
}

// What fasthttp lends ends with the request, and strings may be kept.
func TestHeadersAreCopied(t *testing.T) {
	var kept []string
	keep := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			kept = append(kept, r.Header["Authorization"]...)
			next.ServeHTTP(w, r)
		})
	}
	app := fiber.New()
	app.Get("/", wrap(keep), func(c fiber.Ctx) error { return c.SendStatus(200) })
	url := serve(t, app) + "/"
	for _, value := range []string{"Bearer first", "Bearer other", "Bearer third"} {
		require.Equal(t, 200, parity.Ask(t, url, []string{value, "Basic again"}).Status)
	}
	require.Equal(t, []string{"Bearer first", "Basic again", "Bearer other", "Basic again", "Bearer third", "Basic again"}, kept)
}

func start(t *testing.T, guard *logtoguard.Guard) string { return serve(t, routes(guard)) }

func serve(t *testing.T, app *fiber.App) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(listener) }()
	t.Cleanup(func() {
		require.NoError(t, app.Shutdown())
		require.NoError(t, <-ended)
	})
	return "http://" + listener.Addr().String()
}

func TestRuns(t *testing.T) { parity.TestRuns(t, "/products") }
