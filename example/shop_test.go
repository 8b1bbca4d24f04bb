package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func decode[T any](t *testing.T, res *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(res.Body.Bytes(), &v), res.Body.String())
	return v
}

func TestProductLife(t *testing.T) {
	f := newFixture(t)
	api, manager := f.api(), f.token(t, "shop-manager", "")

	res := call(t, api, "POST", "/products", manager, `{"name":"Assam","price_cents":1150}`)
	require.Equal(t, 201, res.Code)
	created := decode[product](t, res)
	require.Equal(t, productDetails{"Assam", 1150}, created.productDetails)
	require.Regexp(t, `^p_[a-z2-7]{26}$`, created.ID)
	at := res.Header().Get("Location")
	require.Equal(t, "/products/"+created.ID, at)
	require.Equal(t, created, decode[product](t, call(t, api, "GET", at, manager, "")))

	res = call(t, api, "PUT", at, manager, `{"name":"Assam, 250 g","price_cents":1}`)
	require.Equal(t, product{created.ID, productDetails{"Assam, 250 g", 1}}, decode[product](t, res), "the ID stays")

	list := decode[map[string][]product](t, call(t, api, "GET", "/products", manager, ""))["products"]
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	require.Equal(t, []string{"Assam, 250 g", "Cup and saucer", "Earl Grey, 100 g", "Teapot, 1.2 litres"}, names)

	res = call(t, api, "DELETE", at, manager, "")
	require.Equal(t, 204, res.Code)
	require.Empty(t, res.Body.String())
	require.Equal(t, 404, call(t, api, "GET", at, manager, "").Code)
}

func TestOrdersStayInTheirOrganization(t *testing.T) {
	store := newStore()
	for i := range 3 {
		_, err := store.addOrder("acme", "acme-bot", orderDetails{"p_tea", i + 1})
		require.NoError(t, err)
	}
	require.Len(t, store.orders("acme"), 3)
	require.Equal(t, 1, store.orders("acme")[0].Quantity, "oldest first")
	require.Equal(t, []order{}, store.orders("globex"), "an empty list, not null")
}

// bodyRow is one body, and what the API has to answer to it.
type bodyRow struct {
	body   string
	status int
	text   string
}

func judge(t *testing.T, api http.Handler, path, token string, rows []bodyRow) {
	for _, row := range rows {
		t.Run(fmt.Sprintf("%.60s", row.body), func(t *testing.T) {
			res := call(t, api, "POST", path, token, row.body)
			require.Equal(t, row.status, res.Code, res.Body.String())
			if row.text != "" {
				require.Contains(t, decode[map[string]string](t, res)["error_description"], row.text)
			}
		})
	}
}

// TestProductBodies has a row for each way in which a body can be wrong.
func TestProductBodies(t *testing.T) {
	f := newFixture(t)
	judge(t, f.api(), "/products", f.token(t, "shop-manager", ""), []bodyRow{
		{` `, 400, "the body is empty"},
		{`{"name":"x"`, 400, "ends too early"},
		{`{"name":"x",}`, 400, "not JSON, or has something after it, as byte 11 shows"},
		{`name=x`, 400, "not JSON"},
		{`[]`, 400, "must be a JSON object"},
		{`"x"`, 400, "must be a JSON object"},
		{`{"name":"x","price_cents":1} {}`, 400, "something after it, as byte"},
		{`{"name":"x","price_cents":1}x`, 400, "something after it, as byte"},
		{`{"name":"x","price":1}`, 400, `unknown field "price"`},
		{`{"id":"p_mine","name":"x","price_cents":1}`, 400, `unknown field "id"`},
		{`{"name":7,"price_cents":1}`, 400, "name must be a string"},
		{`{"name":"x","price_cents":"1"}`, 400, "price_cents must be a whole number"},
		{`{"name":"x","price_cents":1.5}`, 400, "price_cents must be a whole number"},
		{`{"name":"x","price_cents":1e99}`, 400, "price_cents must be a whole number"},
		{`null`, 400, "must be a JSON object"},
		{`{"NAME":"x","price_cents":1}`, 400, `unknown field "NAME"`},
		{`{"name":"x","name":"y","price_cents":1}`, 400, `field "name" is there twice`},
		{`{"price_cents":1}`, 422, "name must not be empty"},
		{`{"name":" \t","price_cents":1}`, 422, "name must not be empty"},
		{`{"name":"a\u0000b","price_cents":1}`, 422, "control characters"},
		{fmt.Sprintf(`{"name":%q,"price_cents":1}`, strings.Repeat("é", 101)), 422, "101 characters, at most 100"},
		{fmt.Sprintf(`{"name":%q,"price_cents":1}`, strings.Repeat("é", 100)), 201, ""},
		{`{"name":"x"}`, 422, "price_cents must be from 1 to 10000000"},
		{`{"name":"x","price_cents":0}`, 422, "price_cents must be from 1 to 10000000"},
		{`{"name":"x","price_cents":-1}`, 422, "price_cents must be from 1 to 10000000"},
		{`{"name":"x","price_cents":10000001}`, 422, "price_cents must be from 1 to 10000000"},
		{`{"name":"x","price_cents":10000000}`, 201, ""},
		{strings.Repeat(" ", maxBodyBytes-28) + `{"name":"x","price_cents":1}`, 201, ""},
		{strings.Repeat(" ", maxBodyBytes-27) + `{"name":"x","price_cents":1}`, 413, "more than 65536 bytes"},
		{`{"name":"x","price_cents":1}` + strings.Repeat(" ", maxBodyBytes), 413, "more than 65536 bytes"},
	})
}

