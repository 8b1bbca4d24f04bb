// Command logto is a stand-in for Logto in which users sign in, for the tests beside it. It prints its address, and
// ends with an interrupt.
//
//	ORIGIN  where the tests' web application is, such as http://localhost:3000
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/logtoguard/logtoguard/logtotest"
)

const shop = "https://shopping.api"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logto := logtotest.NewServer(tenant(os.Getenv("ORIGIN")))
	defer logto.Close()
	fmt.Println(logto.Endpoint())
	<-ctx.Done()
}

// tenant has a user who reads products and, in one organization, orders; one who holds nothing; and the two
// applications that they sign in to: spa without a secret, and web.
func tenant(origin string) logtotest.Tenant {
	callback, home := []string{origin + "/callback"}, []string{origin + "/"}
	return logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: shop, Scopes: []string{"read:products", "write:products", "read:orders"}}},
		Roles:     []logtotest.Role{{Name: "reader", Scopes: map[string][]string{shop: {"read:products"}}}},
		Users: []logtotest.User{
			{ID: "alice", Username: "alice", Email: "alice@example.com", Roles: []string{"reader"}},
			{ID: "bob", Username: "bob"},
		},
		Organizations: []logtotest.Organization{{
			ID:      "acme",
			Members: []logtotest.Member{{UserID: "alice", ResourceScopes: map[string][]string{shop: {"read:orders"}}}},
		}},
		Applications: []logtotest.Application{
			{ID: "spa", Type: "SPA", RedirectURIs: callback, PostLogoutRedirectURIs: home},
			{ID: "web", Type: "Traditional", Secret: "web-secret", RedirectURIs: callback, PostLogoutRedirectURIs: home},
		},
	}
}
