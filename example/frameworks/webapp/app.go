package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type settings struct {
	Endpoint, ID, Secret string
	Audience, API, URL   string
}

// app knows Logto, and who is signed in.
type app struct {
	settings
	oauth      oauth2.Config
	idTokens   *oidc.IDTokenVerifier
	endSession string

	mu       sync.Mutex
	sessions map[string]*session // by cookie; lost when the process ends
}

// sessionLifetime is that of Logto's refresh tokens.
const sessionLifetime = 14 * 24 * time.Hour

// session is a user who has signed in.
type session struct {
	subject, name string
	began         time.Time

	mu    sync.Mutex
	token *oauth2.Token // for the API, once there is one; its refresh token brings the next
}

// newApp asks Logto where its endpoints are.
func newApp(ctx context.Context, s settings) (*app, error) {
	provider, err := oidc.NewProvider(ctx, strings.TrimSuffix(s.Endpoint, "/")+"/oidc")
	if err != nil {
		return nil, err
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, err
	}
	return &app{
		settings: s,
		oauth: oauth2.Config{
			ClientID:     s.ID,
			ClientSecret: s.Secret,
			RedirectURL:  s.URL + "/callback",
			Endpoint:     provider.Endpoint(),
			// Of the API, ask for what the application needs, not for all that there is.
			Scopes: []string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess, "profile", "read:products"},
		},
		idTokens:   provider.Verifier(&oidc.Config{ClientID: s.ID}),
		endSession: more.EndSession,
		sessions:   map[string]*session{},
	}, nil
}

// attempt is a sign-in that has started. The browser keeps it, so that no other browser can finish it.
type attempt struct{ state, nonce, verifier string }

func newAttempt() attempt {
	return attempt{rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
}

func (a attempt) String() string { return a.state + "." + a.nonce + "." + a.verifier }

func parseAttempt(text string) (a attempt, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return attempt{}, false
	}
	return attempt{parts[0], parts[1], parts[2]}, true
}

// signInURL is where the user signs in. Logto gives a refresh token only with prompt=consent, and tokens for the API only
// if it is named here.
func (a *app) signInURL(begun attempt) string {
	return a.oauth.AuthCodeURL(begun.state,
		oidc.Nonce(begun.nonce),
		oauth2.S256ChallengeOption(begun.verifier),
		oauth2.SetAuthURLParam("prompt", "consent"),
		oauth2.SetAuthURLParam("resource", a.Audience))
}

// signIn ends an attempt with the code that Logto has sent.
func (a *app) signIn(ctx context.Context, begun attempt, code string) (cookie string, err error) {
	token, err := a.oauth.Exchange(ctx, code, oauth2.VerifierOption(begun.verifier))
	if err != nil {
		return "", err
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := a.idTokens.Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	if idToken.Nonce != begun.nonce {
		return "", errors.New("the ID token is for another sign-in")
	}
	var user struct {
		Username string `json:"username"`
	}
	if err := idToken.Claims(&user); err != nil {
		return "", err
	}
	s := &session{
		subject: idToken.Subject,
		name:    user.Username,
		began:   time.Now(),
		token:   &oauth2.Token{RefreshToken: token.RefreshToken}, // the access token is opaque: for Logto itself, not for the API
	}
	cookie = rand.Text()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.sessions, func(_ string, s *session) bool { return time.Since(s.began) > sessionLifetime })
	a.sessions[cookie] = s
	return cookie, nil
}

func (a *app) session(cookie string) *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions[cookie]
}

func (a *app) signOut(cookie string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, cookie)
}

// apiToken is an access token for the API. Requests take turns: a refresh token that is used twice ends the session.
//
// A TokenSource of oauth2 can't do this, as it refreshes without the resource, for which Logto gives an opaque token.
func (a *app) apiToken(ctx context.Context, s *session) (*oauth2.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Valid() {
		return s.token, nil
	}
	// If the browser leaves now, the answer must still be read: there may be another refresh token in it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	token, err := a.oauth.Exchange(ctx, "",
		oauth2.SetAuthURLParam("grant_type", "refresh_token"),
		oauth2.SetAuthURLParam("refresh_token", s.token.RefreshToken),
		oauth2.SetAuthURLParam("resource", a.Audience))
	if err != nil {
		return nil, fmt.Errorf("token for the API: %w", err)
	}
	s.token = token
	return token, nil
}

// products asks the API in the user's name.
func (a *app) products(ctx context.Context, s *session) (*http.Response, error) {
	token, err := a.apiToken(ctx, s)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.API+"/products", nil)
	if err != nil {
		return nil, err
	}
	token.SetAuthHeader(r)
	return http.DefaultClient.Do(r)
}
