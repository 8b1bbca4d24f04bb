package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/logtoguard/logtoguard"
)

// settings are what the environment says. The package documentation lists them.
type settings struct {
	addr         string
	endpoint     string // empty: start the stand-in
	audience     string
	jwksURL      string
	insecureHTTP bool
	metadataURL  string
	demoAddr     string
}

// demo tells whether a stand-in takes the place of Logto.
func (s settings) demo() bool { return s.endpoint == "" }

// guardConfig is the guard's part of the settings.
func guardConfig(set settings, log *slog.Logger) logtoguard.Config {
	return logtoguard.Config{
		Endpoint:           set.endpoint,
		Audience:           []string{set.audience},
		OrganizationScopes: []string{readOrders, writeOrders}, // roles of organizations hold them
		JWKSURL:            set.jwksURL,
		InsecureHTTP:       set.insecureHTTP,
		Metadata:           set.metadata(),
		Logger:             log,
	}
}

// metadata tells clients where tokens for this API come from (RFC 9728).
func (s settings) metadata() *logtoguard.Metadata {
	if s.metadataURL == "" {
		return nil
	}
	return &logtoguard.Metadata{
		URL:    s.metadataURL,
		Name:   "Shopping API",
		Scopes: []string{readProducts, writeProducts, readOrders, writeOrders},
	}
}

// readSettings reports every fault at once. What a Logto endpoint may look like
// is not judged here: logtoguard.New does that.
func readSettings(getenv func(string) string) (settings, error) {
	set := settings{
		addr:        cmp.Or(getenv("ADDR"), "127.0.0.1:8080"),
		endpoint:    getenv("LOGTO_ENDPOINT"),
		audience:    cmp.Or(getenv("LOGTO_AUDIENCE"), "https://shopping.api"),
		jwksURL:     getenv("LOGTO_JWKS_URL"),
		metadataURL: getenv("METADATA_URL"),
		demoAddr:    cmp.Or(getenv("DEMO_LOGTO_ADDR"), "127.0.0.1:3001"),
	}
	var faults []error
	insecure := getenv("LOGTO_INSECURE_HTTP")
	if insecure != "" {
		var err error
		if set.insecureHTTP, err = strconv.ParseBool(insecure); err != nil {
			faults = append(faults, fmt.Errorf("LOGTO_INSECURE_HTTP is %q: write true or false", insecure))
		}
	}
	if !set.demo() {
		return set, errors.Join(faults...)
	}
	if set.jwksURL != "" || insecure != "" {
		faults = append(faults, errors.New("LOGTO_JWKS_URL and LOGTO_INSECURE_HTTP are for a real Logto: set LOGTO_ENDPOINT too, or unset them"))
	}
	faults = append(faults,
		wantLoopback("ADDR", set.addr, "127.0.0.1:8080"),
		wantLoopback("DEMO_LOGTO_ADDR", set.demoAddr, "127.0.0.1:3001"),
		wantResource(set.audience))
	return set, errors.Join(faults...)
}

// wantLoopback keeps the stand-in, whose secrets anybody can read here, and the
// API that trusts it away from the network. Host names other than localhost
// don't count, wherever they point today.
func wantLoopback(setting, addr, example string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s is %q: write host:port, such as %s", setting, addr, example)
	}
	if isLoopback(host) {
		return nil
	}
	return fmt.Errorf("%s is %q, which others may reach, and the stand-in for Logto has public secrets: "+
		"write a loopback address, such as %s, or set LOGTO_ENDPOINT to use a real Logto", setting, addr, example)
}

// isLoopback reports whether a host is this machine by its very name.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// wantResource asks of the stand-in's resource what metadata asks of one: a URL
// without a fragment, https unless it is for trying (RFC 9728, section 1.2); and
// that it is not one of Logto's own.
func wantResource(indicator string) error {
	u, err := url.Parse(indicator)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return fmt.Errorf("LOGTO_AUDIENCE is %q: write an https URL, such as https://shopping.api", indicator)
	case strings.HasPrefix(indicator, "urn:logto:"), indicator == "https://default.logto.app/api":
		return fmt.Errorf("LOGTO_AUDIENCE is %q, a resource of Logto itself: write that of your API, such as https://shopping.api", indicator)
	}
	return nil
}

// baseURL is where a client on this machine reaches a listener.
func baseURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
