// Package contestants puts the same job behind different libraries: take the
// Bearer token, check signature, issuer, audience, expiry and the scope
// read:products, and hand the claims on in the context.
package contestants

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// A Contestant is one way to guard a handler.
type Contestant struct {
	Name string
	// New guards next. It returns when the keys are there; stop ends what it
	// started in the background.
	New func(issuer rig.Issuer, next http.Handler) (guarded http.Handler, stop func(), err error)
	// Subject reads the claims that the guard left in a request's context.
	Subject func(context.Context) string
}

// Ours is logtoguard as it comes.
var Ours = Contestant{Name: "logtoguard", New: newLogtoguard(0), Subject: logtoguardSubject}

// BestPeer is the fastest of the others: see the tables.
var BestPeer = golangJWT

// All are the contestants, ours first.
var All = []Contestant{Ours, golangJWT, goOIDC, auth0V2, auth0V3, jwxV2, recipe, hashicorpCap, zitadel}

// Uncached is logtoguard with room for one token: every distinct token is new to
// it, and the cache's own work is still done.
var Uncached = Contestant{Name: Ours.Name, New: newLogtoguard(1), Subject: logtoguardSubject}

// Find returns the contestant of that name, which may be Bare.
func Find(name string) (Contestant, bool) {
	if name == Bare.Name {
		return Bare, true
	}
	i := slices.IndexFunc(All, func(c Contestant) bool { return c.Name == name })
	if i < 0 {
		return Contestant{}, false
	}
	return All[i], true
}

// claims is what most contestants leave in the context.
type claims struct{ subject, scope string }

type claimsKey struct{}

func subject(ctx context.Context) string {
	c, _ := ctx.Value(claimsKey{}).(*claims)
	if c == nil {
		return ""
	}
	return c.subject
}

// guard is the part that users of a library without middleware write themselves.
func guard(next http.Handler, verify func(ctx context.Context, token string) (*claims, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := bearer(r)
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c, err := verify(r.Context(), token)
		switch {
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		case !hasScope(c.scope):
			w.WriteHeader(http.StatusForbidden)
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, c)))
		}
	})
}

func bearer(r *http.Request) (string, bool) {
	const prefix = "Bearer "
	header := r.Header.Get("Authorization")
	if len(header) <= len(prefix) || !strings.EqualFold(header[:len(prefix)], prefix) {
		return "", false
	}
	return header[len(prefix):], true
}

func hasScope(scope string) bool {
	for held := range strings.SplitSeq(scope, " ") {
		if held == rig.Scope {
			return true
		}
	}
	return false
}

func nothing() {}
