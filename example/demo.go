package main

import (
	"net"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

// startStandIn starts a Logto that knows the demo applications, and the page at the
// API's address, which people sign in to. The settings have made sure that only this
// machine can reach it.
func startStandIn(set settings, api net.Addr) (*logtotest.Server, error) {
	ln, err := listen("DEMO_LOGTO_ADDR", set.demoAddr)
	if err != nil {
		return nil, err
	}
	origins := pageOrigins(api)
	tenant := demoTenant(set.audience)
	tenant.Applications = append(tenant.Applications, pageClient(origins))
	tenant.Listener = ln
	logto := logtotest.NewServer(tenant)
	logto.Disturb(logtotest.FromThisMachine(origins...))
	return logto, nil
}

// pageClientID is the page's own, as an application that people sign in to.
const pageClientID = "shop-page"

// pageOrigins are the addresses that a browser may open the page at.
func pageOrigins(api net.Addr) []string {
	_, port, _ := net.SplitHostPort(api.String()) // a listener's address has one
	return []string{baseURL(api), "http://" + net.JoinHostPort("localhost", port)}
}

// pageClient has no secret: what runs in a browser can't keep one.
func pageClient(origins []string) logtotest.Application {
	page := logtotest.Application{ID: pageClientID, Type: "SPA"}
	for _, origin := range origins {
		page.RedirectURIs = append(page.RedirectURIs, origin+"/")
	}
	return page
}

// demoTenant declares what one would set up in Logto's console: the API
// resource with its permissions, roles, an organization, five machine-to-machine
// applications, and three people.
//
//	shop-manager  shop-manager-secret  reads and writes products, and may use the Management API
//	shop-reader   shop-reader-secret   reads products
//	no-role       no-role-secret       gets tokens, which hold no scope
//	acme-bot      acme-bot-secret      reads and writes the orders of the organization acme
//	acme-viewer   acme-viewer-secret   reads them, and no more
//
//	alice  reads and writes products
//	bob    reads products
//	carol  reads and writes the orders of the organization acme
func demoTenant(audience string) logtotest.Tenant {
	return logtotest.Tenant{
		Resources: []logtotest.Resource{{
			Indicator: audience,
			Scopes:    []string{readProducts, writeProducts, readOrders, writeOrders},
		}},
		Roles: []logtotest.Role{
			{Name: "manager", Scopes: map[string][]string{audience: {readProducts, writeProducts}}},
			{Name: "reader", Scopes: map[string][]string{audience: {readProducts}}},
			// The Management API is there without being declared.
			{Name: "administrator", Scopes: map[string][]string{m2m.ManagementResource("default"): {"all"}}},
			// At Logto a role is for machines or for people, not for both.
			{Name: "shopkeeper", Scopes: map[string][]string{audience: {readProducts, writeProducts}}},
			{Name: "customer", Scopes: map[string][]string{audience: {readProducts}}},
		},
		Applications: []logtotest.Application{
			{ID: "shop-manager", Secret: "shop-manager-secret", Roles: []string{"manager", "administrator"}},
			{ID: "shop-reader", Secret: "shop-reader-secret", Roles: []string{"reader"}},
			{ID: "no-role", Secret: "no-role-secret"},
			{ID: "acme-bot", Secret: "acme-bot-secret"},
			{ID: "acme-viewer", Secret: "acme-viewer-secret"},
		},
		Users: []logtotest.User{
			{ID: "alice", Roles: []string{"shopkeeper"}},
			{ID: "bob", Roles: []string{"customer"}},
			{ID: "carol"},
		},
		Organizations: []logtotest.Organization{{
			ID: "acme",
			Members: []logtotest.Member{
				{ApplicationID: "acme-bot", ResourceScopes: map[string][]string{audience: {readOrders, writeOrders}}},
				{ApplicationID: "acme-viewer", ResourceScopes: map[string][]string{audience: {readOrders}}},
				{UserID: "carol", ResourceScopes: map[string][]string{audience: {readOrders, writeOrders}}},
			},
		}},
	}
}
