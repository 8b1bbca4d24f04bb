package m2m_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

// A service that calls another one, which is guarded.
func Example() {
	// In place of a real Logto.
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources:    []logtotest.Resource{{Indicator: "https://shopping.api", Scopes: []string{"read:products"}}},
		Roles:        []logtotest.Role{{Name: "reader", Scopes: map[string][]string{"https://shopping.api": {"read:products"}}}},
		Applications: []logtotest.Application{{ID: "warehouse", Secret: "s3cret", Roles: []string{"reader"}}},
	})
	defer logto.Close()

	// The service that is called.
	guard, err := logtoguard.New(logtoguard.Config{Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	products := logtoguard.RequireScope("read:products")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		fmt.Fprintf(w, `["tea","coffee"]`)
		fmt.Println("asked by", claims.ClientID())
	}))
	shop := httptest.NewServer(guard.Handler(products))
	defer shop.Close()

	// The service that calls.
	client, err := m2m.New(m2m.Config{
		Endpoint:  logto.Endpoint(),
		AppID:     "warehouse",
		AppSecret: "s3cret",
		Resource:  "https://shopping.api",
		Scopes:    []string{"read:products"},
	})
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.HTTPClient().Get(shop.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var names []string
	if err := json.NewDecoder(response.Body).Decode(&names); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, names)
	// Output:
	// asked by warehouse
	// 200 [tea coffee]
}

func ExampleManagementResource() {
	// In place of a real Logto.
	api := m2m.ManagementResource("default")
	logto := logtotest.NewServer(logtotest.Tenant{
		Roles:        []logtotest.Role{{Name: "management", Scopes: map[string][]string{api: {"all"}}}},
		Applications: []logtotest.Application{{ID: "console", Secret: "s3cret", Roles: []string{"management"}}},
	})
	defer logto.Close()

	client, err := m2m.New(m2m.Config{
		Endpoint:  logto.Endpoint(),
		AppID:     "console",
		AppSecret: "s3cret",
		Resource:  m2m.ManagementResource("default"),
		Scopes:    []string{"all"},
	})
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.HTTPClient().Get(logto.Endpoint() + "/api/applications")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var applications []struct{ ID string }
	if err := json.NewDecoder(response.Body).Decode(&applications); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, applications)
	// Output: 200 [{console}]
}
