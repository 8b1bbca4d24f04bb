package logtoguard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/internal/safetext"
)

// What errors.Is finds in an [*Error]. Its status is 401, but for a malformed header
// (400), ErrInsufficientScope and ErrWrongOrganization (403), ErrKeysUnavailable,
// ErrOverloaded and ErrClosed (503); where [Config].Check refuses, it may choose.
var (
	ErrNoToken           = errors.New("logtoguard: no token")
	ErrMalformed         = errors.New("logtoguard: malformed token or Authorization header")
	ErrOpaqueToken       = errors.New("logtoguard: opaque token")
	ErrNotAccessToken    = errors.New("logtoguard: not an access token")
	ErrWrongAlgorithm    = errors.New("logtoguard: algorithm not allowed")
	ErrUnknownKey        = errors.New("logtoguard: unknown key")
	ErrWrongSignature    = errors.New("logtoguard: wrong signature")
	ErrExpired           = errors.New("logtoguard: token expired")
	ErrNotYetValid       = errors.New("logtoguard: token not yet valid")
	ErrWrongIssuer       = errors.New("logtoguard: wrong issuer")
	ErrWrongAudience     = errors.New("logtoguard: wrong audience")
	ErrInvalidClaim      = errors.New("logtoguard: claim missing or of the wrong type")
	ErrSenderConstrained = errors.New("logtoguard: sender-constrained token")
	ErrRefusedByCheck    = errors.New("logtoguard: refused by Config.Check")
	ErrInsufficientScope = errors.New("logtoguard: insufficient scope")
	ErrWrongOrganization = errors.New("logtoguard: wrong organization")
	ErrKeysUnavailable   = errors.New("logtoguard: keys unavailable")
	ErrOverloaded        = errors.New("logtoguard: too many signatures to check")
	ErrClosed            = errors.New("logtoguard: guard closed")
)

// The error codes of RFC 6750, section 3.1, and one of RFC 6749, section 4.1.2.1.
const (
	codeInvalidRequest    = "invalid_request"
	codeInvalidToken      = "invalid_token"
	codeInsufficientScope = "insufficient_scope"
	codeUnavailable       = "temporarily_unavailable"
)

// Error is a refusal: what the client reads, and, for errors.Is and errors.As, why.
// Code, Reason and Status don't change from one version to the next; Description is
// for people, and may.
type Error struct {
	// Code is invalid_request, invalid_token, insufficient_scope (RFC 6750,
	// section 3.1) or temporarily_unavailable; empty when there was no token.
	Code string
	// Reason is one word for metrics, such as expired, audience or signature.
	Reason string
	// Status is the HTTP status.
	Status int
	// Description is a fixed text for people, without anything that the sender wrote:
	// safe to show. It may change.
	Description string
	// Scopes are what the route asks for, where a scope is missing that the client can
	// ask for.
	Scopes []string
	// RetryAfter is when to try again; zero: not said.
	RetryAfter time.Duration

	sentinel error
	cause    error
	metadata string // the address of the API's metadata; "" if it has none
}

// Error returns the description.
func (e *Error) Error() string {
	if e == nil {
		// A Check may return a nil *Error as an error by mistake.
		return refusedByCheck.description
	}
	return e.Description
}

