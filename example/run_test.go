package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// environment answers like os.Getenv. Unless told otherwise, it asks for free ports.
func environment(vars map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := vars[name]; ok {
			return value
		}
		if strings.HasSuffix(name, "ADDR") {
			return "127.0.0.1:0"
		}
		return ""
	}
}

// readWelcome returns what is printed at start, up to its last line.
func readWelcome(r io.Reader) (text string, complete bool) {
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		text += scanner.Text() + "\n"
		if scanner.Text() == lastLine {
			return text, true
		}
	}
	return text, false
}

// start calls run until it has printed its lines. The function it returns ends it.
func start(t *testing.T, vars map[string]string) (welcome string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, environment(vars), stdout, io.Discard)
		stdout.CloseWithError(err)
		ended <- err
	}()
	welcome, complete := readWelcome(out)
	stop = func() error {
		cancel()
		return <-ended
	}
	if !complete {
		t.Fatal(stop())
	}
	return welcome, stop
}

func TestSettings(t *testing.T) {
	set, err := readSettings(func(string) string { return "" })
	require.NoError(t, err)
	require.Equal(t, settings{addr: "127.0.0.1:8080", audience: "https://shopping.api", demoAddr: "127.0.0.1:3001"}, set)

	set, err = readSettings(environment(map[string]string{
		"ADDR":                ":80",
		"LOGTO_ENDPOINT":      "https://auth.example.com",
		"LOGTO_AUDIENCE":      "https://api.example.com",
		"LOGTO_JWKS_URL":      "http://logto:3001/oidc/jwks",
		"LOGTO_INSECURE_HTTP": "true",
		"METADATA_URL":        "https://api.example.com/.well-known/oauth-protected-resource",
	}))
	require.NoError(t, err)
	require.Equal(t, settings{
		addr:         ":80",
		endpoint:     "https://auth.example.com",
		audience:     "https://api.example.com",
		jwksURL:      "http://logto:3001/oidc/jwks",
		insecureHTTP: true,
		metadataURL:  "https://api.example.com/.well-known/oauth-protected-resource",
		demoAddr:     "127.0.0.1:0",
	}, set)
}

