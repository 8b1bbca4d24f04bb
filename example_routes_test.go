package logtoguard_test

import (
	"fmt"
	"net/http"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// A route that asks for two scopes at once.
func ExampleRequireScope() {
	logto, guard, stop := shop()
	defer stop()

	export := logtoguard.RequireScope("read:products", "export:products")
	api := guard.Handler(export(http.HandlerFunc(ok)))
	get(api, "/", logto.Mint(logtotest.Token{Scopes: []string{"read:products", "export:products"}}))
	get(api, "/", logto.Mint(logtotest.Token{Scopes: []string{"read:products"}}))
	// Output:
	// 200
	// 403 Bearer error="insufficient_scope", scope="read:products export:products"
}

func ExampleRequireAnyScope() {
	logto, guard, stop := shop()
	defer stop()

	either := logtoguard.RequireAnyScope("read:products", "manage:products")
	api := guard.Handler(either(http.HandlerFunc(ok)))
	get(api, "/", logto.Mint(logtotest.Token{Scopes: []string{"manage:products"}}))
	get(api, "/", logto.Mint(logtotest.Token{}))
	// Output:
	// 200
	// 403 Bearer error="insufficient_scope", scope="read:products manage:products"
}

// The organization being served is in the path, never in the token; the scopes
// count only after it was compared.
func ExampleRequireOrganization() {
	logto, guard, stop := shop()
	defer stop()

	member := logtoguard.RequireOrganization(func(r *http.Request) string { return r.PathValue("organizationID") })
	read := logtoguard.RequireScope("read:orders")
	mux := http.NewServeMux()
	mux.Handle("GET /organizations/{organizationID}/orders", member(read(http.HandlerFunc(ok))))
	api := guard.Handler(mux)

	token := logto.Mint(logtotest.Token{OrganizationID: "acme", Scopes: []string{"read:orders"}})
	get(api, "/organizations/acme/orders", token)
	get(api, "/organizations/globex/orders", token)
	// Output:
	// 200
	// 403 Bearer error="insufficient_scope"
}

// No organization in the path: the handler serves the one of the token.
func ExampleRequireAnyOrganization() {
	logto, guard, stop := shop()
	defer stop()

	orders := map[string]string{"acme": "ten anvils", "globex": "one volcano"}
	member, read := logtoguard.RequireAnyOrganization(), logtoguard.RequireScope("read:orders")
	api := guard.Handler(member(read(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		fmt.Println(orders[claims.OrganizationID()])
	}))))
	get(api, "/orders", logto.Mint(logtotest.Token{OrganizationID: "acme", Scopes: []string{"read:orders"}}))
	get(api, "/orders", logto.Mint(logtotest.Token{Scopes: []string{"read:orders"}}))
	// Output:
	// ten anvils
	// 200
	// 403 Bearer error="insufficient_scope"
}
