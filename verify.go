package logtoguard

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"time"
)

// Verify judges a token, for what is not HTTP. Its errors are *[Error]. Where ctx
// ends while Verify waits for keys or for its turn, the error wraps ctx.Err().
func (g *Guard) Verify(ctx context.Context, token string) (*Claims, error) {
	if claims := g.known(token); claims != nil {
		g.tokens.hits.Add(1)
		return g.admit(ctx, claims)
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
	if claims == nil || g.overtaken(claims) != nil {
		return nil
	}
	return claims
}

// overtaken refuses claims that were right once, and are not any more.
func (g *Guard) overtaken(claims *Claims) *Error {
	now := g.policy.now()
	switch {
	case g.keys.closed():
		return guardClosed.because(nil)
	case !now.Before(claims.validUntil):
		return expired.because(nil)
	case now.Before(claims.validFrom):
		return notYetValid.because(nil)
	case claims.key.retired.Load():
		return unknownKey.because(nil)
	case !g.keys.trusted(now):
		return keysUnavailable.because(nil)
	}
	return nil
}

// admit runs Config.Check on a token that is valid, and counts it.
func (g *Guard) admit(ctx context.Context, claims *Claims) (*Claims, error) {
	if g.check != nil {
		if err := g.check(ctx, claims); err != nil {
			e := refusedBy(err)
			g.conclude(ctx, e, about{})
			return nil, e
		}
	}
	g.counts.accepted.Add(1)
	return claims, nil
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
	return g.checkSignature(ctx, token, t, claims)
}

// checkSignature checks the signature, when it is the request's turn, and remembers
// the token. Requests that bring the same new token at once each check it, except
// those whose turn comes after the first has succeeded.
func (g *Guard) checkSignature(ctx context.Context, token string, t token, claims *Claims) (*Claims, *Error) {
	if e := g.signatures.enter(ctx, time.Now().Add(maxQueueWait)); e != nil {
		return nil, e
	}
	defer g.signatures.leave()
	if known := g.known(token); known != nil {
		return known, nil
	}
	// What was right when the token came may have ended while it waited.
	if e := g.overtaken(claims); e != nil {
		return nil, e
	}
	g.counts.verifications.Add(1)
	if !claims.key.verify(t.signed, t.signature) {
		return nil, wrongSignature.because(nil)
	}
	g.tokens.put(token, claims)
	return claims, nil
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
