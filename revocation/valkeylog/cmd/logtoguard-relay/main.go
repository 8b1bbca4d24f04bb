// Command logtoguard-relay passes on to the replicas of a service what was taken away at
// Logto. It reads a webhook's log at Logto's Management API, takes the webhook itself as
// well, and appends what they say to the stream of package valkeylog, which the replicas
// follow. So only this process needs credentials of the Management API, which administer
// the whole tenant.
//
// Settings are environment variables:
//
//	ADDR                 where it listens: 127.0.0.1:8080
//	LOGTO_ENDPOINT       the Logto that has the webhook; on Logto Cloud not a custom domain
//	LOGTO_TENANT_ID      whose Management API: default, as self-hosted; the abc of https://abc.logto.app
//	LOGTO_APP_ID         a machine-to-machine application that may use the Management API
//	LOGTO_APP_SECRET     its secret
//	LOGTO_HOOK_ID        the webhook's ID
//	LOGTO_SIGNING_KEYS   the webhook's signing key, or two with a comma between them; without it only the webhook's log is read
//	LOGTO_INSECURE_HTTP  true allows http:// beyond loopback (compose networks)
//	VALKEY_URL           the Valkey, such as rediss://user:password@valkey.internal:6379; also redis:// and unix://
//	VALKEY_KEY           the stream's key, as the replicas have it: one for each tenant
//	MAX_TOKEN_LIFETIME   the longest that the tenant's access tokens live, as the replicas have it: 24h
//	INTERVAL             the pause between two readings of the webhook's log: 5s
//
// It serves POST /webhooks/logto, and GET /healthz: 200 while the webhook's log and the
// stream are being read, and the stream has all that is known here, else 503.
//
// SIGTERM and SIGINT end it, with status 0 only if the stream has all that it knows.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

const (
	// shutdownGrace is how long requests may go on after the signal to stop: a webhook
	// waits 2 s. With the 5 s of List.Close it stays below the 10 s that Docker allows.
	shutdownGrace = 3 * time.Second
	// healthPatience is how long a probe waits for the List.
	healthPatience = time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	if err := run(ctx, os.Getenv, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "logtoguard-relay:", err)
		os.Exit(1)
	}
}

// run is main with its surroundings passed in, so that tests can call it.
func run(ctx context.Context, getenv func(string) string, stderr io.Writer) (err error) {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	set, err := readSettings(getenv, log)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", set.addr)
	if err != nil {
		return fmt.Errorf("%w: choose another address with ADDR, such as 127.0.0.1:0 for any free port", err)
	}
	defer ln.Close()
	client, err := valkey.NewClient(set.valkey)
	if client == nil {
		return fmt.Errorf("the Valkey of VALKEY_URL: %w", err)
	}
	defer client.Close()
	if err != nil {
		log.Warn("Valkey doesn't answer: trying again", "error", err)
	}
	stream := valkeylog.New(client, set.key)
	stream.Retention, stream.Logger = max(stream.Keeps(), set.revocation.MaxTokenLifetime), log
	set.revocation.Log = stream

	list, err := revocation.New(set.revocation)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	log.Info("listening", "address", ln.Addr().String())
	return serve(ctx, newServer(routes(list), log), ln)
}

func routes(list *revocation.List) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/logto", list)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthPatience)
		defer cancel()
		w.Header().Set("Cache-Control", "no-store")
		switch { // why is in the log: anyone may ask here
		case list.Ready(ctx) != nil:
			http.Error(w, "the webhook's log at Logto or the stream in Valkey can't be read", http.StatusServiceUnavailable)
			return
		case list.Stats().Unsaved > 0:
			http.Error(w, "the stream in Valkey lacks revocations that are known here", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}

// newServer sets the limits that http.Server leaves open.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // Logto hangs up after 10 s
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelError),
	}
}

// serve answers requests until ctx ends, then lets those under way finish.
func serve(ctx context.Context, srv *http.Server, ln net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		_ = srv.Close() // a webhook that was cut off is in its log
	}
	return nil
}
