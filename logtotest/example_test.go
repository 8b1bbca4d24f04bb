package logtotest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// An application asks for its token as it would ask a real Logto; what it doesn't hold it doesn't get.
func ExampleNewServer() {
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources:    []logtotest.Resource{{Indicator: "https://shopping.api", Scopes: []string{"read:products", "write:products"}}},
		Roles:        []logtotest.Role{{Name: "reader", Scopes: map[string][]string{"https://shopping.api": {"read:products"}}}},
		Applications: []logtotest.Application{{ID: "shop", Secret: "s3cret", Roles: []string{"reader"}}},
	})
	defer logto.Close()

	resp, err := http.PostForm(logto.URL()+"/oidc/token", url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {"shop"},
		"client_secret": {"s3cret"},
		"resource":      {"https://shopping.api"},
		"scope":         {"read:products write:products"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var token struct {
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
		Scope   string `json:"scope"`
	}
	err = json.NewDecoder(resp.Body).Decode(&token)
	fmt.Println(token.Type, token.Expires, token.Scope, err)
	// Output: Bearer 3600 read:products <nil>
}

// Mint needs no application, and makes what a Logto never would: here, a token that never ends.
func ExampleServer_Mint() {
	logto := logtotest.NewServer(logtotest.Tenant{})
	defer logto.Close()

	token := logto.Mint(
		logtotest.Token{Subject: "alice", ClientID: "webshop", Audience: "https://shopping.api", Scopes: []string{"read:products"}},
		func(d *logtotest.Draft) {
			delete(d.Claims, "exp")
			fmt.Println(d.Header["typ"], d.Claims["sub"], d.Claims["aud"], d.Claims["scope"])
		},
	)
	fmt.Println(strings.Count(token, "."))
	// Output:
	// at+jwt alice https://shopping.api read:products
	// 2
}

// shop starts a Logto and the guard of an API, which the other examples share. What
// is to happen before the guard fetches its keys is done by before.
func shop(tenant logtotest.Tenant, before ...func(*logtotest.Server)) (logto *logtotest.Server, guard *logtoguard.Guard, stop func()) {
	tenant.Resources = []logtotest.Resource{{Indicator: "https://shopping.api"}}
	logto = logtotest.NewServer(tenant)
	for _, step := range before {
		step(logto)
	}
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(),
		Audience: []string{"https://shopping.api"},
		JWKSURL:  logto.URL() + "/oidc/jwks",
		Logger:   slog.New(slog.DiscardHandler),
		Now:      tenant.Now,
	})
	if err != nil {
		panic(err)
	}
	return logto, guard, func() {
		guard.Close()
		logto.Close()
	}
}

// judge shows what becomes of a token.
func judge(guard *logtoguard.Guard, token string) {
	claims, err := guard.Verify(context.Background(), token)
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	fmt.Println("let in:", claims.Subject())
}
