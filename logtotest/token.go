package logtotest

import (
	"cmp"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	grantType   = "client_credentials"
	formType    = "application/x-www-form-urlencoded"
	maxFormSize = 56 << 10
)

// oauthError is a refusal by the token endpoint (RFC 6749 section 5.2).
type oauthError struct {
	status      int
	code        string
	description string
}

func invalidRequest(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_request", description}
}

func invalidTarget(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_target", description} // RFC 8707 section 2
}

type tokenResponse struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
	TokenType   string `json:"token_type"`
	Scope       string `json:"scope,omitempty"`
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	token, refusal := s.grantToken(w, r)
	if refusal != nil {
		if refusal.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q, error=%q, error_description=%q", s.issuer(), refusal.code, refusal.description))
		}
		writeOAuthError(w, refusal)
		return
	}
	writeJSON(w, http.StatusOK, tokenResponse{
		AccessToken: s.Mint(token),
		ExpiresIn:   int64(token.Lifetime / time.Second),
		TokenType:   "Bearer",
		Scope:       strings.Join(token.Scopes, " "),
	})
}

func (s *Server) grantToken(w http.ResponseWriter, r *http.Request) (Token, *oauthError) {
	form, refusal := readForm(w, r)
	if refusal != nil {
		return Token{}, refusal
	}
	application, refusal := s.authenticate(r, form)
	if refusal != nil {
		return Token{}, refusal
	}
	switch form.Get("grant_type") {
	case grantType:
		return s.clientCredentials(application, form)
	case "":
		return Token{}, invalidRequest("missing required parameter 'grant_type'")
	default:
		return Token{}, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "unsupported grant_type requested"}
	}
}

// readForm takes what the body says and nothing from the query (RFC 6749 section 3.2): a parameter without a value
// counts as absent, and none but resource (RFC 8707 section 2) may come twice.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *oauthError) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != formType {
		return nil, invalidRequest("the body must be " + formType)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormSize)
	if err := r.ParseForm(); err != nil {
		return nil, invalidRequest("failed to parse the request body")
	}
	form := url.Values{}
	for name, values := range r.PostForm {
		values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
		if len(values) > 1 && name != "resource" {
			return nil, invalidRequest("'" + name + "' parameter must not be provided twice")
		}
		if len(values) > 0 {
			form[name] = values
		}
	}
	return form, nil
}

// clientCredentials decides by resource and organization what an application gets. It gets a token even if it holds
// no scope at all: an audience is not an authorization.
func (s *Server) clientCredentials(application string, form url.Values) (Token, *oauthError) {
	resources, organization := form["resource"], form.Get("organization_id")
	resource := form.Get("resource")
	lifetime, known := s.directory.lifetimes[resource]
	switch {
	case len(resources) > 1:
		return Token{}, invalidTarget("only a single resource indicator value is supported for this grant type")
	case resource == "" && organization == "":
		return Token{}, invalidTarget("both `resource` and `organization_id` are not provided")
	case resource != "" && !known:
		return Token{}, invalidTarget("resource indicator is missing, or unknown")
	case organization != "" && !s.directory.members[membership{application, organization}]:
		return Token{}, &oauthError{http.StatusForbidden, "access_denied", "app has not associated with the organization"}
	}
	token := Token{
		Subject:  application,
		Audience: resource,
		Scopes:   intersect(form.Get("scope"), s.directory.held[grant{application, organization, resource}]),
		Lifetime: cmp.Or(lifetime, defaultLifetime),
	}
	if resource == "" {
		token.Audience = "urn:logto:organization:" + organization
	} else {
		token.OrganizationID = organization
	}
	return token, nil
}

// intersect drops silently what is requested and not held. What is held and not requested isn't granted either.
func intersect(requested string, held []string) []string {
	var granted []string
	for _, scope := range strings.Fields(requested) {
		if slices.Contains(held, scope) && !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	return granted
}

func writeOAuthError(w http.ResponseWriter, e *oauthError) {
	writeJSON(w, e.status, map[string]string{
		"code":              "oidc." + e.code,
		"message":           e.description,
		"error":             e.code,
		"error_description": e.description,
	})
}
