package main

import (
	"cmp"
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// The store is bounded: clients that may write can't use up the memory.
const (
	maxProducts = 10_000
	maxOrders   = 10_000 // of one organization
)

var errFull = &problem{http.StatusInsufficientStorage, "the shop is full: nothing more can be added"}

// store keeps everything in memory. A database would take its place. Products
// and orders share one lock, so an order never names a product that was gone
// when it was placed.
type store struct {
	mu        sync.RWMutex
	productOf map[string]product // by ID
	ordersOf  map[string][]order // by organization, oldest first
	ordered   chan struct{}      // closed, and replaced, when an order is added
}

// newStore begins with a few products, whose IDs are the same at every start.
func newStore() *store {
	s := &store{productOf: map[string]product{}, ordersOf: map[string][]order{}, ordered: make(chan struct{})}
	for _, p := range []product{
		{"p_cup", productDetails{"Cup and saucer", 1250}},
		{"p_pot", productDetails{"Teapot, 1.2 litres", 3490}},
		{"p_tea", productDetails{"Earl Grey, 100 g", 690}},
	} {
		s.productOf[p.ID] = p
	}
	return s
}

// newID makes IDs that tell nothing and can't be guessed.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// products are sorted by name, and by ID where names are the same.
func (s *store) products() []product {
	s.mu.RLock()
	list := slices.AppendSeq([]product{}, maps.Values(s.productOf)) // [] in JSON, never null
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b product) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return list
}

func (s *store) product(id string) (product, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.productOf[id]
	return p, ok
}

func (s *store) addProduct(details productDetails) (product, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.productOf) >= maxProducts {
		return product{}, errFull
	}
	p := product{newID("p_"), details}
	s.productOf[p.ID] = p
	return p, nil
}

func (s *store) replaceProduct(id string, details productDetails) (product, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.productOf[id]; !ok {
		return product{}, false
	}
	p := product{id, details}
	s.productOf[id] = p
	return p, true
}

func (s *store) removeProduct(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.productOf[id]
	delete(s.productOf, id)
	return ok
}

func (s *store) orders(organization string) []order {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]order{}, s.ordersOf[organization]...) // [] in JSON, never null
}

func (s *store) addOrder(organization, by string, details orderDetails) (order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.productOf[details.ProductID]; !ok {
		return order{}, errUnknownProduct
	}
	if len(s.ordersOf[organization]) >= maxOrders {
		return order{}, errFull
	}
	o := order{newID("o_"), details, by}
	s.ordersOf[organization] = append(s.ordersOf[organization], o)
	close(s.ordered)
	s.ordered = make(chan struct{})
	return o, nil
}

// orderAt returns the n-th order of an organization. Where there is none yet, the channel
// is closed when it is time to look again.
func (s *store) orderAt(organization string, n int) (o order, ok bool, more <-chan struct{}) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if list := s.ordersOf[organization]; n < len(list) {
		return list[n], true, nil
	}
	return order{}, false, s.ordered
}

// orderAfter returns the place after the order with that ID, and that ID: the place after
// all orders if the ID is empty, and the first place if there is no such order, as after a
// restart.
func (s *store) orderAfter(organization, id string) (n int, last string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := s.ordersOf[organization]
	if n = len(list); id != "" {
		n = slices.IndexFunc(list, func(o order) bool { return o.ID == id }) + 1
	}
	if n == 0 {
		return 0, "none"
	}
	return n, list[n-1].ID
}
