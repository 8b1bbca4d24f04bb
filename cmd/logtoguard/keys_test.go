package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// with is a published key with other members; a nil value deletes one.
func with(key *logtotest.Key, members map[string]any) map[string]any {
	jwk := maps.Clone(key.JWK())
	for name, value := range members {
		edit(jwk, name, value)
	}
	return jwk
}

func TestKeys(t *testing.T) {
	logto := startLogto(t)
	logto.Rotate("RS256")
	out := session{}.run(t, "keys", "-endpoint", logto.Endpoint())
	require.Equal(t, fine, out.status, out.stderr)
	assert.Regexp(t, `^KID +TYPE +ALG +USE +LOGTOGUARD\n`+
		logto.Key().ID()+` +RSA 2048 +- +sig +uses it\n`+
		`\S{43} +EC P-384 +ES384 +sig +uses it\n$`, out.stdout)
}

func TestKeysThatAreSkipped(t *testing.T) {
	a, b, rsa := logtotest.NewKey("ES384"), logtotest.NewKey("ES256"), logtotest.NewKey("RS256")
	for _, row := range []struct {
		name string
		keys []map[string]any
		used []bool
		why  []string
	}{
		{"one of each", []map[string]any{a.JWK(), b.JWK(), rsa.JWK()}, []bool{true, true, true}, []string{"", "", ""}},
		{"one private", []map[string]any{with(a, map[string]any{"d": "AA"}), b.JWK()}, []bool{false, true}, []string{"it is private or symmetric", ""}},
		{"for encryption", []map[string]any{with(a, map[string]any{"use": "enc"})}, []bool{false}, []string{"its use is not sig"}},
		{"no kid", []map[string]any{with(a, map[string]any{"kid": nil})}, []bool{false}, []string{"it has no kid"}},
		{"another algorithm", []map[string]any{with(a, map[string]any{"alg": "ES256"})}, []bool{false}, []string{"its alg does not fit its type or curve"}},
		{"unknown type", []map[string]any{{"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "ed"}, a.JWK()}, []bool{false, true},
			[]string{"its type or curve is unknown, or a member is wrong", ""}},
		{"two under one kid", []map[string]any{a.JWK(), with(b, map[string]any{"kid": a.ID()})}, []bool{false, false},
			[]string{"two different keys have this kid", "two different keys have this kid"}},
		{"the same twice", []map[string]any{a.JWK(), a.JWK()}, []bool{true, true}, []string{"", ""}},
		{"one good, one bad of a kid", []map[string]any{a.JWK(), with(b, map[string]any{"kid": a.ID(), "use": "enc"})}, []bool{true, true},
			[]string{"its use is not sig", "its use is not sig"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := keyFile(t, row.keys...)
			out := session{}.run(t, "keys", "-keys", file, "-json")
			var got struct{ Keys []listedKey }
			require.NoError(t, json.Unmarshal([]byte(out.stdout), &got), out.stderr)
			require.Len(t, got.Keys, len(row.keys))
			someUsed := false
			for i, k := range got.Keys {
				someUsed = someUsed || row.used[i]
				assert.Equal(t, []any{row.used[i], row.why[i]}, []any{k.Used, k.WhyNot})
			}
			assert.Equal(t, someUsed, out.status == fine)
			assert.Equal(t, !someUsed, out.status == refused)
		})
	}
}

func TestSkippedKeysForPeople(t *testing.T) {
	a := logtotest.NewKey("ES384")
	file := keyFile(t, a.JWK(), with(logtotest.NewKey("ES256"), map[string]any{"kid": a.ID(), "use": "enc"}), with(a, map[string]any{"kid": hostile, "k": "AA"}))
	set, err := os.ReadFile(file)
	require.NoError(t, err)
	double := "{\"keys\":[{\"\u009b1m\":1,\"\u009b1m\":2},"
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(set), `{"keys":[`, double, 1)), 0o600))
	out := session{}.run(t, "keys", "-keys", file)
	assert.Contains(t, out.stdout, "uses it; skips another one with this kid: its use is not sig\n")
	assert.Contains(t, out.stdout, "skips it: it is private or symmetric\n")
	assert.Contains(t, out.stdout, "duplicate")
	for _, r := range out.stdout {
		assert.True(t, r == '\n' || r >= ' ' && r <= '~', "%U", r)
	}
}

