package logtoguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// New says everything that is wrong at once.
func ExampleNew() {
	_, err := logtoguard.New(logtoguard.Config{
		Endpoint:  "http://auth.example.com",
		ClockSkew: time.Hour,
	})
	fmt.Println(err)
	// Output:
	// logtoguard: Config: Endpoint is not encrypted: write https://auth.example.com, or set InsecureHTTP if nobody else can reach that network
	// Audience is empty: set it to the API's resource indicator in Logto, such as https://shopping.api
	// ClockSkew of 1h0m0s would let expired tokens pass for long: give at most 5m0s, and set this server's clock
}

// Check asks what a token can't know.
func ExampleConfig() {
	lockedOut := map[string]bool{"mallory": true}
	logto, guard, stop := shop(func(cfg *logtoguard.Config) {
		cfg.Check = func(_ context.Context, claims *logtoguard.Claims) error {
			if lockedOut[claims.Subject()] {
				return errors.New("locked out") // for the log, not for mallory
			}
			return nil
		}
	})
	defer stop()

	api := guard.Handler(http.HandlerFunc(ok))
	get(api, "/", logto.Mint(logtotest.Token{Subject: "alice"}))
	get(api, "/", logto.Mint(logtotest.Token{Subject: "mallory"}))
	// Output:
	// 200
	// 401 Bearer error="invalid_token", error_description="the token was refused"
}

func ExampleGuard_Handler() {
	logto, guard, stop := shop()
	defer stop()

	read, write := logtoguard.RequireScope("read:products"), logtoguard.RequireScope("write:products")
	mux := http.NewServeMux()
	mux.Handle("GET /products", read(http.HandlerFunc(ok)))
	mux.Handle("GET /drafts", write(http.HandlerFunc(ok)))
	api := guard.Handler(mux)

	reader := logto.Mint(logtotest.Token{Scopes: []string{"read:products"}})
	get(api, "/products", reader)
	get(api, "/drafts", reader)
	get(api, "/products", "")
	// Output:
	// 200
	// 403 Bearer error="insufficient_scope", scope="write:products"
	// 401 Bearer
}

// A page for everybody that greets those it knows.
func ExampleGuard_Optional() {
	logto, guard, stop := shop()
	defer stop()

	greet := guard.Optional(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if claims, ok := logtoguard.ClaimsFromContext(r.Context()); ok {
			fmt.Println("hello", claims.Subject())
			return
		}
		fmt.Println("hello stranger")
	}))
	get(greet, "/", logto.Mint(logtotest.Token{Subject: "alice"}))
	get(greet, "/", "")
	get(greet, "/", "what is sent has to be right")
	// Output:
	// hello alice
	// 200
	// hello stranger
	// 200
	// 400 Bearer error="invalid_request"
}

// A token that came by other ways than HTTP, in a message say.
func ExampleGuard_Verify() {
	logto, guard, stop := shop()
	defer stop()

	claims, err := guard.Verify(context.Background(), logto.Mint(logtotest.Token{ClientID: "robot"}))
	fmt.Println(claims, claims.IsMachine(), err)

	_, err = guard.Verify(context.Background(), logto.Mint(logtotest.Token{Audience: "https://other.api"}))
	var refusal *logtoguard.Error
	fmt.Println(errors.Is(err, logtoguard.ErrWrongAudience), errors.As(err, &refusal), refusal.Status, err)
	// Output:
	// subject="robot" client_id="robot" organization_id="" true <nil>
	// true true 401 the token is for another audience
}

// A reverse proxy that asks before it forwards: 204 lets the request pass.
func ExampleGuard_VerifyRequest() {
	logto, guard, stop := shop()
	defer stop()

	decide := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := guard.VerifyRequest(r)
		if err != nil {
			logtoguard.WriteError(w, r, err)
			return
		}
		w.Header().Set("X-Subject", claims.Subject())
		w.WriteHeader(http.StatusNoContent)
	})
	get(decide, "/", logto.Mint(logtotest.Token{Subject: "alice"}))
	get(decide, "/", "")
	// Output:
	// 204
	// 401 Bearer
}

// A readiness probe: no keys, no traffic.
func ExampleGuard_Ready() {
	_, guard, stop := shop()
	defer stop()

	readyz := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 500*time.Millisecond)
		defer cancel()
		if guard.Ready(ctx) != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	get(readyz, "/readyz", "")
	// Output: 200
}

