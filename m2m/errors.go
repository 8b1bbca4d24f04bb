package m2m

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Error says why there is no token. It does not show the secret: of an answer that
// is not a token, only the OAuth error is shown, and that only if no part of the
// secret is in it, as it was sent or in a usual encoding.
//
// If no answer came, it unwraps to the cause, unless that may quote what was
// received: to a time-out, the end of a context or connection, an error of the
// operating system, an invalid certificate.
type Error struct {
	// Status is the status of the token endpoint's answer, or zero if none came.
	Status int
	// Code is the answer's error, such as invalid_client. It is empty if it has
	// more than 64 bytes, or others than RFC 6749, section 5.2, allows.
	Code string
	// Description is the answer's error_description, up to its 200th byte. It is
	// empty if it has others than printable ASCII characters. It is for people,
	// and varies with Logto's version.
	Description string
	// Hint says what is likely to be set wrong, or is empty.
	Hint string
	// MissingScopes are those that were asked for and not granted, if that is the error.
	MissingScopes []string

	cause error
}

// Error returns a line with all that is known.
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

// Timeout reports whether the time was up: the caller's, or that of the request to
// Logto. The Timeout method of a [net/url.Error] with an Error in it asks for this.
func (e *Error) Timeout() bool {
	var timeout interface{ Timeout() bool }
	return errors.As(e.cause, &timeout) && timeout.Timeout()
}

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// clone: several callers get the same failure.
func (e *Error) clone() *Error {
	own := *e
	own.MissingScopes = slices.Clone(e.MissingScopes)
	return &own
}

// hinted adds the hint that fits. It goes by status and code: texts change from
// one version of Logto to the next.
func (e *Error) hinted(cfg Config) *Error {
	switch {
	case e.MissingScopes != nil && cfg.OrganizationID != "":
		e.Hint = "in Logto, assign the application an organization role that has them; or set AcceptFewerScopes"
	case e.MissingScopes != nil:
		e.Hint = "in Logto, assign the application a machine-to-machine role that has them; or set AcceptFewerScopes"
	case errors.Is(e.cause, errRedirect):
		e.Hint = "set Endpoint to the address that it redirects to"
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
	case e.Code == "unauthorized_client":
		e.Hint = "the application has to be of the type machine-to-machine"
	case e.Code == "access_denied" && cfg.OrganizationID != "":
		e.Hint = "the application is not a member of this organization: add it in Logto, and compare OrganizationID"
	}
	return e
}

func targetHint(resource string) string {
	switch {
	case resource == "":
		return "set Resource to the API's resource indicator in Logto"
	case strings.HasSuffix(resource, "/"):
		return "Resource ends in a slash: it has to be the API's resource indicator in Logto, to the letter"
	case resource == ManagementResource("default"):
		return "Resource is that of a self-hosted Logto's Management API: on Logto Cloud it has the tenant's ID in it"
	case strings.HasSuffix(resource, ".logto.app/api"):
		return "Resource has to be this tenant's: a self-hosted Logto's is " + ManagementResource("default")
	}
	return "Resource has to be the API's resource indicator in Logto, to the letter: a slash at the end counts"
}
