// Package shop is what the servers in the directories beside it share: their
// settings. They are environment variables:
//
//	LOGTO_ENDPOINT  the Logto that issues the tokens
//	LOGTO_AUDIENCE  this API's resource indicator at Logto: https://shopping.api, of mcp https://shopping.api/mcp
//	ADDR            where the server listens: 127.0.0.1:8080
package shop

import (
	"cmp"
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/logtoguard/logtoguard"
)

// Run guards a server as the environment says, until serve returns.
func Run(cfg logtoguard.Config, serve func(*logtoguard.Guard, net.Listener) error) {
	cfg.Endpoint = os.Getenv("LOGTO_ENDPOINT")
	if audience := os.Getenv("LOGTO_AUDIENCE"); audience != "" || cfg.Audience == nil {
		cfg.Audience = []string{cmp.Or(audience, "https://shopping.api")}
	}
	cfg.OrganizationScopes = []string{"read:orders"}
	guard, err := logtoguard.New(cfg)
	if err != nil {
		log.Fatalf("set LOGTO_ENDPOINT and LOGTO_AUDIENCE: %v", err)
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080"))
	if err != nil {
		log.Fatalf("set ADDR: %v", err)
	}
	log.Printf("listening on %s", listener.Addr())
	if err := serve(guard, listener); err != nil {
		log.Fatal(err)
	}
}

// HTTP serves routes by net/http until the process is told to stop. Requests may go on
// for 10 s then.
func HTTP(routes func(*logtoguard.Guard) http.Handler) func(*logtoguard.Guard, net.Listener) error {
	return func(guard *logtoguard.Guard, listener net.Listener) error {
		stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer cancel()
		server := &http.Server{
			Handler:           routes(guard),
			ReadHeaderTimeout: 5 * time.Second,
			MaxHeaderBytes:    32 << 10, // tokens have up to 16 KiB
		}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(listener) }()
		select {
		case err := <-ended:
			return err
		case <-stop.Done():
		}
		cancel() // a second signal ends the process at once
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return server.Shutdown(ctx)
	}
}
