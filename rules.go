package logtoguard

import (
	"slices"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/internal/strict"
)

// What a token has to be, before its signature is looked at: its header and its claims.

// organizationPrefix starts the audience of an organization token. Another URN of
// Logto's, urn:logto:resource:organizations, is none.
const organizationPrefix = "urn:logto:organization:"

// maxIssuedAhead is how far ahead iat may be: machines use a token milliseconds
// after its issue, and clocks differ.
const maxIssuedAhead = time.Minute

type header struct{ algorithm, kid string }

// parseHeader never looks at jku, x5u, jwk or x5c: a token does not choose its
// own key (RFC 8725, section 3.10).
func parseHeader(data []byte) (h header, e *Error) {
	var typ, alg, crit, kid jsonValue
	members := jsonObject{"typ": &typ, "alg": &alg, "crit": &crit, "kid": &kid}
	if err := strict.UnmarshalObject(data, &members); err != nil {
		return h, malformedToken.because(err)
	}
	if s, _ := typ.text(); !isAccessToken(s) {
		return h, notAccessToken.because(nil)
	}
	if h.algorithm, _ = alg.text(); !slices.Contains(algorithms, h.algorithm) {
		return h, wrongAlgorithm.because(nil)
	}
	if crit.present() {
		return h, criticalHeader.because(nil)
	}
	if h.kid, _ = kid.text(); h.kid == "" {
		return h, noKeyID.because(nil)
	}
	return h, nil
}

// isAccessToken tells access tokens from ID tokens, which the same key signs
// (RFC 9068, section 4).
func isAccessToken(typ string) bool {
	return strings.EqualFold(typ, "at+jwt") || strings.EqualFold(typ, "application/at+jwt")
}

// algorithms are those that Logto can be set to; ES384 is its default.
var algorithms = []string{"ES256", "ES384", "ES512", "RS256"}

// policy judges claims.
type policy struct {
	issuers            []string
	audience           []string
	organizationTokens bool
	skew               time.Duration
	now                func() time.Time
}

// payload are the members that are judged or offered by Claims.
type payload struct {
	issuer, expiresAt, notBefore, issuedAt, subject, clientID jsonValue
	scope, organizationID, confirmation, id                   jsonValue
	audience                                                  audience
	actor                                                     actor
}

// judge makes Claims of a token's payload if they are valid for this API, now.
func (p *policy) judge(data []byte, issuer *string) (*Claims, *Error) {
	var in payload
	members := jsonObject{
		"iss": &in.issuer, "aud": &in.audience, "exp": &in.expiresAt, "nbf": &in.notBefore, "iat": &in.issuedAt,
		"sub": &in.subject, "client_id": &in.clientID, "scope": &in.scope, "organization_id": &in.organizationID,
		"cnf": &in.confirmation, "jti": &in.id, "act": &in.actor,
	}
	if err := strict.UnmarshalObject(data, &members); err != nil {
		return nil, malformedToken.because(err)
	}
	c := &Claims{payload: data}
	c.issuer, _ = in.issuer.text()
	*issuer = c.issuer
	if e := p.judgeOrigin(&in, c); e != nil {
		return nil, e
	}
	if e := p.judgeTimes(&in, c); e != nil {
		return nil, e
	}
	if e := judgeParties(&in, c); e != nil {
		return nil, e
	}
	c.id, _ = in.id.text()
	c.actor, _ = in.actor.subject.text()
	return c, nil
}

// judgeOrigin: who issued the token, and for whom.
func (p *policy) judgeOrigin(in *payload, c *Claims) *Error {
	if _, ok := in.issuer.text(); !ok {
		return wrongIssuer.because(ErrInvalidClaim)
	}
	if !slices.Contains(p.issuers, c.issuer) {
		return wrongIssuer.because(nil)
	}
	switch {
	case in.audience.tooMany:
		return tooManyAudiences.because(nil)
	case !in.audience.valid:
		return wrongAudience.because(ErrInvalidClaim)
	}
	c.audience = in.audience.list
	accepted := false
	for _, audience := range c.audience {
		accepted = accepted || slices.Contains(p.audience, audience)
		id, _ := strings.CutPrefix(audience, organizationPrefix)
		if id == audience || id == "" {
			continue
		}
		if c.organization != "" && c.organization != id {
			return wrongAudience.because(nil)
		}
		c.organization = id
	}
	if p.organizationTokens {
		accepted = c.organization != ""
	}
	if !accepted {
		return wrongAudience.because(nil)
	}
	return nil
}

func (p *policy) judgeTimes(in *payload, c *Claims) *Error {
	var ok bool
	if c.expiresAt, ok = in.expiresAt.instant(); !ok {
		return wrongClaim("exp")
	}
	now := p.now()
	until := c.expiresAt.Add(p.skew)
	if !now.Before(until) {
		return expired.because(nil)
	}
	var from time.Time
	if in.notBefore.present() {
		notBefore, ok := in.notBefore.instant()
		if !ok {
			return wrongClaim("nbf")
		}
		if from = notBefore.Add(-p.skew); now.Before(from) {
			return notYetValid.because(nil)
		}
	}
	if c.issuedAt, ok = in.issuedAt.instant(); !ok {
		return wrongClaim("iat")
	}
	issued := c.issuedAt.Add(-max(p.skew, maxIssuedAhead))
	if now.Before(issued) {
		return notYetValid.because(nil)
	}
	if from.Before(issued) {
		from = issued
	}
	c.validFrom, c.validUntil = from, until
	return nil
}

// judgeParties: who may do what, and where.
func judgeParties(in *payload, c *Claims) *Error {
	if c.subject, _ = in.subject.text(); c.subject == "" {
		return wrongClaim("sub")
	}
	if c.clientID, _ = in.clientID.text(); c.clientID == "" {
		return wrongClaim("client_id")
	}
	if in.scope.present() {
		var ok bool
		if c.scope, ok = in.scope.text(); !ok {
			return wrongClaim("scope")
		}
	}
	if in.organizationID.present() {
		id, _ := in.organizationID.text()
		switch {
		case id == "":
			return wrongClaim("organization_id")
		case c.organization != "" && c.organization != id:
			// The tenant's script can write this claim, but not the audience.
			return contradiction.because(nil)
		}
		c.organization = id
	}
	if in.confirmation.present() {
		// Only its sender may use such a token (RFC 7800), and who that is can't be told here.
		return senderConstrained.because(nil)
	}
	return nil
}
