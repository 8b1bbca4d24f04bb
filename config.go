package logtoguard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/internal/clock"
	"github.com/logtoguard/logtoguard/internal/endpoint"
	"github.com/logtoguard/logtoguard/internal/strict"
)

// Config says whose tokens are accepted, and for which API. Endpoint and
// Audience (or OrganizationTokens) must be set; the zero value of everything
// else is the strict one, except for OrganizationScopes, and no setting takes a
// check away.
type Config struct {
	// Endpoint is Logto's endpoint, https://{tenant-id}.logto.app or your own
	// domain: Logto's setting ENDPOINT. Tokens must be issued by Endpoint + "/oidc".
	// A trailing slash is tolerated.
	Endpoint string

	// CustomDomains are further endpoints of the same tenant, written like
	// Endpoint. Logto issues tokens in the name of the domain that a client used.
	CustomDomains []string

	// Audience holds this API's resource indicators, exactly as registered in
	// Logto. Several are for one API that changes its indicator; another API is
	// another guard.
	Audience []string

	// OrganizationTokens accepts organization tokens, whose audience is
	// urn:logto:organization:{id}, instead of tokens for an API resource.
	// Audience is empty then.
	OrganizationTokens bool

	// OrganizationScopes names the permissions of the API resource that an
	// organization role may hold: a token that is bound to no organization never
	// holds them here. Logto puts the permissions that a user holds in any
	// organization into the user's plain tokens too. Default: none, which is not the
	// strict choice: RequireScope without RequireOrganization then lets in users who
	// hold the permission in some organization. A scope with white space or a
	// character that does not print is a fault.
	OrganizationScopes []string

	// JWKSURL is where the keys are fetched. Default: Endpoint + "/oidc/jwks".
	// Set it where this server reaches Logto under another name than its clients do.
	JWKSURL string

	// ClockSkew is by how much this server's clock may differ from Logto's when
	// exp and nbf are judged. Default: 5 s. Negative: none. At most 5 minutes.
	ClockSkew time.Duration

	// TokenCacheSize is how many verified tokens are remembered. 0: 10,000.
	// Negative: none. Every request is judged by the time, the key and Check all the
	// same; only the signature is not checked again. Where nothing is remembered, one
	// token that comes N times at once costs N checks. A usual token of 530 bytes takes
	// about 1.4 kB, so 14 MiB in all at the default; one that takes more than 4 KiB
	// counts once per started 4 KiB, so that 10,000 take about 40 MiB at the most.
	TokenCacheSize int

	// Check runs on every request after the token was verified. An error refuses
	// the request: an *[Error] with status 401, 403, 429 or 503 is answered as it
	// is, the end of a context is a 503, and anything else is a 401 that does not
	// show the error's text. For what a token can't know: a user who was locked out, say.
	Check func(context.Context, *Claims) error

	// ErrorHandler writes the status and the body of a refusal; WWW-Authenticate,
	// Retry-After and Cache-Control are set already, and a Content-Length that was set
	// before is dropped. Default: [WriteError].
	ErrorHandler func(http.ResponseWriter, *http.Request, *Error)

	// Metadata tells clients where this API's tokens come from (RFC 9728); every
	// challenge then names its address. Default: none.
	Metadata *Metadata

	// HTTPClient fetches the keys, within 5 s or its Timeout. It is copied, and its
	// *[http.Transport] too: each fetch has a connection of its own. It follows
	// redirects only within one scheme, host and port. Its Transport must honor
	// request contexts. Default: http.DefaultTransport.
	HTTPClient *http.Client

	// Logger gets refusals at Debug, changes of keys at Info, and failures to
	// fetch them at Warn. Default: slog.Default() at the time of New.
	Logger *slog.Logger

	// Now is the clock for all judgements of time, the age of the keys included.
	// Default: time.Now.
	Now func() time.Time

	// InsecureHTTP allows http:// for hosts that are not loopback, as in a compose
	// network. Anyone who can change that traffic can forge tokens.
	InsecureHTTP bool
}

const (
	defaultClockSkew = 5 * time.Second
	maxClockSkew     = 5 * time.Minute
)

// settings are a Config without faults, its defaults filled in.
type settings struct {
	policy     policy
	metadata   metadata
	jwksURL    string
	httpClient *http.Client
	logger     *slog.Logger
}

// validate reports every fault of the Config at once.
func (cfg Config) validate() (settings, error) {
	var f faults
	s := settings{
		logger:     cmp.Or(cfg.Logger, slog.Default()),
		httpClient: cfg.HTTPClient,
	}
	issuers := []string{f.endpoint("Endpoint", cfg.Endpoint, cfg.InsecureHTTP) + "/oidc"}
	for i, domain := range cfg.CustomDomains {
		issuers = append(issuers, f.endpoint(fmt.Sprintf("CustomDomains[%d]", i), domain, cfg.InsecureHTTP)+"/oidc")
	}
	s.jwksURL = issuers[0] + "/jwks"
	if cfg.JWKSURL != "" {
		s.jwksURL = cfg.JWKSURL
		f.address("JWKSURL", cfg.JWKSURL, "https://tenant-id.logto.app/oidc/jwks", cfg.InsecureHTTP)
	}
	f.audience(cfg.Audience, cfg.OrganizationTokens)
	if cfg.OrganizationTokens && len(cfg.OrganizationScopes) > 0 {
		f.add("OrganizationScopes and OrganizationTokens exclude each other: leave OrganizationScopes empty, as every organization token is bound to an organization")
	}
	f.scopes("OrganizationScopes", cfg.OrganizationScopes)
	s.metadata = f.metadata(cfg, issuers)
	if cfg.ClockSkew > maxClockSkew {
		f.add("ClockSkew of %v would let expired tokens pass for long: give at most %v, and set this server's clock", cfg.ClockSkew, maxClockSkew)
	}
	if len(f) > 0 {
		return settings{}, fmt.Errorf("logtoguard: Config: %w", errors.Join(f...))
	}
	s.policy = policy{
		issuers:            issuers,
		audience:           slices.Clone(cfg.Audience),
		organizationTokens: cfg.OrganizationTokens,
		skew:               max(0, cmp.Or(cfg.ClockSkew, defaultClockSkew)),
		now:                clock.Wall(cfg.Now),
	}
	cfg.warn(s.logger)
	return s, nil
}

