package main

import (
	"fmt"
	"net/http"

	"github.com/logtoguard/logtoguard"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func routes(guard *logtoguard.Guard) http.Handler {
	registry := prometheus.NewRegistry()
	// A label for each guard, where there are several.
	prometheus.WrapRegistererWith(prometheus.Labels{"guard": "shop"}, registry).MustRegister(newCollector(guard))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})) // keep it from strangers
	mux.Handle("/", guard.Handler(logtoguard.RequireScope("read:products")(http.HandlerFunc(hello))))
	return mux
}

func hello(w http.ResponseWriter, r *http.Request) {
	claims, _ := logtoguard.ClaimsFromContext(r.Context())
	fmt.Fprintf(w, "hello %s\n", claims.Subject())
}
