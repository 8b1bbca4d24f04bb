package logtoguard

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"slices"
	"strings"
	"time"
)

// organizationPrefix starts the audience of an organization token. Another URN of
// Logto's, urn:logto:resource:organizations, is none.
const organizationPrefix = "urn:logto:organization:"

// maxIssuedAhead is how far ahead iat may be: machines use a token milliseconds
// after its issue, and clocks differ.
const maxIssuedAhead = time.Minute

// Verify judges a token, for what is not HTTP. Its errors are *[Error]. Where ctx
// ends while Verify waits for keys or for its turn, the error wraps ctx.Err().
func (g *Guard) Verify(ctx context.Context, token string) (*Claims, error) {
	if claims := g.known(token); claims != nil {
		return g.readmit(ctx, claims)
	}
	return g.examine(ctx, token)
}

// known returns the claims of a token that was verified before, if what they
// depend on still holds: the time, the key, and the age of the keys.
func (g *Guard) known(token string) *Claims {
	if len(token) > maxTokenSize {
		return nil // spares the hash of what nobody verified
	}
	claims := g.tokens.get(token)
	if claims == nil {
		return nil
	}
	if g.overtaken(claims) != nil {
		return nil
	}
	return claims
}

// overtaken refuses claims that were right once, and are not any more.
func (g *Guard) overtaken(claims *Claims) *Error {
	now := g.policy.now()
	at := instantOf(now)
	switch {
	case g.keys.closed():
		return guardClosed.because(nil)
	case at >= claims.validUntil:
		return expired.because(nil)
	case at < claims.validFrom:
		return notYetValid.because(nil)
	case claims.key.retired.Load():
		return unknownKey.because(nil)
	case !g.keys.trusted(now):
		return keysUnavailable.because(nil)
	}
	return nil
}

// admit has the last word on a token that was just verified.
func (g *Guard) admit(ctx context.Context, claims *Claims) (*Claims, error) {
	if err := g.ask(ctx, claims); err != nil {
		return nil, err
	}
	g.counts.admitted.add()
	return claims, nil
}

// readmit is admit for a known token. Without a Check each hit is let in: it is
// counted once, and Stats works out the rest.
func (g *Guard) readmit(ctx context.Context, claims *Claims) (*Claims, error) {
	g.tokens.hits.add()
	if g.check == nil {
		return claims, nil
	}
	return g.admit(ctx, claims)
}

// ask asks Config.Check.
func (g *Guard) ask(ctx context.Context, claims *Claims) error {
	if g.check == nil {
		return nil
	}
	err := g.check(ctx, claims)
	if err == nil {
		return nil
	}
	e := refusedBy(err)
	g.conclude(ctx, e, about{})
	return e
}

// about is what a refused token said of itself, for the log.
type about struct{ kid, issuer string }

func (g *Guard) examine(ctx context.Context, token string) (*Claims, error) {
	var seen about
	claims, e := g.judge(ctx, token, &seen)
	if e != nil {
		g.conclude(ctx, e, seen)
		return nil, e
	}
	return g.admit(ctx, claims)
}

// judge goes from what is cheap to check to what is dear: the signature is last.
func (g *Guard) judge(ctx context.Context, token string, seen *about) (*Claims, *Error) {
	switch {
	case g.keys.closed():
		return nil, guardClosed.because(nil)
	case token == "":
		return nil, noToken.because(nil)
	}
	g.tokens.misses.Add(1)
	t, e := parseToken(token)
	if e != nil {
		return nil, e
	}
	h, e := parseHeader(t.header)
	if e != nil {
		return nil, e
	}
	seen.kid = h.kid
	claims, e := g.policy.judge(t.payload, &seen.issuer)
	if e != nil {
		return nil, e
	}
	if claims.key, e = g.keys.find(ctx, h.kid); e != nil {
		return nil, e
	}
	if claims.key.algorithm != h.algorithm {
		return nil, algorithmOfKey.because(nil)
	}
	claims.guard = g
	claims, e = g.verifyOnce(ctx, token, t, claims)
	if e != nil {
		return nil, e
	}
	// Waiting takes its time, in which the token may have ended, or its key.
	if e := g.overtaken(claims); e != nil {
		return nil, e
	}
	return claims, nil
}

// verifyOnce checks the signature, or waits for another request that does it.
func (g *Guard) verifyOnce(ctx context.Context, token string, t token, claims *Claims) (*Claims, *Error) {
	until := time.Now().Add(maxQueueWait)
	v := verification{token: token, key: claims.key}
	return g.tokens.once(v, func(done <-chan struct{}) *Error {
		return g.signatures.wait(ctx, until, done)
	}, func() (*Claims, *Error) {
		// Another request may have been faster.
		if known := g.known(token); known != nil {
			return known, nil
		}
		return claims, g.checkSignature(ctx, until, claims.key, t)
	})
}

func (g *Guard) checkSignature(ctx context.Context, until time.Time, k *key, t token) *Error {
	if e := g.signatures.enter(ctx, until); e != nil {
		return e
	}
	defer g.signatures.leave()
	g.counts.verifications.Add(1)
	if !k.verify(t.signed, t.signature) {
		return wrongSignature.because(nil)
	}
	return nil
}

// verify checks a signature of RFC 7518, sections 3.3 and 3.4, by the standard
// library. jwx would do the same, but on each call prove anew that the key's point
// is on its curve, which parseKey has done.
func (k *key) verify(signed, signature []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		size := (public.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(public, k.digest(signed), r, s)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, k.digest(signed), signature) == nil
	}
	return false
}

