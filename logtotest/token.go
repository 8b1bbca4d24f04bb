package logtotest

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	clientCredentials = "client_credentials"
	formType          = "application/x-www-form-urlencoded"
	maxBodySize       = 56 << 10
)

// knownGrants are those that Logto knows. An application's type decides which ones it may use, and a setting about the last.
var knownGrants = []string{
	clientCredentials,
	authorizationCode,
	refreshToken,
	"urn:ietf:params:oauth:grant-type:device_code",
	tokenExchange,
}

var notAllowed = invalidRequest("requested grant type is not allowed for this client")

func invalidRequest(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_request", description}
}

func invalidTarget(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_target", description} // RFC 8707 section 2
}

type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int64  `json:"expires_in"`
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	TokenType    string `json:"token_type"`
	Scope        any    `json:"scope,omitempty"` // what the token says: it can be empty, or absent
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	s.serveClient(w, r, func(client Application, form url.Values) *oauthError {
		answer, refusal := s.grantToken(client, form)
		if refusal == nil {
			writeJSON(w, r, http.StatusOK, answer)
		}
		return refusal
	})
}

// serveClient hands the form that an application has sent to serve, and writes the refusal.
func (s *Server) serveClient(w http.ResponseWriter, r *http.Request, serve func(Application, url.Values) *oauthError) {
	// Logto trips over these two before its endpoints, so their answers lack its headers.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodySize+1))
	if err != nil || len(body) > maxBodySize {
		writeText(w, http.StatusNotFound)
		return
	}
	basic, ok := readBasic(r)
	if !ok {
		writeJSON(w, r, http.StatusInternalServerError, map[string]string{"message": "Internal server error."})
		return
	}
	setTokenHeaders(w, r)
	form, refusal := readForm(r, body)
	var client Application
	if refusal == nil {
		client, refusal = s.authenticate(w, r, basic, form)
	}
	if refusal == nil {
		refusal = serve(client, form)
	}
	if refusal == nil {
		return
	}
	if refusal.status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q, error=%q, error_description=%q", s.issuer(), refusal.code, refusal.description))
	}
	writeOAuthError(w, r, refusal)
}

// respond signs a token, or makes an opaque one if it has no audience.
func (s *Server) respond(token Token) tokenResponse {
	answer := tokenResponse{ExpiresIn: int64(token.Lifetime / time.Second), TokenType: "Bearer"}
	if token.Audience == "" {
		answer.AccessToken, answer.Scope = opaqueToken(), ""
	} else {
		answer.AccessToken = s.Mint(token, func(d *Draft) { answer.Scope = d.Claims["scope"] })
	}
	return answer
}

func opaqueToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return encode(b[:])
}

func setTokenHeaders(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
	w.Header().Set("Cache-Control", "no-store")
}

func (s *Server) grantToken(client Application, form url.Values) (tokenResponse, *oauthError) {
	if refusal := cmp.Or(twice(form, "grant_type"), missing(form, "grant_type")); refusal != nil {
		return tokenResponse{}, refusal
	}
	machine := client.Type == machineToMachine
	switch grant := form.Get("grant_type"); {
	case grant == clientCredentials && machine:
		return s.clientCredentials(client.ID, form)
	case grant == authorizationCode && !machine:
		return s.redeemCode(client, form)
	case grant == refreshToken && !machine:
		return s.refresh(client, form)
	case grant == tokenExchange && client.TokenExchange:
		return s.exchange(client.ID, form)
	case slices.Contains(knownGrants, grant):
		return tokenResponse{}, notAllowed
	}
	return tokenResponse{}, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "unsupported grant_type requested"}
}

// readForm takes what the body says and nothing from the query (RFC 6749 section 3.2). A parameter without a value
// counts as absent. In malformed JSON, and in a body without a type, there are none.
func readForm(r *http.Request, body []byte) (url.Values, *oauthError) {
	contentType := r.Header.Get("Content-Type")
	mediaType, _, _ := mime.ParseMediaType(contentType)
	switch {
	case mediaType == formType:
		return parseForm(string(body)), nil
	case mediaType == "application/json":
		return parseJSON(body), nil
	case contentType == "":
		return nil, nil
	}
	path, _ := under(oidcMount, r)
	return nil, invalidRequest("only " + formType + " content-type bodies are supported on " + r.Method + " " + path)
}

