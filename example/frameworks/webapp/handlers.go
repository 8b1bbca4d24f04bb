package main

import (
	"errors"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

const (
	sessionCookie = "session"
	attemptCookie = "sign-in"
)

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.showHome)
	mux.HandleFunc("GET /products", a.showProducts)
	mux.HandleFunc("GET /sign-in", a.startSignIn)
	mux.HandleFunc("GET /callback", a.finishSignIn)
	mux.HandleFunc("POST /sign-out", a.finishSession)
	return http.NewCrossOriginProtection().Handler(mux) // other websites can't sign users out
}

var home = template.Must(template.New("").Parse(`<!doctype html>
<title>Shop</title>
{{if .}}<p>Signed in as {{.}}. <a href="/products">Products</a>
<form method="post" action="/sign-out"><button>Sign out</button></form>
{{else}}<p><a href="/sign-in">Sign in</a>{{end}}
`))

func (a *app) showHome(w http.ResponseWriter, r *http.Request) {
	name := ""
	if s := a.session(cookieOf(r, sessionCookie)); s != nil {
		name = s.name
		if name == "" {
			name = s.subject
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	_ = home.Execute(w, name)
}

// showProducts passes the API's answer on.
func (a *app) showProducts(w http.ResponseWriter, r *http.Request) {
	s := a.session(cookieOf(r, sessionCookie))
	if s == nil {
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return
	}
	resp, err := a.products(r.Context(), s)
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant": // suspended, or signed out elsewhere
		a.signOut(cookieOf(r, sessionCookie))
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return
	case err != nil:
		log.Print(err)
		http.Error(w, "The API can't be asked at present.", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func (a *app) startSignIn(w http.ResponseWriter, r *http.Request) {
	begun := newAttempt()
	a.setCookie(w, attemptCookie, begun.String(), 600)
	http.Redirect(w, r, a.signInURL(begun), http.StatusSeeOther)
}

func (a *app) finishSignIn(w http.ResponseWriter, r *http.Request) {
	begun, ok := parseAttempt(cookieOf(r, attemptCookie))
	query := r.URL.Query()
	switch {
	case !ok || query.Get("state") != begun.state || query.Get("iss") != strings.TrimSuffix(a.Endpoint, "/")+"/oidc":
		http.Error(w, "This is the end of another sign-in. Start again.", http.StatusBadRequest)
		return
	case query.Has("error"):
		http.Error(w, "Logto has refused the sign-in: "+query.Get("error"), http.StatusForbidden)
		return
	}
	cookie, err := a.signIn(r.Context(), begun, query.Get("code"))
	if err != nil {
		log.Print(err)
		http.Error(w, "The sign-in has failed. Start again.", http.StatusBadGateway)
		return
	}
	a.setCookie(w, attemptCookie, "", -1)
	a.setCookie(w, sessionCookie, cookie, int(sessionLifetime.Seconds()))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// finishSession ends the session here, and then that at Logto.
func (a *app) finishSession(w http.ResponseWriter, r *http.Request) {
	a.signOut(cookieOf(r, sessionCookie))
	a.setCookie(w, sessionCookie, "", -1)
	query := url.Values{"client_id": {a.ID}, "post_logout_redirect_uri": {a.URL}}
	http.Redirect(w, r, a.endSession+"?"+query.Encode(), http.StatusSeeOther)
}

func cookieOf(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// setCookie takes SameSite=Lax: Strict would hide the attempt from the request with which Logto sends the user back.
func (a *app) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(a.URL, "https://"),
	})
}