func (k *key) digest(signed []byte) []byte {
	switch k.algorithm {
	case "ES384":
		sum := sha512.Sum384(signed)
		return sum[:]
	case "ES512":
		sum := sha512.Sum512(signed)
		return sum[:]
	}
	sum := sha256.Sum256(signed)
	return sum[:]
}

type header struct{ algorithm, kid string }

// parseHeader never looks at jku, x5u, jwk or x5c: a token does not choose its
// own key (RFC 8725, section 3.10).
func parseHeader(data []byte) (h header, e *Error) {
	var members struct {
		Typ  jsonValue `json:"typ"`
		Alg  jsonValue `json:"alg"`
		Crit jsonValue `json:"crit"`
		Kid  jsonValue `json:"kid"`
	}
	if err := decodeObject(data, &members); err != nil {
		return h, malformedToken.because(err)
	}
	if typ, _ := members.Typ.text(); !isAccessToken(typ) {
		return h, notAccessToken.because(nil)
	}
	algorithm, _ := members.Alg.text()
	if !allowedAlgorithm(algorithm) {
		return h, wrongAlgorithm.because(nil)
	}
	if members.Crit.present() {
		return h, criticalHeader.because(nil)
	}
	kid, _ := members.Kid.text()
	if kid == "" {
		return h, noKeyID.because(nil)
	}
	return header{algorithm: algorithm, kid: kid}, nil
}

// isAccessToken tells access tokens from ID tokens, which the same key signs
// (RFC 9068, section 4).
func isAccessToken(typ string) bool {
	return strings.EqualFold(typ, "at+jwt") || strings.EqualFold(typ, "application/at+jwt")
}

// allowedAlgorithm: ES384 is Logto's default; the others can be chosen there.
func allowedAlgorithm(name string) bool {
	switch name {
	case "ES256", "ES384", "ES512", "RS256":
		return true
	}
	return false
}

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
	Issuer         jsonValue `json:"iss"`
	Audience       jsonValue `json:"aud"`
	ExpiresAt      jsonValue `json:"exp"`
	NotBefore      jsonValue `json:"nbf"`
	IssuedAt       jsonValue `json:"iat"`
	Subject        jsonValue `json:"sub"`
	ClientID       jsonValue `json:"client_id"`
	Scope          jsonValue `json:"scope"`
	OrganizationID jsonValue `json:"organization_id"`
	Confirmation   jsonValue `json:"cnf"`
	ID             jsonValue `json:"jti"`
	Actor          jsonValue `json:"act"`
}

// judge makes Claims of a token's payload if they are valid for this API, now.
func (p *policy) judge(data []byte, issuer *string) (*Claims, *Error) {
	var in payload
	if err := decodeObject(data, &in); err != nil {
		return nil, malformedToken.because(err)
	}
	c := &Claims{payload: data}
	c.issuer, _ = in.Issuer.text()
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
	c.id, _ = in.ID.text()
	c.actor = actor(in.Actor.raw)
	return c, nil
}

// judgeOrigin: who issued the token, and for whom.
func (p *policy) judgeOrigin(in *payload, c *Claims) *Error {
	if _, ok := in.Issuer.text(); !ok {
		return wrongIssuer.because(ErrClaims)
	}
	if !slices.Contains(p.issuers, c.issuer) {
		return wrongIssuer.because(nil)
	}
	var ok bool
	if c.audience, ok = in.Audience.texts(); !ok {
		return wrongAudience.because(ErrClaims)
	}
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
	if c.expiresAt, ok = in.ExpiresAt.instant(); !ok {
		return wrongClaim("exp")
	}
	now := p.now()
	until := c.expiresAt.Add(p.skew)
	if !now.Before(until) {
		return expired.because(nil)
	}
	var from time.Time
	if in.NotBefore.present() {
		notBefore, ok := in.NotBefore.instant()
		if !ok {
			return wrongClaim("nbf")
		}
		if from = notBefore.Add(-p.skew); now.Before(from) {
			return notYetValid.because(nil)
		}
	}
	if c.issuedAt, ok = in.IssuedAt.instant(); !ok {
		return wrongClaim("iat")
	}
	issued := c.issuedAt.Add(-max(p.skew, maxIssuedAhead))
	if now.Before(issued) {
		return notYetValid.because(nil)
	}
	c.validFrom, c.validUntil = max(instantOf(from), instantOf(issued)), instantOf(until)
	return nil
}

// judgeParties: who may do what, and where.
func judgeParties(in *payload, c *Claims) *Error {
	if c.subject, _ = in.Subject.text(); c.subject == "" {
		return wrongClaim("sub")
	}
	if c.clientID, _ = in.ClientID.text(); c.clientID == "" {
		return wrongClaim("client_id")
	}
	if in.Scope.present() {
		var ok bool
		if c.scope, ok = in.Scope.text(); !ok {
			return wrongClaim("scope")
		}
	}
	if in.OrganizationID.present() {
		id, _ := in.OrganizationID.text()
		switch {
		case id == "":
			return wrongClaim("organization_id")
		case c.organization != "" && c.organization != id:
			// The tenant's script can write this claim, but not the audience.
			return contradiction.because(nil)
		}
		c.organization = id
	}
	if in.Confirmation.present() {
		// Only its sender may use such a token (RFC 7800), and who that is can't be told here.
		return senderConstrained.because(nil)
	}
	return nil
}

// actor is act.sub. The tenant's script can write anything into act, and nothing
// is decided by it: what has another shape is no actor.
func actor(act []byte) string {
	if act == nil {
		return ""
	}
	var members struct {
		Subject jsonValue `json:"sub"`
	}
	if decodeObject(act, &members) != nil {
		return ""
	}
	subject, _ := members.Subject.text()
	return subject
}
