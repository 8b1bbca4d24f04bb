package logtoguard

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/logtoguard/logtoguard/internal/safetext"
)

// A verifier makes claims of tokens. It knows nothing of HTTP.
type verifier struct {
	policy     policy
	tokens     *tokenCache
	keys       keySet
	signatures *queue
	check      func(context.Context, *Claims) error // Config.Check
	responder  *responder

	accepted, signaturesChecked atomic.Uint64
}

// verify returns the claims of a token that may pass now. cached are its claims if
// it was verified before.
func (v *verifier) verify(ctx context.Context, token string, cached *Claims) (*Claims, error) {
	claims, seen := cached, about{}
	var e *Error
	if claims != nil {
		v.tokens.hits.Add(1)
	} else {
		claims, e = v.judge(ctx, token, &seen)
	}
	if e == nil && v.check != nil {
		e, seen = refusedBy(v.check(ctx, claims)), about{}
	}
	if e != nil {
		v.responder.record(ctx, e, seen)
		return nil, e
	}
	v.accepted.Add(1)
	return claims, nil
}

// cached returns the claims of a token that was verified before, if what they depend
// on still holds.
func (v *verifier) cached(token string) *Claims {
	if len(token) > maxTokenSize {
		return nil // spares the hash of a token that can't have been verified
	}
	claims := v.tokens.get(token)
	if claims == nil || v.recheck(claims) != nil {
		return nil
	}
	return claims
}

// recheck judges again what can change while a token is cached, or waits: its times,
// its key, the keys' age.
func (v *verifier) recheck(claims *Claims) *Error {
	now := v.policy.now()
	switch {
	case claims.key.Retired() && v.keys.Closed(): // closing retires all keys
		return guardClosed.because(nil)
	case !now.Before(claims.validUntil):
		return expired.because(nil)
	case now.Before(claims.validFrom):
		return notYetValid.because(nil)
	case claims.key.Retired():
		return unknownKey.because(nil)
	case !v.keys.Trusted(now):
		return keysUnavailable.because(nil)
	}
	return nil
}

// judge judges a token, unless the queue has no time for it and somebody else's request
// has brought it in the meantime.
func (v *verifier) judge(ctx context.Context, token string, seen *about) (*Claims, *Error) {
	claims, e := v.judgeNew(ctx, token, seen)
	if e != nil && e.sentinel == ErrOverloaded && ctx.Err() == nil {
		if cached := v.cached(token); cached != nil {
			return cached, nil
		}
	}
	return claims, e
}

// judgeNew runs cheap checks first and the signature last. It fills in seen as it learns
// what the token says of itself.
func (v *verifier) judgeNew(ctx context.Context, token string, seen *about) (*Claims, *Error) {
	switch {
	case v.keys.Closed():
		return nil, guardClosed.because(nil)
	case token == "":
		return nil, noToken.because(nil)
	}
	v.tokens.misses.Add(1)
	waited, e := v.signatures.read(ctx)
	if e != nil {
		return nil, e
	}
	t, h, claims, e := v.read(token, seen)
	if e != nil {
		return nil, e
	}
	if claims.key, e = v.keys.find(ctx, h.kid); e != nil {
		return nil, e
	}
	if claims.key.Algorithm() != h.algorithm {
		return nil, algorithmOfKey.because(nil)
	}
	return v.checkSignature(ctx, token, t, claims, waited)
}

// read parses a token and judges what it says. The queue has let it.
func (v *verifier) read(compact string, seen *about) (t token, h header, claims *Claims, e *Error) {
	defer v.signatures.haveRead()
	if t, e = parseToken(compact); e != nil {
		return
	}
	if h, e = parseHeader(t.header); e != nil {
		return
	}
	seen.kid = h.kid
	if claims, e = v.policy.judge(t.payload, &seen.issuer); e != nil {
		return
	}
	claims.responder = v.responder
	return
}

// checkSignature checks the signature when it is the request's turn, and remembers
// the token. Requests that bring the same new token at once each check it, except
// those whose turn comes after the first has succeeded.
func (v *verifier) checkSignature(ctx context.Context, token string, t token, claims *Claims, waited time.Duration) (*Claims, *Error) {
	turn, e := v.signatures.enter(ctx, claims, waited)
	if e != nil {
		return nil, e
	}
	defer turn.leave()
	if cached := v.cached(token); cached != nil {
		return cached, nil
	}
	// What was right when the token came may have ended while it waited.
	if e := v.recheck(claims); e != nil {
		return nil, e
	}
	v.signaturesChecked.Add(1)
	correct := claims.key.Verify([]byte(t.signed), t.signature)
	turn.checked(correct)
	if !correct {
		return nil, wrongSignature.because(nil)
	}
	v.tokens.put(token, claims)
	return claims, nil
}

// about is what a refused token said of itself, for the log.
type about struct{ kid, issuer string }

// record makes a refusal the guard's own, counts it and logs it, unless the client
// has left. For claims that no guard made it only logs.
func (r *responder) record(ctx context.Context, err error, seen about) {
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	r.own(e)
	abandoned := ctx.Err() != nil && errors.Is(e, ctx.Err())
	if r != nil && !abandoned {
		invented := e.sentinel == ErrRefusedByCheck && e.Reason != refusedByCheck.reason
		r.refused.add(e.Reason, invented)
	}
	logger := r.log()
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("reason", e.Reason), slog.Int("status", e.Status)}
	if seen.kid != "" {
		attrs = append(attrs, slog.String("kid", safetext.Word(seen.kid)))
	}
	if seen.issuer != "" {
		attrs = append(attrs, slog.String("issuer", safetext.Word(seen.issuer)))
	}
	switch e.sentinel {
	case ErrRefusedByCheck, ErrKeysUnavailable:
		// Not the sender's words: these are not cut.
		if e.cause != nil {
			attrs = append(attrs, slog.String("cause", strconv.QuoteToASCII(e.cause.Error())))
		}
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "logtoguard: refused", attrs...)
}
