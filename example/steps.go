package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/logtoguard/logtoguard"
)

// step is one check on a request's way, in words, and how it went.
type step struct {
	Name  string
	Title string
	Text  string
	Looks string // what is looked at: of the token, as in claims.iss, or of what the route asks for; empty: nothing to show
	State string // passed, failed, or open: the guard stops at the first check that fails

	reasons []string // the refusals, by logtoguard.Error.Reason, that end here
}

// stepsOf says from the guard's verdict how far a request came: err is what it
// refused the request by, or nil. Which organization and scope a route wants, if
// any, is up to the route.
func stepsOf(err error) []step {
	steps := checks()
	failed := len(steps)
	if err != nil {
		failed = failedStep(steps, err)
	}
	for i := range steps {
		switch {
		case i < failed:
			steps[i].State = "passed"
		case i == failed:
			steps[i].State = "failed"
		default:
			steps[i].State = "open"
		}
	}
	return steps
}

// failedStep is -1 for what says nothing of the token, such as a guard that was closed.
func failedStep(steps []step, err error) int {
	var refusal *logtoguard.Error
	if !errors.As(err, &refusal) {
		return -1
	}
	return slices.IndexFunc(steps, func(s step) bool { return slices.Contains(s.reasons, refusal.Reason) })
}

// summary is the steps for a header: header=passed, form=failed, type=open, …
func summary(steps []step) string {
	words := make([]string, 0, len(steps))
	for _, s := range steps {
		words = append(words, s.Name+"="+s.State)
	}
	return strings.Join(words, ", ")
}

// checks are in the guard's order, cheap ones first.
// Refusals that share a reason share a step, so none is said to have passed that
// was never made; a few that were (all before an alg that doesn't fit its key) are
// said to be open.
func checks() []step {
	return []step{
		{
			Name: "header", Title: "One bearer token",
			Text:    "There must be one Authorization header, with one token after the word Bearer.",
			reasons: []string{"no_token", "request"},
		},
		{
			Name: "form", Title: "A well-formed JWT",
			Text:    "It must have three parts in strict base64url, no member twice, and at most 16 KiB.",
			reasons: []string{"malformed", "opaque"},
		},
		{
			Name: "type", Title: "An access token", Looks: "header.typ",
			Text:    "typ must be at+jwt. An ID token, which the same key signs, gets no further.",
			reasons: []string{"not_access_token"},
		},
		{
			Name: "algorithm", Title: "An allowed algorithm", Looks: "header.alg",
			Text:    "alg must be ES384, ES256, ES512 or RS256, and fit the key.",
			reasons: []string{"algorithm"},
		},
		{
			Name: "issuer", Title: "The right issuer", Looks: "claims.iss",
			Text:    "iss must be exactly the Logto that this API trusts.",
			reasons: []string{"issuer"},
		},
		{
			Name: "audience", Title: "The right audience", Looks: "claims.aud",
			Text:    "aud must name this API. It says whom the token is for, not what it allows.",
			reasons: []string{"audience"},
		},
		{
			Name: "claims", Title: "In time and complete", Looks: "claims.exp",
			Text:    "exp must be ahead and iat must not; sub and client_id must be there.",
			reasons: []string{"expired", "not_yet_valid", "claims", "sender_constrained"},
		},
		{
			Name: "key", Title: "A published key", Looks: "header.kid",
			Text:    "Logto must publish a key by the name in kid.",
			reasons: []string{"unknown_key", "keys"},
		},
		{
			Name: "signature", Title: "A true signature",
			Text:    "That key must have signed these very bytes. It costs once per token: the answer is remembered.",
			reasons: []string{"signature", "overloaded"},
		},
		{
			Name: "revocation", Title: "Not revoked", Looks: "claims.iat",
			Text:    "The guard asks Config.Check on every request: here a list of what was revoked, and when.",
			reasons: []string{"revoked", "lifetime", "revocation"},
		},
		{
			Name: "organization", Title: "RequireOrganization", Looks: "route.organization",
			Text:    "The token must be bound to the organization in the path. Only then do its scopes count.",
			reasons: []string{"organization"},
		},
		{
			Name: "scope", Title: "RequireScope", Looks: "route.scope",
			Text:    "The token must hold the scope that the route asks for.",
			reasons: []string{"scope"},
		},
	}
}
