// Command revocation is a server whose replicas share what has been revoked, in a stream
// of Valkey or Redis. It is meant to be copied. Its settings are environment variables:
//
//	LOGTO_ENDPOINT     the Logto that issues the tokens
//	LOGTO_AUDIENCE     this API's resource indicator at Logto: https://shopping.api
//	LOGTO_SIGNING_KEY  of the webhook at Logto that calls POST /webhooks/logto of any replica
//	VALKEY_URL         where the stream is: redis://127.0.0.1:6379
//	ADDR               where the server listens: 127.0.0.1:8080
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

// key is that of the stream: one for each Logto tenant.
const key = "logto:revocations"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	client, err := connect()
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := revocation.New(revocation.Config{
		SigningKeys: []string{os.Getenv("LOGTO_SIGNING_KEY")},
		Log:         valkeylog.New(client, key),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, list.Close()) }() // it says how much could not be stored
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: os.Getenv("LOGTO_ENDPOINT"),
		Audience: []string{cmp.Or(os.Getenv("LOGTO_AUDIENCE"), "https://shopping.api")},
		Check:    list.Check,
	})
	if err != nil {
		return err
	}
	defer guard.Close()

	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	log.Printf("listening on %s", listener.Addr())
	server := &http.Server{
		Handler:           routes(guard, list),
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    32 << 10, // tokens have up to 16 KiB
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// With what list.Close needs, this stays within the 10 s that Docker allows.
	grace, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}

// connect returns a client that works later if Valkey can't be reached yet: until then
// the server answers 503.
func connect() (valkey.Client, error) {
	option, err := valkey.ParseURL(cmp.Or(os.Getenv("VALKEY_URL"), "redis://127.0.0.1:6379"))
	if err != nil {
		return nil, errors.New("VALKEY_URL is not an address such as redis://127.0.0.1:6379") // err has the password in it
	}
	option.DisableCache, option.ForceSingleClient = true, true
	client, err := valkey.NewClient(option)
	if client == nil {
		return nil, err
	}
	if err != nil {
		log.Printf("Valkey can't be reached yet: %v", err)
	}
	return client, nil
}
