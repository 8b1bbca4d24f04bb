package main

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/logtoguard/logtoguard"
)

func routes(guard *logtoguard.Guard) http.Handler {
	r := chi.NewRouter()
	r.Use(guard.Handler)
	r.With(logtoguard.RequireScope("read:products")).Get("/products", show)
	r.Route("/organizations/{organizationID}", func(r chi.Router) {
		r.Use(logtoguard.RequireOrganization(func(r *http.Request) string { return chi.URLParam(r, "organizationID") }))
		r.With(logtoguard.RequireScope("read:orders")).Get("/orders", show)
	})
	return r
}

func show(w http.ResponseWriter, r *http.Request) {
	claims, _ := logtoguard.ClaimsFromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"subject": claims.Subject(), "organization": claims.OrganizationID()})
}
