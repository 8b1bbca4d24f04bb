package logtoguard_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

type routeCheck = func(http.Handler) http.Handler

// organization makes the check of a route that serves one organization.
func organization(id string) routeCheck {
	return logtoguard.RequireOrganization(func(*http.Request) string { return id })
}

// chain runs the checks in the order given.
func chain(checks ...routeCheck) routeCheck {
	return func(next http.Handler) http.Handler {
		for i := len(checks) - 1; i >= 0; i-- {
			next = checks[i](next)
		}
		return next
	}
}

const (
	scopeChallenge        = `Bearer error="insufficient_scope", scope="read:products"`
	organizationChallenge = `Bearer error="insufficient_scope"`
)

func TestRouteChecks(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock)
	read, readWrite := logtoguard.RequireScope("read:products"), logtoguard.RequireScope("read:products", "write:products")
	either := logtoguard.RequireAnyScope("read:products", "write:products")
	anyOrganization := logtoguard.RequireAnyOrganization()
	scopes := func(scopes ...string) logtotest.Token { return logtotest.Token{Scopes: scopes} }
	acme := func(scopes ...string) logtotest.Token { return logtotest.Token{OrganizationID: "acme", Scopes: scopes} }
	const both = `Bearer error="insufficient_scope", scope="read:products write:products"`
	tests := []struct {
		name      string
		check     routeCheck
		token     logtotest.Token
		challenge string // let in if empty
	}{
		{"held", read, scopes("read:products"), ""},
		{"held among others", read, scopes("x", "read:products", "y"), ""},
		{"missing", read, scopes("write:products"), scopeChallenge},
		{"no scope at all", read, scopes(), scopeChallenge},
		{"longer", read, scopes("read:products2"), scopeChallenge},
		{"shorter", read, scopes("read:product", "s"), scopeChallenge},
		{"upper case", read, scopes("READ:PRODUCTS"), scopeChallenge},
		{"all held", readWrite, scopes("write:products", "read:products"), ""},
		{"one of two missing", readWrite, scopes("read:products"), both},
		{"the other of two missing", readWrite, scopes("write:products"), both},
		{"one after the other", chain(read, logtoguard.RequireScope("write:products")), scopes("read:products"), `Bearer error="insufficient_scope", scope="write:products"`},
		{"any: the first", either, scopes("read:products"), ""},
		{"any: the second", either, scopes("write:products"), ""},
		{"any: both", either, scopes("write:products", "read:products"), ""},
		{"any: none", either, scopes("x"), both},

		{"an organization's scope where nobody accepted it", read, acme("read:products"), scopeChallenge},
		{"an organization's scope, any", either, acme("read:products"), both},
		{"an organization's scope, accepted", chain(organization("acme"), read), acme("read:products"), ""},
		{"an organization's scope, accepted, any", chain(organization("acme"), either), acme("read:products"), ""},
		{"accepted too late", chain(read, organization("acme")), acme("read:products"), scopeChallenge},
		{"accepted, without the scope", chain(organization("acme"), read), acme("write:products"), scopeChallenge},
		{"another organization", chain(organization("other"), read), acme("read:products"), organizationChallenge},
		{"upper case organization", organization("ACME"), acme(), organizationChallenge},
		{"two organizations", chain(organization("acme"), organization("other")), acme(), organizationChallenge},
		{"the same twice", chain(organization("acme"), organization("acme"), read), acme("read:products"), ""},
		{"an empty id", organization(""), acme(), organizationChallenge},
		{"an empty id and a plain token", organization(""), scopes("read:products"), organizationChallenge},
		{"a plain token", organization("acme"), scopes("read:products"), organizationChallenge},
		{"any organization", chain(anyOrganization, read), acme("read:products"), ""},
		{"any organization and a plain token", anyOrganization, scopes("read:products"), organizationChallenge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := guardtest.Serve(guard.Handler(tt.check(guardtest.NoContent)), "Bearer "+logto.Mint(tt.token))
			require.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
			if tt.challenge == "" {
				require.Equal(t, http.StatusNoContent, w.Code)
			} else {
				require.Equal(t, http.StatusForbidden, w.Code)
			}
		})
	}
}

// What a check's caller does with the slice later is not the route's business.
func TestRouteChecksCopyScopes(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock)
	scopes := []string{"write:products"}
	all, one := logtoguard.RequireScope(scopes...), logtoguard.RequireAnyScope(scopes...)
	scopes[0] = "read:products"
	for _, check := range []routeCheck{all, one} {
		w := guardtest.Serve(guard.Handler(check(guardtest.NoContent)), "Bearer "+logto.Mint(logtotest.Token{Scopes: scopes}))
		require.Equal(t, http.StatusForbidden, w.Code)
	}
}

