package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard"
)

// check is one of those that a guard makes, in words. It judges nothing: the
// guard's verdict says which of them failed.
type check struct {
	name    string
	refuses []error
	// wrong tells checks apart that refuse with the same error: the token was
	// refused by the first of them that is wrong.
	wrong           func(*inquiry) bool
	expected, found func(*inquiry) string
}

// checks are in the order in which Guard.Verify makes them, followed by what a
// route asks for.
var checks = []check{
	{"form", []error{logtoguard.ErrNoToken, logtoguard.ErrOpaqueToken, logtoguard.ErrMalformed}, isUnreadable,
		always("three parts of strict base64url, a JSON object in the first, at most 16 KiB, 32 levels and 1,000 members"), form},
	{"typ", []error{logtoguard.ErrNotAccessToken}, nil,
		always("at+jwt"), inHeader("typ")},
	{"alg", []error{logtoguard.ErrWrongAlgorithm}, hasOtherAlgorithm,
		always(strings.Join(algorithms, ", ")), inHeader("alg")},
	{"crit", []error{logtoguard.ErrMalformed}, isCritical,
		always("none"), inHeader("crit")},
	{"kid", []error{logtoguard.ErrMalformed}, namesNoKey,
		always("a key's ID"), inHeader("kid")},
	{"claims", []error{logtoguard.ErrMalformed}, nil,
		always("a JSON object in the second part, no member twice"), payload},
	{"iss", []error{logtoguard.ErrWrongIssuer}, nil,
		func(q *inquiry) string { return showAny(q.issuers) }, inClaims("iss")},
	{"aud", []error{logtoguard.ErrWrongAudience}, nil,
		func(q *inquiry) string { return showAny(q.audience()) }, inClaims("aud")},
	{"exp", []error{logtoguard.ErrExpired, logtoguard.ErrInvalidClaim}, isNoTime("exp"),
		func(q *inquiry) string { return "later than " + clock(q.at.Add(-q.skew())) }, timeOf("exp")},
	{"nbf", []error{logtoguard.ErrNotYetValid, logtoguard.ErrInvalidClaim}, startsLater,
		func(q *inquiry) string { return "none, or not later than " + clock(q.at.Add(q.skew())) }, timeOf("nbf")},
	{"iat", []error{logtoguard.ErrNotYetValid, logtoguard.ErrInvalidClaim}, isIssuedLater,
		func(q *inquiry) string { return "not later than " + clock(q.at.Add(q.issueSkew())) }, timeOf("iat")},
	{"sub", []error{logtoguard.ErrInvalidClaim}, isNoText("sub"),
		always("a user's or an application's ID"), inClaims("sub")},
	{"client_id", []error{logtoguard.ErrInvalidClaim}, isNoText("client_id"),
		always("an application's ID"), inClaims("client_id")},
	{"scope", []error{logtoguard.ErrInvalidClaim}, hasOddScope,
		always("none, or a string"), inClaims("scope")},
	{"organization_id", []error{logtoguard.ErrInvalidClaim}, nil,
		always("none, or an organization's ID, the same as in aud if one is there"), inClaims("organization_id")},
	{"cnf", []error{logtoguard.ErrSenderConstrained}, nil,
		always("none"), inClaims("cnf")},
	{"key", []error{logtoguard.ErrUnknownKey, logtoguard.ErrKeysUnavailable}, nil,
		func(q *inquiry) string { return "a usable key with this kid at " + show(q.keys.where()) }, keyFound},
	{"key's alg", []error{logtoguard.ErrWrongAlgorithm}, nil,
		inHeader("alg"), keyAlgorithm},
	{"signature", []error{logtoguard.ErrWrongSignature, logtoguard.ErrOverloaded}, nil,
		always("made by that key"), signatureFound},
	{"organization", []error{logtoguard.ErrWrongOrganization}, nil,
		func(q *inquiry) string { return show(q.organization) }, organizationFound},
	{"scopes needed", []error{logtoguard.ErrInsufficientScope}, nil,
		func(q *inquiry) string { return showAll(q.scopes) }, scopesFound},
}

// applicable are the checks that are made for these flags.
func (q *inquiry) applicable() []check {
	return slices.DeleteFunc(slices.Clone(checks), func(c check) bool {
		return c.name == "organization" && q.organization == "" || c.name == "scopes needed" && len(q.scopes) == 0
	})
}

// failedCheck is the index of the check that refused, or -1 if none did.
func (q *inquiry) failedCheck(list []check) int {
	var candidates []int
	for i, c := range list {
		if slices.ContainsFunc(c.refuses, func(refusal error) bool { return errors.Is(q.err, refusal) }) {
			candidates = append(candidates, i)
		}
	}
	for _, i := range candidates {
		if list[i].wrong == nil || len(candidates) == 1 || list[i].wrong(q) {
			return i
		}
	}
	// Our reading and the verdict disagree: the verdict holds.
	if len(candidates) > 0 {
		return candidates[0]
	}
	return -1
}