// Unwrap returns the sentinel, and the cause if there is one.
func (e *Error) Unwrap() []error {
	if e == nil {
		return nil
	}
	var errs []error
	for _, err := range []error{e.sentinel, e.cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Challenge returns the value of WWW-Authenticate (RFC 6750, section 3), or ""
// where none belongs in the answer. A page of another origin can read it only if the
// answer has Access-Control-Expose-Headers: WWW-Authenticate.
func (e *Error) Challenge() string {
	var parameters []string
	add := func(name, value string) {
		if value != "" {
			parameters = append(parameters, name+"="+quote(value))
		}
	}
	switch e.Status {
	case http.StatusUnauthorized:
		// No error code where no token came: RFC 6750, section 3.1.
		add("error", e.Code)
		if e.Code != "" {
			add("error_description", e.Description)
		}
	case http.StatusBadRequest, http.StatusForbidden:
		if e.Code == "" {
			return ""
		}
		add("error", e.Code)
	default:
		return ""
	}
	if e.Code == codeInsufficientScope {
		add("scope", strings.Join(e.Scopes, " "))
	}
	add("resource_metadata", e.metadata) // RFC 9728, section 5.1
	return strings.TrimSpace("Bearer " + strings.Join(parameters, ", "))
}

// quote makes a quoted-string of RFC 9110, section 5.6.4, of what every header parser
// takes.
func quote(s string) string {
	return `"` + quotedPairs.Replace(safetext.Printable(s)) + `"`
}

var quotedPairs = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// WriteError is the default answer to an [*Error]: its status, WWW-Authenticate,
// Retry-After, Cache-Control: no-store, and the body
// {"error":"…","error_description":"…"}. Any other error is a 500 without detail. A
// Content-Length that was set before is dropped.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := &Error{Code: "server_error", Status: http.StatusInternalServerError, Description: "internal error"}
	if found := (*Error)(nil); errors.As(err, &found) && found != nil && found.Status >= 400 && found.Status <= 599 {
		e = found
	}
	setHeaders(w.Header(), e)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	code := e.Code
	if code == "" {
		code = e.Reason
	}
	// An error means that the client is gone.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": e.Description})
}

// setHeaders writes what no ErrorHandler may forget, and drops a length that was
// announced for another body. An encoding stays: it is of a handler that encodes this one.
func setHeaders(h http.Header, e *Error) {
	h.Del("Content-Length")
	h.Set("Cache-Control", "no-store")
	if challenge := e.Challenge(); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
}

// A responder is how one guard answers, and which scopes it takes for those of
// organizations: claims keep it, so that the route checks decide and answer like the
// guard that made them. A nil one answers for claims of no guard.
type responder struct {
	organizationScopes []string // Config.OrganizationScopes

	metadata     string // the address of the API's metadata; "" if it has none
	errorHandler func(http.ResponseWriter, *http.Request, *Error)
	logger       *slog.Logger
	refused      reasons
}

// own makes a refusal name the guard's metadata, and no other's.
func (r *responder) own(e *Error) {
	if r != nil {
		e.metadata = r.metadata
	}
}

func (r *responder) log() *slog.Logger {
	if r == nil {
		return slog.Default()
	}
	return r.logger
}

// answer refuses a request.
func (r *responder) answer(w http.ResponseWriter, request *http.Request, err error) {
	var e *Error
	if r == nil || r.errorHandler == nil || !errors.As(err, &e) {
		WriteError(w, request, err)
		return
	}
	setHeaders(w.Header(), e)
	r.errorHandler(w, request, e)
}

// A refusal is one way to refuse. Several may share a sentinel.
type refusal struct {
	sentinel    error
	status      int
	code        string
	reason      string
	description string
}

const retrySoon = time.Second

var (
	noToken           = refusal{ErrNoToken, 401, "", "no_token", "no access token: send one as Authorization: Bearer"}
	severalHeaders    = refusal{ErrMalformed, 400, codeInvalidRequest, "request", "more than one Authorization header"}
	malformedHeader   = refusal{ErrMalformed, 400, codeInvalidRequest, "request", "the Authorization header does not hold exactly one token after Bearer"}
	tokenTooLong      = refusal{ErrMalformed, 401, codeInvalidToken, "malformed", "the token is longer than 16 KiB"}
	tooDeep           = refusal{ErrMalformed, 401, codeInvalidToken, "malformed", "the token's JSON is nested more than 32 deep"}
	tooManyMembers    = refusal{ErrMalformed, 401, codeInvalidToken, "malformed", "the token's header and payload have more than 1,000 members"}
	malformedToken    = refusal{ErrMalformed, 401, codeInvalidToken, "malformed", "the token is not a well-formed JWT"}
	criticalHeader    = refusal{ErrMalformed, 401, codeInvalidToken, "malformed", "the token's header has a crit member, and no extension is known here"}
	noKeyID           = refusal{ErrMalformed, 401, codeInvalidToken, "malformed", "the token's header names no key: its kid is missing, empty or not a string"}
	opaqueToken       = refusal{ErrOpaqueToken, 401, codeInvalidToken, "opaque", "opaque token: request it with the `resource` parameter"}
	notAccessToken    = refusal{ErrNotAccessToken, 401, codeInvalidToken, "not_access_token", "this is not an access token: its typ is not at+jwt (an ID token is for the application that asked for it)"}
	wrongAlgorithm    = refusal{ErrWrongAlgorithm, 401, codeInvalidToken, "algorithm", "the token's signature algorithm is not allowed"}
	algorithmOfKey    = refusal{ErrWrongAlgorithm, 401, codeInvalidToken, "algorithm", "the token's signature algorithm does not fit its key"}
	unknownKey        = refusal{ErrUnknownKey, 401, codeInvalidToken, "unknown_key", "the token is signed by a key that the issuer does not publish"}
	wrongSignature    = refusal{ErrWrongSignature, 401, codeInvalidToken, "signature", "the token's signature is wrong"}
	expired           = refusal{ErrExpired, 401, codeInvalidToken, "expired", "the token expired"}
	notYetValid       = refusal{ErrNotYetValid, 401, codeInvalidToken, "not_yet_valid", "the token is not valid yet"}
	wrongIssuer       = refusal{ErrWrongIssuer, 401, codeInvalidToken, "issuer", "the token is from another issuer"}
	wrongAudience     = refusal{ErrWrongAudience, 401, codeInvalidToken, "audience", "the token is for another audience"}
	tooManyAudiences  = refusal{ErrWrongAudience, 401, codeInvalidToken, "audience", "the token has more than 16 audiences"}
	contradiction     = refusal{ErrInvalidClaim, 401, codeInvalidToken, "claims", "the token's organization_id contradicts its audience"}
	senderConstrained = refusal{ErrSenderConstrained, 401, codeInvalidToken, "sender_constrained", "the token is bound to a key of its sender (cnf), which is not supported"}
	refusedByCheck    = refusal{ErrRefusedByCheck, 401, codeInvalidToken, "check", "the token was refused"}
	checkInterrupted  = refusal{ErrRefusedByCheck, 503, codeUnavailable, "check", "the token could not be checked in time"}
	insufficientScope = refusal{ErrInsufficientScope, 403, codeInsufficientScope, "scope", "the token does not hold the scope that is needed"}
	organizationOnly  = refusal{ErrInsufficientScope, 403, codeInsufficientScope, "scope", "the scope counts in an organization only, and the token is bound to none"}
	scopeNotAccepted  = refusal{ErrInsufficientScope, 403, codeInsufficientScope, "scope", "the token's scopes are bound to an organization, which is not the one being served"}
	otherOrganization = refusal{ErrWrongOrganization, 403, codeInsufficientScope, "organization", "the token is not for this organization"}
	keysUnavailable   = refusal{ErrKeysUnavailable, 503, codeUnavailable, "keys", "the issuer's keys are not available"}
	overloaded        = refusal{ErrOverloaded, 503, codeUnavailable, "overloaded", "too many tokens wait to be verified"}
	guardClosed       = refusal{ErrClosed, 503, codeUnavailable, "closed", "this server is shutting down"}
)

// because makes a fresh Error. A cause is for errors.Is and the log; nil: none.
func (r refusal) because(cause error) *Error {
	e := &Error{Code: r.code, Reason: r.reason, Status: r.status, Description: r.description, sentinel: r.sentinel, cause: cause}
	if r.status == http.StatusServiceUnavailable {
		e.RetryAfter = retrySoon
	}
	return e
}

// wrongClaim refuses a token for a claim of ours, by its name.
func wrongClaim(name string) *Error {
	kind := refusal{ErrInvalidClaim, 401, codeInvalidToken, "claims", "the token's " + name + " claim is missing or of the wrong type"}
	return kind.because(nil)
}

// retryIn is because, for what will be over in d.
func (r refusal) retryIn(d time.Duration, cause error) *Error {
	e := r.because(cause)
	e.RetryAfter = max(d, retrySoon)
	return e
}

// refusedBy makes the answer to an error that Config.Check returned; nil is none.
func refusedBy(err error) *Error {
	if err == nil {
		return nil // before e, which costs an allocation
	}
	var e *Error
	switch {
	case errors.As(err, &e) && e != nil && slices.Contains([]int{401, 403, 429, 503}, e.Status):
		own := *e
		own.Scopes = slices.Clone(e.Scopes)
		own.sentinel, own.cause = ErrRefusedByCheck, err
		own.Reason = cmp.Or(own.Reason, refusedByCheck.reason)
		return &own
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return checkInterrupted.because(err)
	}
	return refusedByCheck.because(err)
}
