package valkeylog_test

import (
	"context"
	"crypto/tls"
	"log"
	"os"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

// The replicas of a service share what was revoked.
func Example() {
	client, err := valkey.NewClient(valkey.ClientOption{
		InitAddress:       []string{"valkey.internal:6379"},
		Username:          "revocations",
		Password:          os.Getenv("VALKEY_PASSWORD"),
		TLSConfig:         &tls.Config{},
		ForceSingleClient: true,
		DisableCache:      true,
	})
	if client == nil {
		log.Fatal(err)
	}
	if err != nil {
		log.Print(err) // the server is down: the List connects once it is not
	}
	defer client.Close()

	shared := valkeylog.New(client, "logto:revocations")
	shared.Retention = 48 * time.Hour // at least MaxTokenLifetime
	list, err := revocation.New(revocation.Config{Log: shared})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()

	if err := list.Revoke(context.Background(), revocation.Revocation{Subject: "alice"}); err != nil {
		log.Print(err) // in force here, and in the other replicas once the server is there
	}
}
