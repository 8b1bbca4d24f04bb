package logtotest_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

func TestMintedTokenLooksLikeLogtos(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			declared := tenant()
			declared.Algorithm, declared.Now = algorithm, logtotest.NewClock(noon).Now
			s := start(t, declared)
			token := s.Mint(logtotest.Token{
				Subject: "alice", ClientID: "webshop", Audience: ordersAPI, Scopes: []string{"read:orders", "more"},
				OrganizationID: "acme", Lifetime: time.Minute, Claims: map[string]any{"act": map[string]any{"sub": "support"}},
			})
			require.Equal(t, map[string]any{"alg": algorithm, "typ": "at+jwt", "kid": s.Key().ID()}, part(t, token, 0))
			got := claims(t, s, token)
			require.NotEmpty(t, got["jti"])
			delete(got, "jti")
			require.Equal(t, map[string]any{
				"iss": s.URL() + "/oidc", "sub": "alice", "client_id": "webshop", "aud": ordersAPI, "scope": "read:orders more",
				"organization_id": "acme", "act": map[string]any{"sub": "support"},
				"iat": float64(noon.Unix()), "exp": float64(noon.Unix() + 60),
			}, got)
		})
	}
}

func TestMintDefaults(t *testing.T) {
	tests := []struct {
		name                string
		token               logtotest.Token
		subject, client     string
		audience            string
		lifetime            float64
		withoutDeclarations bool
	}{
		{name: "nothing said", subject: "machine", client: "machine", audience: shoppingAPI, lifetime: 3600},
		{name: "nothing declared", subject: "machine", client: "machine", audience: managementAPI, lifetime: 3600, withoutDeclarations: true},
		{name: "subject", token: logtotest.Token{Subject: "shop"}, subject: "shop", client: "shop", audience: shoppingAPI, lifetime: 3600},
		{name: "client", token: logtotest.Token{ClientID: "shop"}, subject: "shop", client: "shop", audience: shoppingAPI, lifetime: 3600},
		{name: "expired", token: logtotest.Token{Lifetime: -time.Minute}, subject: "machine", client: "machine", audience: shoppingAPI, lifetime: -60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			declared := tenant()
			if tt.withoutDeclarations {
				declared = logtotest.Tenant{}
			}
			s := start(t, declared)
			got := claims(t, s, s.Mint(tt.token))
			require.Equal(t, tt.subject, got["sub"])
			require.Equal(t, tt.client, got["client_id"])
			require.Equal(t, tt.audience, got["aud"])
			require.Equal(t, tt.lifetime, got["exp"].(float64)-got["iat"].(float64))
			require.NotContains(t, got, "scope")
			require.NotContains(t, got, "organization_id")
		})
	}
}

func TestMintBrokenTokens(t *testing.T) {
	s := start(t, tenant())
	other := logtotest.NewKey("ES384")
	mint := func(edits ...func(*logtotest.Draft)) string {
		return s.Mint(logtotest.Token{Subject: "shop"}, edits...)
	}

	t.Run("missing and retyped claims", func(t *testing.T) {
		got := claims(t, s, mint(
			func(d *logtotest.Draft) { delete(d.Claims, "exp") },
			func(d *logtotest.Draft) { d.Claims["aud"] = []string{"a", "b"} },
			func(d *logtotest.Draft) { d.Claims["iat"] = json.RawMessage("1e300") },
		))
		require.NotContains(t, got, "exp")
		require.Equal(t, []any{"a", "b"}, got["aud"])
		require.Equal(t, 1e300, got["iat"])
	})
	t.Run("header", func(t *testing.T) {
		token := mint(func(d *logtotest.Draft) { maps.Copy(d.Header, map[string]any{"typ": "JWT", "crit": []string{"b64"}}) })
		require.Equal(t, "JWT", part(t, token, 0)["typ"])
		require.Equal(t, []any{"b64"}, part(t, token, 0)["crit"])
	})
	t.Run("another key under this kid", func(t *testing.T) {
		_, err := verify(t, s, mint(func(d *logtotest.Draft) { d.Key = other }))
		require.Error(t, err)
	})
	t.Run("no signature", func(t *testing.T) {
		token := mint(func(d *logtotest.Draft) { d.Key, d.Header["alg"] = nil, "none" })
		require.True(t, strings.HasSuffix(token, "."))
		require.Equal(t, "none", part(t, token, 0)["alg"])
	})
	t.Run("what Logto refuses", func(t *testing.T) {
		require.PanicsWithValue(t, `logtotest: no custom claim can set "iss": use the other fields of Token, or an edit`,
			func() { s.Mint(logtotest.Token{Claims: map[string]any{"iss": "https://evil.example"}}) })
	})
}

func TestMintLeavesTheTokenAlone(t *testing.T) {
	s := start(t, tenant())
	custom := map[string]any{"tier": "gold"}
	s.Mint(logtotest.Token{Claims: custom}, func(d *logtotest.Draft) { d.Claims["tier"] = "none" })
	require.Equal(t, map[string]any{"tier": "gold"}, custom)
}
