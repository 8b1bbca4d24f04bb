// Package m2m gets access tokens from Logto for programs that act for themselves,
// by client credentials (RFC 6749, section 4.4), and calls APIs with them.
//
//	client, err := m2m.New(m2m.Config{
//		Endpoint:  "https://tenant-id.logto.app",
//		AppID:     os.Getenv("LOGTO_APP_ID"),
//		AppSecret: os.Getenv("LOGTO_APP_SECRET"),
//		Resource:  "https://shopping.api",
//		Scopes:    []string{"read:products"},
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	response, err := client.HTTPClient().Get("https://shop.example/products")
//
// # The token
//
// A [Client] holds one token: make one Client for each resource (and organization)
// and keep it for as long as the program runs. The first call asks for the token;
// a call in the last quarter of its lifetime (at most its last 15 minutes) renews it
// in the background. A call waits only if there is no valid token, and all that wait
// share one request and its outcome. Nothing runs between calls, so there is nothing
// to close, and a program that is idle for longer waits once when it calls again.
//
// # Scopes
//
// Logto silently drops scopes that the application doesn't hold. A Client returns an
// error that names them, unless [Config].AcceptFewerScopes is set.
//
// # Errors
//
// An *[Error] says why there is no token: what Logto says and, for common
// mistakes, a hint. Neither it nor a Config shows the secret when printed.
//
// A renewal that fails while the token still works is logged to [Config].Logger: set
// an alert on it, and a secret that has expired is noticed before calls fail.
package m2m