// parseForm is like url.ParseQuery, but leaves what is wrongly escaped as it is.
func parseForm(body string) url.Values {
	form := url.Values{}
	for pair := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(pair, "=")
		form.Add(unescape(name), unescape(value))
	}
	return form
}

func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

func parseJSON(body []byte) url.Values {
	var members map[string]any
	_ = json.Unmarshal(body, &members)
	form := url.Values{}
	for name, value := range members {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, item := range list {
			switch item.(type) {
			case string, float64, bool:
				form.Add(name, fmt.Sprint(item))
			default:
				form.Add(name, "")
			}
		}
	}
	return form
}

// twice refuses repeated parameters.
func twice(form url.Values, names ...string) *oauthError {
	for _, name := range names {
		if len(form[name]) > 1 {
			return invalidRequest("'" + name + "' parameter must not be provided twice")
		}
	}
	return nil
}

// missing refuses the lack of a parameter.
func missing(form url.Values, names ...string) *oauthError {
	for _, name := range names {
		if form.Get(name) == "" {
			return invalidRequest("missing required parameter '" + name + "'")
		}
	}
	return nil
}

// clientCredentials decides by resource and organization what an application gets. It gets a token even if it holds
// no scope at all: an audience is not an authorization.
func (s *Server) clientCredentials(application string, form url.Values) (tokenResponse, *oauthError) {
	if refusal := twice(form, "scope", "organization_id"); refusal != nil {
		return tokenResponse{}, refusal
	}
	organization := form.Get("organization_id")
	if organization != "" && s.heldBy(application, organization) == nil {
		return tokenResponse{}, &oauthError{http.StatusForbidden, "access_denied", "app has not associated with the organization"}
	}
	resource, refusal := s.resource(form["resource"])
	if refusal != nil {
		return tokenResponse{}, refusal
	}
	if resource == "" && organization == "" {
		return tokenResponse{}, invalidTarget("both `resource` and `organization_id` are not provided")
	}
	token := Token{
		Subject:        application,
		Audience:       resource,
		Scopes:         intersect(form.Get("scope"), s.heldBy(application, organization)[resource]),
		OrganizationID: organization,
		Lifetime:       cmp.Or(s.directory.lifetimes[resource], defaultLifetime),
	}
	if resource == "" {
		token.Audience, token.OrganizationID = organizationAudience+organization, ""
	}
	return s.respond(token), nil
}

// heldBy is what a subject holds in an organization, or by role if that is empty. It is nil for a subject that is not a member.
func (s *Server) heldBy(subject, organization string) scopes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.directory.held[membership{subject, organization}]
}

// resource is the one that is asked for, or empty. Repeating it is fine, and a second one is not.
func (s *Server) resource(indicators []string) (string, *oauthError) {
	if len(indicators) == 0 || len(indicators) == 1 && indicators[0] == "" {
		return "", nil
	}
	for _, indicator := range indicators {
		if refusal := s.checkResource(indicator); refusal != nil {
			return "", refusal
		}
	}
	if slices.ContainsFunc(indicators, func(other string) bool { return other != indicators[0] }) {
		return "", invalidTarget("only a single resource indicator value is supported for this grant type")
	}
	return indicators[0], nil
}

var unknownResource = invalidTarget("resource indicator is missing, or unknown")

func (s *Server) checkResource(indicator string) *oauthError {
	u, err := url.Parse(indicator)
	_, known := s.directory.lifetimes[indicator]
	switch {
	case err != nil || !u.IsAbs():
		return invalidTarget("resource indicator must be an absolute URI")
	case strings.Contains(indicator, "#"):
		return invalidTarget("resource indicator must not contain a fragment component")
	case !known:
		return unknownResource
	}
	return nil
}

// intersect drops silently what is requested and not held. What is held and not requested isn't granted either.
func intersect(requested string, held []string) []string {
	var granted []string
	for scope := range strings.SplitSeq(requested, " ") {
		if slices.Contains(held, scope) && !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	return granted
}
