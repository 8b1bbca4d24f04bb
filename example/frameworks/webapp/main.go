// Command webapp is a web application that people sign in to at Logto, and that calls an API in the name of its user. Its
// settings are environment variables:
//
//	LOGTO_ENDPOINT    the Logto that people sign in to
//	LOGTO_APP_ID      of an application of the type Traditional there, whose redirect URI is APP_URL + /callback
//	LOGTO_APP_SECRET  of it; APP_URL is among its post sign-out redirect URIs
//	LOGTO_AUDIENCE    the API's resource indicator at Logto: https://shopping.api
//	API_URL           where the API is: http://127.0.0.1:8080
//	APP_URL           where browsers find the application: http://localhost:3000
//	ADDR              where it listens: 127.0.0.1:3000
package main

import (
	"cmp"
	"context"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	app, err := newApp(ctx, settings{
		Endpoint: os.Getenv("LOGTO_ENDPOINT"),
		ID:       os.Getenv("LOGTO_APP_ID"),
		Secret:   os.Getenv("LOGTO_APP_SECRET"),
		Audience: cmp.Or(os.Getenv("LOGTO_AUDIENCE"), "https://shopping.api"),
		API:      cmp.Or(os.Getenv("API_URL"), "http://127.0.0.1:8080"),
		URL:      cmp.Or(os.Getenv("APP_URL"), "http://localhost:3000"),
	})
	if err != nil {
		log.Fatalf("set LOGTO_ENDPOINT: %v", err)
	}
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("ADDR"), "127.0.0.1:3000"),
		Handler:           app.routes(),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Printf("listening on %s", server.Addr)
	log.Fatal(server.ListenAndServe())
}
