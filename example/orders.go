package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/logtoguard/logtoguard"
)

// order is what an organization has ordered.
type order struct {
	ID string `json:"id"`
	orderDetails
	OrderedBy string `json:"ordered_by"` // the token's subject: a user or an application
}

// orderDetails is what a client sends to place an order.
type orderDetails struct {
	ProductID string `json:"product_id"`
	Quantity  int    `json:"quantity"`
}

const maxQuantity = 1000

// orderRoutes answers below /organizations/{organizationID}. When it is reached,
// the token has proved to be bound to that organization.
type orderRoutes struct {
	store    *store
	stopping context.Context // ends when the server stops: streams end with it
	check    check           // is asked while a stream lasts
}

// check is a guard's Config.Check, or nil.
type check func(context.Context, *logtoguard.Claims) error

// organizationOf names the organization that a request is about.
func organizationOf(r *http.Request) string { return r.PathValue("organizationID") }

func (o orderRoutes) list(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string][]order{"orders": o.store.orders(organizationOf(r))})
}

func (o orderRoutes) create(w http.ResponseWriter, r *http.Request) error {
	claims, err := caller(r)
	if err != nil {
		return err
	}
	var details orderDetails
	if err := readJSON(w, r, &details); err != nil {
		return err
	}
	if details.Quantity < 1 || details.Quantity > maxQuantity {
		return &problem{http.StatusUnprocessableEntity, fmt.Sprintf("quantity must be from 1 to %d", maxQuantity)}
	}
	placed, err := o.store.addOrder(organizationOf(r), claims.Subject(), details)
	if errors.Is(err, errUnknownProduct) {
		// Not found would speak of the path; here it is the body that is at fault.
		return &problem{http.StatusUnprocessableEntity, "product_id names no product"}
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, placed)
}

// caller gives the claims that the guard has put into the request. That there
// are none can only be a mistake in the routes.
func caller(r *http.Request) (*logtoguard.Claims, error) {
	claims, ok := logtoguard.ClaimsFromContext(r.Context())
	if !ok {
		return nil, errors.New("the route is not behind the guard")
	}
	return claims, nil
}