// warn logs settings that are probably mistakes.
func (cfg Config) warn(logger *slog.Logger) {
	for _, audience := range cfg.Audience {
		if strings.HasSuffix(audience, "/") {
			logger.Warn("logtoguard: Audience ends in a slash: it must match the resource indicator in Logto exactly", "audience", audience)
		}
	}
	if cfg.Metadata != nil {
		if u, err := url.Parse(cfg.Audience[0]); err == nil && u.Path == "" && u.RawQuery == "" {
			logger.Warn("logtoguard: Audience has no path: clients that write URLs with a slash, as many for MCP do, ask Logto for another resource; "+
				"an indicator with a path, such as https://shopping.api/v1, is the same for all", "audience", cfg.Audience[0])
		}
	}
	if cfg.Metadata != nil && len(cfg.Metadata.Scopes) > 0 {
		for _, scope := range cfg.OrganizationScopes {
			if !slices.Contains(cfg.Metadata.Scopes, scope) {
				logger.Warn("logtoguard: Metadata.Scopes lacks one of OrganizationScopes: is it spelled right?", "scope", scope)
			}
		}
	}
	for _, address := range slices.Concat([]string{cfg.Endpoint}, cfg.CustomDomains) {
		if endpoint.HasIssuerPath(address) {
			logger.Warn("logtoguard: an endpoint ends in /oidc, which belongs to the issuer: write it without", "endpoint", address)
		}
	}
}

// faults collects what is wrong with a Config.
type faults []error

func (f *faults) add(format string, args ...any) {
	*f = append(*f, fmt.Errorf(format, args...))
}

func (f *faults) endpoint(field, value string, insecureHTTP bool) string {
	normal, err := endpoint.Normalize(field, value, insecureHTTP)
	if err != nil {
		*f = append(*f, err)
	}
	return normal
}

func (f *faults) address(field, value, example string, insecureHTTP bool) *url.URL {
	u, err := endpoint.Parse(field, value, example, insecureHTTP)
	if err != nil {
		*f = append(*f, err)
	}
	return u
}

func (f *faults) audience(audience []string, organizationTokens bool) {
	switch {
	case organizationTokens && len(audience) > 0:
		f.add("Audience and OrganizationTokens exclude each other: leave Audience empty, or make a guard for each")
	case !organizationTokens && len(audience) == 0:
		f.add("Audience is empty: set it to the API's resource indicator in Logto, such as https://shopping.api")
	}
	for i, indicator := range audience {
		switch {
		case !strict.IsName(indicator):
			f.add("Audience[%d] is empty, or has white space or a character that does not print: write the resource indicator as registered in Logto, such as https://shopping.api", i)
		case strings.HasPrefix(indicator, organizationPrefix):
			f.add("Audience[%d] is the audience of an organization: set OrganizationTokens instead, which accepts those of all organizations, and name the one being served with RequireOrganization", i)
		}
	}
}

func (f *faults) scopes(field string, scopes []string) {
	for i, scope := range scopes {
		if !strict.IsName(scope) {
			f.add("%s[%d] is empty, or has a space or a character that does not print: give each scope as a string of its own", field, i)
		}
	}
}

// metadata makes the document once: it is the same for everybody.
func (f *faults) metadata(cfg Config, issuers []string) metadata {
	if cfg.Metadata == nil {
		return metadata{}
	}
	if len(cfg.Audience) == 0 {
		f.add("Metadata needs a resource indicator, the first of Audience: set one, or leave Metadata out, as with OrganizationTokens")
		return metadata{}
	}
	m, resource := *cfg.Metadata, cfg.Audience[0]
	identifier := f.address("Audience[0], as the resource of Metadata,", resource, "https://shopping.api", cfg.InsecureHTTP)
	var at string
	switch {
	case m.URL != "":
		at = f.metadataPath(m.URL, cfg.InsecureHTTP)
	case identifier != nil:
		m.URL, at = metadataURL(*identifier)
	}
	if m.Documentation != "" {
		page, _, _ := strings.Cut(m.Documentation, "#")
		f.address("Metadata.Documentation", page, "https://shopping.api/docs", true)
	}
	f.scopes("Metadata.Scopes", m.Scopes)
	return metadata{url: m.URL, path: at, document: m.document(resource, issuers)}
}

func (f *faults) metadataPath(address string, insecureHTTP bool) string {
	const example = "https://shopping.api" + wellKnownPath
	u := f.address("Metadata.URL", address, example, insecureHTTP)
	if u == nil {
		return ""
	}
	if u.Path != wellKnownPath && !strings.HasPrefix(u.Path, wellKnownPath+"/") {
		f.add("Metadata.URL is not where clients look (RFC 9728, section 3.1): write it like %s", example)
	}
	return u.Path
}
