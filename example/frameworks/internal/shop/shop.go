// Package shop is what the servers in the directories beside it share: their
// settings. They are environment variables:
//
//	LOGTO_ENDPOINT  the Logto that issues the tokens
//	LOGTO_AUDIENCE  this API's resource indicator at Logto: https://shopping.api, of mcp https://shopping.api/mcp
//	ADDR            where the server listens: 127.0.0.1:8080
package shop

import (
	"cmp"
	"log"
	"net"
	"net/http"
	"os"
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

// HTTP serves routes by net/http.
func HTTP(routes func(*logtoguard.Guard) http.Handler) func(*logtoguard.Guard, net.Listener) error {
	return func(guard *logtoguard.Guard, listener net.Listener) error {
		server := &http.Server{
			Handler:           routes(guard),
			ReadHeaderTimeout: 5 * time.Second,
			MaxHeaderBytes:    32 << 10, // tokens have up to 16 KiB
		}
		return server.Serve(listener)
	}
}
