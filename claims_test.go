package logtoguard_test

import (
	stdjson "encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// claimsOf returns a function that mints a token and verifies it.
func claimsOf(t *testing.T) func(logtotest.Token, ...func(*logtotest.Draft)) *logtoguard.Claims {
	t.Helper()
	logto, clock := guardtest.NewLogto(t, "")
	guard := guardtest.NewGuard(t, logto, clock)
	return func(token logtotest.Token, edits ...func(*logtotest.Draft)) *logtoguard.Claims {
		claims, err := guard.Verify(t.Context(), logto.Mint(token, edits...))
		require.NoError(t, err)
		return claims
	}
}

func TestClaims(t *testing.T) {
	verify := claimsOf(t)
	c := verify(logtotest.Token{Subject: "alice", ClientID: "https://web.example/app", Scopes: []string{"b", "a"}, Lifetime: time.Minute},
		guardtest.Claim("jti", "id-1"), guardtest.Claim("act", map[string]any{"sub": "support"}), guardtest.Claim("aud", []string{"https://other.api", guardtest.Shopping}))
	require.Equal(t, "alice", c.Subject())
	require.Equal(t, "https://web.example/app", c.ClientID())
	require.False(t, c.IsMachine())
	require.Contains(t, c.Issuer(), "/oidc")
	require.Equal(t, []string{"https://other.api", guardtest.Shopping}, c.Audience())
	require.Equal(t, []string{"b", "a"}, c.Scopes())
	require.True(t, c.HasScope("a"))
	require.False(t, c.HasScope("b a"))
	require.False(t, c.HasScope(""))
	require.Empty(t, c.OrganizationID())
	require.Equal(t, "support", c.Actor())
	require.Equal(t, "id-1", c.ID())
	require.True(t, c.IssuedAt().Equal(guardtest.Now))
	require.True(t, c.ExpiresAt().Equal(guardtest.Now.Add(time.Minute)))

	require.True(t, verify(logtotest.Token{ClientID: "robot"}).IsMachine())
	require.Empty(t, verify(logtotest.Token{}, guardtest.Claim("jti", 7)).ID())
	require.True(t, verify(logtotest.Token{}, guardtest.Claim("exp", stdjson.RawMessage("1900000000.5"))).ExpiresAt().Equal(time.Unix(1900000000, 5e8)))
}

func TestClaimsFromNowhere(t *testing.T) {
	for name, c := range map[string]*logtoguard.Claims{"nil": nil, "zero": {}} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, c.Subject()+c.ClientID()+c.Issuer()+c.OrganizationID()+c.Actor()+c.ID())
			require.False(t, c.IsMachine())
			require.Empty(t, c.Audience())
			require.Empty(t, c.Scopes())
			require.False(t, c.HasScope("a"))
			require.False(t, c.HasScope(""))
			require.True(t, c.IssuedAt().IsZero())
			require.True(t, c.ExpiresAt().IsZero())
			require.ErrorIs(t, c.CheckScope("a"), logtoguard.ErrInsufficientScope)
			require.ErrorIs(t, c.CheckScope(), logtoguard.ErrInsufficientScope)
			for _, id := range []string{"acme", ""} {
				_, err := c.ForOrganization(id)
				require.ErrorIs(t, err, logtoguard.ErrWrongOrganization)
			}
			require.Error(t, c.Decode(&map[string]any{}))
			require.Equal(t, `subject="" client_id="" organization_id=""`, c.String())
			require.Equal(t, slog.KindGroup, c.LogValue().Kind())
			_, ok := logtoguard.ClaimsFromContext(logtoguard.ContextWithClaims(t.Context(), c))
			require.Equal(t, c != nil, ok)
		})
	}
	_, ok := logtoguard.ClaimsFromContext(t.Context())
	require.False(t, ok)
}

// A scribbler changes the bytes that it is decoded from.
type scribbler struct{}

func (*scribbler) UnmarshalJSON(data []byte) error {
	for i := range data {
		data[i] = 'x'
	}
	return nil
}

