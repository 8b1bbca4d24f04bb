package revocation_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

// A guard that refuses the tokens of a user who has signed out everywhere.
func Example() {
	// In place of a real Logto.
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: "https://shopping.api"}}})
	defer logto.Close()

	list, err := revocation.New(revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(),
		Audience: []string{"https://shopping.api"},
		Check:    list.Check,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()

	token := logto.Mint(logtotest.Token{Subject: "alice", ClientID: "web"})
	_, err = guard.Verify(context.Background(), token)
	fmt.Println(err)

	if err := list.Revoke(context.Background(), revocation.Revocation{Subject: "alice"}); err != nil {
		log.Fatal(err)
	}
	_, err = guard.Verify(context.Background(), token)
	fmt.Println(err, errors.Is(err, revocation.ErrRevoked))
	// Output:
	// <nil>
	// the token was revoked true
}

func ExampleNew() {
	_, err := revocation.New(revocation.Config{SigningKeys: []string{"key\n"}})
	fmt.Println(err)
	// Output: revocation: Config: SigningKeys[0] is empty or has white space around it: write it as Logto shows it on the webhook's page
}

// Logto says that a user was suspended.
func ExampleList_ServeHTTP() {
	const signingKey = "from the webhook's page in Logto"
	list, err := revocation.New(revocation.Config{SigningKeys: []string{signingKey}})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/logto", list)

	// What Logto sends.
	body := fmt.Sprintf(`{"event":"User.SuspensionStatus.Updated","createdAt":%q,"data":{"id":"alice","isSuspended":true}}`,
		time.Now().UTC().Format(time.RFC3339Nano))
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write([]byte(body))
	r := httptest.NewRequest(http.MethodPost, "/webhooks/logto", strings.NewReader(body))
	r.Header.Set("logto-signature-sha-256", fmt.Sprintf("%x", mac.Sum(nil)))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, list.Stats().Entries)
	// Output: 204 1
}

// A user is kept out, and let in again with a new token.
func ExampleList_Revoke() {
	list, err := revocation.New(revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	ctx := context.Background()
	fmt.Println(list.Revoke(ctx, revocation.Revocation{Subject: "alice", Kind: revocation.Block, Reason: "fraud"}))
	fmt.Println(list.Revoke(ctx, revocation.Revocation{Subject: "alice", Kind: revocation.Lift, Reason: "a mistake"}))
	fmt.Println(list.Revoke(ctx, revocation.Revocation{}))
	// Output:
	// <nil>
	// <nil>
	// revocation: revocation 0: none of Subject, ClientID, OrganizationID and TokenID is set
}

// A stream asks again while it lasts.
func ExampleList_Check() {
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: "https://shopping.api"}}})
	defer logto.Close()
	list, err := revocation.New(revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	guard, err := logtoguard.New(logtoguard.Config{Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}, Check: list.Check})
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()

	stream := guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		for n := 1; ; n++ { // in a real stream, every few seconds
			if err := list.Check(r.Context(), claims); err != nil {
				fmt.Println(n, err)
				return
			}
			fmt.Println(n, "an event")
			_ = list.Revoke(r.Context(), revocation.Revocation{TokenID: claims.ID()})
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+logto.Mint(logtotest.Token{}))
	stream.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// 1 an event
	// 2 revocation: token revoked: the token was revoked
}

// What a readiness probe asks, besides the guard.
func ExampleList_Ready() {
	list, err := revocation.New(revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	fmt.Println(list.Ready(ctx))
	// Output: <nil>
}

func ExampleList_Stats() {
	list, err := revocation.New(revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	err = list.Revoke(context.Background(), revocation.Revocation{Subject: "alice"}, revocation.Revocation{ClientID: "lost-tablet"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(list.Stats().Entries, list.Stats().Unsaved)
	// Output: 2 0
}

func ExampleList_Close() {
	list, err := revocation.New(revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(list.Close())
	fmt.Println(list.Revoke(context.Background(), revocation.Revocation{Subject: "alice"}))
	// Output:
	// <nil>
	// revocation: the List is closed
}
