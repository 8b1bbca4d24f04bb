package logtoguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

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
