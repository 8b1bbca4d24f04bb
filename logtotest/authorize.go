package logtotest

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// openIDScopes are the scopes of no resource that do something here.
var openIDScopes = []string{"openid", "offline_access", "profile", "email", "roles", organizationsScope}

const (
	organizationsScope = "urn:logto:scope:organizations" // without it there are no tokens in organizations

	maxAuthorizationQuery = 8 << 10 // parts of it are kept
)

// authorization is what an authorization request asks for.
type authorization struct {
	client      Application
	redirectURI string
	state       string
	nonce       string
	challenge   string
	scope       string
	resources   []string
}

// authorize shows the page that asks who signs in (RFC 6749 section 4.1.1).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	request, ok := s.readAuthorization(w, r)
	if !ok {
		return
	}
	users := s.listUsers()
	hint := r.URL.Query().Get("login_hint")
	hinted := slices.IndexFunc(users, func(u user) bool { return hint != "" && (hint == u.id || hint == u.username || hint == u.email) })
	if s.signInByHint && hinted >= 0 {
		s.signIn(w, r, request, users[hinted].id)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	// Framed by another site, the page would be clicked unseen. There is no form-action: it would stop the redirect too.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_ = signInPage.Execute(w, map[string]any{"Application": request.client.ID, "Users": describeUsers(users)}) // fails only if the client is gone
}

// chooseUser is the click on that page. Its address still says what the application asks for.
func (s *Server) chooseUser(w http.ResponseWriter, r *http.Request) {
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		http.Error(w, "another website may not sign users in", http.StatusForbidden)
		return
	}
	if request, ok := s.readAuthorization(w, r); ok {
		r.Body = http.MaxBytesReader(w, r.Body, maxBodySize)
		s.signIn(w, r, request, r.PostFormValue("user"))
	}
}

// signIn sends the user back to the application with a code.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, request authorization, id string) {
	s.mu.Lock()
	u := s.directory.users[id]
	suspended := u != nil && u.suspended
	s.mu.Unlock()
	switch {
	case u == nil:
		writeError(w, r, http.StatusNotFound, "entity.not_found")
	case suspended:
		writeError(w, r, http.StatusUnauthorized, "user.suspended")
	default:
		code := s.keepCode(s.grantTo(id, request), request)
		redirect(w, request.redirectURI, url.Values{"code": {code}, "state": {request.state}, "iss": {s.issuer()}})
	}
}

// readAuthorization answers itself, and returns false, where a request can't be granted: by a redirect, but only to an
// address that is registered.
func (s *Server) readAuthorization(w http.ResponseWriter, r *http.Request) (request authorization, ok bool) {
	query := r.URL.Query()
	if len(r.URL.RawQuery) > maxAuthorizationQuery {
		writeText(w, http.StatusRequestHeaderFieldsTooLarge)
		return authorization{}, false
	}
	client, refusal := s.destination(query)
	if refusal != nil {
		writeOAuthError(w, r, refusal)
		return authorization{}, false
	}
	request = authorization{
		client:      client,
		redirectURI: query.Get("redirect_uri"),
		state:       query.Get("state"),
		nonce:       query.Get("nonce"),
		challenge:   query.Get("code_challenge"),
		scope:       query.Get("scope"),
		resources:   query["resource"],
	}
	if refusal := s.checkAuthorization(client, query); refusal != nil {
		redirect(w, request.redirectURI, url.Values{
			"error": {refusal.code}, "error_description": {refusal.description}, "state": {request.state}, "iss": {s.issuer()},
		})
		return authorization{}, false
	}
	// Without consent there is no access while the user is away (OpenID Connect Core section 11).
	if !slices.Contains(strings.Fields(query.Get("prompt")), "consent") {
		request.scope = without(request.scope, "offline_access")
	}
	return request, true
}

// destination is the application whose redirect URI a request names. Until that is checked, nothing redirects.
func (s *Server) destination(query url.Values) (Application, *oauthError) {
	if refusal := twice(query, "client_id", "redirect_uri"); refusal != nil {
		return Application{}, refusal
	}
	if refusal := missing(query, "client_id", "redirect_uri"); refusal != nil {
		return Application{}, refusal
	}
	client, refusal := s.client(query.Get("client_id"))
	if refusal != nil {
		return Application{}, refusal
	}
	if !slices.Contains(client.RedirectURIs, query.Get("redirect_uri")) {
		return Application{}, &oauthError{http.StatusBadRequest, "invalid_redirect_uri", "redirect_uri did not match any of the client's registered redirect_uris"}
	}
	return client, nil
}

