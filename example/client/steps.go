package main

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/logtoguard/logtoguard/m2m"
)

// The permissions of the API resource, named as they are in Logto.
const (
	readProducts  = "read:products"
	writeProducts = "write:products"
	readOrders    = "read:orders"
	writeOrders   = "write:orders"
	manageAll     = "all" // the one of the Management API
)

// session is one application with one token: for a resource, and perhaps in an
// organization. Another resource needs another token, thus another session.
type session struct {
	config m2m.Config
	holds  []string // the scopes that the token should hold; nil: only Logto knows
	skip   string   // why nothing is tried; empty: everything is
	steps  []step
}

// step is one request and what should come of it.
type step struct {
	method, base, path string
	body               any    // sent as JSON; nil: none
	needs              string // the scope without which it should be refused
	never              string // why it should be refused whatever the scopes; empty: it need not
	success            int    // the status otherwise
	read               func(body []byte) (string, error)
	refusal            refusal
}

// target is what the token is for.
func (s session) target() string {
	if s.config.OrganizationID != "" {
		return s.config.Resource + " in the organization " + s.config.OrganizationID
	}
	return s.config.Resource
}

func (s step) request() string { return s.method + " " + s.path }

// sessions are the steps in their order.
func (s settings) sessions() []session {
	if s.demo {
		return s.demoSessions()
	}
	return s.realSessions()
}

// demoSessions says what each of the stand-in's applications should be allowed.
func (s settings) demoSessions() []session {
	reader := func(resource string, scopes ...string) m2m.Config {
		return s.config("shop-reader", "shop-reader-secret", resource, scopes...)
	}
	manager := func(resource string, scopes ...string) m2m.Config {
		return s.config("shop-manager", "shop-manager-secret", resource, scopes...)
	}
	inAcme := func(appID, appSecret string) m2m.Config {
		config := s.config(appID, appSecret, s.audience, readOrders, writeOrders)
		config.OrganizationID = "acme"
		return config
	}
	return []session{
		{
			// It asks for more than its role has. Logto silently drops the rest.
			config: reader(s.audience, readProducts, writeProducts),
			holds:  []string{readProducts},
			steps:  []step{s.listProducts(), s.addProduct()},
		},
		{
			config: manager(s.audience, readProducts, writeProducts),
			holds:  []string{readProducts, writeProducts},
			steps:  []step{s.addProduct()},
		},
		{
			config: inAcme("acme-bot", "acme-bot-secret"),
			holds:  []string{readOrders, writeOrders},
			steps:  s.orders("acme"),
		},
		{
			config: inAcme("acme-viewer", "acme-viewer-secret"),
			holds:  []string{readOrders},
			steps:  s.orders("acme"),
		},
		{
			config: manager(m2m.ManagementResource("default"), manageAll),
			holds:  []string{manageAll},
			steps:  []step{s.listApplications()},
		},
	}
}

// realSessions do the same with one application, whose roles are not known here.
func (s settings) realSessions() []session {
	shop := s.config(s.appID, s.appSecret, s.audience, readProducts, writeProducts)
	management := s.config(s.appID, s.appSecret, m2m.ManagementResource(s.tenantID), manageAll)
	inOrganization := session{
		config: s.config(s.appID, s.appSecret, s.audience, readOrders, writeOrders),
		steps:  s.orders(s.organization),
	}
	inOrganization.config.OrganizationID = s.organization
	if s.organization == "" {
		inOrganization.skip = "set LOGTO_ORGANIZATION_ID to an organization that the application is in"
	}
	return []session{
		{config: shop, steps: []step{s.listProducts(), s.addProduct()}},
		inOrganization,
		{config: management, steps: []step{s.listApplications()}},
	}
}

func (s settings) listProducts() step {
	return step{
		method: http.MethodGet, base: s.api, path: "/products",
		needs: readProducts, success: http.StatusOK, read: count("products"), refusal: byGuard,
	}
}

func (s settings) addProduct() step {
	return step{
		method: http.MethodPost, base: s.api, path: "/products",
		body:  map[string]any{"name": "Tea strainer", "price_cents": 450},
		needs: writeProducts, success: http.StatusCreated, read: created("product"), refusal: byGuard,
	}
}

// orders places one, lists them, and looks for those of somebody else.
func (s settings) orders(organization string) []step {
	mine := "/organizations/" + cmp.Or(url.PathEscape(organization), "{id}") + "/orders"
	others := "globex"
	if organization == others {
		others = "acme"
	}
	return []step{
		{
			method: http.MethodPost, base: s.api, path: mine,
			body:  map[string]any{"product_id": "p_tea", "quantity": 3}, // it is there from the start
			needs: writeOrders, success: http.StatusCreated, read: created("order"), refusal: byGuard,
		},
		{
			method: http.MethodGet, base: s.api, path: mine,
			needs: readOrders, success: http.StatusOK, read: count("orders"), refusal: byGuard,
		},
		{
			method: http.MethodGet, base: s.api, path: "/organizations/" + others + "/orders",
			never: "is for another organization", refusal: byGuard,
		},
	}
}

// listApplications is about Logto itself: its API is a resource like any other,
// but at Logto's address.
func (s settings) listApplications() step {
	return step{
		method: http.MethodGet, base: s.endpoint, path: "/api/applications",
		needs: manageAll, success: http.StatusOK, read: countApplications, refusal: byLogto,
	}
}

// allowed tells whether a token with these scopes should do.
func (s step) allowed(scopes []string) bool {
	return s.never == "" && slices.Contains(scopes, s.needs)
}

// why says what a token with these scopes is allowed here.
func (s step) why(scopes []string) string {
	switch {
	case s.never != "":
		return "its token " + s.never
	case slices.Contains(scopes, s.needs):
		return "its token holds " + s.needs
	}
	return "its token lacks " + s.needs
}

// refusal is how an API says that a token isn't enough.
type refusal struct {
	name string
	is   func(answer) bool
}

// byGuard: RFC 6750, section 3.1. A 403 without those words comes from elsewhere.
var byGuard = refusal{"403 insufficient_scope", func(a answer) bool {
	return a.status == http.StatusForbidden && strings.Contains(a.challenge, `error="insufficient_scope"`)
}}

// byLogto: the Management API sends no challenge. A 401 would mean that it doesn't
// believe the token.
var byLogto = refusal{"403", func(a answer) bool { return a.status == http.StatusForbidden }}
