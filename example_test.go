package logtoguard_test

import (
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

// shop starts a Logto and a guard for it, which the examples share, and says how
// to stop both.
func shop(edits ...func(*logtoguard.Config)) (logto *logtotest.Server, guard *logtoguard.Guard, stop func()) {
	logto = logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: "https://shopping.api"}}})
	cfg := logtoguard.Config{Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}}
	for _, edit := range edits {
		edit(&cfg)
	}
	guard, err := logtoguard.New(cfg)
	if err != nil {
		panic(err)
	}
	return logto, guard, func() {
		guard.Close()
		logto.Close()
	}
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
