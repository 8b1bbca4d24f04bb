package logtoguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// The test of a handler takes ten lines: a Logto in the process, the guard under
// test, a token, a request.
func Example() {
	logto := logtotest.NewServer(logtotest.Tenant{})
	defer logto.Close()
	guard, _ := logtoguard.New(logtoguard.Config{Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}})
	defer guard.Close()
	api := guard.Handler(logtoguard.RequireScope("read:products")(http.HandlerFunc(listProducts)))
	token := logto.Mint(logtotest.Token{Subject: "alice", Audience: "https://shopping.api", Scopes: []string{"read:products"}})
	r, w := httptest.NewRequest("GET", "/products", nil), httptest.NewRecorder()
	r.Header.Set("Authorization", "Bearer "+token)
	api.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 products for alice
}

func listProducts(w http.ResponseWriter, r *http.Request) {
	claims, _ := logtoguard.ClaimsFromContext(r.Context())
	fmt.Fprint(w, "products for ", claims.Subject())
}

// shop starts a Logto and a guard for it, which the examples share.
func shop(edits ...func(*logtoguard.Config)) (*logtotest.Server, *logtoguard.Guard) {
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: "https://shopping.api"}}})
	cfg := logtoguard.Config{Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}}
	for _, edit := range edits {
		edit(&cfg)
	}
	guard, err := logtoguard.New(cfg)
	if err != nil {
		panic(err)
	}
	return logto, guard
}

// get shows how a handler answers a token; an empty one is not sent.
func get(handler http.Handler, path, token string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate"))))
}

func ok(http.ResponseWriter, *http.Request) {}

func ExampleGuard_Handler() {
	logto, guard := shop()
	defer logto.Close()
	defer guard.Close()

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
	logto, guard := shop()
	defer logto.Close()
	defer guard.Close()

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
	logto, guard := shop()
	defer logto.Close()
	defer guard.Close()

	claims, err := guard.Verify(context.Background(), logto.Mint(logtotest.Token{ClientID: "robot"}))
	fmt.Println(claims, claims.IsMachine(), err)

	_, err = guard.Verify(context.Background(), logto.Mint(logtotest.Token{Audience: "https://other.api"}))
	var refusal *logtoguard.Error
	fmt.Println(errors.Is(err, logtoguard.ErrAudience), errors.As(err, &refusal), refusal.Status, err)
	// Output:
	// subject="robot" client_id="robot" organization_id="" true <nil>
	// true true 401 the token is for another audience
}

func ExampleRequireAnyScope() {
	logto, guard := shop()
	defer logto.Close()
	defer guard.Close()

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
	logto, guard := shop()
	defer logto.Close()
	defer guard.Close()

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

// Claims that the tenant's custom-claims script adds.
func ExampleClaims_Decode() {
	logto, guard := shop()
	defer logto.Close()
	defer guard.Close()

	claims, err := guard.Verify(context.Background(), logto.Mint(logtotest.Token{Claims: map[string]any{"plan": "gold"}}))
	if err != nil {
		fmt.Println(err)
		return
	}
	var custom struct {
		Plan string `json:"plan"`
	}
	fmt.Println(claims.Decode(&custom), custom.Plan)
	// Output: <nil> gold
}

// Check asks what a token can't know.
func ExampleConfig() {
	lockedOut := map[string]bool{"mallory": true}
	logto, guard := shop(func(cfg *logtoguard.Config) {
		cfg.Check = func(_ context.Context, claims *logtoguard.Claims) error {
			if lockedOut[claims.Subject()] {
				return errors.New("locked out") // for the log, not for mallory
			}
			return nil
		}
	})
	defer logto.Close()
	defer guard.Close()

	api := guard.Handler(http.HandlerFunc(ok))
	get(api, "/", logto.Mint(logtotest.Token{Subject: "alice"}))
	get(api, "/", logto.Mint(logtotest.Token{Subject: "mallory"}))
	// Output:
	// 200
	// 401 Bearer error="invalid_token", error_description="the token was refused"
}

// An adapter for a framework whose handlers return errors.
func ExampleWriteError() {
	logto, guard := shop()
	defer logto.Close()
	defer guard.Close()

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

func ExampleClaimsFromContext() {
	logto, guard := shop()
	defer logto.Close()
	defer guard.Close()

	whoami := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		claims, ok := logtoguard.ClaimsFromContext(r.Context())
		fmt.Println(ok, claims.Subject(), claims.ClientID(), claims.Scopes())
	})
	get(guard.Handler(whoami), "/", logto.Mint(logtotest.Token{Subject: "alice", ClientID: "web", Scopes: []string{"read:products"}}))
	// Output:
	// true alice web [read:products]
	// 200
}