func TestOrderBodies(t *testing.T) {
	f := newFixture(t)
	judge(t, f.api(), "/organizations/acme/orders", f.token(t, "acme-bot", "acme"), []bodyRow{
		{`{"product_id":"p_none","quantity":1}`, 422, "product_id names no product"},
		{`{"quantity":1}`, 422, "product_id names no product"},
		{`{"product_id":"p_tea"}`, 422, "quantity must be from 1 to 1000"},
		{`{"product_id":"p_tea","quantity":-1}`, 422, "quantity must be from 1 to 1000"},
		{`{"product_id":"p_tea","quantity":1001}`, 422, "quantity must be from 1 to 1000"},
		{`{"product_id":"p_tea","quantity":"1"}`, 400, "quantity must be a whole number"},
		{`{"product_id":"p_tea","quantity":1,"ordered_by":"me"}`, 400, `unknown field "ordered_by"`},
		{`{"product_id":"p_tea","quantity":1000}`, 201, ""},
	})
}

func TestReplaceValidatesToo(t *testing.T) {
	f := newFixture(t)
	api, manager := f.api(), f.token(t, "shop-manager", "")
	require.Equal(t, 400, call(t, api, "PUT", "/products/p_tea", manager, `{`).Code)
	require.Equal(t, 422, call(t, api, "PUT", "/products/p_tea", manager, `{"name":"x","price_cents":-1}`).Code)
}

func TestContentType(t *testing.T) {
	f := newFixture(t)
	api, manager := f.api(), f.token(t, "shop-manager", "")
	for contentType, want := range map[string]int{
		"application/json":                  201,
		"Application/JSON; charset=utf-8":   201,
		"":                                  415,
		"text/plain":                        415,
		"application/x-www-form-urlencoded": 415,
		"application/json/x":                415,
	} {
		req := httptest.NewRequest("POST", "/products", strings.NewReader(`{"name":"x","price_cents":1}`))
		req.Header.Set("Authorization", "Bearer "+manager)
		req.Header.Set("Content-Type", contentType)
		res := httptest.NewRecorder()
		api.ServeHTTP(res, req)
		require.Equal(t, want, res.Code, contentType)
	}
}

func TestErrorsHaveOneShape(t *testing.T) {
	f := newFixture(t)
	api, manager := f.api(), f.token(t, "shop-manager", "")
	for _, row := range []struct{ method, path, token, body, code string }{
		{"GET", "/products", f.token(t, "no-role", ""), "", "insufficient_scope"},
		{"GET", "/products/p_none", manager, "", "not_found"},
		{"GET", "/nowhere", manager, "", "not_found"},
		{"PATCH", "/products", manager, "", "method_not_allowed"},
		{"POST", "/products", manager, "{", "bad_request"},
		{"POST", "/products", manager, "{}", "unprocessable_entity"},
	} {
		res := call(t, api, row.method, row.path, row.token, row.body)
		body := decode[map[string]string](t, res)
		require.Equal(t, row.code, body["error"])
		require.NotEmpty(t, body["error_description"])
		require.Len(t, body, 2)
	}
	res := call(t, api, "PATCH", "/products", manager, "")
	require.Equal(t, "GET, HEAD, POST", res.Header().Get("Allow"))
	require.Contains(t, res.Body.String(), "this path allows GET, HEAD, POST")
}

func TestFullShop(t *testing.T) {
	store := newStore()
	var err error
	for range maxProducts - len(store.products()) {
		_, err = store.addProduct(productDetails{"x", 1})
		require.NoError(t, err)
	}
	_, err = store.addProduct(productDetails{"x", 1})
	require.ErrorIs(t, err, errFull)

	for range maxOrders {
		_, err = store.addOrder("acme", "acme-bot", orderDetails{"p_tea", 1})
		require.NoError(t, err)
	}
	_, err = store.addOrder("acme", "acme-bot", orderDetails{"p_tea", 1})
	require.ErrorIs(t, err, errFull)
	_, err = store.addOrder("globex", "globex-bot", orderDetails{"p_tea", 1})
	require.NoError(t, err, "one organization doesn't fill another's place")

	f := newFixture(t)
	api := newHandler(t.Context(), f.guard, f.list.Check, store, discard())
	res := call(t, api, "POST", "/products", f.token(t, "shop-manager", ""), `{"name":"x","price_cents":1}`)
	require.Equal(t, 507, res.Code)
	require.Equal(t, "insufficient_storage", decode[map[string]string](t, res)["error"])
}

func TestStoreServesManyAtOnce(t *testing.T) {
	store := newStore()
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 50 {
				p, err := store.addProduct(productDetails{"x", 1})
				if err != nil {
					t.Error(err)
				}
				store.products()
				store.replaceProduct(p.ID, productDetails{"y", 2})
				_, _ = store.addOrder("acme", "acme-bot", orderDetails{p.ID, 1})
				store.orders("acme")
				store.removeProduct(p.ID)
			}
		})
	}
	clients.Wait()
	require.Len(t, store.products(), 3)
	require.Len(t, store.orders("acme"), 400)
}

func TestUnknownErrorsAreNotShown(t *testing.T) {
	for _, h := range []handle{
		func(http.ResponseWriter, *http.Request) error { return errors.New("password of the database") },
		me, // without a guard
		orderRoutes{newStore(), t.Context(), nil}.create,
		orderRoutes{newStore(), t.Context(), nil}.events,
	} {
		res := call(t, h, "GET", "/", "", "")
		require.Equal(t, 500, res.Code)
		require.JSONEq(t, `{"error":"internal_server_error","error_description":"something went wrong here"}`, res.Body.String())
	}
}
