package main

import (
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

// startStandIn starts a Logto that knows the demo applications. The settings
// have made sure that only this machine can reach it.
func startStandIn(set settings) (*logtotest.Server, error) {
	ln, err := listen("DEMO_LOGTO_ADDR", set.demoAddr)
	if err != nil {
		return nil, err
	}
	tenant := demoTenant(set.audience)
	tenant.Listener = ln
	logto := logtotest.NewServer(tenant)
	logto.Disturb(logtotest.FromThisMachine())
	return logto, nil
}

// demoTenant declares what one would set up in Logto's console: the API
// resource with its permissions, three roles, an organization, and five
// machine-to-machine applications.
//
//	shop-manager  shop-manager-secret  reads and writes products, and may use the Management API
//	shop-reader   shop-reader-secret   reads products
//	no-role       no-role-secret       gets tokens, which hold no scope
//	acme-bot      acme-bot-secret      reads and writes the orders of the organization acme
//	acme-viewer   acme-viewer-secret   reads them, and no more
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
		},
		Applications: []logtotest.Application{
			{ID: "shop-manager", Secret: "shop-manager-secret", Roles: []string{"manager", "administrator"}},
			{ID: "shop-reader", Secret: "shop-reader-secret", Roles: []string{"reader"}},
			{ID: "no-role", Secret: "no-role-secret"},
			{ID: "acme-bot", Secret: "acme-bot-secret"},
			{ID: "acme-viewer", Secret: "acme-viewer-secret"},
		},
		Organizations: []logtotest.Organization{{
			ID: "acme",
			Members: []logtotest.Member{
				{ApplicationID: "acme-bot", ResourceScopes: map[string][]string{audience: {readOrders, writeOrders}}},
				{ApplicationID: "acme-viewer", ResourceScopes: map[string][]string{audience: {readOrders}}},
			},
		}},
	}
}
