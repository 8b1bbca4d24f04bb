// Command example is a small shopping API that lets in requests with access
// tokens of Logto. It is meant to be copied from.
//
//	go run ./example
//
// starts it with a stand-in for Logto beside it, and prints lines to paste into
// a shell, and the address of a page to try the same in a browser. The stand-in
// is for trying only: its secrets are public.
//
// Settings are environment variables:
//
//	ADDR                 where the API listens: 127.0.0.1:8080
//	LOGTO_ENDPOINT       the Logto that issues the tokens; without it the stand-in is started
//	LOGTO_AUDIENCE       this API's resource indicator at Logto: https://shopping.api
//	LOGTO_JWKS_URL       where to load the keys, if not from LOGTO_ENDPOINT (compose networks)
//	LOGTO_INSECURE_HTTP  true allows http:// beyond loopback (compose networks)
//	METADATA_URL         where clients find this API's metadata (RFC 9728); without it there is none, but for the demo
//	DEMO_LOGTO_ADDR      where the stand-in listens: 127.0.0.1:3001
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

// shutdownGrace is how long requests may go on after the signal to stop.
const shutdownGrace = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	if err := run(ctx, os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// run is main with its surroundings passed in, so that tests can call it.
func run(ctx context.Context, getenv func(string) string, stdout, stderr io.Writer) error {
	set, err := readSettings(getenv)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))

	ln, err := listen("ADDR", set.addr)
	if err != nil {
		return err
	}
	defer ln.Close()

	lines := logtoLines
	var standIn *logtotest.Server // nil: a real Logto
	if set.demo() {
		if standIn, err = startStandIn(set, ln.Addr()); err != nil {
			return err
		}
		defer standIn.Close()
		lines, set.endpoint = demoLines, standIn.Endpoint()
		set.metadataURL = cmp.Or(set.metadataURL, baseURL(ln.Addr())+"/.well-known/oauth-protected-resource")
		log.Warn("a stand-in for Logto with public secrets is running: for trying only", "endpoint", set.endpoint)
	}

	config := guardConfig(set, log)
	var list *revocation.List // for the page, which has a button that revokes
	if standIn != nil {
		if list, err = revocation.New(revocation.Config{Logger: log}); err != nil {
			return err
		}
		defer list.Close()
		config.Check, config.ErrorHandler = list.Check, explainRefusal
	}
	guard, err := logtoguard.New(config)
	if err != nil {
		return fmt.Errorf("the LOGTO_ settings or METADATA_URL are refused, by the names that they have in Go: %w", err)
	}
	defer guard.Close()

	handler := newHandler(ctx, guard, config.Check, newStore(), log)
	if config.Metadata != nil {
		handler = discoverable(guard, handler)
	}
	if standIn != nil {
		if handler, err = newTryout(standIn, set.audience, list, guard, handler, log); err != nil {
			return err
		}
	}

	if err := printWelcome(stdout, lines, set, baseURL(ln.Addr())); err != nil {
		return err
	}
	log.Info("listening", "address", ln.Addr().String())
	return serve(ctx, newServer(handler, log), ln, shutdownGrace)
}

// listen opens the address, and says in its error which setting chooses another.
func listen(setting, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address with %s, such as 127.0.0.1:0 for any free port", err, setting)
	}
	return ln, nil
}

// newServer sets the limits that http.Server leaves open.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second, // a first request may wait 5 s for the keys
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10, // tokens have up to 16 KiB
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelError),
	}
}

// serve answers requests until ctx ends, then lets those under way finish. Shutdown waits
// for streams as for any request: they end because the handler was given ctx.
func serve(ctx context.Context, srv *http.Server, ln net.Listener, grace time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	graceCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(graceCtx); err != nil {
		srv.Close()
		return fmt.Errorf("requests were cut off after %v: %w", grace, err)
	}
	return nil
}
