package m2m_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"golang.org/x/oauth2"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

// warehouse starts a Logto that knows one application, which may read products.
func warehouse() *logtotest.Server {
	return logtotest.NewServer(logtotest.Tenant{
		Resources:    []logtotest.Resource{{Indicator: "https://shopping.api", Scopes: []string{"read:products", "write:products"}}},
		Roles:        []logtotest.Role{{Name: "reader", Scopes: map[string][]string{"https://shopping.api": {"read:products"}}}},
		Applications: []logtotest.Application{{ID: "warehouse", Secret: "s3cret", Roles: []string{"reader"}}},
	})
}

// caller makes the application's client, which asks for these scopes.
func caller(logto *logtotest.Server, scopes ...string) *m2m.Client {
	client, err := m2m.New(m2m.Config{
		Endpoint:  logto.Endpoint(),
		AppID:     "warehouse",
		AppSecret: "s3cret",
		Resource:  "https://shopping.api",
		Scopes:    scopes,
	})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// New says everything that is wrong at once.
func ExampleNew() {
	_, err := m2m.New(m2m.Config{Endpoint: "tenant-id.logto.app", AppID: "warehouse"})
	fmt.Println(err)
	// Output:
	// m2m: Config: Endpoint is not an http(s) URL: write it like https://tenant-id.logto.app
	// AppSecret is empty: set it to a secret of the application in Logto
	// Resource is empty: set it to the API's resource indicator in Logto, such as https://shopping.api, or set OrganizationID
}

// One token serves all calls, and the wait for it is a part of the first.
func ExampleClient_HTTPClient() {
	logto := warehouse()
	defer logto.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("with a token:", r.Header.Get("Authorization") != "")
	}))
	defer api.Close()

	client := caller(logto, "read:products").HTTPClient()
	for range 2 {
		response, err := client.Get(api.URL)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
	}
	fmt.Println("asked Logto:", logto.Requests("/oidc/token"))
	// Output:
	// with a token: true
	// with a token: true
	// asked Logto: 1
}

// The token for what is not net/http, such as the metadata of an RPC; and what an
// error says, here that a role is missing.
func ExampleClient_Token() {
	logto := warehouse()
	defer logto.Close()

	token, err := caller(logto, "read:products").Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Type(), len(token.AccessToken) > 0, token.Extra("scope"))

	_, err = caller(logto, "read:products", "write:products").Token(context.Background())
	if refusal := (*m2m.Error)(nil); errors.As(err, &refusal) {
		fmt.Println("not granted:", refusal.MissingScopes)
	}
	// Output:
	// Bearer true read:products
	// not granted: [write:products]
}

// For libraries that take a TokenSource, as those for gRPC and for Google's APIs do.
func ExampleClient_TokenSource() {
	logto := warehouse()
	defer logto.Close()

	var source oauth2.TokenSource = caller(logto, "read:products").TokenSource(context.Background())
	for range 2 {
		token, err := source.Token()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(token.Type(), token.Valid())
	}
	fmt.Println("asked Logto:", logto.Requests("/oidc/token"))
	// Output:
	// Bearer true
	// Bearer true
	// asked Logto: 1
}
