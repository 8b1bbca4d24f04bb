package m2m

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
)

const maxDescription = 200

var (
	codeSyntax = regexp.MustCompile(`^[ !#-\[\]-~]{1,64}$`) // RFC 6749, section 5.2, with a limit
	printable  = regexp.MustCompile(`^[ -~]+$`)

	escapes = regexp.MustCompile(`%[[:xdigit:]]{2}|\\u[[:xdigit:]]{4}|&#?\w+;`)
	special = regexp.MustCompile(`[^0-9A-Za-z]`)
)

// causes are errors with fixed texts that a transport may wrap.
var causes = []error{
	context.DeadlineExceeded, context.Canceled, os.ErrDeadlineExceeded,
	io.ErrUnexpectedEOF, io.EOF, net.ErrClosed, http.ErrSchemeMismatch,
}

var errUnreadable = errors.New("no answer that can be read as HTTP")

// shown returns text if it has this syntax, and the secret is not in it as a careless
// server would repeat it: as it is, with special characters escaped once, in
// hexadecimal, in Base64, or in the Authorization header that was sent.
func (cfg Config) shown(text string, syntax *regexp.Regexp) string {
	if !syntax.MatchString(text) {
		return ""
	}
	searched := plain(text) + " " + plain(escapes.ReplaceAllString(text, ""))
	for _, form := range []string{
		cfg.AppSecret,
		hex.EncodeToString([]byte(cfg.AppSecret)),
		base64.StdEncoding.EncodeToString([]byte(cfg.AppSecret)),
		base64.StdEncoding.EncodeToString([]byte(cfg.AppID + ":" + cfg.AppSecret)),
		base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(cfg.AppID) + ":" + url.QueryEscape(cfg.AppSecret))),
	} {
		if strings.Contains(searched, plain(form)) {
			return ""
		}
	}
	return text
}

// plain returns what encodings don't change, the letters and digits, in lower case.
func plain(text string) string {
	return strings.ToLower(special.ReplaceAllString(text, ""))
}

// knownCause returns the part of err that can't quote an answer. net/http quotes
// the bytes that it could not read, in which a server may have repeated the
// Authorization header. Certificates are seen before the secret is sent.
func knownCause(err error) error {
	var operation *net.OpError
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var system errno
	var timeout net.Error
	switch {
	case errors.As(err, &operation):
		if operation.Op == "remote error" { // an alert of TLS, with a text of crypto/tls
			return operation
		}
		own := *operation
		own.Err = knownCause(operation.Err)
		return &own
	case errors.As(err, &lookup):
		return lookup
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &system):
		return system
	}
	for _, cause := range causes {
		if errors.Is(err, cause) {
			return cause
		}
	}
	if errors.As(err, &timeout) && timeout.Timeout() {
		return os.ErrDeadlineExceeded
	}
	return errUnreadable
}
