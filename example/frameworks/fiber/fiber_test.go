package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
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

// Nor does a handler end the process.
func TestHandlersMayPanic(t *testing.T) {
	world := parity.NewWorld(t, nil)
	app := routes(world.Guard)
	app.Get("/broken", func(c fiber.Ctx) error {
		claims, _ := logtoguard.ClaimsFromContext(c.Context())
		panic("nothing for " + claims.Subject())
	})
	url := serve(t, app)
	authorization := parity.Admitted[0].Authorization(world.Logto)
	broken := parity.Ask(t, url+"/broken", authorization)
	require.Equal(t, 500, broken.Status)
	require.Equal(t, "Internal Server Error", broken.Body)
	require.Equal(t, 200, parity.Ask(t, url+"/products", authorization).Status)
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

// What fasthttp can't read is answered by its error, which quotes the request.
func TestTokensAreNotRepeated(t *testing.T) {
	world := parity.NewWorld(t, nil)
	url := start(t, world.Guard)
	authorization := "Authorization: " + parity.Admitted[0].Authorization(world.Logto)[0] + "\r\n"
	for name, row := range map[string]struct {
		request string
		status  int
	}{
		"a header without a colon": {"GET /products HTTP/1.1\r\nHost: shop\r\n" + authorization + "broken\r\n\r\n", 400},
		"a request line":           {"GET\r\n" + authorization + "\r\n", 400},
		"a URL":                    {"GET /products%zz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n" + authorization + "\r\n", 400},
		"too many headers":         {("GET /products HTTP/1.1\r\nHost: shop\r\n" + authorization + "Long: " + strings.Repeat("l", 32<<10))[:32<<10], 431},
		"a method":                 {"BREW /products HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n" + authorization + "\r\n", 501},
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			require.NoError(t, err)
			defer connection.Close()
			_, err = io.WriteString(connection, row.request)
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			require.NoError(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, row.status, response.StatusCode)
			require.Equal(t, http.StatusText(row.status), string(body))
			require.NotContains(t, response.Header, "Www-Authenticate")
			require.Equal(t, "text/plain; charset=utf-8", response.Header.Get("Content-Type"))
		})
	}
}
