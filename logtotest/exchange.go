package logtotest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
)

const (
	tokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
	personalTokenType = "urn:logto:token-type:personal_access_token"
)

// invalidGrant is the answer to every subject token that can't be exchanged. Logto doesn't say why.
var invalidGrant = &oauthError{http.StatusBadRequest, "invalid_grant", "grant request is invalid"}

// exchange gives a user's access token for a personal access token. Like Logto 1.42, it doesn't ask whether the user is
// suspended. Without a resource and an organization the token has no audience: it is opaque.
func (s *Server) exchange(application string, form url.Values) (Token, *oauthError) {
	if refusal := twice(form, "subject_token", "subject_token_type", "scope", "organization_id"); refusal != nil {
		return Token{}, refusal
	}
	for _, name := range []string{"subject_token", "subject_token_type"} {
		if form.Get(name) == "" {
			return Token{}, invalidRequest("missing required parameter '" + name + "'")
		}
	}
	user, ok := s.ownerOf(form.Get("subject_token"))
	if !ok || form.Get("subject_token_type") != personalTokenType {
		return Token{}, invalidGrant
	}
	organization := form.Get("organization_id")
	if organization != "" && s.heldBy(user, organization) == nil {
		return Token{}, &oauthError{http.StatusForbidden, "access_denied", "user is not a member of the organization"}
	}
	resource, refusal := s.resource(form["resource"])
	if refusal != nil {
		return Token{}, refusal
	}
	token := Token{
		Subject:        user,
		ClientID:       application,
		Audience:       resource,
		OrganizationID: organization,
		Lifetime:       cmp.Or(s.directory.lifetimes[resource], defaultLifetime),
	}
	switch {
	case resource == "" && organization != "":
		token.Audience, token.OrganizationID = organizationAudience+organization, ""
		token.Scopes = intersect(form.Get("scope"), s.heldBy(user, organization)[""])
	case resource != "":
		token.Scopes = intersect(form.Get("scope"), s.heldByUser(user, organization, resource))
	}
	return token, nil
}

// ownerOf is the user of a personal access token that has not expired.
func (s *Server) ownerOf(value string) (user string, ok bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	token, ok := s.directory.tokens[value]
	return token.user, ok && !token.expired(now)
}

// heldByUser are a user's scopes of a resource. Those held by role count in organizations too, and a token that is bound
// to no organization holds those of all organizations.
func (s *Server) heldByUser(user, organization, resource string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := slices.Clone(s.directory.held[membership{user, ""}][resource])
	for other := range s.directory.organizations {
		if organization == "" || other == organization {
			held = append(held, s.directory.held[membership{user, other}][resource]...)
		}
	}
	return held
}