func TestClaimsCannotBeChanged(t *testing.T) {
	c := claimsOf(t)(logtotest.Token{Scopes: []string{"a"}, Claims: map[string]any{"roles": []string{"x"}}})
	c.Scopes()[0], c.Audience()[0] = "all", "https://other.api"
	var std struct {
		Roles stdjson.RawMessage `json:"roles"`
	}
	var exact struct {
		Roles jsontext.Value `json:"roles"`
	}
	require.NoError(t, c.Decode(&std))
	require.NoError(t, c.Decode(&exact))
	copy(std.Roles, `["y"]`)
	copy(exact.Roles, `["y"]`)
	require.NoError(t, c.Decode(&scribbler{}))

	require.Equal(t, []string{"a"}, c.Scopes())
	require.Equal(t, []string{guardtest.Shopping}, c.Audience())
	require.False(t, c.HasScope("all"))
	var roles struct {
		Roles []string `json:"roles"`
	}
	require.NoError(t, c.Decode(&roles))
	require.Equal(t, []string{"x"}, roles.Roles)
}

func TestScopes(t *testing.T) {
	verify := claimsOf(t)
	require.Empty(t, verify(logtotest.Token{}).Scopes())
	for scope, want := range map[string][]string{
		"":            {},
		"   ":         {},
		"a":           {"a"},
		" a  b ":      {"a", "b"},
		"b a":         {"b", "a"},
		"a a":         {"a", "a"},
		"a\tb":        {"a\tb"}, // a space is the only separator
		"a\u00a0b":    {"a\u00a0b"},
		"READ:x read": {"READ:x", "read"},
	} {
		c := verify(logtotest.Token{}, guardtest.Claim("scope", scope))
		require.Equal(t, want, append([]string{}, c.Scopes()...), "%q", scope)
		require.False(t, c.HasScope(""), "%q", scope)
		require.Error(t, c.CheckScope(""), "%q", scope)
	}
}

func TestCheckScope(t *testing.T) {
	c := claimsOf(t)(logtotest.Token{Scopes: []string{"a", "b"}})
	require.NoError(t, c.CheckScope("a"))
	require.NoError(t, c.CheckScope("b", "a", "a"))
	for _, scopes := range [][]string{{"c"}, {"a", "c"}, {"c", "a"}, {"a b"}, {}} {
		err := c.CheckScope(scopes...)
		var e *logtoguard.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, logtoguard.ErrInsufficientScope)
		require.Equal(t, 403, e.Status)
		require.Equal(t, scopes, append([]string{}, e.Scopes...))
	}
}

func TestCheckAnyScope(t *testing.T) {
	verify := claimsOf(t)
	c := verify(logtotest.Token{Scopes: []string{"a", "b"}})
	for _, scopes := range [][]string{{"a"}, {"c", "b"}, {"a", "b"}} {
		require.NoError(t, c.CheckAnyScope(scopes...))
	}
	bound := verify(logtotest.Token{OrganizationID: "acme", Scopes: []string{"a"}})
	for _, refused := range []struct {
		claims *logtoguard.Claims
		scopes []string
	}{{c, []string{"c", "d"}}, {c, []string{"a b"}}, {c, []string{""}}, {c, []string{}}, {nil, []string{"a"}}, {bound, []string{"a", "c"}}} {
		err := refused.claims.CheckAnyScope(refused.scopes...)
		var e *logtoguard.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, logtoguard.ErrInsufficientScope)
		require.Equal(t, 403, e.Status)
		require.Equal(t, refused.scopes, append([]string{}, e.Scopes...))
	}
}

func TestActor(t *testing.T) {
	verify := claimsOf(t)
	for act, want := range map[string]string{
		`{"sub":"support"}`:                      "support",
		`{"sub":"support","act":{"sub":"boss"}}`: "support",
		`{"sub":""}`:                             "",
		`{"sub":7}`:                              "",
		`{"sub":null}`:                           "",
		`{"SUB":"support"}`:                      "",
		`{"sub":["support"]}`:                    "",
		`{}`:                                     "",
		`null`:                                   "",
		`"support"`:                              "",
		`["support"]`:                            "",
		`7`:                                      "",
	} {
		require.Equal(t, want, verify(logtotest.Token{}, guardtest.Claim("act", stdjson.RawMessage(act))).Actor(), act)
	}
}

