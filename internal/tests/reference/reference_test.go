// Package reference holds the guard against another library: a token that it lets
// in has to pass golang-jwt too, with the same keys, issuer, audience and clock.
// It is a module of its own, so that nobody else needs that library.
package reference

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

const (
	audience = "https://shopping.api"
	skew     = 5 * time.Second

	// Stand-ins for what differs from process to process, so that a corpus keeps.
	seedKeyID  = "KID"
	seedIssuer = "ISSUER"
)

var algorithms = []string{"ES384", "ES256", "ES512", "RS256"}

var now = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// By default golang-jwt cuts the fractions of seconds off, which NumericDate allows.
func init() { jwt.TimePrecision = time.Nanosecond }

// judges are the guard, and the reference with which it is compared.
type judges struct {
	logto     *logtotest.Server
	guard     *logtoguard.Guard
	reference *jwt.Parser
	keys      keyfunc.Keyfunc
}

func newJudges(t testing.TB, algorithm string) judges {
	clock := logtotest.NewClock(now)
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: audience}},
		Algorithm: algorithm,
		Now:       clock.Now,
	})
	t.Cleanup(logto.Close)
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint:  logto.Endpoint(),
		Audience:  []string{audience},
		ClockSkew: skew,
		Now:       clock.Now,
		Logger:    slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	require.NoError(t, guard.Ready(t.Context()))
	return judges{logto: logto, guard: guard, keys: newKeys(t, logto), reference: jwt.NewParser(
		jwt.WithValidMethods([]string{algorithm}),
		jwt.WithIssuer(logto.Endpoint()+"/oidc"),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(skew),
		jwt.WithTimeFunc(clock.Now),
		jwt.WithStrictDecoding(),
		jwt.WithJSONNumber(), // a number that no float64 holds may stand where nobody looks
	)}
}

func newKeys(t testing.TB, logto *logtotest.Server) keyfunc.Keyfunc {
	set, err := json.Marshal(map[string]any{"keys": []any{logto.Key().JWK()}})
	require.NoError(t, err)
	keys, err := keyfunc.NewJWKSetJSON(set)
	require.NoError(t, err)
	return keys
}

// compare reports whether the guard lets the token in, and fails if it does and
// the reference doesn't, or reads something else in it.
func (j judges) compare(t *testing.T, token string) bool {
	claims, err := j.guard.Verify(t.Context(), token)
	if err != nil {
		return false
	}
	// A map has names to the letter; golang-jwt's struct takes "SUB" for "sub".
	read := jwt.MapClaims{}
	_, err = j.reference.ParseWithClaims(token, read, j.keys.Keyfunc)
	var number *json.UnmarshalTypeError
	if errors.As(err, &number) && strings.HasPrefix(number.Value, "number ") {
		return true // the header's numbers it reads as float64 all the same
	}
	require.NoError(t, err, "let in: %s", token)
	parties, err := read.GetAudience()
	require.NoError(t, err)
	expiry, err := read.GetExpirationTime()
	require.NoError(t, err)
	scope, _ := read["scope"].(string)
	assert.Equal(t, read["iss"], claims.Issuer())
	assert.Equal(t, []string(parties), claims.Audience())
	assert.Equal(t, read["sub"], claims.Subject())
	assert.Equal(t, read["client_id"], claims.ClientID())
	if id := claims.OrganizationID(); id != "" {
		assert.Empty(t, claims.Scopes(), "before the organization is accepted")
		claims, err = claims.ForOrganization(id)
		require.NoError(t, err)
	}
	assert.ElementsMatch(t, spaced(scope), claims.Scopes())
	assert.WithinDuration(t, expiry.Time, claims.ExpiresAt(), time.Millisecond)
	return true
}

// spaced takes a list of scopes apart: RFC 6749, section 3.3, knows no other space.
func spaced(scope string) []string {
	return strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' })
}