// TestSettingsThatAreRefused has a row for each way to set things wrong, and
// what the error must say.
func TestSettingsThatAreRefused(t *testing.T) {
	type vars = map[string]string
	for name, row := range map[string]struct {
		vars vars
		text []string
	}{
		"not a bool":                 {vars{"LOGTO_ENDPOINT": "https://a.example", "LOGTO_INSECURE_HTTP": "yes"}, []string{`LOGTO_INSECURE_HTTP is "yes": write true or false`}},
		"key set without Logto":      {vars{"LOGTO_JWKS_URL": "https://a.example/oidc/jwks"}, []string{"LOGTO_JWKS_URL", "set LOGTO_ENDPOINT"}},
		"plain http without Logto":   {vars{"LOGTO_INSECURE_HTTP": "true"}, []string{"LOGTO_INSECURE_HTTP", "set LOGTO_ENDPOINT"}},
		"no port":                    {vars{"ADDR": "127.0.0.1"}, []string{"ADDR", "write host:port"}},
		"no address":                 {vars{"ADDR": ":8080"}, []string{`ADDR is ":8080"`, "public secrets", "loopback"}},
		"all addresses":              {vars{"ADDR": "0.0.0.0:8080"}, []string{"public secrets"}},
		"all IPv6 addresses":         {vars{"ADDR": "[::]:8080"}, []string{"public secrets"}},
		"another machine":            {vars{"ADDR": "192.0.2.1:8080"}, []string{"public secrets"}},
		"a name":                     {vars{"ADDR": "shop.example:8080"}, []string{"public secrets"}},
		"stand-in on all addresses":  {vars{"DEMO_LOGTO_ADDR": ":3001"}, []string{`DEMO_LOGTO_ADDR is ":3001"`, "public secrets"}},
		"both reported":              {vars{"ADDR": ":8080", "DEMO_LOGTO_ADDR": "0.0.0.0:3001"}, []string{`ADDR is ":8080"`, `DEMO_LOGTO_ADDR is "0.0.0.0:3001"`}},
		"relative audience":          {vars{"LOGTO_AUDIENCE": "shopping"}, []string{"LOGTO_AUDIENCE", "an https URL"}},
		"audience with a fragment":   {vars{"LOGTO_AUDIENCE": "https://shopping.api#x"}, []string{"LOGTO_AUDIENCE", "an https URL"}},
		"audience that is no URL":    {vars{"LOGTO_AUDIENCE": "urn:shopping"}, []string{"LOGTO_AUDIENCE", "an https URL"}},
		"audience over http":         {vars{"LOGTO_AUDIENCE": "http://shopping.api"}, []string{"LOGTO_AUDIENCE", "an https URL"}},
		"metadata elsewhere":         {vars{"METADATA_URL": "https://shopping.api/metadata"}, []string{"METADATA_URL", "Metadata.URL is not where clients look"}},
		"a resource of Logto":        {vars{"LOGTO_AUDIENCE": "https://default.logto.app/api"}, []string{"LOGTO_AUDIENCE", "Logto itself"}},
		"not an endpoint":            {vars{"LOGTO_ENDPOINT": "tenant"}, []string{"LOGTO_", "Endpoint"}},
		"endpoint over http":         {vars{"LOGTO_ENDPOINT": "http://logto:3001"}, []string{"LOGTO_", "InsecureHTTP"}},
		"address that doesn't exist": {vars{"LOGTO_ENDPOINT": "https://a.example", "ADDR": "127.0.0.1:port"}, []string{"port", "with ADDR,"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), environment(row.vars), io.Discard, io.Discard)
			require.Error(t, err)
			for _, text := range row.text {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "127.8.8.8:80", "localhost:8080", "LocalHost:8080", "[::1]:8080"} {
		require.NoError(t, wantLoopback("ADDR", addr, "127.0.0.1:8080"))
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()

	for _, setting := range []string{"ADDR", "DEMO_LOGTO_ADDR"} {
		err := run(t.Context(), environment(map[string]string{setting: addr}), io.Discard, io.Discard)
		require.ErrorContains(t, err, addr)
		require.ErrorContains(t, err, "choose another address with "+setting+",")
	}
}

func TestRunUntilStopped(t *testing.T) {
	welcome, stop := start(t, nil)
	api := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(welcome)
	// A probe is short, and a busy machine may take longer to fetch the first keys.
	require.Eventually(t, func() bool {
		res, err := http.Get(api + "/readyz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == 200
	}, time.Minute, time.Millisecond)

	require.NoError(t, stop())
}

func TestStopLetsRequestsFinish(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	entered, stopping := make(chan struct{}), make(chan struct{})
	srv := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-stopping
		_, _ = io.WriteString(w, "finished")
	}), discard())
	srv.RegisterOnShutdown(func() { close(stopping) })

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, srv, ln, time.Minute) }()
	go func() {
		<-entered
		cancel()
	}()
	res, err := http.Get(baseURL(ln.Addr()))
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "finished", string(body))
	require.NoError(t, <-ended)
}

func TestStopDoesNotWaitForever(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	srv := newServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}), discard())
	go func() {
		if res, err := http.Get(baseURL(ln.Addr())); err == nil {
			res.Body.Close()
		}
	}()
	require.ErrorIs(t, serve(ctx, srv, ln, time.Millisecond), context.DeadlineExceeded)
}

func TestServeReportsABrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	require.ErrorIs(t, serve(t.Context(), newServer(http.NotFoundHandler(), discard()), ln, time.Minute), net.ErrClosed)
}

func TestBaseURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:80": "http://127.0.0.1:80",
		"0.0.0.0:80":   "http://localhost:80",
		"[::]:80":      "http://localhost:80",
		"[::1]:80":     "http://[::1]:80",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		require.NoError(t, err)
		require.Equal(t, want, baseURL(tcp))
	}
}

func TestRealLogtoShowsNoSecret(t *testing.T) {
	logto := logtotest.NewServer(demoTenant(audience))
	defer logto.Close()
	welcome, stop := start(t, map[string]string{"LOGTO_ENDPOINT": logto.Endpoint() + "/"})
	require.NoError(t, stop())
	require.NotContains(t, welcome, "-secret")
	require.NotContains(t, welcome, "stand-in")
	require.Contains(t, welcome, "'"+logto.Endpoint()+"/oidc/token'")
}
