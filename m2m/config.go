package m2m

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/internal/endpoint"
	"github.com/logtoguard/logtoguard/internal/strict"
)

// Config says which application asks for which token. It doesn't show AppSecret when
// it is printed or logged, except where package fmt calls no methods: in an
// unexported field of another struct, for %p, and for a misplaced %w.
type Config struct {
	// Endpoint is Logto's, such as https://tenant-id.logto.app. A trailing slash is ignored.
	Endpoint string
	// AppID and AppSecret are those of a machine-to-machine application in Logto.
	AppID     string
	AppSecret string
	// Resource is the indicator of the API resource that will be called, exactly as
	// in Logto. It may be empty if OrganizationID is set: then the token is for the
	// organization itself.
	Resource string
	// Scopes are the scopes to ask for; duplicates are dropped. Default: none, and
	// none are granted.
	Scopes []string
	// OrganizationID asks for a token for that organization, of which the
	// application must be a member. Default: no organization.
	OrganizationID string
	// AcceptFewerScopes accepts a token even if not all Scopes are granted: see the
	// token's Extra("scope"). Default: that is an error.
	AcceptFewerScopes bool
	// HTTPClient is copied and used for token requests and by the client that
	// [Client.HTTPClient] returns. Its Transport must honor request contexts. Token
	// requests follow no redirects and take at most 10 s, or its Timeout if that is
	// less; by a copy of an *[http.Transport], each has a connection of its own.
	// Default: [http.DefaultTransport], and no timeout for requests to APIs.
	HTTPClient *http.Client
	// Logger gets a Warn when a renewal fails while the token still works, one for all
	// until renewals work again, and one then. Default: slog.Default() at the time of New.
	Logger *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// InsecureHTTP allows http:// for hosts that are not loopback, for Endpoint
	// and for APIs: anyone on the way can read the secret and the token.
	InsecureHTTP bool
}

// ManagementResource returns the resource indicator of a tenant's Management API,
// whose scope is "all". The tenant of a self-hosted Logto is "default", whatever its
// host.
//
// On Logto Cloud, a custom domain can't be used for it: set Endpoint to
// https://{tenantID}.logto.app, and call the API there.
func ManagementResource(tenantID string) string {
	return "https://" + tenantID + ".logto.app/api"
}

// Format shows the Config without AppSecret, whatever the verb.
func (cfg Config) Format(to fmt.State, _ rune) { _, _ = io.WriteString(to, cfg.String()) }

// String shows the Config without AppSecret.
func (cfg Config) String() string { return "m2m.Config" + cfg.LogValue().String() }

// LogValue is for [log/slog]: the Config without AppSecret.
func (cfg Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("endpoint", cfg.Endpoint),
		slog.String("app_id", cfg.AppID),
		slog.String("resource", cfg.Resource),
		slog.Any("scopes", cfg.Scopes),
		slog.String("organization_id", cfg.OrganizationID),
	)
}

// check reports every fault at once, or returns Endpoint in its normal form. It
// repeats no value: a secret may have got into the wrong field.
func (cfg Config) check() (string, error) {
	normal, err := endpoint.Normalize("Endpoint", cfg.Endpoint, cfg.InsecureHTTP)
	faults := []error{err}
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if cfg.AppID == "" {
		add("AppID is empty: set it to the application's ID in Logto")
	}
	if cfg.AppSecret == "" {
		add("AppSecret is empty: set it to a secret of the application in Logto")
	}
	if cfg.Resource == "" && cfg.OrganizationID == "" {
		add("Resource is empty: set it to the API's resource indicator in Logto, such as https://shopping.api, or set OrganizationID")
	}
	for _, field := range [][2]string{
		{"AppID", cfg.AppID}, {"AppSecret", cfg.AppSecret}, {"Resource", cfg.Resource}, {"OrganizationID", cfg.OrganizationID},
	} {
		if strings.TrimSpace(field[1]) != field[1] { // a secret that is read from a file often ends in a line break
			add("%s has white space around it: write it as Logto shows it, without a line break", field[0])
		}
	}
	for _, field := range [][2]string{{"AppID", cfg.AppID}, {"AppSecret", cfg.AppSecret}} { // RFC 6749, appendix A
		if strings.ContainsFunc(strings.TrimSpace(field[1]), func(r rune) bool { return r < ' ' || r > '~' }) {
			add("%s has characters that don't print or are not ASCII, such as a byte order mark: write it as Logto shows it", field[0])
		}
	}
	for _, field := range [][2]string{{"Resource", cfg.Resource}, {"OrganizationID", cfg.OrganizationID}} {
		if name := strings.TrimSpace(field[1]); name != "" && !strict.IsName(name) {
			add("%s has a space or a character that does not print, such as a byte order mark: write it as Logto shows it", field[0])
		}
	}
	for i, scope := range cfg.Scopes {
		if !strict.IsName(scope) {
			add("Scopes[%d] is empty, or has a space or a character that does not print: write each scope as an element of its own, such as read:products", i)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return "", fmt.Errorf("m2m: Config: %w", err)
	}
	return normal, nil
}
