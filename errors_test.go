package logtoguard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

func TestAnswers(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock)
	guardtest.Ready(t, guard)
	down, downClock := guardtest.NewLogto(t, "")
	down.Disturb(logtotest.Down())
	handler := guard.Handler(guardtest.NoContent)
	scoped := guard.Handler(logtoguard.RequireScope("read:products", "write:products")(guardtest.NoContent))
	organized := guard.Handler(logtoguard.RequireOrganization(func(*http.Request) string { return "acme" })(guardtest.NoContent))
	bearer := func(token logtotest.Token) []string { return []string{"Bearer " + logto.Mint(token)} }
	tests := []struct {
		name          string
		handler       http.Handler
		authorization []string
		status        int
		challenge     string
		code          string // in the body
	}{
		{"no token", handler, nil, 401, `Bearer`, "no_token"},
		{"another scheme", handler, []string{"Basic eDp5"}, 401, `Bearer`, "no_token"},
		{"two headers", handler, []string{"Bearer x", "Bearer x"}, 400, `Bearer error="invalid_request"`, "invalid_request"},
		{"no value", handler, []string{"Bearer"}, 400, `Bearer error="invalid_request"`, "invalid_request"},
		{"several values", handler, []string{"Bearer x y"}, 400, `Bearer error="invalid_request"`, "invalid_request"},
		{"opaque", handler, []string{"Bearer x"}, 401, "Bearer error=\"invalid_token\", error_description=\"opaque token: request it with the `resource` parameter\"", "invalid_token"},
		{"expired", handler, bearer(logtotest.Token{Lifetime: -time.Hour}), 401, `Bearer error="invalid_token", error_description="the token expired"`, "invalid_token"},
		{"too deep", handler, with(logto, "x", json.RawMessage(strings.Repeat("[", 32)+strings.Repeat("]", 32))), 401, `Bearer error="invalid_token", error_description="the token's JSON is nested more than 32 deep"`, "invalid_token"},
		{"too many members", handler, with(logto, "x", json.RawMessage(`[`+strings.Repeat(`{"y":0},`, 1000)+`0]`)), 401, `Bearer error="invalid_token", error_description="the token's header and payload have more than 1,000 members"`, "invalid_token"},
		{"too many audiences", handler, with(logto, "aud", slices.Repeat([]string{guardtest.Shopping}, 17)), 401, `Bearer error="invalid_token", error_description="the token has more than 16 audiences"`, "invalid_token"},
		{"a scope is missing", scoped, bearer(logtotest.Token{Scopes: []string{"read:products"}}), 403, `Bearer error="insufficient_scope", scope="read:products write:products"`, "insufficient_scope"},
		{"another organization", organized, bearer(logtotest.Token{OrganizationID: "other"}), 403, `Bearer error="insufficient_scope"`, "insufficient_scope"},
		{"a scope of organizations", guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) { c.OrganizationScopes = []string{"read:orders"} }).Handler(logtoguard.RequireScope("read:orders")(guardtest.NoContent)),
			bearer(logtotest.Token{Scopes: []string{"read:orders"}}), 403, `Bearer error="insufficient_scope"`, "insufficient_scope"},
		{"no keys", guardtest.NewGuard(t, down, downClock).Handler(guardtest.NoContent), bearer(logtotest.Token{}), 503, "", "temporarily_unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "no keys" {
				tt.authorization = []string{"Bearer " + down.Mint(logtotest.Token{})}
			}
			w := guardtest.Serve(tt.handler, tt.authorization...)
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
			require.Equal(t, tt.status == 503, w.Header().Get("Retry-After") != "")
			require.LessOrEqual(t, len(w.Header().Values("WWW-Authenticate")), 1)
			var body map[string]string
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			require.Len(t, body, 2)
			require.Equal(t, tt.code, body["error"])
			require.NotEmpty(t, body["error_description"])
			if tt.challenge == "" {
				return
			}
			scheme, params := guardtest.ParseChallenge(t, tt.challenge)
			require.Equal(t, "Bearer", scheme)
			if description, ok := params["error_description"]; ok {
				require.Equal(t, body["error_description"], description)
			}
		})
	}
}

// with is the header for a token with one more claim.
func with(logto *logtotest.Server, name string, value any) []string {
	return []string{"Bearer " + logto.Mint(logtotest.Token{}, guardtest.Claim(name, value))}
}