func (j judges) here(json string) string {
	return strings.NewReplacer(seedKeyID, j.logto.Key().ID(), seedIssuer, j.logto.Endpoint()+"/oidc").Replace(json)
}

func usualHeader(algorithm string) map[string]any {
	return map[string]any{"alg": algorithm, "typ": "at+jwt", "kid": seedKeyID}
}

func usualPayload() map[string]any {
	return map[string]any{
		"jti": "id", "sub": "shop", "client_id": "shop", "iss": seedIssuer, "aud": audience,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "read:products write:products",
	}
}

// oddValues take the place of each member in turn.
var oddValues = []any{
	nil, "", "x", 0, -1, 1.5, 1e18, true, []any{}, map[string]any{}, []string{"https://other.api", audience}, []any{audience, 1},
	seedIssuer + "/", "AT+JWT", "none", "HS256", now.Unix() - 5, now.Unix() - 4, now.Unix() + 5, now.Unix() + 61,
	float64(now.Unix()) - 4.5, float64(now.Unix()) + 0.5,
}

// seeds are tokens of which one member is missing, odd, or in another case.
func seeds(algorithm string) (list [][2]string) {
	marshal := func(object map[string]any) string {
		data, _ := json.Marshal(object)
		return string(data)
	}
	header, payload := marshal(usualHeader(algorithm)), marshal(usualPayload())
	list = append(list, [2]string{header, payload})
	for name := range usualHeader(algorithm) {
		for _, odd := range variants(usualHeader(algorithm), name) {
			list = append(list, [2]string{marshal(odd), payload})
		}
	}
	for _, name := range append(slices.Collect(maps.Keys(usualPayload())), "nbf", "cnf", "organization_id") {
		for _, odd := range variants(usualPayload(), name) {
			list = append(list, [2]string{header, marshal(odd)})
		}
	}
	return append(list,
		[2]string{header, strings.Replace(payload, `"jti":"id"`, `"jti":17953E8805`, 1)},
		[2]string{strings.Replace(header, `{`, `{"x":1E999,`, 1), payload},
	)
}

func variants(object map[string]any, name string) (list []map[string]any) {
	without := maps.Clone(object)
	delete(without, name)
	renamed := maps.Clone(without)
	renamed[strings.ToUpper(name)] = object[name]
	list = append(list, without, renamed)
	for _, value := range oddValues {
		odd := maps.Clone(object)
		odd[name] = value
		list = append(list, odd)
	}
	return list
}

// FuzzAgainstGolangJWT has any header and payload signed, and some of the tokens
// changed after that.
func FuzzAgainstGolangJWT(f *testing.F) {
	var all []judges
	for i, algorithm := range algorithms {
		all = append(all, newJudges(f, algorithm))
		for _, seed := range seeds(algorithm) {
			f.Add(byte(i), seed[0], seed[1], byte(0), uint16(0))
		}
		usual := seeds(algorithm)[0]
		f.Add(byte(i), usual[0], usual[1], byte(1), uint16(3))
	}
	f.Fuzz(func(t *testing.T, algorithm byte, header, payload string, flip byte, at uint16) {
		j := all[int(algorithm)%len(all)]
		token := []byte(j.logto.Key().Sign([]byte(j.here(header)), []byte(j.here(payload))))
		token[len(token)-1-int(at)%len(token)] ^= flip
		j.compare(t, string(token))
	})
}

// TestBothLetIn makes sure that there is something to compare.
func TestBothLetIn(t *testing.T) {
	for _, algorithm := range algorithms {
		j, in := newJudges(t, algorithm), 0
		all := seeds(algorithm)
		for _, seed := range all {
			if j.compare(t, j.logto.Key().Sign([]byte(j.here(seed[0])), []byte(j.here(seed[1])))) {
				in++
			}
		}
		assert.Greater(t, in, 20, algorithm)
		assert.Less(t, in, len(all)/2, algorithm)
	}
}
