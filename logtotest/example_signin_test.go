package logtotest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/logtoguard/logtoguard/logtotest"
	"golang.org/x/oauth2"
)

// A user signs in to a web application, which then gets a token for its API in the user's name. SignInByHint stands for
// the click on the page that asks who it is.
func Example_signIn() {
	logto, guard, stop := shop(logtotest.Tenant{
		SignInByHint: true,
		Users:        []logtotest.User{{ID: "alice"}},
		Applications: []logtotest.Application{
			{ID: "web", Type: "Traditional", Secret: "s3cret", RedirectURIs: []string{"http://localhost:3000/callback"}},
		},
	})
	defer stop()

	web := oauth2.Config{
		ClientID:     "web",
		ClientSecret: "s3cret",
		RedirectURL:  "http://localhost:3000/callback",
		Endpoint:     oauth2.Endpoint{AuthURL: logto.Endpoint() + "/oidc/auth", TokenURL: logto.Endpoint() + "/oidc/token"},
		Scopes:       []string{"openid", "offline_access"},
	}
	verifier := oauth2.GenerateVerifier()
	page := web.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier),
		oauth2.SetAuthURLParam("prompt", "consent"), // without it, no refresh token
		oauth2.SetAuthURLParam("resource", "https://shopping.api"),
		oauth2.SetAuthURLParam("login_hint", "alice"))

	// What a browser does: it goes where it is sent, which is the application's callback.
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(page)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	callback, err := resp.Location()
	if err != nil {
		fmt.Println(err)
		return
	}

	// What the application does.
	token, err := web.Exchange(context.Background(), callback.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		fmt.Println(err)
		return
	}
	judge(guard, token.AccessToken)

	refreshed, err := http.PostForm(web.Endpoint.TokenURL, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {token.RefreshToken},
		"client_id":     {web.ClientID},
		"client_secret": {web.ClientSecret},
		"resource":      {"https://shopping.api"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer refreshed.Body.Close()
	err = json.NewDecoder(refreshed.Body).Decode(token)
	if err != nil {
		fmt.Println(err)
		return
	}
	judge(guard, token.AccessToken)
	// Output:
	// refused: opaque token: request it with the `resource` parameter
	// let in: alice
}
