package logtoguard_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// verified shows what a token says, as a handler would find it.
func verified(token logtotest.Token, show func(*logtoguard.Claims)) {
	logto, guard, stop := shop()
	defer stop()
	claims, err := guard.Verify(context.Background(), logto.Mint(token))
	if err != nil {
		panic(err)
	}
	show(claims)
}

// All that a token says, for a page that shows it.
func ExampleClaims() {
	verified(logtotest.Token{
		Subject:        "alice",
		ClientID:       "webshop",
		OrganizationID: "acme",
		Scopes:         []string{"read:orders", "write:orders"},
		Claims:         map[string]any{"act": map[string]any{"sub": "support"}},
	}, func(claims *logtoguard.Claims) {
		fmt.Println("who:", claims.Subject(), "by:", claims.ClientID(), "machine:", claims.IsMachine(), "actor:", claims.Actor())
		fmt.Println("where:", claims.Audience(), claims.OrganizationID(), "what, while nobody has accepted acme:", claims.Scopes())
		fmt.Println("how long:", claims.ExpiresAt().Sub(claims.IssuedAt()), "from:", claims.Issuer() != "", "its own:", claims.ID() != "")
	})
	// Output:
	// who: alice by: webshop machine: false actor: support
	// where: [https://shopping.api] acme what, while nobody has accepted acme: []
	// how long: 1h0m0s from: true its own: true
}

// What a handler leaves out for those who may not see it.
func ExampleClaims_HasScope() {
	verified(logtotest.Token{Scopes: []string{"read:products"}}, func(claims *logtoguard.Claims) {
		fmt.Println("a tea pot")
		if claims.HasScope("read:prices") {
			fmt.Println("19.90")
		}
	})
	// Output: a tea pot
}

// The scope depends on what is asked for, so no route check can ask for it.
func ExampleClaims_CheckScope() {
	remove := func(claims *logtoguard.Claims, kind string) error {
		return claims.CheckScope("delete:" + kind)
	}
	verified(logtotest.Token{Scopes: []string{"delete:drafts"}}, func(claims *logtoguard.Claims) {
		fmt.Println(remove(claims, "drafts"))
		fmt.Println(remove(claims, "products"))
	})
	// Output:
	// <nil>
	// the token does not hold the scope that is needed
}

// Either scope is enough.
func ExampleClaims_CheckAnyScope() {
	verified(logtotest.Token{Scopes: []string{"read:products"}}, func(claims *logtoguard.Claims) {
		fmt.Println(claims.CheckAnyScope("read:products", "admin"))
		fmt.Println(claims.CheckAnyScope("write:products", "admin"))
	})
	// Output:
	// <nil>
	// the token does not hold the scope that is needed
}

// Which organization an order belongs to is known only after it was loaded.
func ExampleClaims_ForOrganization() {
	mayRead := func(claims *logtoguard.Claims, ownerOfOrder string) error {
		member, err := claims.ForOrganization(ownerOfOrder)
		if err != nil {
			return err
		}
		return member.CheckScope("read:orders")
	}
	verified(logtotest.Token{OrganizationID: "acme", Scopes: []string{"read:orders"}}, func(claims *logtoguard.Claims) {
		fmt.Println(mayRead(claims, "acme"))
		fmt.Println(mayRead(claims, "globex"))
		fmt.Println(claims.CheckScope("read:orders"))
	})
	// Output:
	// <nil>
	// the token is not for this organization
	// the token's scopes are bound to an organization, which is not the one being served
}

// Claims that the tenant's custom-claims script adds.
func ExampleClaims_Decode() {
	verified(logtotest.Token{Claims: map[string]any{"plan": "gold"}}, func(claims *logtoguard.Claims) {
		var custom struct {
			Plan string `json:"plan"`
		}
		fmt.Println(claims.Decode(&custom), custom.Plan)
	})
	// Output: <nil> gold
}

func ExampleClaimsFromContext() {
	logto, guard, stop := shop()
	defer stop()

	whoami := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		claims, ok := logtoguard.ClaimsFromContext(r.Context())
		fmt.Println(ok, claims.Subject(), claims.ClientID(), claims.Scopes())
	})
	get(guard.Handler(whoami), "/", logto.Mint(logtotest.Token{Subject: "alice", ClientID: "web", Scopes: []string{"read:products"}}))
	// Output:
	// true alice web [read:products]
	// 200
}

// A worker takes jobs from a queue, each with the token of whoever ordered it, and
// runs code that was written for handlers.
func ExampleContextWithClaims() {
	logto, guard, stop := shop()
	defer stop()

	report := func(ctx context.Context) {
		claims, _ := logtoguard.ClaimsFromContext(ctx)
		fmt.Println("a report for", claims.Subject())
	}
	work := func(ctx context.Context, token string) error {
		claims, err := guard.Verify(ctx, token)
		if err == nil {
			report(logtoguard.ContextWithClaims(ctx, claims))
		}
		return err
	}
	fmt.Println(work(context.Background(), logto.Mint(logtotest.Token{Subject: "alice"})))
	// Output:
	// a report for alice
	// <nil>
}
