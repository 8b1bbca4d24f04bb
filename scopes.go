package logtoguard

import (
	"net/http"
	"slices"

	"github.com/logtoguard/logtoguard/internal/strict"
)

// RequireScope lets a request through whose token holds all of the scopes; else
// the answer is 403 with the scopes in the challenge. It does not ask in which
// organization they are held: name those that an organization role may hold in
// [Config].OrganizationScopes. A request without claims,
// because no guard ran before, is answered 401, and the mistake is logged.
//
// It panics on no scope, an empty one, or one with a space or a character that does
// not print.
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	scopes = checkedScopes("RequireScope", scopes)
	return routeCheck(func(_ *http.Request, c *Claims) (*Claims, error) {
		return c, c.CheckScope(scopes...)
	})
}

// RequireAnyScope is [RequireScope] for at least one of the scopes.
func RequireAnyScope(scopes ...string) func(http.Handler) http.Handler {
	scopes = checkedScopes("RequireAnyScope", scopes)
	return routeCheck(func(_ *http.Request, c *Claims) (*Claims, error) {
		return c, c.CheckAnyScope(scopes...)
	})
}

// RequireOrganization lets a request through whose token is bound to the
// organization that id names, and makes the token's scopes count from there on:
// it stands before RequireScope. Another token is refused with 403. The id is
// that of the organization whose data the route serves, from the path say:
//
//	logtoguard.RequireOrganization(func(r *http.Request) string { return r.PathValue("organizationID") })
//
// Never take it from the token: that would accept every organization. Without
// Config.OrganizationTokens, the token's organization is its claim organization_id,
// which the tenant's custom-claims script can write. It panics if id is nil.
func RequireOrganization(id func(*http.Request) string) func(http.Handler) http.Handler {
	if id == nil {
		panic("logtoguard: RequireOrganization: nil func: give one that returns the ID of the organization being served")
	}
	return requireOrganization(func(r *http.Request, _ *Claims) string { return id(r) })
}

// RequireAnyOrganization lets a request through whose token is bound to any
// organization, and makes its scopes count. The handler has to serve
// [Claims.OrganizationID] and no other.
func RequireAnyOrganization() func(http.Handler) http.Handler {
	return requireOrganization(func(_ *http.Request, c *Claims) string { return c.OrganizationID() })
}

func requireOrganization(id func(*http.Request, *Claims) string) func(http.Handler) http.Handler {
	return routeCheck(func(r *http.Request, c *Claims) (*Claims, error) {
		return c.ForOrganization(id(r, c))
	})
}

// routeCheck makes a middleware of a check of claims. Where the check returns other
// claims, the next handler finds those.
func routeCheck(check func(*http.Request, *Claims) (*Claims, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claims, ok := ClaimsFromContext(r.Context())
			if !ok {
				refuseWithoutClaims(w, r)
				return
			}
			checked, err := check(r, claims)
			if err != nil {
				claims.responder.record(r.Context(), err, about{})
				claims.responder.answer(w, r, err)
				return
			}
			if checked == claims {
				next.ServeHTTP(w, r)
				return
			}
			serveCopy(ContextWithClaims(r.Context(), checked), next, w, r)
		})
	}
}

func refuseWithoutClaims(w http.ResponseWriter, r *http.Request) {
	from, optional := r.Context().Value(optionalKey{}).(*responder)
	if !optional {
		from.log().ErrorContext(r.Context(), "logtoguard: a route check ran without a guard before it: wrap the handler in Guard.Handler")
	}
	err := noToken.because(nil)
	from.record(r.Context(), err, about{})
	from.answer(w, r, err)
}

func checkedScopes(name string, scopes []string) []string {
	if len(scopes) == 0 {
		panic("logtoguard: " + name + ": no scope")
	}
	for _, scope := range scopes {
		if !strict.IsName(scope) {
			panic("logtoguard: " + name + ": a scope is empty, or has a space or a character that does not print: give each scope as a string of its own")
		}
	}
	return slices.Clone(scopes)
}
