package logtotest_test

import (
	"fmt"
	"strings"

	"github.com/logtoguard/logtoguard/logtotest"
)

// Tokens are issued in the endpoint's name.
func ExampleServer_Endpoint() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}, func(d *logtotest.Draft) {
		fmt.Println(d.Claims["iss"] == logto.Endpoint()+"/oidc")
		d.Claims["iss"] = logto.Endpoint() // without /oidc
	}))
	// Output:
	// true
	// refused: the token is from another issuer
}

// In a compose network clients reach Logto under its public name, and the API
// under another.
func ExampleServer_URL() {
	logto, guard, stop := shop(logtotest.Tenant{Endpoint: "https://auth.example.com"})
	defer stop()

	fmt.Println(logto.Endpoint(), strings.HasPrefix(logto.URL(), "http://127.0.0.1:"))
	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	// Output:
	// https://auth.example.com true
	// let in: alice
}

// Whoever asks for the keys once too often is found out.
func ExampleServer_Requests() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	fmt.Println(logto.Requests("/oidc/jwks"))
	// Output:
	// let in: alice
	// let in: bob
	// 1
}

// An API that outlives its Logto.
func ExampleServer_Close() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	logto.Close()
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	// Output:
	// let in: alice
	// let in: bob
}

// A test for each algorithm that a Logto may sign by.
func ExampleKey_Algorithm() {
	for _, algorithm := range []string{"ES384", "RS256"} {
		logto, guard, stop := shop(logtotest.Tenant{Algorithm: algorithm})
		judge(guard, logto.Mint(logtotest.Token{Subject: logto.Key().Algorithm()}))
		stop()
	}
	// Output:
	// let in: ES384
	// let in: RS256
}

// A token from before two rotations: its key is gone.
func ExampleServer_Key() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	first := logto.Key()
	logto.Rotate("")
	logto.Rotate("")
	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}, func(d *logtotest.Draft) {
		d.Header["kid"], d.Key = first.ID(), first
	}))
	// Output:
	// let in: alice
	// refused: the token is signed by a key that the issuer does not publish
}

// Logto signs with a new key from one moment to the next, and the old one holds.
func ExampleServer_Rotate() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	old := logto.Mint(logtotest.Token{Subject: "alice"})
	logto.Rotate("RS256")
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	judge(guard, old)
	// Output:
	// let in: bob
	// let in: alice
}

// With a grace period the next key is known before it signs.
func ExampleServer_Announce() {
	logto, guard, stop := shop(logtotest.Tenant{}, func(logto *logtotest.Server) { logto.Announce("RS256") })
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	logto.Rotate("")
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	fmt.Println("fetches:", logto.Requests("/oidc/jwks"))
	// Output:
	// let in: alice
	// let in: bob
	// fetches: 1
}

// An administrator rotates, and deletes the key that was.
func ExampleServer_DropPrevious() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	old := logto.Mint(logtotest.Token{Subject: "alice"})
	judge(guard, old)
	logto.Rotate("")
	logto.DropPrevious()
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	judge(guard, old)
	// Output:
	// let in: alice
	// let in: bob
	// refused: the token is signed by a key that the issuer does not publish
}
