package m2m

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Error says why there is no token. It doesn't show the secret: of an answer, it
// shows Code and Description only, and leaves out the one that has the secret in it, as
// it was sent or in a usual encoding.
//
// If no answer came, an Error unwraps to the cause, if that can't quote what was
// received: a timeout, the end of a context or connection, an error of the operating
// system, an invalid certificate.
type Error struct {
	// Status is the status of the token endpoint's answer, or zero if none came.
	Status int
	// Code is the answer's error, such as invalid_client, or else Logto's own code, such
	// as auth.exceed_token_limit. It is empty if it has more than 64 bytes, or
	// characters that RFC 6749, section 5.2, doesn't allow.
	Code string
	// Description is the answer's error_description, or else its message, cut at 200
	// bytes. It is empty if it has characters that are not printable ASCII. It is for
	// people and varies with Logto's version.
	Description string
	// Hint says what is likely to be set wrong, or is empty.
	Hint string
	// MissingScopes are the scopes that were asked for and not granted, if that is
	// the error.
	MissingScopes []string
	// RetryAfter is for how much longer Logto is not asked, because its answer (429 or
	// 503) said so in Retry-After: at most 5 min.
	RetryAfter time.Duration

	cause error
}

// Error returns all that is known, in one line.
func (e *Error) Error() string {
	parts := []string{"m2m: no token"}
	if e.Status != 0 {
		parts = append(parts, strings.TrimSpace("status "+strconv.Itoa(e.Status)+" "+e.Code))
	}
	if e.Description != "" {
		parts = append(parts, e.Description)
	}
	if e.cause != nil {
		parts = append(parts, e.cause.Error())
	}
	text := strings.Join(parts, ": ")
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Timeout reports whether the caller or the request to Logto timed out. The Timeout
// method of a [net/url.Error] that wraps an Error calls it.
func (e *Error) Timeout() bool {
	var timeout interface{ Timeout() bool }
	return errors.As(e.cause, &timeout) && timeout.Timeout()
}

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// clone makes a copy for one of the callers that share a failure, when this time has
// passed since.
func (e *Error) clone(passed time.Duration) *Error {
	own := *e
	own.RetryAfter = max(0, e.RetryAfter-passed)
	own.MissingScopes = slices.Clone(e.MissingScopes)
	return &own
}

// hinted adds the hint that fits. It goes by status and code, because texts change
// from one version of Logto to the next, and by texts where Logto has one code for
// several mistakes.
func (e *Error) hinted(cfg Config) *Error {
	switch {
	case e.MissingScopes != nil && cfg.OrganizationID != "":
		e.Hint = "in Logto, assign the application an organization role that has them; or set AcceptFewerScopes"
	case e.MissingScopes != nil:
		e.Hint = "in Logto, assign the application a machine-to-machine role that has them; or set AcceptFewerScopes"
	case errors.Is(e.cause, errRedirect):
		e.Hint = "set Endpoint to the address that it redirects to"
	case e.Code == "auth.exceed_token_limit":
		e.Hint = "the tenant's tokens of this billing period are used up: asking less often doesn't help"
	case e.Status == http.StatusTooManyRequests:
		e.Hint = "Logto limits the rate: ask less often"
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed, e.Status/100 == 2 && errors.Is(e.cause, errNotJSON):
		e.Hint = "is Endpoint that of Logto? Write it without the path of an API or console, such as https://tenant-id.logto.app"
	case e.Code == "invalid_target":
		e.Hint = targetHint(cfg.Resource)
	case e.Code == "invalid_client" && e.Status == http.StatusUnauthorized:
		e.Hint = "AppSecret is not, or no longer, a secret of this application"
	case e.Code == "invalid_client":
		e.Hint = "no application at this Endpoint has this AppID"
	case e.Code == "invalid_request" && strings.Contains(e.Description, "secret has expired"):
		e.Hint = "AppSecret has expired: make another one in Logto"
	case e.Code == "unauthorized_client", e.Code == "invalid_request" && strings.Contains(e.Description, "grant type is not allowed"):
		e.Hint = "the application must be of the type machine-to-machine"
	case e.Code == "access_denied" && e.Status == http.StatusBadRequest:
		e.Hint = "the tenant's custom-claims script refuses the application: see the script in Logto"
	case e.Code == "access_denied" && e.Status == http.StatusForbidden && cfg.OrganizationID != "":
		e.Hint = "the application is not a member of this organization: add it in Logto, and compare OrganizationID"
	}
	return e
}

func targetHint(resource string) string {
	switch {
	case resource == "":
		return "set Resource to the API's resource indicator in Logto"
	case strings.HasSuffix(resource, "/"):
		return "Resource ends in a slash: it must match the API's resource indicator in Logto exactly"
	case resource == ManagementResource("default"):
		return "Resource is that of a self-hosted Logto's Management API: on Logto Cloud it has the tenant's ID in it"
	case strings.HasSuffix(resource, ".logto.app/api"):
		return "Resource must be this tenant's: a self-hosted Logto's is " + ManagementResource("default")
	}
	return "Resource must match the API's resource indicator in Logto exactly: a slash at the end counts"
}
