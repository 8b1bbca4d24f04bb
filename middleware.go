package logtoguard

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/logtoguard/logtoguard/internal/strict"
)

// A Guard lets requests through that carry a valid access token. It is safe for
// concurrent use. Close it when it is no longer needed.
type Guard struct {
	policy       policy
	metadata     metadata
	tokens       *tokenCache
	keys         *keySet
	signatures   *queue
	check        func(context.Context, *Claims) error
	errorHandler func(http.ResponseWriter, *http.Request, *Error)
	logger       *slog.Logger
	counts       counters
}

// New makes a guard, or says everything that is wrong with cfg in one error.
// It does not wait for Logto: loading the keys starts in the background, and
// [Guard.Ready] tells when they are there.
func New(cfg Config) (*Guard, error) {
	s, err := cfg.settle()
	if err != nil {
		return nil, err
	}
	tokens := newTokenCache(cfg.TokenCacheSize)
	g := &Guard{
		policy:       s.policy,
		metadata:     s.metadata,
		tokens:       tokens,
		keys:         newKeySet(s, tokens.sweep),
		signatures:   newQueue(checksAtOnce()),
		check:        cfg.Check,
		errorHandler: cfg.ErrorHandler,
		logger:       s.logger,
	}
	g.keys.start()
	return g, nil
}

// Close stops fetching keys, and waits until a fetch that is under way has returned:
// at once, if Config.HTTPClient's Transport honors request contexts. Verify answers
// [ErrClosed] afterwards. Closing twice is fine. It always returns nil.
func (g *Guard) Close() error {
	g.keys.close()
	g.tokens.clear()
	return nil
}

// Ready waits for usable keys. It returns nil as soon as they are there, or, at
// the end of ctx, why they are not: give a probe a short context. It fails again
// once the keys are too old.
func (g *Guard) Ready(ctx context.Context) error { return g.keys.ready(ctx) }

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
			g.answer(w, r, err)
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

type optionalKey struct{}

// Optional is [Guard.Handler], except that a request without a token passes, and
// finds no claims. An invalid token is still refused.
func (g *Guard) Optional(next http.Handler) http.Handler {
	guarded := g.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := bearerToken(r.Header); err == nil || !errors.Is(err, ErrNoToken) {
			guarded.ServeHTTP(w, r)
			return
		}
		// Claims of an outer guard are not this guard's: nobody showed it a token.
		ctx := ContextWithClaims(r.Context(), nil)
		serveCopy(context.WithValue(ctx, optionalKey{}, g), next, w, r)
	})
}

// VerifyRequest is what [Guard.Handler] decides by: it takes the token out of
// the request's Authorization header and verifies it. It writes nothing. Its
// errors are *[Error]; answer them with [WriteError].
func (g *Guard) VerifyRequest(r *http.Request) (*Claims, error) {
	token, err := bearerToken(r.Header)
	if err == nil {
		if claims := g.known(token); claims != nil {
			g.tokens.hits.Add(1)
			return g.admit(r.Context(), claims)
		}
		if !strict.IsToken68(token) {
			err = malformedHeader.because(nil)
		}
	}
	if err != nil {
		g.conclude(r.Context(), err, about{})
		return nil, err
	}
	return g.examine(r.Context(), token)
}

// answer refuses a request. A nil guard answers for claims that no guard made.
func (g *Guard) answer(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	if g == nil || g.errorHandler == nil || !errors.As(err, &e) {
		WriteError(w, r, err)
		return
	}
	setHeaders(w.Header(), e)
	g.errorHandler(w, r, e)
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
