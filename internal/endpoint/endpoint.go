// Package endpoint has the rules for addresses that the guard and the client of a
// Logto share: how an endpoint is written, when it must be encrypted, and how far
// redirects are followed.
package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
)

const (
	example      = "https://tenant-id.logto.app"
	maxRedirects = 5
)

// Normalize returns an endpoint as Logto writes it in iss, less the /oidc. The
// error names every fault, each with the field and with what to write instead.
func Normalize(field, value string, insecureHTTP bool) (string, error) {
	if strings.TrimSpace(value) == "" {
		return "", fmt.Errorf("%s is empty: set it to Logto's endpoint, such as %s", field, example)
	}
	u, err := Parse(field, value, example, insecureHTTP)
	if u != nil && (u.RawQuery != "" || u.ForceQuery) {
		err = errors.Join(err, fmt.Errorf("%s has a query: write the endpoint only, such as %s", field, example))
	}
	// In no URL by RFC 3986, so each parser writes them in its own way.
	if u != nil && strings.ContainsAny(value, "\"<>\\^`{|}") {
		err = errors.Join(err, fmt.Errorf("%s has one of \"<>\\^`{|}: write it percent-encoded, or leave it out", field))
	}
	if err != nil {
		return "", err
	}
	issuer := strings.TrimRight(u.EscapedPath(), "/")
	return Origin(u) + strings.TrimRight(strings.TrimSuffix(issuer, "/oidc"), "/"), nil
}

// HasIssuerPath reports whether an endpoint ends in /oidc, which belongs to the
// issuer. Normalize tolerates it.
func HasIssuerPath(value string) bool {
	return strings.HasSuffix(strings.TrimRight(value, "/"), "/oidc")
}

// Parse judges an address of Logto. Its error names every fault, and repeats
// nothing that may hold a password.
func Parse(field, value, example string, insecureHTTP bool) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || hasOddHost(u) || strings.ContainsAny(value, " \t\r\n") {
		if strings.Count(value, ":") > 2 {
			example += ", and IPv6 in brackets"
		}
		return nil, fmt.Errorf("%s is not an http(s) URL: write it like %s", field, example)
	}
	var faults []error
	if u.User != nil {
		faults = append(faults, fmt.Errorf("%s holds a user name or password: leave them out, they don't belong in an address", field))
	}
	if strings.Contains(value, "#") {
		faults = append(faults, fmt.Errorf("%s has a fragment: leave out what follows the #", field))
	}
	// Host too: url.Parse decodes it.
	if strings.ContainsFunc(value+u.Host, func(r rune) bool { return r < '!' || r > '~' }) {
		faults = append(faults, fmt.Errorf("%s has characters that addresses are sent without: write its host in punycode, and the rest percent-encoded", field))
	}
	if isOddAddress(u) {
		faults = append(faults, fmt.Errorf("%s has an IP address or a port that others may read in another way: write IPv4 as four decimal numbers without leading zeros, IPv6 without a zone, and a port of at most 65535", field))
	}
	if plain := strings.TrimSuffix(u.Path, "/"); plain != "" && path.Clean(plain) != plain {
		faults = append(faults, fmt.Errorf("%s has an empty segment or dots in its path, which may be taken out on the way: leave them out", field))
	}
	if !insecureHTTP && !IsConfidential(u) {
		faults = append(faults, fmt.Errorf("%s is not encrypted: write https://%s, or set InsecureHTTP if nobody else can reach that network", field, u.Host))
	}
	return u, errors.Join(faults...)
}

// IsConfidential reports whether what is sent can't be read on the way: https, or loopback.
func IsConfidential(u *url.URL) bool {
	return u.Scheme == "https" || IsLoopback(u.Hostname())
}

// IsLoopback reports whether a host is this machine by its very name. RFC 6761, section
// 6.3, reserves localhost.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// hasOddHost reports whether a host is one that url.Parse takes, and no other parser:
// with such a character, with two ports, or IPv6 without brackets (up to Go 1.25).
func hasOddHost(u *url.URL) bool {
	return !strings.HasPrefix(u.Host, "[") && (strings.ContainsAny(u.Host, "[]<>\"%") || strings.Contains(u.Hostname(), ":"))
}

// isOddAddress reports whether a host is an IP address, or a port a number, in a form
// that Origin does not bring into WHATWG's. A host whose last label is a number is an
// IPv4 address there: 127.1, 0x7f.0.0.1, 010.0.0.1, which is 8.0.0.1.
func isOddAddress(u *url.URL) bool {
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	isIP := err == nil && ip.Zone() == ""
	if _, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && err != nil {
		return true
	}
	if strings.HasPrefix(u.Host, "[") {
		return !isIP || !ip.Is6()
	}
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(host), "."), ".")
	last := labels[len(labels)-1]
	hex, isHex := strings.CutPrefix(last, "0x")
	isNumber := strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == ""
	return isNumber && !isIP
}

// Origin returns scheme, host and port in one way of writing, without a default
// port: the way of WHATWG's URL parser, which Logto uses for its own endpoint.
func Origin(u *url.URL) string {
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		host = ip.String()
		if ip.Is4In6() { // String writes the last 32 bits as IPv4
			b := ip.As16()
			host = fmt.Sprintf("::ffff:%x:%x", int(b[12])<<8|int(b[13]), int(b[14])<<8|int(b[15]))
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		port = strconv.FormatUint(n, 10)
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + port
}

// SameOrigin is a redirect policy for http.Client: it keeps to the origin of the
// first request, and further asks next, if there is one.
func SameOrigin(next func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		switch {
		case Origin(r.URL) != Origin(via[0].URL):
			return errors.New("redirect to another origin")
		case len(via) > maxRedirects:
			return errors.New("too many redirects")
		case next != nil:
			return next(r, via)
		}
		return nil
	}
}
