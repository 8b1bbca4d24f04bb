package logtoguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	fmt.Println(errors.Is(err, logtoguard.ErrAudience), errors.As(err, &refusal), refusal.Status, err)
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
