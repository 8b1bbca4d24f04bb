package logtotest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// A token forged with a key of one's own, under the ID of Logto's.
func ExampleNewKey() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	forge := func(d *logtotest.Draft) { d.Key = logtotest.NewKey("ES384") }
	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}, forge))
	// Output: refused: the token's signature is wrong
}

// The same under the key's own ID, which Logto has never published.
func ExampleKey_ID() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	stranger := logtotest.NewKey("ES384")
	forge := func(d *logtotest.Draft) { d.Header["kid"], d.Key = stranger.ID(), stranger }
	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}, forge))
	// Output: refused: the token is signed by a key that the issuer does not publish
}

// A key set that is served by the test itself, with one key of Logto's too few.
func ExampleKey_JWK() {
	known, unknown := logtotest.NewKey("ES256"), logtotest.NewKey("ES256")
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{known.JWK()}})
	}))
	defer keys.Close()
	logto := logtotest.NewServer(logtotest.Tenant{})
	defer logto.Close()
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(),
		Audience: []string{"https://shopping.api"},
		JWKSURL:  keys.URL,
	})
	if err != nil {
		panic(err)
	}
	defer guard.Close()

	for _, key := range []*logtotest.Key{known, unknown} {
		judge(guard, logto.Mint(logtotest.Token{Subject: "alice", Audience: "https://shopping.api"}, func(d *logtotest.Draft) {
			d.Header["alg"], d.Header["kid"], d.Key = key.Algorithm(), key.ID(), key
		}))
	}
	// Output:
	// let in: alice
	// refused: the token is signed by a key that the issuer does not publish
}

// Two subjects in one token, signed rightly: a map can't hold that, so no Mint makes it.
func ExampleKey_Sign() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	header := fmt.Sprintf(`{"alg":"ES384","typ":"at+jwt","kid":%q}`, logto.Key().ID())
	judge(guard, logto.Key().Sign([]byte(header), []byte(`{"sub":"alice","sub":"admin"}`)))
	// Output: refused: the token is not a well-formed JWT
}

// A clock that stands still makes a token's times known.
func ExampleNewClock() {
	clock := logtotest.NewClock(time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC))
	logto := logtotest.NewServer(logtotest.Tenant{Now: clock.Now})
	defer logto.Close()

	logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) { fmt.Println(d.Claims["iat"], d.Claims["exp"]) })
	// Output: 1795348800 1795352400
}

// What is tested goes by the same clock as the stand-in, which here is a year ahead.
func ExampleClock_Now() {
	clock := logtotest.NewClock(time.Now().AddDate(1, 0, 0))
	logto := logtotest.NewServer(logtotest.Tenant{Now: clock.Now})
	defer logto.Close()
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(),
		Audience: []string{"https://shopping.api"},
		Now:      clock.Now,
	})
	if err != nil {
		panic(err)
	}
	defer guard.Close()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice", Audience: "https://shopping.api"}))
	// Output: let in: alice
}

// An hour passes at once.
func ExampleClock_Advance() {
	clock := logtotest.NewClock(time.Now())
	logto, guard, stop := shop(logtotest.Tenant{Now: clock.Now})
	defer stop()

	token := logto.Mint(logtotest.Token{Subject: "alice"})
	judge(guard, token)
	clock.Advance(time.Hour + 5*time.Second) // the guard's clock skew
	judge(guard, token)
	// Output:
	// let in: alice
	// refused: the token expired
}

// A machine starts with a clock that is an hour slow, until it is set.
func ExampleClock_Set() {
	now := time.Now()
	clock := logtotest.NewClock(now)
	logto, guard, stop := shop(logtotest.Tenant{Now: clock.Now})
	defer stop()

	token := logto.Mint(logtotest.Token{Subject: "alice"})
	clock.Set(now.Add(-time.Hour))
	judge(guard, token)
	clock.Set(now)
	judge(guard, token)
	// Output:
	// refused: the token is not valid yet
	// let in: alice
}
