package logtoguard

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/logtoguard/logtoguard/internal/strict"
)

// A Guard lets requests through that carry a valid access token. It is safe for
// concurrent use. Close it when it is no longer needed.
type Guard struct {
	verifier verifier
	metadata metadata
}

// New makes a guard, or reports everything that is wrong with cfg in one error. It
// does not wait for Logto: loading the keys starts in the background, and
// [Guard.Ready] waits for them.
func New(cfg Config) (*Guard, error) {
	s, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	tokens := newTokenCache(cfg.TokenCacheSize)
	return &Guard{
		verifier: verifier{
			policy:     s.policy,
			tokens:     tokens,
			keys:       newKeySet(s, tokens.sweep),
			signatures: newQueue(),
			check:      cfg.Check,
			responder: &responder{
				organizationScopes: slices.Clone(cfg.OrganizationScopes),
				metadata:           s.metadata.url,
				errorHandler:       cfg.ErrorHandler,
				logger:             s.logger,
			},
		},
		metadata: s.metadata,
	}, nil
}

// Close stops fetching keys, and waits until a fetch that is under way has returned:
// at once, if Config.HTTPClient's Transport honors request contexts. Verify answers
// [ErrClosed] afterwards. Closing twice is fine. It always returns nil.
func (g *Guard) Close() error {
	g.verifier.keys.Close()
	g.verifier.tokens.clear()
	return nil
}

// Ready waits for usable keys. It returns nil as soon as there are any. When ctx
// ends before, its error says why there are none: give a probe a short context. It
// fails again once the keys are too old.
func (g *Guard) Ready(ctx context.Context) error { return g.verifier.keys.ready(ctx) }

// Verify judges a token, for what is not HTTP. Its errors are *[Error]. Where ctx
// ends while Verify waits for keys or for its turn, the error wraps ctx.Err().
func (g *Guard) Verify(ctx context.Context, token string) (*Claims, error) {
	return g.verifier.verify(ctx, token, g.verifier.cached(token))
}

// Stats returns the present counts.
func (g *Guard) Stats() Stats {
	v, keys := &g.verifier, g.verifier.keys.Counts()
	return Stats{
		Accepted:          v.accepted.Load(),
		Refused:           v.responder.refused.counts(),
		Waiting:           v.signatures.count(),
		WaitingForKeys:    keys.Waiting,
		Verifications:     v.signaturesChecked.Load(),
		TokenCacheHits:    v.tokens.hits.Load(),
		TokenCacheMisses:  v.tokens.misses.Load(),
		TokenCacheEntries: v.tokens.entries(),
		KeyFetches:        keys.Fetches,
		KeyFetchFailures:  keys.Failures,
		Keys:              keys.Keys,
		KeyAge:            keys.Age,
	}
}

// Handler lets requests with a valid access token through to next, which finds
// the claims by [ClaimsFromContext]. It refuses all others.
//
// Preflight requests of browsers carry no token: CORS handling goes outside of
// the guard, around the handler that this returns. A request log outside of it
// sees the refusals, but not the claims: next serves a copy of the request. When
// next returns, Pattern and MultipartForm are copied back to the original, and
// nothing else: Form, PostForm and the path values stay on the copy.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, err := g.VerifyRequest(r)
		if err != nil {
			g.verifier.responder.answer(w, r, err)
			return
		}
		serveCopy(ContextWithClaims(r.Context(), claims), next, w, r)
	})
}

// serveCopy lets next serve a copy of r with the context ctx. What next and the
// muxes in it set on the copy is copied back where net/http and outer handlers look
// for it, even if next panics: the server removes the temporary files of
// r.MultipartForm, and logs and metrics name the route by r.Pattern.
func serveCopy(ctx context.Context, next http.Handler, w http.ResponseWriter, r *http.Request) {
	copied := r.WithContext(ctx)
	defer func() {
		r.Pattern = copied.Pattern
		r.MultipartForm = copied.MultipartForm
	}()
	next.ServeHTTP(w, copied)
}

// Optional is [Guard.Handler], except that a request without a token passes, and
// finds no claims. An invalid token is still refused. Behind a proxy that honors
// Connection: Authorization, the token is gone, and the request passes as one without.
func (g *Guard) Optional(next http.Handler) http.Handler {
	guarded := g.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := bearerToken(r.Header); err == nil || !errors.Is(err, ErrNoToken) {
			guarded.ServeHTTP(w, r)
			return
		}
		// Claims of an outer guard are not this guard's: it was shown no token.
		ctx := ContextWithClaims(r.Context(), nil)
		serveCopy(context.WithValue(ctx, optionalKey{}, g.verifier.responder), next, w, r)
	})
}

// VerifyRequest is what [Guard.Handler] decides by: it takes the token out of
// the request's Authorization header and verifies it. It writes nothing. Its
// errors are *[Error]; answer them with [WriteError].
func (g *Guard) VerifyRequest(r *http.Request) (*Claims, error) {
	token, e := bearerToken(r.Header)
	cached := g.verifier.cached(token)
	if e == nil && cached == nil && !strict.IsToken68(token) {
		e = malformedHeader.because(nil)
	}
	if e != nil {
		g.verifier.responder.record(r.Context(), e, about{})
		return nil, e
	}
	return g.verifier.verify(r.Context(), token, cached)
}

// MetadataHandler serves Config.Metadata at the path of its URL, and answers 404 at
// every other. It stands beside the guarded routes, as it is for clients without a
// token, those in browsers included:
//
//	mux.Handle("/.well-known/", guard.MetadataHandler())
//
// It panics where Config.Metadata is nil.
func (g *Guard) MetadataHandler() http.Handler {
	if g.metadata.url == "" {
		panic("logtoguard: MetadataHandler: Config.Metadata is nil")
	}
	return &g.metadata
}

// bearerToken takes what follows Bearer out of the one Authorization header (RFC
// 6750, section 2.1; RFC 9110, section 11.4). Tokens in the query, a form or a
// cookie are not looked for: they end in logs (RFC 9700, section 4.3.2).
func bearerToken(header http.Header) (string, *Error) {
	values := header["Authorization"]
	switch len(values) {
	case 0:
		return "", noToken.because(nil)
	case 1:
	default:
		return "", severalHeaders.because(nil)
	}
	// As nearly all clients write it; what follows is for the others.
	if token, ok := strings.CutPrefix(values[0], "Bearer "); ok && token != "" && token[0] > ' ' && token[len(token)-1] > ' ' {
		return token, nil
	}
	value := strings.Trim(values[0], " \t")
	end := 0
	for end < len(value) && isTokenChar(value[end]) {
		end++
	}
	scheme, rest := value[:end], value[end:]
	if !strings.EqualFold(scheme, "Bearer") {
		return "", noToken.because(nil)
	}
	token := strings.TrimLeft(rest, " ")
	if len(token) == len(rest) {
		return "", malformedHeader.because(nil)
	}
	return token, nil
}

// isTokenChar reports whether c is a tchar of RFC 9110, section 5.6.2.
func isTokenChar(c byte) bool {
	return strict.IsAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
