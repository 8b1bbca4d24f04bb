// Command revocation is a server whose replicas share what has been revoked, in a stream
// of Valkey or Redis. Its settings, besides those of package shop:
//
//	LOGTO_SIGNING_KEY  of the webhook at Logto that calls POST /webhooks/logto of any replica
//	VALKEY_URL         where the stream is: redis://127.0.0.1:6379
package main

import (
	"cmp"
	"errors"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/shop"
	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

// key is that of the stream: one for each Logto tenant.
const key = "logto:revocations"

func main() {
	option, err := valkey.ParseURL(cmp.Or(os.Getenv("VALKEY_URL"), "redis://127.0.0.1:6379"))
	if err != nil {
		log.Fatal("VALKEY_URL is not an address such as redis://127.0.0.1:6379") // err repeats it, with the password
	}
	option.DisableCache, option.ForceSingleClient = true, true
	client, err := valkey.NewClient(option)
	if client == nil {
		log.Fatal(err)
	}
	if err != nil {
		log.Printf("Valkey can't be reached yet: %v", err) // the server answers 503 until it can
	}
	defer client.Close()

	list, err := revocation.New(revocation.Config{
		SigningKeys: []string{os.Getenv("LOGTO_SIGNING_KEY")},
		Log:         valkeylog.New(client, key),
	})
	if err != nil {
		log.Fatalf("set LOGTO_SIGNING_KEY: %v", err)
	}
	serve := shop.HTTP(func(guard *logtoguard.Guard) http.Handler { return routes(guard, list) })
	shop.Run(logtoguard.Config{Check: list.Check}, func(guard *logtoguard.Guard, listener net.Listener) error {
		err := serve(guard, listener)
		return errors.Join(err, list.Close()) // what could not be stored is lost
	})
}