func (s *Server) checkAuthorization(client Application, query url.Values) *oauthError {
	prompts := strings.Fields(query.Get("prompt"))
	if refusal := cmp.Or(
		twice(query, "response_type", "response_mode", "scope", "state", "nonce", "prompt", "code_challenge", "code_challenge_method", "login_hint"),
		missing(query, "response_type"),
	); refusal != nil {
		return refusal
	}
	switch {
	case query.Get("response_type") != "code":
		return &oauthError{code: "unsupported_response_type", description: "unsupported response_type requested"}
	case !slices.Contains([]string{"", "query"}, query.Get("response_mode")):
		return &oauthError{code: "unsupported_response_mode", description: "unsupported response_mode requested"}
	case slices.ContainsFunc(prompts, func(p string) bool { return !slices.Contains([]string{"login", "consent", "none"}, p) }):
		return invalidRequest("unsupported prompt value requested")
	case slices.Contains(prompts, "none") && len(prompts) > 1:
		return invalidRequest("prompt none must only be used alone")
	}
	for _, indicator := range query["resource"] {
		if refusal := s.checkResource(indicator); refusal != nil {
			return refusal
		}
	}
	if refusal := checkChallenge(client, query); refusal != nil {
		return refusal
	}
	if slices.Contains(prompts, "none") { // there are no sessions that would know the user
		return &oauthError{code: "login_required", description: "End-User authentication is required"}
	}
	return nil
}

// checkChallenge asks for a proof that the application which redeems the code is the one that sent the user (RFC 7636).
// With a secret it is optional; where a challenge comes, its verifier has to come too.
func checkChallenge(client Application, query url.Values) *oauthError {
	challenge, method := query.Get("code_challenge"), query.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && client.public():
		return invalidRequest("Authorization Server policy requires PKCE to be used for this request")
	case challenge == "" && method == "":
		return nil
	case method == "":
		return invalidRequest("code_challenge_method must be provided")
	case method != "S256":
		return invalidRequest("not supported value of code_challenge_method")
	case challenge == "":
		return invalidRequest("code_challenge must be provided with code_challenge_method")
	}
	return checkProof("code_challenge", challenge)
}

// checkProof is the form of challenges and verifiers (RFC 7636 section 4.1).
func checkProof(name, text string) *oauthError {
	switch {
	case len(text) < 43:
		return invalidRequest(name + " must be a string with a minimum length of 43 characters")
	case len(text) > 128:
		return invalidRequest(name + " must be a string with a maximum length of 128 characters")
	case strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") != "":
		return invalidRequest(name + " contains invalid characters")
	}
	return nil
}

// redirect adds what has a value to the query of a registered address.
func redirect(w http.ResponseWriter, address string, answer url.Values) {
	u, err := url.Parse(address)
	must(err) // it was parsed when it was declared
	maps.DeleteFunc(answer, func(_ string, values []string) bool { return values[0] == "" })
	// What is registered stays as it is: net/url would drop what it can't parse, such as ?a=b;c (RFC 6749 section 4.1.2).
	u.RawQuery = strings.Trim(u.RawQuery+"&"+answer.Encode(), "&")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusSeeOther)
}

func without(list, item string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(list), func(other string) bool { return other == item }), " ")
}

// listUsers are all users, as declared.
func (s *Server) listUsers() []user {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]user, 0, len(s.directory.users))
	for _, u := range s.directory.users {
		list = append(list, *u)
	}
	slices.SortFunc(list, func(a, b user) int { return cmp.Compare(a.rank, b.rank) })
	return list
}

// listedUser is a user on the page.
type listedUser struct {
	ID, Name  string
	Suspended bool
}

func describeUsers(users []user) []listedUser {
	list := make([]listedUser, len(users))
	for i, u := range users {
		list[i] = listedUser{u.id, cmp.Or(u.username, u.email, u.id), u.suspended}
	}
	return list
}

var signInPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in to {{.Application}}</title>
<style>
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
body { max-width: 24rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem }
button { display: block; width: 100%; margin: .5rem 0; padding: .6rem; font: inherit }
</style>
<main>
<h1>Sign in to {{.Application}}</h1>
<p>This is not a real Logto: choose a user, and no password is asked.</p>
<form method="post">
{{range .Users}}<button name="user" value="{{.ID}}"{{if .Suspended}} disabled{{end}}>{{.Name}}{{if .Suspended}} (suspended){{end}}</button>
{{else}}<p>There are no users: declare some.</p>
{{end}}</form>
</main>
`))