// For a page of metrics.
func ExampleGuard_Stats() {
	logto, guard, stop := shop()
	defer stop()

	api, token := guard.Handler(http.HandlerFunc(ok)), logto.Mint(logtotest.Token{})
	get(api, "/", token)
	get(api, "/", token)
	get(api, "/", logto.Mint(logtotest.Token{Lifetime: -time.Hour}))

	stats := guard.Stats()
	fmt.Println("accepted:", stats.Accepted, "refused:", stats.Refused, "signatures checked:", stats.Verifications)
	// Output:
	// 200
	// 200
	// 401 Bearer error="invalid_token", error_description="the token expired"
	// accepted: 2 refused: map[expired:1] signatures checked: 1
}

// Close comes after the server's Shutdown: what is still under way is answered 503.
func ExampleGuard_Close() {
	logto, guard, stop := shop()
	defer stop()

	fmt.Println(guard.Close())
	_, err := guard.Verify(context.Background(), logto.Mint(logtotest.Token{}))
	fmt.Println(errors.Is(err, logtoguard.ErrClosed))
	// Output:
	// <nil>
	// true
}

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
		fmt.Println("where:", claims.Audience(), claims.OrganizationID(), "what, before acme is accepted:", claims.Scopes())
		fmt.Println("how long:", claims.ExpiresAt().Sub(claims.IssuedAt()), "from:", claims.Issuer() != "", "its own:", claims.ID() != "")
	})
	// Output:
	// who: alice by: webshop machine: false actor: support
	// where: [https://shopping.api] acme what, before acme is accepted: []
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

// A worker takes jobs from a queue, each with the token of the user who ordered it, and
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

// An adapter for a framework whose handlers return errors.
func ExampleWriteError() {
	logto, guard, stop := shop()
	defer stop()

	type handler func(http.ResponseWriter, *http.Request) error
	adapt := func(next handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claims, err := guard.VerifyRequest(r)
			if err == nil {
				err = next(w, r.WithContext(logtoguard.ContextWithClaims(r.Context(), claims)))
			}
			if err != nil {
				logtoguard.WriteError(w, r, err)
			}
		})
	}
	drafts := adapt(func(_ http.ResponseWriter, r *http.Request) error {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		return claims.CheckScope("write:products")
	})
	get(drafts, "/", logto.Mint(logtotest.Token{Scopes: []string{"write:products"}}))
	get(drafts, "/", logto.Mint(logtotest.Token{}))
	// Output:
	// 200
	// 403 Bearer error="insufficient_scope", scope="write:products"
}

// An answer that net/http doesn't write, as an RPC framework's: status, challenge
// and text are in the error.
func ExampleError_Challenge() {
	_, guard, stop := shop()
	defer stop()

	_, err := guard.Verify(context.Background(), "HX8zK2bYpWq0")
	if refusal := (*logtoguard.Error)(nil); errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Reason)
		fmt.Println(refusal.Challenge())
	}
	// Output:
	// 401 opaque
	// Bearer error="invalid_token", error_description="opaque token: request it with the `resource` parameter"
}

// The metadata stands beside the guarded routes, and each challenge says where.
func ExampleGuard_MetadataHandler() {
	_, guard, stop := shop(func(cfg *logtoguard.Config) {
		cfg.JWKSURL = cfg.Endpoint + "/oidc/jwks" // in place of a real Logto
		cfg.Endpoint = "https://tenant-id.logto.app"
		cfg.Metadata = &logtoguard.Metadata{Name: "Shop", Scopes: []string{"read:products"}}
	})
	defer stop()

	mux := http.NewServeMux()
	mux.Handle("/.well-known/", guard.MetadataHandler())
	mux.Handle("/", guard.Handler(http.HandlerFunc(ok)))
	get(mux, "/products", "")

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/oauth-protected-resource", nil))
	fmt.Println(w.Body)
	// Output:
	// 401 Bearer resource_metadata="https://shopping.api/.well-known/oauth-protected-resource"
	// {"resource":"https://shopping.api","authorization_servers":["https://tenant-id.logto.app/oidc"],"scopes_supported":["read:products"],"bearer_methods_supported":["header"],"resource_name":"Shop"}
}