func TestNoKeySet(t *testing.T) {
	logto := startLogto(t)
	for name, fault := range map[string]logtotest.Fault{
		"answered with status 500": logtotest.Status(500), "not a key set": logtotest.Garbage(), "EOF": logtotest.Down(),
	} {
		logto.Disturb(fault)
		out := session{}.run(t, "keys", "-endpoint", logto.Endpoint())
		assert.Equal(t, undecided, out.status)
		assert.Contains(t, out.stderr, name)
		assert.Empty(t, out.stdout)
	}
}

func TestAnObjectWithoutKeysIsAnAnswer(t *testing.T) {
	jwk, err := json.Marshal(logtotest.NewKey("ES384").JWK())
	require.NoError(t, err)
	for set, status := range map[string]int{
		`{"keys":[]}`: refused, string(jwk): refused, `{}`: refused, `{"keys":1}`: refused,
		``: undecided, `[]`: undecided, `{"keys":[`: undecided,
	} {
		file := keyFile(t)
		require.NoError(t, os.WriteFile(file, []byte(set), 0o600))
		people := session{}.run(t, "keys", "-keys", file)
		assert.Equal(t, status, people.status, set)
		assert.Contains(t, people.stderr, file+": no", "it does not claim to have asked anybody")
		assert.NotContains(t, people.stderr, "GET ")
		machines := session{}.run(t, "keys", "-keys", file, "-json")
		assert.Equal(t, status, machines.status, set)
		assert.Equal(t, status == refused, machines.stdout == "{\"keys\":[]}\n", machines.stdout)
	}
	logto := startLogto(t)
	logto.Disturb(logtotest.EmptyKeySet())
	out := session{}.run(t, "keys", "-endpoint", logto.Endpoint())
	assert.Equal(t, refused, out.status)
	assert.Contains(t, out.stderr, "no usable key")
}

// The work is bounded, whatever a file or an issuer publishes: as the guard uses none
// of more than 1,000 keys, none is judged.
func TestManyKeys(t *testing.T) {
	good, err := json.Marshal(logtotest.NewKey("ES256").JWK())
	require.NoError(t, err)
	distinct := []string{string(good)}
	for i := range 1000 {
		distinct = append(distinct, fmt.Sprintf(`{"kid":"k%d"}`, i))
	}
	for name, row := range map[string]struct {
		keys   []string
		status int
		listed int
	}{
		"one kid":            {slices.Repeat([]string{string(good)}, 900), fine, 900},
		"as many as it uses": {distinct[:1000], fine, 1000},
		"one more":           {distinct, refused, 0},
		"1 MiB":              {slices.Repeat([]string{"{}"}, 349_000), refused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keys.json")
			require.NoError(t, os.WriteFile(file, []byte(`{"keys":[`+strings.Join(row.keys, ",")+`]}`), 0o600))
			var asked atomic.Int64 // every guard asks for the time
			out := session{now: func() time.Time { asked.Add(1); return noon() }}.run(t, "keys", "-keys", file, "-json")
			assert.Equal(t, name == "as many as it uses", asked.Load() > 100, "each kid is judged once")
			assert.Equal(t, row.status, out.status, out.stderr)
			assert.Equal(t, row.status == refused, strings.Contains(out.stderr, "more than 1000 keys"), out.stderr)
			var got struct{ Keys []listedKey }
			require.NoError(t, json.Unmarshal([]byte(out.stdout), &got))
			assert.Equal(t, row.listed, len(got.Keys))
			for i, k := range got.Keys {
				require.Equal(t, i == 0 || name == "one kid", k.Used)
			}
		})
	}
}
