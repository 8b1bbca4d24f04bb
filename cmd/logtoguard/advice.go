package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/endpoint"
)

// remedies are what to do, by what the library refused with. There is one for each
// of its errors, and the verdict alone chooses it.
var remedies = []struct {
	refusal error
	advice  func(*inquiry) []string
}{
	{logtoguard.ErrNoToken, just("no token came: pipe one into standard input")},
	{logtoguard.ErrMalformed, adviseMalformed},
	{logtoguard.ErrOpaqueToken, adviseOpaque},
	{logtoguard.ErrNotAccessToken, adviseNotAccessToken},
	{logtoguard.ErrWrongAlgorithm, adviseAlgorithm},
	{logtoguard.ErrWrongIssuer, adviseIssuer},
	{logtoguard.ErrWrongAudience, adviseAudience},
	{logtoguard.ErrExpired, adviseTime},
	{logtoguard.ErrNotYetValid, adviseTime},
	{logtoguard.ErrInvalidClaim, adviseClaims},
	{logtoguard.ErrSenderConstrained, just("cnf binds the token to a key of its sender (DPoP, mutual TLS), which is not supported",
		"Logto sets no cnf by itself: look for it in the tenant's custom-claims script")},
	{logtoguard.ErrUnknownKey, adviseUnknownKey},
	{logtoguard.ErrWrongSignature, adviseSignature},
	{logtoguard.ErrKeysUnavailable, adviseNoKeys},
	{logtoguard.ErrWrongOrganization, adviseOrganization},
	{logtoguard.ErrInsufficientScope, adviseScope},
	{logtoguard.ErrRefusedByCheck, just("the API's own Check refused it: this command runs none, so ask the API")},
	{logtoguard.ErrOverloaded, just("too many tokens wait to be verified: try again")},
	{logtoguard.ErrClosed, just("the guard was closed: try again")},
}

func (q *inquiry) advice() []string {
	if q.err == nil {
		return q.adviseLetIn()
	}
	for _, remedy := range remedies {
		if errors.Is(q.err, remedy.refusal) {
			return remedy.advice(q)
		}
	}
	return nil
}

func just(lines ...string) func(*inquiry) []string {
	return func(*inquiry) []string { return lines }
}

func one(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }

func (q *inquiry) adviseLetIn() []string {
	switch {
	case q.claims.OrganizationID() != "" && q.organization == "":
		return one("it is bound to the organization %s: its scopes count only behind RequireOrganization; try -organization", show(q.claims.OrganizationID()))
	case len(q.scopes) == 0 && len(issuedScopes(q.claims)) == 0:
		return one("it holds no scope: a route with RequireScope refuses it; try -scope")
	case len(q.scopes) == 0:
		return one("what its scopes allow is not judged here without -scope")
	}
	return nil
}

func adviseMalformed(q *inquiry) []string {
	switch t := q.token; {
	case t.size > maxRead:
		return one("it is longer than any token of Logto: is it one? Custom claims have to fit into 16 KiB with the rest")
	case t.tooDeep(), t.tooMany():
		return one("Logto's own claims are few, and hardly nested: the rest is from the tenant's custom-claims script, fix it there")
	case t.looksWhole() && t.header.has("crit"):
		return one("its header demands an extension (crit), which Logto never does: it was not issued by Logto")
	case t.looksWhole() && t.header.text("kid") == "":
		return one("its header names no key: it was not issued by Logto")
	case !t.sendable:
		return adviseNoToken()
	case len(t.parts) == 5 && t.header.has("enc"):
		return one("five parts are an encrypted token (JWE): ask Logto for an access token")
	case len(t.parts) == 5:
		return one("five parts are two tokens in a row: was it pasted twice?")
	}
	return one("it was changed or cut when it was copied: copy it again, whole")
}

func adviseNoToken() []string {
	return one("this is no token: it holds a space, or another character that none may have, and an API may answer otherwise to it; " +
		"send the access token alone, whole and without line breaks; of the token endpoint's answer, the value of access_token only")
}