func TestRouteChecksPanicAtWiring(t *testing.T) {
	for name, scopes := range map[string][]string{
		"none": {}, "empty": {""}, "empty among others": {"a", ""}, "space": {"a b"}, "leading space": {" a"}, "line break": {"a\n"}, "byte order mark": {"\ufeffa"},
	} {
		require.Panics(t, func() { logtoguard.RequireScope(scopes...) }, name)
		require.Panics(t, func() { logtoguard.RequireAnyScope(scopes...) }, name)
	}
	require.Panics(t, func() { logtoguard.RequireOrganization(nil) })
}

func TestRouteChecksWithoutClaims(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	var guardLog, defaultLog guardtest.Journal
	guard := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) {
		c.Logger = guardLog.Logger(slog.LevelError)
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ *logtoguard.Error) { w.WriteHeader(http.StatusTeapot) }
	})
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(defaultLog.Logger(slog.LevelError))

	for name, check := range map[string]routeCheck{
		"RequireScope":           logtoguard.RequireScope("a"),
		"RequireAnyScope":        logtoguard.RequireAnyScope("a"),
		"RequireOrganization":    organization("acme"),
		"RequireAnyOrganization": logtoguard.RequireAnyOrganization(),
	} {
		t.Run(name, func(t *testing.T) {
			defaultLog.Reset()
			w := guardtest.Serve(guard.Optional(check(guardtest.NoContent)))
			require.Equal(t, http.StatusTeapot, w.Code)
			require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
			require.Empty(t, defaultLog.String()+guardLog.String())

			// Not even a token helps where no guard looks at it.
			w = guardtest.Serve(check(guardtest.NoContent), "Bearer "+logto.Mint(logtotest.Token{Scopes: []string{"a"}, OrganizationID: "acme"}))
			require.Equal(t, http.StatusUnauthorized, w.Code)
			require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
			require.JSONEq(t, `{"error":"no_token","error_description":"no access token: send one as Authorization: Bearer"}`, w.Body.String())
			require.Contains(t, defaultLog.String(), "level=ERROR")
			require.Contains(t, defaultLog.String(), "Guard.Handler")
		})
	}
}

// Claims know the guard that made them; those from nowhere hold nothing.
func TestRouteChecksAnswerForTheGuard(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	var guardLog, defaultLog guardtest.Journal
	var reasons []string
	guard := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) {
		c.Logger = guardLog.Logger(slog.LevelDebug)
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *logtoguard.Error) {
			reasons = append(reasons, e.Reason)
			w.WriteHeader(e.Status)
		}
	})
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(defaultLog.Logger(slog.LevelDebug))

	acme := "Bearer " + logto.Mint(logtotest.Token{OrganizationID: "acme"})
	guardtest.Serve(guard.Handler(logtoguard.RequireScope("a")(guardtest.NoContent)), acme)
	guardtest.Serve(guard.Handler(chain(organization("acme"), logtoguard.RequireAnyScope("a"))(guardtest.NoContent)), acme)
	guardtest.Serve(guard.Handler(organization("other")(guardtest.NoContent)), acme)
	require.Equal(t, []string{"scope", "scope", "organization"}, reasons)
	require.Len(t, guardLog.Refusals(), 3)
	require.Equal(t, map[string]uint64{"scope": 2, "organization": 1}, guard.Stats().Refused)
	require.Empty(t, defaultLog.String())

	for _, claims := range []*logtoguard.Claims{nil, {}} {
		nowhere := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(logtoguard.ContextWithClaims(r.Context(), claims)))
			})
		}
		for _, check := range []routeCheck{logtoguard.RequireScope("a"), logtoguard.RequireAnyScope("a"), organization("acme"), organization(""), logtoguard.RequireAnyOrganization()} {
			w := guardtest.Serve(chain(nowhere, check)(guardtest.NoContent))
			require.Equal(t, map[bool]int{true: 401, false: 403}[claims == nil], w.Code)
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		}
	}
	require.Len(t, reasons, 3)
	require.NotEmpty(t, defaultLog.Refusals())
}

