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

var notAMember = &oauthError{http.StatusForbidden, "access_denied", "user is not a member of the organization"}

// invalidGrant is the answer to every subject token, code and refresh token that gives nothing. Logto doesn't say why.
var invalidGrant = &oauthError{http.StatusBadRequest, "invalid_grant", "grant request is invalid"}

// exchange gives a user's access token for a personal access token. Like Logto 1.42, it doesn't ask whether the user is
// suspended. Without a resource and an organization the token has no audience: it is opaque.
func (s *Server) exchange(application string, form url.Values) (tokenResponse, *oauthError) {
	if refusal := cmp.Or(
		twice(form, "subject_token", "subject_token_type", "scope", "organization_id"),
		missing(form, "subject_token", "subject_token_type"),
	); refusal != nil {
		return tokenResponse{}, refusal
	}
	user, ok := s.ownerOf(form.Get("subject_token"))
	if !ok || form.Get("subject_token_type") != personalTokenType {
		return tokenResponse{}, invalidGrant
	}
	organization := form.Get("organization_id")
	if organization != "" && s.heldBy(user, organization) == nil {
		return tokenResponse{}, notAMember
	}
	resource, refusal := s.resource(form["resource"])
	if refusal != nil {
		return tokenResponse{}, refusal
	}
	return s.respond(s.userToken(user, application, resource, organization, form.Get("scope"))), nil
}

// userToken is an access token of a user, with those of the requested scopes that the user holds. Without a resource and
// an organization it has no audience.
func (s *Server) userToken(user, client, resource, organization, requested string) Token {
	token := Token{
		Subject:        user,
		ClientID:       client,
		Audience:       resource,
		OrganizationID: organization,
		Lifetime:       cmp.Or(s.directory.lifetimes[resource], defaultLifetime),
	}
	switch {
	case resource == "" && organization != "":
		token.Audience, token.OrganizationID = organizationAudience+organization, ""
		token.Scopes = intersect(requested, s.heldBy(user, organization)[""])
	case resource != "":
		token.Scopes = intersect(requested, s.heldByUser(user, organization, resource))
	}
	return token
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
// to no organization holds those of all organizations. Of Logto's own resource for organizations, everybody holds all.
func (s *Server) heldByUser(user, organization, resource string) []string {
	if resource == organizationResource {
		return s.directory.organizationScopes
	}
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
