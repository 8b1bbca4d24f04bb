package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/revocation"
)

func routes(guard *logtoguard.Guard, list *revocation.List) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /me", guard.Handler(http.HandlerFunc(me)))
	mux.Handle("POST /sign-out", guard.Handler(signOut(list)))
	mux.Handle("POST /webhooks/logto", list) // not behind the guard: Logto signs what it sends
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		ready(w, r, guard, list)
	})
	return mux
}

func me(w http.ResponseWriter, r *http.Request) {
	claims, _ := logtoguard.ClaimsFromContext(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(claims.Subject() + "\n"))
}

// signOut ends all tokens that the caller has, on every device and at every replica.
func signOut(list *revocation.List) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		// An error means that the other replicas don't know yet. Here the tokens have ended.
		if err := list.Revoke(r.Context(), revocation.Revocation{Subject: claims.Subject(), Reason: "signed out"}); err != nil {
			http.Error(w, "signed out here, and elsewhere soon", http.StatusAccepted)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// ready is for a load balancer: before both have what they need, requests would get 503.
func ready(w http.ResponseWriter, r *http.Request, guard *logtoguard.Guard, list *revocation.List) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if err := errors.Join(guard.Ready(ctx), list.Ready(ctx)); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