func TestChallenge(t *testing.T) {
	tests := []struct {
		name string
		err  logtoguard.Error
		want string
	}{
		{"zero", logtoguard.Error{}, ""},
		{"401 without a code", logtoguard.Error{Status: 401, Description: "x"}, `Bearer`},
		{"400", logtoguard.Error{Status: 400, Code: "invalid_request", Description: "x"}, `Bearer error="invalid_request"`},
		{"400 without a code", logtoguard.Error{Status: 400}, ``},
		{"401", logtoguard.Error{Status: 401, Code: "invalid_token", Description: "x y"}, `Bearer error="invalid_token", error_description="x y"`},
		{"401 without a description", logtoguard.Error{Status: 401, Code: "invalid_token"}, `Bearer error="invalid_token"`},
		{"403", logtoguard.Error{Status: 403, Code: "insufficient_scope", Description: "x"}, `Bearer error="insufficient_scope"`},
		{"403 with scopes", logtoguard.Error{Status: 403, Code: "insufficient_scope", Description: "x", Scopes: []string{"a", "b:c"}}, `Bearer error="insufficient_scope", scope="a b:c"`},
		{"scopes of another code", logtoguard.Error{Status: 401, Code: "invalid_token", Scopes: []string{"a"}}, `Bearer error="invalid_token"`},
		{"429", logtoguard.Error{Status: 429, Code: "invalid_token"}, ""},
		{"500", logtoguard.Error{Status: 500, Code: "invalid_token"}, ""},
		{"503", logtoguard.Error{Status: 503, Code: "temporarily_unavailable", Scopes: []string{"a"}}, ""},
		{"quotes", logtoguard.Error{Status: 401, Code: "invalid_token", Description: `a "b" \c`}, `Bearer error="invalid_token", error_description="a \"b\" \\c"`},
		{"control characters", logtoguard.Error{Status: 401, Code: "invalid_token", Description: "a\r\nX-Evil: 1\x00\x7f\tb"}, `Bearer error="invalid_token", error_description="a??X-Evil: 1???b"`},
		{"beyond ASCII", logtoguard.Error{Status: 401, Code: "invalid_token", Description: "zürich ✓ \xff"}, `Bearer error="invalid_token", error_description="z?rich ? ?"`},
		{"quotes in a scope", logtoguard.Error{Status: 403, Code: "insufficient_scope", Scopes: []string{`a"`, `\b`, "ü\n"}}, `Bearer error="insufficient_scope", scope="a\" \\b ??"`},
		{"quotes in a code", logtoguard.Error{Status: 401, Code: `x", scope="all`}, `Bearer error="x\", scope=\"all"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.err.Challenge())
			if tt.want != "" {
				guardtest.ParseChallenge(t, tt.want)
			}
		})
	}
	_, params := guardtest.ParseChallenge(t, (&logtoguard.Error{Status: 401, Code: "c", Description: `"\`}).Challenge())
	require.Equal(t, map[string]string{"error": "c", "error_description": `"\`}, params)
}

func TestWriteError(t *testing.T) {
	const internal = `{"error":"server_error","error_description":"internal error"}`
	limited := &logtoguard.Error{Code: "slow_down", Reason: "quota", Status: 429, Description: "too much", RetryAfter: 1200 * time.Millisecond}
	unavailable := func(d time.Duration) error {
		return &logtoguard.Error{Code: "temporarily_unavailable", Status: 503, Description: "x", RetryAfter: d}
	}
	const body503 = `{"error":"temporarily_unavailable","error_description":"x"}`
	tests := []struct {
		name       string
		err        error
		status     int
		body       string
		retryAfter string
	}{
		{"an Error", limited, 429, `{"error":"slow_down","error_description":"too much"}`, "2"},
		{"wrapped", fmt.Errorf("secret: %w", limited), 429, `{"error":"slow_down","error_description":"too much"}`, "2"},
		{"joined", errors.Join(errors.New("secret"), limited), 429, `{"error":"slow_down","error_description":"too much"}`, "2"},
		{"without a code", &logtoguard.Error{Status: 401, Reason: "no_token", Description: "x"}, 401, `{"error":"no_token","error_description":"x"}`, ""},
		{"a nanosecond", unavailable(1), 503, body503, "1"},
		{"whole seconds", unavailable(2 * time.Second), 503, body503, "2"},
		{"a nanosecond more", unavailable(2*time.Second + 1), 503, body503, "3"},
		{"no time", unavailable(0), 503, body503, ""},
		{"a time gone by", unavailable(-time.Second), 503, body503, ""},
		{"another error", errors.New("secret"), 500, internal, ""},
		{"nil", nil, 500, internal, ""},
		{"a nil Error", (*logtoguard.Error)(nil), 500, internal, ""},
		{"a zero Error", &logtoguard.Error{}, 500, internal, ""},
		{"a status that is no error", &logtoguard.Error{Status: 200, Code: "secret", Description: "secret"}, 500, internal, ""},
		{"a status that is none", &logtoguard.Error{Status: 1000, Code: "secret"}, 500, internal, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			require.NotPanics(t, func() { logtoguard.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), tt.err) })
			require.Equal(t, tt.status, w.Code)
			require.JSONEq(t, tt.body, w.Body.String())
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, tt.retryAfter, w.Header().Get("Retry-After"))
			if tt.status != 401 {
				require.NotContains(t, w.Header(), "Www-Authenticate")
			}
		})
	}
}

// An ErrorHandler can't forget what clients and caches go by, but may change it.
func TestErrorHandler(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	var got *logtoguard.Error
	guard := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *logtoguard.Error) {
			got = e
			require.Equal(t, "/", r.URL.Path)
			w.WriteHeader(http.StatusTeapot)
		}
	})
	scoped := guard.Handler(logtoguard.RequireScope("read:products")(guardtest.NoContent))

	w := guardtest.Serve(scoped, "Bearer x")
	require.Equal(t, http.StatusTeapot, w.Code)
	require.Empty(t, w.Body.String())
	require.ErrorIs(t, got, logtoguard.ErrOpaqueToken)
	require.Equal(t, http.Header{"Cache-Control": {"no-store"}, "Www-Authenticate": {got.Challenge()}}, w.Header())

	w = guardtest.Serve(scoped, "Bearer "+logto.Mint(logtotest.Token{}))
	require.ErrorIs(t, got, logtoguard.ErrInsufficientScope)
	require.Equal(t, `Bearer error="insufficient_scope", scope="read:products"`, w.Header().Get("WWW-Authenticate"))

	require.NoError(t, guard.Close())
	w = guardtest.Serve(scoped, "Bearer "+logto.Mint(logtotest.Token{}))
	require.ErrorIs(t, got, logtoguard.ErrClosed)
	require.Equal(t, http.Header{"Cache-Control": {"no-store"}, "Retry-After": {"1"}}, w.Header())
}

// What an outer handler announced for another body would cut this one off.
func TestAnnouncedHeaders(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	plain := guardtest.NewGuard(t, logto, clock)
	own := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *logtoguard.Error) {
			w.WriteHeader(e.Status)
			_, _ = io.WriteString(w, "refused")
		}
	})
	for name, handler := range map[string]http.Handler{
		"WriteError":   plain.Handler(guardtest.NoContent),
		"ErrorHandler": own.Handler(guardtest.NoContent),
		"a route": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logtoguard.WriteError(w, r, errors.New("not one of ours"))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "3")
				w.Header().Set("Content-Encoding", "x-none")
				handler.ServeHTTP(w, r)
			}))
			defer server.Close()
			response, err := http.Get(server.URL)
			require.NoError(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Greater(t, len(body), 3)
			require.Equal(t, "x-none", response.Header.Get("Content-Encoding"), "a handler between us and the client encodes")
		})
	}
}

func TestErrorTree(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock)
	_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Lifetime: -time.Hour}))
	var e *logtoguard.Error
	require.ErrorAs(t, fmt.Errorf("wrapped: %w", err), &e)
	require.Equal(t, "the token expired", err.Error())
	require.Equal(t, logtoguard.Error{Code: "invalid_token", Reason: "expired", Status: 401, Description: "the token expired"},
		logtoguard.Error{Code: e.Code, Reason: e.Reason, Status: e.Status, Description: e.Description, Scopes: e.Scopes, RetryAfter: e.RetryAfter})
	require.ErrorIs(t, err, logtoguard.ErrExpired)
	require.NotErrorIs(t, err, logtoguard.ErrInvalidClaim)
	require.Nil(t, (&logtoguard.Error{}).Unwrap())
}

// Whoever changes a refusal, in an ErrorHandler say, changes none but that one.
func TestRefusalsAreFresh(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock)
	claims, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{OrganizationID: "acme"}))
	require.NoError(t, err)
	asked := []string{"read:products"}
	for name, refuse := range map[string]func() error{
		"no token": func() error { _, err := guard.Verify(t.Context(), ""); return err },
		"opaque":   func() error { _, err := guard.Verify(t.Context(), "x"); return err },
		"header": func() error {
			_, err := guard.VerifyRequest(&http.Request{Header: http.Header{"Authorization": {"Bearer"}}})
			return err
		},
		"audience": func() error {
			_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Audience: "x"}))
			return err
		},
		"scope":        func() error { return claims.CheckScope(asked...) },
		"organization": func() error { _, err := claims.ForOrganization("other"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var first, second *logtoguard.Error
			require.ErrorAs(t, refuse(), &first)
			want := first.Challenge() + first.Description
			for i := range first.Scopes {
				first.Scopes[i] = "changed"
			}
			first.Code, first.Status, first.Description = "changed", 200, "changed"
			require.ErrorAs(t, refuse(), &second)
			require.NotSame(t, first, second)
			require.Equal(t, want, second.Challenge()+second.Description)
		})
	}
	require.Equal(t, []string{"read:products"}, asked)
}