var algorithms = []string{"ES384", "ES256", "ES512", "RS256"}

func always(text string) func(*inquiry) string { return func(*inquiry) string { return text } }

func inHeader(name string) func(*inquiry) string {
	return func(q *inquiry) string { return showValue(q.token.header.get(name)) }
}

func inClaims(name string) func(*inquiry) string {
	return func(q *inquiry) string { return showValue(q.token.claims.get(name)) }
}

func timeOf(name string) func(*inquiry) string {
	return func(q *inquiry) string {
		if t, ok := q.token.claims.instant(name); ok {
			return clock(t) + ", " + relative(t, q.at)
		}
		return showJSON(q.token.claims.get(name))
	}
}

func payload(q *inquiry) string {
	if q.token.claims.strict {
		return "a JSON object"
	}
	return "what is " + q.token.claims.fault()
}

func keyFound(q *inquiry) string {
	switch {
	case errors.Is(q.err, logtoguard.ErrKeysUnavailable):
		return "no keys"
	case errors.Is(q.err, logtoguard.ErrUnknownKey) && q.publishedKey() != nil:
		return "one that can't be used"
	case errors.Is(q.err, logtoguard.ErrUnknownKey):
		return "none"
	}
	return "published at " + show(q.keys.where())
}

func keyAlgorithm(q *inquiry) string {
	k := q.publishedKey()
	if errors.Is(q.err, logtoguard.ErrWrongAlgorithm) && k != nil {
		return "a key of the type " + k.kind()
	}
	return showValue(q.token.header.get("alg"))
}

func signatureFound(q *inquiry) string {
	if errors.Is(q.err, logtoguard.ErrWrongSignature) {
		return "another one (not shown)"
	}
	return "made by that key (not shown)"
}

func organizationFound(q *inquiry) string {
	if q.claims.OrganizationID() == "" {
		return "none"
	}
	return show(q.claims.OrganizationID())
}

func scopesFound(q *inquiry) string {
	switch id := q.claims.OrganizationID(); {
	case len(issuedScopes(q.claims)) == 0:
		return "none"
	case q.lacksOrganization():
		return showAll(issuedScopes(q.claims)) + ", and no organization in which it would count"
	case id != "" && q.organization == "":
		return "none that count outside of the organization " + show(id)
	}
	return showAll(issuedScopes(q.claims))
}

// organizationScopes returns those of the scopes needed that count in an organization only.
func (q *inquiry) organizationScopes() []string {
	return slices.DeleteFunc(slices.Clone(q.scopes), func(scope string) bool { return !slices.Contains(q.cfg.OrganizationScopes, scope) })
}

// lacksOrganization reports whether the token is bound to none, and a scope that is
// needed counts in one only.
func (q *inquiry) lacksOrganization() bool {
	return q.claims.OrganizationID() == "" && len(q.organizationScopes()) > 0
}

// issuedScopes returns the scopes in the token, also those that don't count outside of
// an organization.
func issuedScopes(claims *logtoguard.Claims) []string {
	var issued struct {
		Scope string `json:"scope"`
	}
	// A verified token's scope is a string.
	_ = claims.Decode(&issued)
	return strings.FieldsFunc(issued.Scope, func(r rune) bool { return r == ' ' })
}

func form(q *inquiry) string { return q.token.form() }

// What tells checks with the same error apart.

func isUnreadable(q *inquiry) bool { return !q.token.looksWhole() }

func hasOtherAlgorithm(q *inquiry) bool {
	return !slices.Contains(algorithms, q.token.header.text("alg"))
}

func isCritical(q *inquiry) bool { return q.token.header.has("crit") }

func namesNoKey(q *inquiry) bool { return q.token.header.text("kid") == "" }

func isNoTime(name string) func(*inquiry) bool {
	return func(q *inquiry) bool { _, ok := q.token.claims.instant(name); return !ok }
}

func startsLater(q *inquiry) bool { return q.token.claims.has("nbf") && q.ahead("nbf", q.skew()) }

func isIssuedLater(q *inquiry) bool { return q.ahead("iat", q.issueSkew()) }

// ahead reports whether a time is none, or later than our clock allows.
func (q *inquiry) ahead(name string, skew time.Duration) bool {
	t, ok := q.token.claims.instant(name)
	return !ok || q.at.Before(t.Add(-skew))
}

func isNoText(name string) func(*inquiry) bool {
	return func(q *inquiry) bool { return q.token.claims.text(name) == "" }
}

func hasOddScope(q *inquiry) bool {
	kind := q.token.claims.get("scope").Kind()
	return q.token.claims.has("scope") && kind != '"'
}
