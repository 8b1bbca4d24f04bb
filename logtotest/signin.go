package logtotest

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	codeLifetime    = time.Minute
	refreshLifetime = 14 * 24 * time.Hour

	// A refresh token works this long after another came in its place, as clients ask for several tokens at once.
	reuseInterval = 3 * time.Second
)

// grantTo is what a user grants to an application by signing in: what it asks for, and the user holds.
func (s *Server) grantTo(user string, request authorization) *grant {
	held := slices.Clone(openIDScopes)
	for _, resource := range request.resources {
		held = append(held, s.heldByUser(user, "", resource)...)
	}
	return &grant{
		user:      user,
		client:    request.client.ID,
		signedIn:  s.now(),
		nonce:     request.nonce,
		resources: request.resources,
		scope:     intersect(request.scope, held),
	}
}

func (s *Server) keepCode(g *grant, request authorization) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.credentials.keep(credential{
		grant:       g,
		kind:        authorizationCode,
		issued:      g.signedIn,
		expires:     g.signedIn.Add(codeLifetime),
		redirectURI: request.redirectURI,
		challenge:   request.challenge,
	})
}

// redeemCode gives tokens for a code (RFC 6749 section 4.1.3).
func (s *Server) redeemCode(client Application, form url.Values) (tokenResponse, *oauthError) {
	verifier := form.Get("code_verifier")
	if refusal := cmp.Or(twice(form, "code", "redirect_uri", "code_verifier"), missing(form, "code", "redirect_uri")); refusal != nil {
		return tokenResponse{}, refusal
	}
	if verifier != "" {
		if refusal := checkProof("code_verifier", verifier); refusal != nil {
			return tokenResponse{}, refusal
		}
	}
	resource, refusal := s.resource(form["resource"])
	if refusal != nil {
		return tokenResponse{}, refusal
	}
	g := s.useCode(client.ID, form)
	switch {
	case g == nil:
		return tokenResponse{}, invalidGrant
	case !g.covers(resource):
		return tokenResponse{}, unknownResource
	}
	refresh := ""
	if slices.Contains(g.scope, "offline_access") {
		refresh = s.keepRefreshToken(g)
	}
	return s.userTokens(g, userRequest{scope: g.scope, resource: resource}, refresh), nil
}

// useCode returns nil for a code that gives nothing. One that comes a second time may have been stolen: all that it gave
// ends (RFC 6749 section 4.1.2).
func (s *Server) useCode(client string, form url.Values) *grant {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	code := s.credentials.find(authorizationCode, form.Get("code"), now)
	switch {
	case code == nil || code.client != client || code.redirectURI != form.Get("redirect_uri") || !code.provenBy(form.Get("code_verifier")):
		return nil
	case !code.used.IsZero():
		code.ended = true
		return nil
	case s.directory.users[code.user] == nil:
		return nil
	}
	code.used = now
	return code.grant
}

