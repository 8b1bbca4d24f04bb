package logtotest

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// Fault stands between the network and the server's answers. The ones here are the common ones; any middleware is one.
type Fault func(next http.Handler) http.Handler

// Disturb puts f before every request from now on, in place of the fault before it. Nil makes the server healthy again.
func (s *Server) Disturb(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Down closes every connection without an answer.
func Down() Fault {
	return always(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Slow waits for d before each answer, or until the client leaves or the server closes, and then doesn't answer.
func Slow(d time.Duration) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// net/http notices that a client has left only once the request's body is read.
			// One byte over the limit keeps what is too large too large.
			body, _ := io.ReadAll(io.LimitReader(r.Body, maxBodySize+1))
			r.Body = io.NopCloser(bytes.NewReader(body))
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				next.ServeHTTP(w, r)
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		})
	}
}

// Status answers everything with this code and a line of text.
func Status(code int) Fault {
	return always(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, http.StatusText(code), code) })
}

// Garbage answers everything with 200 and what is no JSON, as a captive portal does.
func Garbage() Fault {
	return always(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Welcome</title>")
	})
}

// EmptyKeySet answers the key set with one that holds no key; everything else works.
func EmptyKeySet() Fault {
	return only(jwksPath, always(func(w http.ResponseWriter, r *http.Request) { writeKeySet(w, r, nil) }))
}

// SecretExpired refuses token requests as Logto does once an application's secret has expired; everything else works.
func SecretExpired() Fault {
	// Logto looks at this before its token endpoint sets its headers.
	return only(tokenPath, always(func(w http.ResponseWriter, r *http.Request) {
		writeOAuthError(w, r, invalidRequest("client secret has expired"))
	}))
}

// WrongApplicationType refuses token requests as Logto does those of applications that are not machine-to-machine;
// everything else works.
func WrongApplicationType() Fault { return refuseTokens(notAllowed) }

// DeniedByScript refuses token requests as Logto does where the tenant's script for custom claims calls
// api.denyAccess(text); everything else works.
func DeniedByScript(text string) Fault {
	return refuseTokens(&oauthError{http.StatusBadRequest, "access_denied", text})
}

// ScriptHangs delays token requests by 5.6 seconds, after which Logto gives up a script for custom claims that hangs;
// everything else works at once.
func ScriptHangs() Fault { return only(tokenPath, Slow(5600*time.Millisecond)) }

// TokensUsedUp refuses token requests as Logto Cloud does once a billing period's tokens are used up; everything else
// works.
func TokensUsedUp() Fault {
	return only(tokenPath, always(func(w http.ResponseWriter, r *http.Request) {
		writeError(w, r, http.StatusTooManyRequests, "auth.exceed_token_limit")
	}))
}

func refuseTokens(refusal *oauthError) Fault {
	return only(tokenPath, always(func(w http.ResponseWriter, r *http.Request) {
		setTokenHeaders(w, r)
		writeOAuthError(w, r, refusal)
	}))
}

// only puts a fault before what a path serves, and leaves the rest alone.
func only(path string, f Fault) Fault {
	return func(next http.Handler) http.Handler {
		disturbed := f(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if where, method := routeOf(r); where == path && routes[path][method] != nil {
				disturbed.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func always(h http.HandlerFunc) Fault {
	return func(http.Handler) http.Handler { return h }
}
