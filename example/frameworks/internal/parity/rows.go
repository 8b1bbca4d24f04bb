package parity

import (
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
)

// Route is one of a Server's.
type Route int

// The routes of every Server.
const (
	Products Route = iota
	Orders
	OtherOrders
)

// Path is where the server has the route.
func (s Server) Path(route Route) string {
	return [...]string{s.Products, s.Orders, s.OtherOrders}[route]
}

// A Row is a request, and the status that net/http answers.
type Row struct {
	Name          string
	Route         Route
	Status        int
	Authorization func(*logtotest.Server) []string
}

// Refused are the requests that no server may let in.
var Refused = []Row{
	{"no token", Products, 401, values()},
	{"an empty header", Products, 401, values("")},
	{"another scheme", Products, 401, values("Basic c2hvcDpzM2NyZXQ=")},
	{"a scheme that only begins like Bearer", Products, 401, bearer("BearerToken ", reader)},
	{"two headers, both right", Products, 400, twice(reader)},
	{"two headers, the first right", Products, 400, first(reader, "Basic c2hvcDpzM2NyZXQ=")},
	{"two tokens with a comma", Products, 400, bearer("Bearer a.b.c, Bearer ", reader)},
	{"two tokens in one header", Products, 400, bearer("Bearer a.b.c ", reader)},
	{"Bearer without a token", Products, 400, values("Bearer")},
	{"no token68", Products, 400, values("Bearer a.b.c;")},
	{"malformed", Products, 401, values("Bearer a.b.c")},
	{"too long", Products, 401, values("Bearer " + strings.Repeat("a", 17<<10))},
	{"opaque", Products, 401, values("Bearer " + strings.Repeat("o", 43))},
	{"expired", Products, 401, minted(logtotest.Token{Lifetime: -time.Hour, Scopes: []string{"read:products"}})},
	{"another audience", Products, 401, minted(logtotest.Token{Audience: "https://other.api", Scopes: []string{"read:products"}})},
	{"an organization token", Products, 401, minted(logtotest.Token{Audience: "urn:logto:organization:acme", Scopes: []string{"read:products"}})},
	{"another issuer", Products, 401, minted(reader, func(d *logtotest.Draft) { d.Claims["iss"] = "https://evil.example/oidc" })},
	{"an ID token", Products, 401, minted(reader, func(d *logtotest.Draft) { delete(d.Header, "typ") })},
	{"another's signature", Products, 401, minted(reader, func(d *logtotest.Draft) { d.Key = foreign })},
	{"an unknown key", Products, 401, minted(reader, func(d *logtotest.Draft) { d.Header["kid"] = "unknown" })},
	{"no scope", Products, 403, minted(logtotest.Token{})},
	{"another scope", Products, 403, minted(logtotest.Token{Scopes: []string{"write:products", "read:orders"}})},
	{"a scope in an organization that is not being served", Products, 403, minted(logtotest.Token{OrganizationID: "acme", Scopes: []string{"read:products"}})},
	{"no organization", Orders, 403, minted(logtotest.Token{Scopes: []string{"read:orders"}})},
	{"another organization", OtherOrders, 403, minted(member)},
	{"an organization without the scope", Orders, 403, minted(logtotest.Token{OrganizationID: "acme", Scopes: []string{"write:orders"}})},
	{"no token for an organization", Orders, 401, values()},
}

// Admitted are the ones that everybody has to let in.
var Admitted = []Row{
	{"right", Products, 200, minted(reader)},
	{"a scheme in other letters", Products, 200, bearer("bEARER ", reader)},
	{"several spaces", Products, 200, bearer("Bearer   ", reader)},
	{"a token of 12 kB", Products, 200, minted(reader, func(d *logtotest.Draft) { d.Claims["long"] = strings.Repeat("l", 8<<10) })},
	{"right in the organization", Orders, 200, minted(member)},
}

// Mallory is the subject for whom Config.Check panics in a NewPanickingWorld.
const Mallory = "mallory"

// Panics is a row that a server has to survive there. net/http breaks the connection off.
var Panics = Row{"the guard panics", Products, 500, minted(logtotest.Token{Subject: Mallory, Scopes: []string{"read:products"}})}

var (
	reader  = logtotest.Token{Subject: "alice", ClientID: "webshop", Scopes: []string{"read:products"}}
	member  = logtotest.Token{Subject: "bob", ClientID: "webshop", OrganizationID: "acme", Scopes: []string{"read:orders"}}
	foreign = logtotest.NewKey("ES384")
)

func values(list ...string) func(*logtotest.Server) []string {
	return func(*logtotest.Server) []string { return list }
}

func bearer(scheme string, token logtotest.Token) func(*logtotest.Server) []string {
	return func(logto *logtotest.Server) []string { return []string{scheme + logto.Mint(token)} }
}

func minted(token logtotest.Token, edits ...func(*logtotest.Draft)) func(*logtotest.Server) []string {
	return func(logto *logtotest.Server) []string { return []string{"Bearer " + logto.Mint(token, edits...)} }
}

func twice(token logtotest.Token) func(*logtotest.Server) []string {
	return func(logto *logtotest.Server) []string {
		value := "Bearer " + logto.Mint(token)
		return []string{value, value}
	}
}

func first(token logtotest.Token, second string) func(*logtotest.Server) []string {
	return func(logto *logtotest.Server) []string { return []string{"Bearer " + logto.Mint(token), second} }
}