// At Logto, a user's plain token carries what the user holds in some organization.
func TestOrganizationScopes(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	without := guardtest.NewGuard(t, logto, clock)
	guard := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) { c.OrganizationScopes = []string{"read:orders", "write:orders"} })
	all, one := logtoguard.RequireScope, logtoguard.RequireAnyScope
	acme := organization("acme")
	const nowhere, products = organizationChallenge, scopeChallenge // of a scope that counts in an organization only; of another
	user := func(organization, scopes string) logtotest.Token {
		return logtotest.Token{Subject: "carol", ClientID: "web", OrganizationID: organization, Scopes: strings.Fields(scopes)}
	}
	for _, tt := range []struct {
		name      string
		guard     *logtoguard.Guard
		check     routeCheck
		token     logtotest.Token
		challenge string // let in if empty
	}{
		{"the trap: without the setting it counts", without, all("read:orders"), user("", "read:orders"), ""},
		{"the trap, any", without, one("x", "read:orders"), user("", "read:orders"), ""},
		{"bound to none", guard, all("read:orders"), user("", "read:orders"), nowhere},
		{"bound to none, and not issued", guard, all("read:orders"), user("", ""), nowhere},
		{"bound to none, a machine", guard, all("read:orders"), logtotest.Token{Scopes: []string{"read:orders"}}, nowhere},
		{"both kinds held", guard, all("read:orders"), user("", "read:products read:orders"), nowhere},
		{"another scope", guard, all("read:products"), user("", "read:orders read:products"), ""},
		{"another scope is missing", guard, all("read:products"), user("", "read:orders"), products},
		{"its upper case is another scope", guard, all("READ:orders"), user("", "READ:orders"), ""},
		{"all, the other held", guard, all("read:products", "read:orders"), user("", "read:products read:orders"), nowhere},
		{"all, the other missing", guard, all("read:orders", "read:products"), user("", "read:orders"), products},
		{"all of them", guard, all("read:orders", "write:orders"), user("", "read:orders write:orders"), nowhere},
		{"any, the other held", guard, one("read:orders", "read:products"), user("", "read:products"), ""},
		{"any, the other missing", guard, one("read:orders", "read:products"), user("", "read:orders"), products},
		{"any of them", guard, one("read:orders", "write:orders"), user("", "read:orders write:orders"), nowhere},
		{"in the organization", guard, chain(acme, all("read:orders")), user("acme", "read:orders"), ""},
		{"in the organization, any", guard, chain(acme, one("write:orders", "read:orders")), user("acme", "read:orders"), ""},
		{"in the organization, missing", guard, chain(acme, all("read:orders")), user("acme", "read:products"), `Bearer error="insufficient_scope", scope="read:orders"`},
		{"in the organization, both kinds", guard, chain(acme, all("read:orders", "read:products")), user("acme", "read:orders read:products"), ""},
		{"an organization that nobody accepted", guard, all("read:orders"), user("acme", "read:orders"), `Bearer error="insufficient_scope", scope="read:orders"`},
		{"an inner guard without the setting", guard, chain(without.Handler, all("read:orders")), user("", "read:orders"), ""},
		{"an inner guard with it", without, chain(guard.Handler, all("read:orders")), user("", "read:orders"), nowhere},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := guardtest.Serve(tt.guard.Handler(tt.check(guardtest.NoContent)), "Bearer "+logto.Mint(tt.token))
			require.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
			require.Equal(t, map[bool]int{true: 204, false: 403}[tt.challenge == ""], w.Code)
		})
	}

	claims, err := guard.Verify(t.Context(), logto.Mint(user("", "read:orders read:products write:orders")))
	require.NoError(t, err)
	require.False(t, claims.HasScope("read:orders"))
	require.True(t, claims.HasScope("read:products"))
	require.Equal(t, []string{"read:products"}, claims.Scopes())
	require.NoError(t, claims.CheckAnyScope("read:orders", "read:products"))
	var e *logtoguard.Error
	require.ErrorAs(t, claims.CheckScope("read:orders", "read:products"), &e)
	require.ErrorIs(t, e, logtoguard.ErrInsufficientScope)
	require.Equal(t, "scope", e.Reason)
	require.Contains(t, e.Description, "in an organization only")
	require.ErrorAs(t, claims.CheckScope(), &e)
	require.NotContains(t, e.Description, "organization", "no scope at all is another mistake")
	claims, err = guard.Verify(t.Context(), logto.Mint(user("acme", "read:orders read:products")))
	require.NoError(t, err)
	claims, err = claims.ForOrganization("acme")
	require.NoError(t, err)
	require.Equal(t, []string{"read:orders", "read:products"}, claims.Scopes())
}

