package m2m

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"syscall"

	"golang.org/x/oauth2"
)

// What the other side wrote may repeat the secret, in pieces or in any coding. So
// none of it is shown as it came: what we know beforehand is recognized, and the
// rest is left out.

// codes are those of RFC 6749, sections 5.2 and 4.1.2.1, and RFC 8707.
var codes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	"access_denied", "server_error", "temporarily_unavailable",
	"invalid_target",
}

// descriptions are Logto's; the one that names the application is not among them.
var descriptions = []string{
	"both `resource` and `organization_id` are not provided",
	"resource indicator is missing, or unknown",
	"only a single resource indicator value is supported for this grant type",
	"client authentication failed",
	"app has not associated with the organization",
}

// causes are errors with fixed texts that a transport may wrap.
var causes = []error{
	context.DeadlineExceeded, context.Canceled, os.ErrDeadlineExceeded,
	io.ErrUnexpectedEOF, io.EOF, net.ErrClosed, http.ErrSchemeMismatch,
}

var errUnreadable = errors.New("no answer that can be read as HTTP")

// failure makes an Error of what x/oauth2 returned.
func (s *tokenSource) failure(err error) *Error {
	var own *Error
	var refused *oauth2.RetrieveError
	var network *url.Error
	switch {
	case errors.As(err, &own):
		return own.hinted(s.cfg)
	case errors.As(err, &refused):
		e := &Error{Status: refused.Response.StatusCode}
		if slices.Contains(codes, refused.ErrorCode) {
			e.Code = refused.ErrorCode
		}
		text := refused.ErrorDescription
		if slices.Contains(descriptions, text) || text == "invalid client "+s.cfg.AppID {
			e.Description = text
		}
		return e.hinted(s.cfg)
	case errors.As(err, &network):
		network.Err = knownCause(network.Err)
		return &Error{cause: network}
	}
	return unusable("the answer has no access_token, or a member of the wrong type")
}

// knownCause finds an error in which nothing of an answer can be, and leaves out
// what is wrapped around it: net/http quotes there what it couldn't read.
// Certificates come before the secret is sent.
func knownCause(err error) error {
	var operation *net.OpError
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var system syscall.Errno
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