func adviseOpaque(q *inquiry) []string {
	switch {
	case !q.token.sendable:
		return adviseNoToken()
	case strings.HasPrefix(q.token.parts[0], "pat_"):
		return one("a personal access token: exchange it for an access token first, at Logto's token endpoint")
	case q.cfg.OrganizationTokens:
		return one("opaque: the client asked for no organization; ask for it with organization_id=…")
	}
	return one("opaque: the client asked for no resource; ask for it with resource=%s, when signing in and when requesting the token",
		show(q.cfg.Audience[0]))
}

// An ID token of Logto has the application for its audience, no client_id, and no typ or JWT.
func adviseNotAccessToken(q *inquiry) []string {
	typ := q.token.header.text("typ")
	if (typ == "" || strings.EqualFold(typ, "JWT")) && !q.token.claims.has("client_id") && q.token.claims.has("aud") {
		return one("this is an ID token, for the application %s: send the access token for %s",
			showValue(q.token.claims.get("aud")), showAny(q.audience()))
	}
	return one("Logto's access tokens have the typ at+jwt: this one is of another kind, or of another issuer")
}

func adviseAlgorithm(q *inquiry) []string {
	switch alg := q.token.header.text("alg"); {
	case strings.EqualFold(alg, "none"):
		return one("it is not signed at all: anybody can have made it")
	case strings.HasPrefix(alg, "HS"):
		return one("it is signed with a shared secret, which Logto doesn't do for access tokens: anybody who knows the secret can have made it")
	case slices.Contains(algorithms, alg):
		return one("its header says %s, its key is for another algorithm: it was not made by Logto, or the key set is wrong", alg)
	}
	return one("Logto signs access tokens by %s: this one was not issued by Logto", strings.Join(algorithms, ", "))
}

func adviseIssuer(q *inquiry) []string {
	issuer := q.token.claims.text("iss")
	domain, isLogto := strings.CutSuffix(issuer, "/oidc")
	// No endpoint, however it is set, leads to an issuer that is not in normal form.
	if normal, err := endpoint.Normalize("", domain, true); !isLogto || err != nil || normal != domain {
		return one("Logto's issuers end in /oidc, without a slash, and their host is in lower case: this token is of another issuer")
	}
	for _, expected := range q.issuers {
		if how := nearMiss(issuer, expected); how != "" {
			return one("issuer is %s, %s: -endpoint must match Logto's own setting ENDPOINT exactly", show(issuer), how)
		}
	}
	if q.publishedKey() != nil {
		return one("it names a key of this Logto, which anybody can write: if %s is a custom domain of the tenant, allow it with -custom-domain %[1]s; "+
			"if it is Logto's own setting ENDPOINT, make it -endpoint", show(domain))
	}
	return one("it is from another tenant or another Logto: get a token from %s; or if that one is right, set -endpoint %s",
		strings.TrimSuffix(q.issuers[0], "/oidc"), show(domain))
}

func adviseTime(q *inquiry) []string {
	name := q.failedName()
	advice := "expired " + relative(q.time("exp"), q.at) + ": get a new one"
	if errors.Is(q.err, logtoguard.ErrNotYetValid) {
		advice = fmt.Sprintf("its %s is %s", name, relative(q.time(name), q.at))
		if name == "nbf" {
			advice += ": only the tenant's custom-claims script sets it"
		}
	}
	switch behind := q.watch.clockBehind(); {
	case behind > notable:
		advice += "; your clock is " + span(behind) + " behind Logto's: set it"
	case behind < -notable:
		advice += "; your clock is " + span(-behind) + " ahead of Logto's: set it"
	case name == "iat":
		advice += ": set the clock of this machine, or of whatever issued it"
	}
	return []string{advice}
}

func (q *inquiry) time(name string) time.Time {
	t, _ := q.token.claims.instant(name)
	return t
}

// failedName is that of the check that refused.
func (q *inquiry) failedName() string {
	for _, r := range q.results() {
		if r.Result == "failed" {
			return r.Name
		}
	}
	return ""
}

// notable is a difference between clocks that is no delay of the network.
const notable = 5 * time.Second

func adviseClaims(q *inquiry) []string {
	switch name := q.failedName(); name {
	case "nbf", "organization_id":
		return one("the tenant's custom-claims script can write %s: fix it there", name)
	default:
		return one("Logto issues no access token whose %s is like that: this one is of another issuer", name)
	}
}
