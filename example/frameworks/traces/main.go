// Command traces writes the spans of the key fetches to the standard output.
// Package shop lists its settings.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/shop"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	exporter, err := stdouttrace.New()
	if err != nil {
		log.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithSyncer(exporter))
	shop.Run(logtoguard.Config{HTTPClient: tracedClient(provider)}, shop.HTTP(routes))
}

func routes(guard *logtoguard.Guard) http.Handler {
	return guard.Handler(logtoguard.RequireScope("read:products")(http.HandlerFunc(hello)))
}

func hello(w http.ResponseWriter, r *http.Request) {
	claims, _ := logtoguard.ClaimsFromContext(r.Context())
	fmt.Fprintf(w, "hello %s\n", claims.Subject())
}
