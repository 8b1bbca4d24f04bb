package logtoguard

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	defaultClockSkew = 5 * time.Second
	maxClockSkew     = 5 * time.Minute
)

// settings are a Config without faults, its defaults filled in.
type settings struct {
	policy     policy
	jwksURL    string
	httpClient *http.Client
	logger     *slog.Logger
	now        func() time.Time
}

// settle reports every fault of the Config at once.
func (cfg Config) settle() (settings, error) {
	f := faults{insecureHTTP: cfg.InsecureHTTP}
	s := settings{
		logger:     cfg.Logger,
		now:        cfg.Now,
		httpClient: cfg.HTTPClient,
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	endpoint := f.endpoint("Endpoint", cfg.Endpoint)
	issuers := []string{endpoint + "/oidc"}
	for i, domain := range cfg.CustomDomains {
		issuers = append(issuers, f.endpoint(fmt.Sprintf("CustomDomains[%d]", i), domain)+"/oidc")
	}
	s.jwksURL = endpoint + "/oidc/jwks"
	if cfg.JWKSURL != "" {
		f.url("JWKSURL", cfg.JWKSURL, "https://tenant-id.logto.app/oidc/jwks")
		s.jwksURL = cfg.JWKSURL
	}
	f.audience(cfg.Audience, cfg.OrganizationTokens)
	if cfg.ClockSkew > maxClockSkew {
		f.add("ClockSkew of %v would let expired tokens pass for long: give at most %v, and set this server's clock", cfg.ClockSkew, maxClockSkew)
	}
	if len(f.found) > 0 {
		return settings{}, fmt.Errorf("logtoguard: Config: %w", errors.Join(f.found...))
	}
	s.policy = policy{
		issuers:            issuers,
		audience:           slices.Clone(cfg.Audience),
		organizationTokens: cfg.OrganizationTokens,
		skew:               skew(cfg.ClockSkew),
		now:                s.now,
	}
	cfg.warn(s.logger)
	return s, nil
}

func skew(d time.Duration) time.Duration {
	switch {
	case d == 0:
		return defaultClockSkew
	case d < 0:
		return 0
	}
	return d
}

// warn tells the mistakes that are not certainly ones.
func (cfg Config) warn(logger *slog.Logger) {
	for _, audience := range cfg.Audience {
		if strings.HasSuffix(audience, "/") {
			logger.Warn("logtoguard: Audience ends in a slash: it has to be the resource indicator to the letter", "audience", audience)
		}
	}
	for _, endpoint := range append([]string{cfg.Endpoint}, cfg.CustomDomains...) {
		if strings.HasSuffix(strings.TrimRight(endpoint, "/"), "/oidc") {
			logger.Warn("logtoguard: an endpoint ends in /oidc, which belongs to the issuer: give it without", "endpoint", endpoint)
		}
	}
}

// faults collects what is wrong with a Config.
type faults struct {
	insecureHTTP bool
	found        []error
}

func (f *faults) add(format string, args ...any) {
	f.found = append(f.found, fmt.Errorf(format, args...))
}

// endpoint returns value as Logto writes it in iss.
func (f *faults) endpoint(field, value string) string {
	if strings.TrimSpace(value) == "" {
		f.add("%s is empty: set it to Logto's endpoint, such as https://tenant-id.logto.app", field)
		return ""
	}
	u := f.url(field, value, "https://tenant-id.logto.app")
	if u == nil {
		return ""
	}
	if u.RawQuery != "" || u.ForceQuery {
		f.add("%s has a query: write the endpoint only, such as https://tenant-id.logto.app", field)
	}
	// Logto takes its own endpoint through the URL parser of WHATWG, which
	// lower-cases scheme and host and leaves a default port out.
	host := strings.TrimSuffix(strings.ToLower(u.Host), defaultPort(u.Scheme))
	path := strings.TrimRight(u.EscapedPath(), "/")
	path = strings.TrimRight(strings.TrimSuffix(path, "/oidc"), "/")
	return u.Scheme + "://" + host + path
}

// url judges an address of Logto. It does not repeat an address that may hold a password.
func (f *faults) url(field, value, example string) *url.URL {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		f.add("%s is not a URL: write it like %s", field, example)
		return nil
	case u.User != nil:
		f.add("%s holds a user name or password: leave it out, the keys are public", field)
		return nil
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		f.add("%s %q is not an http(s) URL: write it like %s", field, value, example)
		return nil
	case u.Fragment != "":
		f.add("%s %q has a fragment: leave out what follows the #", field, value)
	case u.Scheme == "http" && !f.insecureHTTP && !isLoopback(u.Hostname()):
		f.add("%s %q is not encrypted: write https://, or set InsecureHTTP if nobody else can reach that network", field, value)
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
		case indicator == "" || strings.ContainsAny(indicator, " \t\r\n"):
			f.add("Audience[%d] is empty or has white space: write the resource indicator as registered in Logto, such as https://shopping.api", i)
		case strings.HasPrefix(indicator, organizationPrefix):
			f.add("Audience[%d] is the audience of an organization: set OrganizationTokens instead, which accepts those of all organizations, and name the one being served with RequireOrganization", i)
		}
	}
}

// isLoopback: RFC 6761, section 6.3, reserves localhost.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return ":80"
	}
	return ":443"
}
