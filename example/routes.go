package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/logtoguard/logtoguard"
)

// The permissions of the API resource, named as they are in Logto.
const (
	readProducts  = "read:products"
	writeProducts = "write:products"
	readOrders    = "read:orders"
	writeOrders   = "write:orders"
)

// newHandler is the whole API: two probes that anybody may ask, and everything
// else behind the guard. A path that doesn't exist is behind it too, so that
// strangers can't learn which do. When stopping ends, streams do, too. The check is
// the guard's, which asks it once for each request: streams go on asking.
func newHandler(stopping context.Context, guard *logtoguard.Guard, check check, store *store, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", handle(healthz))
	mux.Handle("GET /readyz", readyz(guard))
	// Probes come every few seconds and would drown the rest: they aren't logged.
	mux.Handle("/", logRequests(log, guard.Handler(noteRoute(jsonErrors(newRoutes(stopping, check, store))))))
	return mux
}

// discoverable serves the guard's metadata beside the API: clients have no token yet
// when they ask for it.
func discoverable(guard *logtoguard.Guard, api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/.well-known/", guard.MetadataHandler())
	mux.Handle("/", api)
	return mux
}

// newRoutes says who may do what. It has to sit behind a guard.
func newRoutes(stopping context.Context, check check, store *store) *http.ServeMux {
	products, orders := productRoutes{store}, orderRoutes{store, stopping, check}
	mux := http.NewServeMux()

	mayRead := logtoguard.RequireScope(readProducts)
	mayWrite := logtoguard.RequireScope(writeProducts)
	mux.Handle("GET /products", mayRead(handle(products.list)))
	mux.Handle("GET /products/{id}", mayRead(handle(products.get)))
	mux.Handle("POST /products", mayWrite(handle(products.create)))
	mux.Handle("PUT /products/{id}", mayWrite(handle(products.replace)))
	mux.Handle("DELETE /products/{id}", mayWrite(handle(products.remove)))

	// The organization comes first: a token that is bound to one holds its
	// scopes in that organization only, and none until it has been accepted.
	inOrganization := logtoguard.RequireOrganization(organizationOf)
	mayReadOrders := logtoguard.RequireScope(readOrders)
	mayWriteOrders := logtoguard.RequireScope(writeOrders)
	mux.Handle("GET /organizations/{organizationID}/orders", inOrganization(mayReadOrders(handle(orders.list))))
	mux.Handle("POST /organizations/{organizationID}/orders", inOrganization(mayWriteOrders(handle(orders.create))))
	mux.Handle("GET /organizations/{organizationID}/orders/events", inOrganization(mayReadOrders(handle(orders.events))))

	mux.Handle("GET /me", handle(me))
	return mux
}

// healthz says that the process answers.
func healthz(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says whether tokens can be judged. Why not is in the log: anyone may
// ask here.
func readyz(guard *logtoguard.Guard) handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), 500*time.Millisecond)
		defer cancel()
		if guard.Ready(ctx) != nil {
			return &problem{http.StatusServiceUnavailable, "the keys to judge tokens by are not there yet"}
		}
		return writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	}
}

// identity is what a token says about who calls.
type identity struct {
	Subject        string    `json:"subject"`
	ClientID       string    `json:"client_id"`
	Machine        bool      `json:"machine"`                   // an application in its own name, no user
	Scopes         []string  `json:"scopes"`                    // those that count here; [] if there are none
	OrganizationID string    `json:"organization_id,omitempty"` // left out if the token is bound to none
	ExpiresAt      time.Time `json:"expires_at"`
}

// me answers any valid token, whatever its scopes.
func me(w http.ResponseWriter, r *http.Request) error {
	claims, err := caller(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, identity{
		Subject:        claims.Subject(),
		ClientID:       claims.ClientID(),
		Machine:        claims.IsMachine(),
		Scopes:         append([]string{}, claims.Scopes()...),
		OrganizationID: claims.OrganizationID(),
		ExpiresAt:      claims.ExpiresAt().UTC(),
	})
}