func TestOrganizationTokens(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) { c.Audience, c.OrganizationTokens = nil, true })
	const acme = "urn:logto:organization:acme"
	tests := []struct {
		name         string
		audience     any
		claimed      any // organization_id; nil: none
		organization string
		is           error
	}{
		{"its audience", acme, nil, "acme", nil},
		{"an array", []string{acme}, nil, "acme", nil},
		{"an array with a resource", []string{guardtest.Shopping, acme}, nil, "acme", nil},
		{"the same twice", []string{acme, acme}, nil, "acme", nil},
		{"the claim agrees", acme, "acme", "acme", nil},
		{"an id with colons", acme + ":x", nil, "acme:x", nil},
		{"the claim contradicts", acme, "other", "", logtoguard.ErrInvalidClaim},
		{"the claim is empty", acme, "", "", logtoguard.ErrInvalidClaim},
		{"the claim is no string", acme, []string{"acme"}, "", logtoguard.ErrInvalidClaim},
		{"two organizations", []string{acme, "urn:logto:organization:other"}, nil, "", logtoguard.ErrWrongAudience},
		{"two organizations, one claimed", []string{acme, "urn:logto:organization:other"}, "acme", "", logtoguard.ErrWrongAudience},
		{"all organizations", "urn:logto:resource:organizations", nil, "", logtoguard.ErrWrongAudience},
		{"all organizations, one claimed", "urn:logto:resource:organizations", "acme", "", logtoguard.ErrWrongAudience},
		{"no id", "urn:logto:organization:", nil, "", logtoguard.ErrWrongAudience},
		{"no id, one claimed", "urn:logto:organization:", "acme", "", logtoguard.ErrWrongAudience},
		{"almost the prefix", "urn:logto:organizations:acme", nil, "", logtoguard.ErrWrongAudience},
		{"upper case", "URN:LOGTO:ORGANIZATION:acme", nil, "", logtoguard.ErrWrongAudience},
		{"the prefix within", "x" + acme, nil, "", logtoguard.ErrWrongAudience},
		{"a resource for an organization", guardtest.Shopping, "acme", "", logtoguard.ErrWrongAudience},
		{"a resource", guardtest.Shopping, nil, "", logtoguard.ErrWrongAudience},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := logto.Mint(logtotest.Token{Scopes: []string{"read:orders"}}, guardtest.Claim("aud", tt.audience), func(d *logtotest.Draft) {
				if tt.claimed != nil {
					d.Claims["organization_id"] = tt.claimed
				}
			})
			claims, err := guard.Verify(t.Context(), token)
			require.ErrorIs(t, err, tt.is)
			if tt.is != nil {
				var e *logtoguard.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, http.StatusUnauthorized, e.Status)
				return
			}
			require.Equal(t, tt.organization, claims.OrganizationID())
			require.False(t, claims.HasScope("read:orders"))
			check := chain(organization(tt.organization), logtoguard.RequireScope("read:orders"))
			require.Equal(t, http.StatusNoContent, guardtest.Serve(guard.Handler(check(guardtest.NoContent)), "Bearer "+token).Code)
			require.Equal(t, http.StatusForbidden, guardtest.Serve(guard.Handler(logtoguard.RequireScope("read:orders")(guardtest.NoContent)), "Bearer "+token).Code)
		})
	}
}

// A guard for a resource takes no organization token, and what an audience names beside it binds the token.
func TestResourceGuardAndOrganizations(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock)
	const acme = "urn:logto:organization:acme"
	_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Audience: acme}))
	require.ErrorIs(t, err, logtoguard.ErrWrongAudience)
	claims, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Scopes: []string{"a"}}, guardtest.Claim("aud", []string{guardtest.Shopping, acme})))
	require.NoError(t, err)
	require.Equal(t, "acme", claims.OrganizationID())
	require.False(t, claims.HasScope("a"))
	_, err = guard.Verify(t.Context(), logto.Mint(logtotest.Token{OrganizationID: "other"}, guardtest.Claim("aud", []string{guardtest.Shopping, acme})))
	require.ErrorIs(t, err, logtoguard.ErrInvalidClaim)
	for _, id := range []any{"", nil, 7, []string{"acme"}} {
		_, err = guard.Verify(t.Context(), logto.Mint(logtotest.Token{}, guardtest.Claim("organization_id", id)))
		require.ErrorIs(t, err, logtoguard.ErrInvalidClaim, "%v", id)
	}
}

// Claims that an outer handler has put into the context are not those of a request
// to which Optional lets nobody show a token.
func TestOptionalForgetsForeignClaims(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	claims, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Subject: "shop"}))
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(logtoguard.ContextWithClaims(r.Context(), claims))
	guard.Optional(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, ok := logtoguard.ClaimsFromContext(r.Context())
		require.False(t, ok)
	})).ServeHTTP(httptest.NewRecorder(), r)
}
