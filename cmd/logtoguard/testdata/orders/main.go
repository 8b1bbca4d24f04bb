// Command orders is an API with one route, which asks for the scope read:orders.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/logtoguard/logtoguard"
)

func main() {
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: os.Getenv("LOGTO_ENDPOINT"),
		Audience: []string{os.Getenv("LOGTO_AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /orders", logtoguard.RequireScope("read:orders")(http.HandlerFunc(orders)))
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", guard.Handler(mux)))
}

func orders(w http.ResponseWriter, r *http.Request) {
	claims, _ := logtoguard.ClaimsFromContext(r.Context())
	fmt.Fprintf(w, "the orders of %s\n", claims.Subject())
}
