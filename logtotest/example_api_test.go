package logtotest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
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

// A guard that asks for the keys once too often is found out.
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

// A token forged with a key of one's own, under the ID of Logto's.
func ExampleNewKey() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	forge := func(d *logtotest.Draft) { d.Key = logtotest.NewKey("ES384") }
	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}, forge))
	// Output: refused: the token's signature is wrong
}

// A server that starts again with its key: the tokens of before are still good.
func ExampleParseKey() {
	clients := "https://auth.example.com" // the same endpoint, wherever it listens
	first := logtotest.NewServer(logtotest.Tenant{Endpoint: clients})
	token, kept := first.Mint(logtotest.Token{Subject: "alice", Audience: "https://shopping.api"}), first.Key().PEM()
	first.Close()

	key, err := logtotest.ParseKey(kept)
	if err != nil {
		panic(err)
	}
	_, guard, stop := shop(logtotest.Tenant{Endpoint: clients, Key: key})
	defer stop()
	judge(guard, token)
	// Output: let in: alice
}

// A private key in the form that other tools read.
func ExampleKey_PEM() {
	text := string(logtotest.NewKey("ES384").PEM())
	fmt.Println(strings.SplitN(text, "\n", 2)[0])
	// Output: -----BEGIN PRIVATE KEY-----
}

// Declarations that come from elsewhere are checked before a server starts.
func ExampleTenant_Validate() {
	fmt.Println(logtotest.Tenant{Users: []logtotest.User{{ID: "alice", Roles: []string{"reader"}}}}.Validate())
	// Output: logtotest: user "alice" has the role "reader", which is not declared: add it to Tenant.Roles
}

// A stand-in that runs while people develop: a page of another site can't use it.
func ExampleFromThisMachine() {
	logto := logtotest.NewServer(logtotest.Tenant{})
	defer logto.Close()
	logto.Disturb(logtotest.FromThisMachine("http://localhost:5173"))

	for _, origin := range []string{"http://localhost:5173", "https://evil.example"} {
		r, err := http.NewRequest(http.MethodGet, logto.URL()+"/oidc/jwks", nil)
		if err != nil {
			panic(err)
		}
		r.Header.Set("Origin", origin)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			panic(err)
		}
		response.Body.Close()
		fmt.Println(origin, response.StatusCode)
	}
	// Output:
	// http://localhost:5173 200
	// https://evil.example 403
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

// under disturbs the server before the API starts.
func under(f logtotest.Fault) func(*logtotest.Server) {
	return func(logto *logtotest.Server) { logto.Disturb(f) }
}

// An outage, and its end, as an API with known keys lives through it.
func ExampleServer_Disturb() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	logto.Disturb(logtotest.Down())
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	logto.Disturb(nil)
	logto.Rotate("")
	judge(guard, logto.Mint(logtotest.Token{Subject: "carol"}))
	// Output:
	// let in: alice
	// let in: bob
	// let in: carol
}

// An API that starts while Logto is away.
func ExampleDown() {
	logto, guard, stop := shop(logtotest.Tenant{}, under(logtotest.Down()))
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	// Output: refused: the issuer's keys are not available
}

// What waits for Logto waits no longer than its own context.
func ExampleSlow() {
	logto, guard, stop := shop(logtotest.Tenant{}, under(logtotest.Slow(time.Hour)))
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := guard.Verify(ctx, logto.Mint(logtotest.Token{}))
	fmt.Println(err, errors.Is(err, context.DeadlineExceeded))
	// Output: the issuer's keys are not available true
}

// A proxy before Logto fails just when the key changes: known keys serve on, and
// of the new one nobody can say whether it exists.
func ExampleStatus() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	old := logto.Mint(logtotest.Token{Subject: "alice"})
	judge(guard, old)
	logto.Disturb(logtotest.Status(http.StatusBadGateway))
	logto.Rotate("")
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	judge(guard, old)
	// Output:
	// let in: alice
	// refused: the issuer's keys are not available
	// let in: alice
}

// A portal answers in Logto's place.
func ExampleGarbage() {
	logto, guard, stop := shop(logtotest.Tenant{}, under(logtotest.Garbage()))
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	// Output: refused: the issuer's keys are not available
}

// A key set without keys replaces none.
func ExampleEmptyKeySet() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	old := logto.Mint(logtotest.Token{Subject: "alice"})
	judge(guard, old)
	logto.Disturb(logtotest.EmptyKeySet())
	logto.Rotate("")
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	judge(guard, old)
	// Output:
	// let in: alice
	// refused: the issuer's keys are not available
	// let in: alice
}

// tokenUnder asks for a token while the server is disturbed.
func tokenUnder(f logtotest.Fault) {
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources:    []logtotest.Resource{{Indicator: "https://shopping.api"}},
		Applications: []logtotest.Application{{ID: "shop", Secret: "s3cret"}},
	})
	defer logto.Close()
	logto.Disturb(f)
	client, err := m2m.New(m2m.Config{Endpoint: logto.Endpoint(), AppID: "shop", AppSecret: "s3cret", Resource: "https://shopping.api"})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = client.Token(ctx)
	var refusal *m2m.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("not within a second")
	case errors.As(err, &refusal):
		fmt.Println(refusal.Status, refusal.Code, refusal.Description)
	}
}

// The secret was replaced in Logto, and not here.
func ExampleSecretExpired() {
	tokenUnder(logtotest.SecretExpired())
	// Output: 400 invalid_request client secret has expired
}

// The application in Logto is a website, say.
func ExampleWrongApplicationType() {
	tokenUnder(logtotest.WrongApplicationType())
	// Output: 400 invalid_request requested grant type is not allowed for this client
}

// The tenant has a script for custom claims, which may refuse.
func ExampleDeniedByScript() {
	tokenUnder(logtotest.DeniedByScript("not on Sundays"))
	// Output: 400 access_denied not on Sundays
}

// A script that never ends delays tokens. Here a client gives up before.
func ExampleScriptHangs() {
	tokenUnder(logtotest.ScriptHangs())
	// Output: not within a second
}

// A plan of Logto Cloud has so many tokens in a period, and no more.
func ExampleTokensUsedUp() {
	tokenUnder(logtotest.TokensUsedUp())
	// Output: 429 auth.exceed_token_limit Token limit exceeded. Please contact your administrator.
}

// A user is suspended as at a real Logto, and the API that listens to its webhook is told.
func ExampleHook() {
	told := make(chan string, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			Event string
			Data  struct {
				ID          string
				IsSuspended bool
			}
		}
		err := json.NewDecoder(r.Body).Decode(&event) // after a look at the signature
		told <- fmt.Sprintln(event.Event, event.Data, len(r.Header.Get("logto-signature-sha-256")), err)
	}))
	defer api.Close()
	logto := logtotest.NewServer(logtotest.Tenant{
		Users: []logtotest.User{{ID: "alice"}},
		Hooks: []logtotest.Hook{{ID: "revocation", URL: api.URL, SigningKey: "whsec"}},
	})
	defer logto.Close()

	token := logto.Mint(logtotest.Token{Audience: m2m.ManagementResource("default"), Scopes: []string{"all"}})
	r, err := http.NewRequest(http.MethodPatch, logto.URL()+"/api/users/alice/is-suspended", strings.NewReader(`{"isSuspended":true}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	fmt.Print(<-told)
	// Output:
	// 200
	// User.SuspensionStatus.Updated {alice true} 64 <nil>
}
