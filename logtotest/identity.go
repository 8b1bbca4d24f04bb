package logtotest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// idToken says who has signed in (OpenID Connect Core section 2). Like Logto's, its header has no typ.
func (s *Server) idToken(g *grant, granted []string) string {
	key, now := s.Key(), s.now().Unix()
	claims := s.identity(g.user, granted)
	claims["auth_time"] = g.signedIn.Unix()
	claims["aud"] = g.client
	claims["exp"] = now + int64(defaultLifetime/time.Second)
	claims["iat"] = now
	claims["iss"] = s.issuer()
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return key.Sign(marshal(map[string]any{"alg": key.Algorithm(), "kid": key.ID()}), marshal(claims))
}

// identity is what an application with these scopes learns about a user.
func (s *Server) identity(id string, granted []string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	claims := map[string]any{"sub": id}
	u := s.directory.users[id]
	for _, scope := range granted {
		switch {
		case u == nil:
		case scope == "profile":
			claims["name"], claims["picture"], claims["username"] = nil, nil, orNull(u.username)
			claims["created_at"], claims["updated_at"] = u.created.UnixMilli(), u.updated.UnixMilli()
		case scope == "email":
			claims["email"], claims["email_verified"] = orNull(u.email), u.email != ""
		case scope == "roles":
			claims["roles"] = u.roles
		case scope == organizationsScope:
			claims["organizations"] = s.directory.organizationsOf(id)
		}
	}
	return claims
}

func (d *directory) organizationsOf(user string) []string {
	list := []string{} // never null
	for place := range d.held {
		if place.subject == user && place.organization != "" {
			list = append(list, place.organization)
		}
	}
	slices.Sort(list)
	return list
}

// serveMe says who a user is (OpenID Connect Core section 5.3), for an opaque access token only.
func (s *Server) serveMe(w http.ResponseWriter, r *http.Request) {
	setTokenHeaders(w, r)
	token, refusal := s.openOpaque(r)
	if refusal == nil {
		refusal = s.directory.clients[token.client].checkOrigin(w, r)
	}
	if refusal == nil {
		writeJSON(w, r, http.StatusOK, s.identity(token.user, token.granted))
		return
	}
	challenge := fmt.Sprintf("Bearer realm=%q", s.issuer())
	if refusal != noAccessToken {
		challenge += fmt.Sprintf(", error=%q, error_description=%q", refusal.code, refusal.description)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	writeOAuthError(w, r, refusal)
}

var noAccessToken = invalidRequest("no access token provided")

func (s *Server) openOpaque(r *http.Request) (*credential, *oauthError) {
	header := r.Header.Get("Authorization")
	scheme, value, _ := strings.Cut(header, " ")
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.credentials.find(accessToken, value, now)
	switch {
	case header == "":
		return nil, noAccessToken
	case token == nil || !strings.EqualFold(scheme, "Bearer") || s.directory.users[token.user] == nil:
		return nil, &oauthError{http.StatusUnauthorized, "invalid_token", "invalid token provided"}
	case !slices.Contains(token.granted, "openid"):
		return nil, &oauthError{http.StatusForbidden, "insufficient_scope", "access token missing openid scope"}
	}
	return token, nil
}

// serveRevocation ends an opaque access token, or a refresh token with all that came from the same sign-in (RFC 7009).
func (s *Server) serveRevocation(w http.ResponseWriter, r *http.Request) {
	s.serveClient(w, r, func(client Application, form url.Values) *oauthError {
		refusal := s.revoke(client, form)
		if refusal == nil {
			w.WriteHeader(http.StatusOK)
		}
		return refusal
	})
}

func (s *Server) revoke(client Application, form url.Values) *oauthError {
	if refusal := twice(form, "token"); refusal != nil {
		return refusal
	}
	if refusal := missing(form, "token"); refusal != nil {
		return refusal
	}
	value := form.Get("token")
	if strings.Count(value, ".") == 2 {
		return &oauthError{http.StatusBadRequest, "unsupported_token_type", "Structured JWT Tokens cannot be revoked via the revocation_endpoint"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.credentials.byValue[value]
	switch {
	case token == nil || token.kind == authorizationCode:
		return nil // there is nothing to end
	case token.client != client.ID:
		return invalidRequest("this token does not belong to you")
	case token.kind == refreshToken:
		token.ended = true
	}
	delete(s.credentials.byValue, value)
	return nil
}

// endSession sends the user back to the application (OpenID Connect RP-Initiated Logout 1.0). There is no session here
// that could end: each sign-in asks who it is.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	target, refusal := s.afterSession(query)
	switch {
	case refusal != nil:
		writeOAuthError(w, r, refusal)
	case target == "":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>Signed out</title><p>You have signed out."))
	default:
		redirect(w, target, url.Values{"state": {query.Get("state")}})
	}
}

// afterSession is the address to go to, or nothing. Without an application, none is registered.
func (s *Server) afterSession(query url.Values) (target string, refusal *oauthError) {
	if refusal := twice(query, "client_id", "post_logout_redirect_uri", "state"); refusal != nil || query.Get("client_id") == "" {
		return "", refusal
	}
	client, refusal := s.client(query.Get("client_id"))
	target = query.Get("post_logout_redirect_uri")
	if refusal == nil && target != "" && !slices.Contains(client.PostLogoutRedirectURIs, target) {
		refusal = invalidRequest("post_logout_redirect_uri not registered")
	}
	return target, refusal
}
