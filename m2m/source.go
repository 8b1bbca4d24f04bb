package m2m

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

const (
	requestTimeout  = 5 * time.Second
	maxLifetime     = 24 * time.Hour
	defaultLifetime = time.Minute
)

// A fetcher asks Logto for tokens, once per call, and judges the answers.
type fetcher struct {
	cfg         Config
	credentials *clientcredentials.Config
	client      *http.Client
	now         func() time.Time
}

func newFetcher(cfg Config, tokenURL string, client http.Client, now func() time.Time) *fetcher {
	cfg.Scopes = distinct(cfg.Scopes)
	client.Transport = &strictTransport{base: endpoint.SingleUse(client.Transport)}
	parameters := url.Values{}
	if cfg.Resource != "" {
		parameters.Set("resource", cfg.Resource)
	}
	if cfg.OrganizationID != "" {
		parameters.Set("organization_id", cfg.OrganizationID)
	}
	return &fetcher{
		cfg: cfg,
		credentials: &clientcredentials.Config{
			ClientID:       cfg.AppID,
			ClientSecret:   cfg.AppSecret,
			TokenURL:       tokenURL,
			Scopes:         cfg.Scopes,
			EndpointParams: parameters,
			// Anything else makes x/oauth2 find out by trying.
			AuthStyle: oauth2.AuthStyleInHeader,
		},
		client: &client,
		now:    now,
	}
}

// distinct is a copy without repetitions.
func distinct(scopes []string) []string {
	var once []string
	for _, scope := range scopes {
		if !slices.Contains(once, scope) {
			once = append(once, scope)
		}
	}
	return once
}

// fetch asks on a context of its own: the request is for all who wait for a token,
// and must not end when the caller that happened to come first gives up.
func (f *fetcher) fetch() (*grant, *Error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	asked := f.now()
	answer, err := f.credentials.Token(context.WithValue(ctx, oauth2.HTTPClient, f.client))
	if err != nil {
		return nil, f.failure(err)
	}
	return f.judge(answer, asked)
}

// judge makes a grant of a successful answer. It takes the members by their exact
// names, which x/oauth2's own fields don't.
func (f *fetcher) judge(answer *oauth2.Token, asked time.Time) (*grant, *Error) {
	access, _ := answer.Extra("access_token").(string)
	kind, _ := answer.Extra("token_type").(string)
	lifetime, timed := lifetimeOf(answer.Extra("expires_in"))
	scope, worded := answer.Extra("scope").(string)
	switch {
	case !isToken68(access):
		return nil, unusable("the answer's access_token can't stand in a header")
	case !strings.EqualFold(kind, "Bearer"):
		return nil, unusable("the answer's token_type is not Bearer")
	case !timed:
		return nil, unusable("the answer's expires_in is not a number of seconds above zero")
	case !worded && answer.Extra("scope") != nil:
		return nil, unusable("the answer's scope is not a string")
	}
	if missing := missingScopes(f.cfg.Scopes, scope); len(missing) > 0 && !f.cfg.AcceptFewerScopes {
		return nil, f.scopesMissing(missing)
	}
	token := &oauth2.Token{AccessToken: access, TokenType: "Bearer", Expiry: asked.Add(lifetime)}
	return newGrant(token.WithExtra(map[string]any{"scope": scope}), lifetime), nil
}

// lifetimeOf reads expires_in. Absent, which RFC 6749, section 5.1, allows, means
// that nobody knows, and a minute; and nobody is believed for more than a day.
func lifetimeOf(expiresIn any) (lifetime time.Duration, ok bool) {
	if expiresIn == nil {
		return defaultLifetime, true
	}
	seconds, ok := expiresIn.(float64)
	if !ok || seconds <= 0 {
		return 0, false
	}
	return time.Duration(math.Min(seconds, maxLifetime.Seconds())) * time.Second, true
}

// missingScopes: no scope in the answer means here that none is granted. RFC 6749,
// section 5.1, would have it mean all that were asked for; Logto's tokens don't.
func missingScopes(asked []string, granted string) []string {
	held := make(map[string]bool)
	for scope := range strings.FieldsSeq(granted) {
		held[scope] = true
	}
	var missing []string
	for _, scope := range asked {
		if !held[scope] {
			missing = append(missing, scope)
		}
	}
	return missing
}

// isToken68 tells what may follow Bearer: RFC 6750, section 2.1.
func isToken68(s string) bool {
	text := strings.TrimRight(s, "=")
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune("-._~+/", r)
	})
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
