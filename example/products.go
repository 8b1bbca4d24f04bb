package main

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// product is one thing on sale.
type product struct {
	ID string `json:"id"` // given by the API, never changes
	productDetails
}

// productDetails is what a client sends to create or replace a product.
type productDetails struct {
	Name       string `json:"name"`
	PriceCents int64  `json:"price_cents"` // whole cents: no rounding
}

const (
	maxNameLength = 100        // characters
	maxPriceCents = 10_000_000 // a price beyond it is a slip of the keyboard
)

// check reports what JSON alone can't rule out.
func (d productDetails) check() error {
	switch n := utf8.RuneCountInString(d.Name); {
	case strings.TrimSpace(d.Name) == "":
		return &problem{http.StatusUnprocessableEntity, "name must not be empty"}
	case n > maxNameLength:
		return &problem{http.StatusUnprocessableEntity, fmt.Sprintf("name has %d characters, at most %d are allowed", n, maxNameLength)}
	case strings.ContainsFunc(d.Name, unicode.IsControl):
		return &problem{http.StatusUnprocessableEntity, "name must not hold control characters"}
	case d.PriceCents < 1 || d.PriceCents > maxPriceCents:
		return &problem{http.StatusUnprocessableEntity, fmt.Sprintf("price_cents must be from 1 to %d", maxPriceCents)}
	}
	return nil
}

var errUnknownProduct = &problem{http.StatusNotFound, "there is no such product"}

// productRoutes answers at /products and below.
type productRoutes struct{ store *store }

func (p productRoutes) list(w http.ResponseWriter, _ *http.Request) error {
	// An object, not a bare array: it leaves room for paging.
	return writeJSON(w, http.StatusOK, map[string][]product{"products": p.store.products()})
}

func (p productRoutes) get(w http.ResponseWriter, r *http.Request) error {
	found, ok := p.store.product(r.PathValue("id"))
	if !ok {
		return errUnknownProduct
	}
	return writeJSON(w, http.StatusOK, found)
}

func (p productRoutes) create(w http.ResponseWriter, r *http.Request) error {
	var details productDetails
	if err := readJSON(w, r, &details); err != nil {
		return err
	}
	if err := details.check(); err != nil {
		return err
	}
	created, err := p.store.addProduct(details)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/products/"+created.ID)
	return writeJSON(w, http.StatusCreated, created)
}

func (p productRoutes) replace(w http.ResponseWriter, r *http.Request) error {
	var details productDetails
	if err := readJSON(w, r, &details); err != nil {
		return err
	}
	if err := details.check(); err != nil {
		return err
	}
	replaced, ok := p.store.replaceProduct(r.PathValue("id"), details)
	if !ok {
		return errUnknownProduct
	}
	return writeJSON(w, http.StatusOK, replaced)
}

func (p productRoutes) remove(w http.ResponseWriter, r *http.Request) error {
	if !p.store.removeProduct(r.PathValue("id")) {
		return errUnknownProduct
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