func TestForOrganization(t *testing.T) {
	verify := claimsOf(t)
	c := verify(logtotest.Token{OrganizationID: "acme", Scopes: []string{"a"}})
	require.Empty(t, c.Scopes(), "as HasScope decides")
	accepted, err := c.ForOrganization("acme")
	require.NoError(t, err)
	require.NotSame(t, c, accepted)
	require.True(t, accepted.HasScope("a"))
	require.Equal(t, []string{"a"}, accepted.Scopes())
	require.NoError(t, accepted.CheckScope("a"))
	require.Equal(t, "acme", accepted.OrganizationID())
	require.False(t, c.HasScope("a"), "the claims that were asked stay as they were")
	require.ErrorIs(t, c.CheckScope("a"), logtoguard.ErrInsufficientScope)

	for name, refused := range map[string]struct {
		claims *logtoguard.Claims
		id     string
	}{
		"another":                    {c, "other"},
		"another, after acceptance":  {accepted, "other"},
		"an empty id":                {c, ""},
		"a plain token":              {verify(logtotest.Token{Scopes: []string{"a"}}), "acme"},
		"a plain token, an empty id": {verify(logtotest.Token{}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := refused.claims.ForOrganization(refused.id)
			require.Nil(t, claims)
			var e *logtoguard.Error
			require.ErrorAs(t, err, &e)
			require.ErrorIs(t, err, logtoguard.ErrWrongOrganization)
			require.Equal(t, 403, e.Status)
			require.Equal(t, organizationChallenge, e.Challenge())
		})
	}
}

func TestDecode(t *testing.T) {
	c := claimsOf(t)(logtotest.Token{Subject: "alice", ClientID: "web", Claims: map[string]any{
		"roles": []string{"admin"}, "Level": 3, "nested": map[string]any{"a": true},
	}})
	var exact struct {
		Subject string   `json:"sub"`
		Roles   []string `json:"roles"`
		ROLES   []string
		Level   int
		Lower   int             `json:"level"`
		Nested  map[string]bool `json:"nested"`
		Absent  *string         `json:"absent"`
	}
	require.NoError(t, c.Decode(&exact))
	require.Equal(t, "alice", exact.Subject)
	require.Equal(t, []string{"admin"}, exact.Roles)
	require.Nil(t, exact.ROLES, "names match exactly")
	require.Equal(t, 3, exact.Level)
	require.Zero(t, exact.Lower, "names match exactly")
	require.Equal(t, map[string]bool{"a": true}, exact.Nested)
	require.Nil(t, exact.Absent)

	var all map[string]any
	require.NoError(t, c.Decode(&all))
	require.Equal(t, "alice", all["sub"])
	require.Equal(t, []any{"admin"}, all["roles"])

	for name, v := range map[string]any{"nil": nil, "no pointer": exact, "a wrong type": &struct {
		Sub int `json:"sub"`
	}{}, "no object": &[]string{}} {
		require.ErrorContains(t, c.Decode(v), "logtoguard: decode claims", name)
	}
}

// Claims get into logs by accident; what they say there is fixed.
func TestClaimsInLogs(t *testing.T) {
	c := claimsOf(t)(logtotest.Token{Subject: "alice\n", ClientID: "web", OrganizationID: "acme", Scopes: []string{"secret-scope"}, Claims: map[string]any{"note": "hunter2"}})
	want := `subject="alice\n" client_id="web" organization_id="acme"`
	for _, format := range []string{"%v", "%+v", "%s", "%#v"} {
		require.Equal(t, want, fmt.Sprintf(format, c))
	}
	var text guardtest.Journal
	text.Logger(slog.LevelInfo).Info("x", "claims", c)
	require.Equal(t, `level=INFO msg=x claims.subject="\"alice\\n\"" claims.client_id=web claims.organization_id=acme`+"\n", text.String())
	//lint:ignore SA9005 that it shows nothing is the point
	asJSON, err := stdjson.Marshal(c)
	require.NoError(t, err)
	require.JSONEq(t, "{}", string(asJSON))
	var names []string
	for _, attr := range c.LogValue().Group() {
		names = append(names, attr.Key)
	}
	require.Equal(t, []string{"subject", "client_id", "organization_id"}, names)
}