func (c *credential) provenBy(verifier string) bool {
	if c.challenge == "" || verifier == "" {
		return c.challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	return equal(c.challenge, encode(sum[:]))
}

func (s *Server) keepRefreshToken(g *grant) string {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.credentials.keep(credential{grant: g, kind: refreshToken, issued: now, expires: now.Add(refreshLifetime)})
}

// refresh gives tokens for a refresh token: also for an organization, or for a resource in one.
func (s *Server) refresh(client Application, form url.Values) (tokenResponse, *oauthError) {
	if refusal := cmp.Or(twice(form, "refresh_token", "scope", "organization_id"), missing(form, "refresh_token")); refusal != nil {
		return tokenResponse{}, refusal
	}
	resource, refusal := s.resource(form["resource"])
	if refusal != nil {
		return tokenResponse{}, refusal
	}
	value := form.Get("refresh_token")
	g := s.grantOf(client.ID, value)
	if g == nil {
		return tokenResponse{}, invalidGrant
	}
	request := userRequest{scope: g.scope, resource: resource, organization: form.Get("organization_id")}
	if form.Get("scope") != "" {
		request.scope = strings.Fields(form.Get("scope"))
	}
	if refusal := s.checkRefresh(g, request); refusal != nil {
		return tokenResponse{}, refusal
	}
	value = s.rotate(client, value)
	if value == "" {
		return tokenResponse{}, invalidGrant
	}
	return s.userTokens(g, request, value), nil
}

// grantOf is the grant of a refresh token, or nil. One that comes again later than that may have been stolen: all
// that came from the sign-in ends.
func (s *Server) grantOf(client, value string) *grant {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.credentials.find(refreshToken, value, now)
	switch {
	case token == nil || token.client != client || s.directory.users[token.user] == nil:
		return nil
	case !token.used.IsZero() && now.Sub(token.used) > reuseInterval:
		token.ended = true
		return nil
	}
	return token.grant
}

func (s *Server) checkRefresh(g *grant, request userRequest) *oauthError {
	granted := func(scope string) bool { return slices.Contains(g.scope, scope) }
	switch beyond := slices.DeleteFunc(slices.Clone(request.scope), granted); {
	case len(beyond) == 1:
		return &oauthError{http.StatusBadRequest, "invalid_scope", "refresh token missing requested scope"}
	case len(beyond) > 1:
		return &oauthError{http.StatusBadRequest, "invalid_scope", "refresh token missing requested scopes"}
	case request.organization != "" && s.heldBy(g.user, request.organization) == nil:
		return notAMember
	case request.organization != "" && !granted(organizationsScope):
		return &oauthError{http.StatusForbidden, "insufficient_scope", "refresh token missing required scope"}
	case !g.covers(request.resource):
		return unknownResource
	}
	return nil
}

// rotate returns the refresh token to use from now on. Applications without a secret get a new one each time, the others
// when it is old (RFC 9700 section 2.2.2); a new one of a SPA expires when the first one would have. It returns nothing if
// the token has just ended.
func (s *Server) rotate(client Application, value string) string {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.credentials.find(refreshToken, value, now)
	if token == nil {
		return ""
	}
	old := now.Sub(token.issued) >= token.expires.Sub(token.issued)*7/10
	if !client.public() && !old {
		return value
	}
	token.used = now
	next := credential{grant: token.grant, kind: refreshToken, issued: now, expires: now.Add(refreshLifetime)}
	if client.Type == "SPA" {
		next.expires = token.expires
	}
	return s.credentials.keep(next)
}

// userRequest is what a token request asks for in a user's name.
type userRequest struct {
	scope        []string
	resource     string
	organization string
}

// userTokens makes the answer. Without a resource and an organization the access token is opaque, unless the sign-in was
// for one resource and not for openid.
func (s *Server) userTokens(g *grant, request userRequest, refresh string) tokenResponse {
	requested := strings.Join(request.scope, " ")
	identified := slices.Contains(request.scope, "openid")
	resource := request.resource
	if resource == "" && request.organization == "" && !identified && len(g.resources) == 1 {
		resource = g.resources[0]
	}
	var answer tokenResponse
	if resource == "" && request.organization == "" {
		answer = s.keepAccessToken(g, intersect(requested, openIDScopes))
	} else {
		answer = s.respond(s.userToken(g.user, g.client, resource, request.organization, requested))
	}
	if answer.Scope == nil {
		answer.Scope = "" // Logto's clients ask for a string
	}
	if identified {
		answer.IDToken = s.idToken(g, request.scope)
	}
	answer.RefreshToken = refresh
	return answer
}

func (s *Server) keepAccessToken(g *grant, granted []string) tokenResponse {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	value := s.credentials.keep(credential{grant: g, kind: accessToken, issued: now, expires: now.Add(defaultLifetime), granted: granted})
	return tokenResponse{
		AccessToken: value, ExpiresIn: int64(defaultLifetime / time.Second), TokenType: "Bearer", Scope: strings.Join(granted, " "),
	}
}
