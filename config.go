package logtoguard

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

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
	now        func() time.Time
}

// settle reports every fault of the Config at once.
func (cfg Config) settle() (settings, error) {
	var f faults
	s := settings{
		logger:     cfg.Logger,
		now:        wallClock(cfg.Now),
		httpClient: cfg.HTTPClient,
	}
	if s.logger == nil {
		s.logger = slog.Default()
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
		skew:               skew(cfg.ClockSkew),
		now:                s.now,
	}
	cfg.warn(s.logger)
	return s, nil
}

// wallClock leaves the monotonic clock out of comparisons: it stands still while a
// machine sleeps, and keys and tokens grow older.
func wallClock(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().Round(0) }
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
	for _, address := range slices.Concat([]string{cfg.Endpoint}, cfg.CustomDomains) {
		if endpoint.HasIssuerPath(address) {
			logger.Warn("logtoguard: an endpoint ends in /oidc, which belongs to the issuer: give it without", "endpoint", address)
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
		case indicator == "" || strings.ContainsAny(indicator, " \t\r\n"):
			f.add("Audience[%d] is empty or has white space: write the resource indicator as registered in Logto, such as https://shopping.api", i)
		case strings.HasPrefix(indicator, organizationPrefix):
			f.add("Audience[%d] is the audience of an organization: set OrganizationTokens instead, which accepts those of all organizations, and name the one being served with RequireOrganization", i)
		}
	}
}
