package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/logtoguard/logtoguard/m2m"
)

// settings are what the environment says. The package documentation lists them.
type settings struct {
	demo         bool   // the stand-in and its applications, no real Logto
	api          string // without a slash at the end, as the endpoint
	endpoint     string
	audience     string
	appID        string // this and what follows: a real Logto's
	appSecret    string
	organization string // empty: none
	tenantID     string
	insecureHTTP bool
}

// readSettings reports every fault at once. It repeats no value of a real Logto's:
// a secret may have got into the wrong variable.
func readSettings(getenv func(string) string) (settings, error) {
	set := settings{
		demo:         getenv("LOGTO_ENDPOINT") == "",
		endpoint:     withoutPath(getenv("LOGTO_ENDPOINT")),
		audience:     cmp.Or(getenv("LOGTO_AUDIENCE"), "https://shopping.api"),
		appID:        getenv("LOGTO_APP_ID"),
		appSecret:    getenv("LOGTO_APP_SECRET"),
		organization: getenv("LOGTO_ORGANIZATION_ID"),
		tenantID:     cmp.Or(getenv("LOGTO_TENANT_ID"), "default"),
	}
	if set.demo {
		return set.forDemo(getenv)
	}
	return set.forRealLogto(getenv)
}

// withoutPath takes the endpoint as m2m does, which tolerates these ends. It is
// here, like isConfidential, because this program is to be copied, and a copy can't
// import the module's internal packages.
func withoutPath(endpoint string) string {
	return strings.TrimRight(strings.TrimSuffix(strings.TrimRight(endpoint, "/"), "/oidc"), "/")
}

func (s settings) forDemo(getenv func(string) string) (settings, error) {
	var faults []error
	var unused []string
	for _, name := range []string{"LOGTO_APP_ID", "LOGTO_APP_SECRET", "LOGTO_ORGANIZATION_ID", "LOGTO_TENANT_ID", "LOGTO_INSECURE_HTTP", "API_URL"} {
		if getenv(name) != "" {
			unused = append(unused, name)
		}
	}
	if len(unused) > 0 {
		faults = append(faults, fmt.Errorf("for a real Logto only: %s: set LOGTO_ENDPOINT too, or unset them", strings.Join(unused, ", ")))
	}
	for _, place := range []struct {
		url           *string
		name, address string
	}{
		{&s.api, "ADDR", cmp.Or(getenv("ADDR"), "127.0.0.1:8080")},
		{&s.endpoint, "DEMO_LOGTO_ADDR", cmp.Or(getenv("DEMO_LOGTO_ADDR"), "127.0.0.1:3001")},
	} {
		var err error
		*place.url, err = baseURL(place.name, place.address)
		if err == nil && !isConfidential(*place.url) {
			err = fmt.Errorf("%s is %q: the demo takes place on this machine: write a loopback address, "+
				"such as 127.0.0.1:8080, or set LOGTO_ENDPOINT to use a real Logto", place.name, place.address)
		}
		faults = append(faults, err)
	}
	if s.audience != strings.TrimSpace(s.audience) {
		faults = append(faults, errors.New("LOGTO_AUDIENCE has white space around it"))
	}
	return s, errors.Join(faults...)
}

func (s settings) forRealLogto(getenv func(string) string) (settings, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	insecure, err := strconv.ParseBool(cmp.Or(getenv("LOGTO_INSECURE_HTTP"), "false"))
	if err != nil {
		fault("LOGTO_INSECURE_HTTP is neither true nor false")
	}
	s.insecureHTTP = insecure
	if s.appID == "" {
		fault("LOGTO_APP_ID is empty: set it to the ID of a machine-to-machine application in Logto")
	}
	if s.appSecret == "" {
		fault("LOGTO_APP_SECRET is empty: set it to a secret of that application")
	}
	if strings.ContainsFunc(s.tenantID, func(r rune) bool { return !isIDCharacter(r) }) {
		fault("LOGTO_TENANT_ID is not a tenant's ID: write default for a self-hosted Logto, or the abc of https://abc.logto.app")
	}

	name := "API_URL"
	s.api = strings.TrimRight(getenv(name), "/")
	if s.api == "" {
		name = "ADDR"
		s.api, err = baseURL(name, cmp.Or(getenv(name), "127.0.0.1:8080"))
	} else {
		err = wantBaseURL(name, s.api)
	}
	switch {
	case err != nil:
		faults = append(faults, err)
	case !insecure && !isConfidential(s.api):
		fault("%s leads to another machine without encryption: set API_URL to an https:// address, "+
			"or LOGTO_INSECURE_HTTP to true if nobody else can reach that network", name)
	}

	// m2m judges the rest. What is missing has been said above, in our words.
	rest := s.config(cmp.Or(s.appID, "none"), cmp.Or(s.appSecret, "none"), s.audience)
	rest.Endpoint = getenv("LOGTO_ENDPOINT")
	rest.OrganizationID = s.organization
	if _, err := m2m.New(rest); err != nil {
		fault("the LOGTO_ settings are refused: %w", err)
	}
	return s, errors.Join(faults...)
}

// config says who asks for which token.
func (s settings) config(appID, appSecret, resource string, scopes ...string) m2m.Config {
	return m2m.Config{
		Endpoint:  s.endpoint,
		AppID:     appID,
		AppSecret: appSecret,
		Resource:  resource,
		Scopes:    scopes,
		// To be refused is part of the show. A program that can't do without its
		// scopes leaves this out, and hears of a missing one before it calls the API.
		AcceptFewerScopes: true,
		HTTPClient:        newHTTPClient(),
		InsecureHTTP:      s.insecureHTTP,
	}
}

// baseURL is where a client on this machine reaches what listens at the address.
func baseURL(setting, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return "", fmt.Errorf("%s is %q: write host:port, such as 127.0.0.1:8080", setting, address)
	}
	if port == "0" {
		return "", fmt.Errorf("%s is %q, which means any free port: write the one that the API printed", setting, address)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	base := "http://" + net.JoinHostPort(host, port)
	return base, wantBaseURL(setting, base)
}

// wantBaseURL asks for an address that paths can be appended to.
func wantBaseURL(setting, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.TrimSpace(address) != address {
		return fmt.Errorf("%s is not an http(s) URL: write it like http://127.0.0.1:8080", setting)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("%s has a user name, a query or a fragment: write it like http://127.0.0.1:8080", setting)
	}
	return nil
}

// isConfidential is m2m's rule, applied before the first step: tokens travel
// encrypted, or not beyond this machine. For why it is here, see withoutPath.
func isConfidential(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || strings.EqualFold(u.Hostname(), "localhost") || ip != nil && ip.IsLoopback()
}

func isIDCharacter(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}
