// Package rig is what all measurements share: an issuer on loopback, and tokens
// of every kind.
package rig

import (
	"crypto/rand"
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
)

const (
	// Audience is the API's resource indicator.
	Audience = "https://shopping.api"
	// Scope is what the guarded route asks for.
	Scope = "read:products"

	keySetPath = "/oidc/jwks"
)

// Algorithms are those that are compared. ES384 is Logto's default.
var Algorithms = []string{"ES384", "ES256", "RS256"}

// An Issuer is what a contestant is configured with. It goes through a flag to
// another process, so it is plain data.
type Issuer struct {
	Endpoint, Name, KeySet, Audience, Algorithm string
	// NamedKeySet is KeySet for those who need alg in a key.
	NamedKeySet string
}

// A Rig is an issuer with one key. It is safe for concurrent use.
type Rig struct {
	Issuer
	server  *logtotest.Server
	named   *httptest.Server
	foreign *logtotest.Key // the issuer does not know it
}

// New starts an issuer whose tokens are signed by the algorithm.
func New(algorithm string) *Rig {
	server := logtotest.NewServer(logtotest.Tenant{
		Algorithm: algorithm,
		Resources: []logtotest.Resource{{Indicator: Audience, Scopes: []string{Scope}}},
	})
	named := nameAlgorithm(server.URL()+keySetPath, algorithm)
	return &Rig{
		Issuer: Issuer{
			Endpoint:    server.Endpoint(),
			Name:        server.Endpoint() + "/oidc",
			KeySet:      server.URL() + keySetPath,
			NamedKeySet: named.URL,
			Audience:    Audience,
			Algorithm:   algorithm,
		},
		server:  server,
		named:   named,
		foreign: logtotest.NewKey(algorithm),
	}
}

// Close stops the issuer.
func (r *Rig) Close() {
	r.named.Close()
	r.server.Close()
}

// Fetches is how often somebody has asked for the key set.
func (r *Rig) Fetches() int { return r.server.Requests(keySetPath) }

// subjectLength is that of Logto's IDs of users. Other IDs have 21 characters.
const subjectLength = 12

// typical makes tokens of about 600 bytes.
func typical() logtotest.Token {
	return logtotest.Token{
		Subject:  "u7hq2mzk40bx",
		ClientID: "foobar1vkr5zv1g04t2s9",
		Audience: Audience,
		Scopes:   []string{Scope, "write:products", "read:orders", "write:orders"},
	}
}

// id makes jti as long as Logto's.
func id(d *logtotest.Draft) { d.Claims["jti"] = rand.Text()[:21] }

// Good is a valid token, another one each time.
func (r *Rig) Good() string { return r.server.Mint(typical(), id) }

// Of is a valid token of that subject, another one each time.
func (r *Rig) Of(subject string) string {
	token := typical()
	token.Subject = subject
	return r.server.Mint(token, id)
}

// InOrganization is a valid token of that subject in that organization.
func (r *Rig) InOrganization(subject, organization string) string {
	token := typical()
	token.Subject, token.OrganizationID = subject, organization
	return r.server.Mint(token, id)
}

// Subjects are as many subjects that no token has had before.
func Subjects(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = rand.Text()[:subjectLength]
	}
	return names
}

// Strangers are valid tokens, each of another subject that no token has had before.
func (r *Rig) Strangers(n int) []string {
	return Mint(n, func() string { return r.Of(Subjects(1)[0]) })
}

// Padded is a valid token of that many bytes or up to three fewer.
func (r *Rig) Padded(size int) string {
	missing := max(0, size-len(r.With("pad", ""))) * 3 / 4
	return r.With("pad", strings.Repeat("x", missing))
}

// With is a valid token with another claim; "scope" replaces the scopes.
func (r *Rig) With(claim, value string) string {
	return r.server.Mint(typical(), id, func(d *logtotest.Draft) { d.Claims[claim] = value })
}

// ManyAudiences is a valid token of 2 KiB with 400 audiences, empty but for one.
func (r *Rig) ManyAudiences() string {
	return r.server.Mint(typical(), id, func(d *logtotest.Draft) {
		d.Claims["aud"] = append(make([]string, 399), d.Claims["aud"].(string))
	})
}

// Bad tokens, by kind. Each call makes another token.
var Bad = []struct {
	Kind string
	Make func(*Rig) string
}{
	{"garbage", (*Rig).garbage},
	{"expired", func(r *Rig) string {
		token := typical()
		token.Lifetime = -time.Hour // beyond every contestant's leeway
		return r.server.Mint(token, id)
	}},
	{"foreign", func(r *Rig) string {
		token := typical()
		token.Audience = "https://another.api"
		return r.server.Mint(token, id)
	}},
	{"issuer", func(r *Rig) string { return r.With("iss", "https://another.example/oidc") }},
	{"wrong-signature", func(r *Rig) string {
		return r.server.Mint(typical(), id, func(d *logtotest.Draft) { d.Key = r.foreign })
	}},
	{"unknown-kid", func(r *Rig) string {
		return r.server.Mint(typical(), id, func(d *logtotest.Draft) {
			d.Key = r.foreign
			d.Header["kid"] = r.foreign.ID()
		})
	}},
}

// garbage looks like a token from afar: three parts of the usual lengths.
func (r *Rig) garbage() string { return noise(75) + "." + noise(270) + "." + noise(96) }

// Scopeless is a valid token that lacks the scope.
func (r *Rig) Scopeless() string {
	token := typical()
	token.Scopes = []string{"write:products"}
	return r.server.Mint(token, id)
}

func noise(size int) string {
	b := make([]byte, size)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Mint makes many tokens on all processors.
func Mint(n int, mint func() string) []string {
	tokens := make([]string, n)
	Each(n, func(i int) { tokens[i] = mint() })
	return tokens
}

// Each runs the function for 0 to n-1 on two goroutines, for as many cores as
// the machine of the published figures has.
func Each(n int, do func(int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}
