package attacks_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
)

// realTokens were issued by a Logto 1.42.0 that was thrown away afterwards.
type realTokens struct {
	JWKS   json.RawMessage
	Tokens []struct {
		What     string
		Token    string
		IssuedAt int64 `json:"issued_at"`
	}
}

func readRealTokens(t *testing.T) realTokens {
	t.Helper()
	data, err := os.ReadFile("../../../testdata/real-tokens.json")
	require.NoError(t, err)
	var real realTokens
	require.NoError(t, json.Unmarshal(data, &real))
	return real
}

// realGuard judges by the keys of that Logto, which are served here.
func realGuard(t *testing.T, keys []byte, at int64, edit func(*logtoguard.Config)) *logtoguard.Guard {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) }))
	t.Cleanup(server.Close)
	cfg := logtoguard.Config{
		Endpoint: "http://127.0.0.1:3001",
		JWKSURL:  server.URL,
		Audience: []string{guardtest.Shopping},
		Now:      func() time.Time { return time.Unix(at+1, 0) },
		Logger:   slog.New(slog.DiscardHandler),
	}
	edit(&cfg)
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	guardtest.Ready(t, guard)
	return guard
}

func TestRealTokens(t *testing.T) {
	type expectation struct {
		is           error
		organization bool // judged by a guard for organization tokens
		scopes       []string
		bound        string
	}
	expectations := map[string]expectation{
		"machine, both scopes":                    {scopes: []string{"read:products", "write:products"}},
		"machine, one scope":                      {scopes: []string{"read:products"}},
		"machine without a role: no scope claim":  {},
		"organization token, no resource":         {organization: true, scopes: []string{"invite:member", "remove:member"}, bound: "9vugs706nu4u"},
		"resource token bound to an organization": {scopes: []string{"read:products"}, bound: "9vugs706nu4u"},
		"RS256, its JWK has no alg":               {scopes: []string{"read:products", "write:products"}},
		"an ID token: to be refused":              {is: logtoguard.ErrNotAccessToken},
		"an opaque token: to be refused":          {is: logtoguard.ErrOpaqueToken},
	}
	real := readRealTokens(t)
	require.Len(t, real.Tokens, len(expectations))
	for _, token := range real.Tokens {
		t.Run(token.What, func(t *testing.T) {
			want, ok := expectations[token.What]
			require.True(t, ok)
			for _, organization := range []bool{false, true} {
				guard := realGuard(t, real.JWKS, token.IssuedAt, func(cfg *logtoguard.Config) {
					cfg.OrganizationTokens = organization
					if organization {
						cfg.Audience = nil
					}
				})
				claims, err := guard.Verify(t.Context(), token.Token)
				switch {
				case want.is != nil:
					require.ErrorIs(t, err, want.is)
				case want.organization != organization:
					require.ErrorIs(t, err, logtoguard.ErrWrongAudience, "the other kind of guard")
				default:
					require.NoError(t, err)
					held := claims
					if want.bound != "" {
						assert.Empty(t, claims.Scopes())
						held, err = claims.ForOrganization(want.bound)
						require.NoError(t, err)
					}
					assert.Equal(t, want.scopes, held.Scopes())
					assert.True(t, claims.IsMachine())
					assert.Equal(t, want.bound, claims.OrganizationID())
					assert.Equal(t, want.bound == "" && len(want.scopes) > 0, claims.HasScope("read:products"),
						"scopes of an organization don't count before it is accepted")
					assert.Equal(t, time.Hour, claims.ExpiresAt().Sub(claims.IssuedAt()))
				}
			}
		})
	}
}

func TestRealTokensAtTheWrongTimeOrPlace(t *testing.T) {
	real := readRealTokens(t)
	token := real.Tokens[0]
	for _, test := range []struct {
		name string
		at   time.Duration
		edit func(*logtoguard.Config)
		is   error
	}{
		{"before its issue", -2 * time.Minute, nil, logtoguard.ErrNotYetValid},
		{"after its end", time.Hour + 5*time.Second, nil, logtoguard.ErrExpired},
		{"just before its end and the skew", time.Hour + 3*time.Second, nil, nil},
		{"another API", 0, func(cfg *logtoguard.Config) { cfg.Audience = []string{"https://other.api"} }, logtoguard.ErrWrongAudience},
		{"another tenant", 0, func(cfg *logtoguard.Config) { cfg.Endpoint = "http://127.0.0.1:3002" }, logtoguard.ErrWrongIssuer},
		{"a custom domain", 0, func(cfg *logtoguard.Config) {
			cfg.Endpoint, cfg.CustomDomains = "https://auth.example.com", []string{"http://127.0.0.1:3001/"}
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			guard := realGuard(t, real.JWKS, token.IssuedAt+int64(test.at.Seconds()), func(cfg *logtoguard.Config) {
				if test.edit != nil {
					test.edit(cfg)
				}
			})
			_, err := guard.Verify(t.Context(), token.Token)
			require.ErrorIs(t, err, test.is)
		})
	}
}
