package jwks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

type jwk = map[string]any

// odd is an entry of a key set that is published next to a good key.
type odd struct {
	name string
	// edit makes what is published of the JWK, which is as Logto writes it.
	edit func(jwk) []any
	// reason refuses the token that the key signed; nil: it is accepted.
	reason error
	// why is in the one log line; empty: nothing is logged.
	why string
}

// TestOddKeys: what is odd about one key costs nobody the others.
func TestOddKeys(t *testing.T) {
	ec, rsa := logtotest.NewKey("ES256"), logtotest.NewKey("RS256")
	for _, group := range []struct {
		key  *logtotest.Key
		odds []odd
	}{
		{ec, oddAnyKeys()}, {rsa, oddAnyKeys()}, {ec, oddECKeys()}, {rsa, oddRSAKeys(t)},
		{logtotest.NewKey("ES384"), []odd{
			{"ES256 declared on P-384", set("alg", "ES256"), logtoguard.ErrWrongAlgorithm, "alg does not fit"},
			{"ES512 declared on P-384", set("alg", "ES512"), logtoguard.ErrWrongAlgorithm, "alg does not fit"},
			{"ES256K declared on P-384", set("alg", "ES256K"), logtoguard.ErrWrongAlgorithm, "alg does not fit"},
		}},
	} {
		for _, o := range group.odds {
			t.Run(group.key.Algorithm()+" "+o.name, func(t *testing.T) {
				guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
					published := o.edit(group.key.JWK())
					// Whatever stands before the good key, or after it.
					s.Logto.Disturb(guardtest.KeySetOf(append(published, s.Logto.Key().JWK())...))
					guard := s.ReadyGuard(t)
					guardtest.Accept(t, guard, s.Mint())
					judgeOdd(t, s, guard, group.key, o)

					s.Logto.Disturb(guardtest.KeySetOf(append([]any{s.Logto.Key().JWK()}, published...)...))
					again := s.ReadyGuard(t)
					guardtest.Accept(t, again, s.Mint())
				})
			})
		}
	}
}

func judgeOdd(t *testing.T, s *guardtest.Scene, guard *logtoguard.Guard, key *logtotest.Key, o odd) {
	t.Helper()
	synctest.Wait()
	skipped := s.Log.With("level=WARN", "skipped")
	if o.why == "" {
		require.Empty(t, skipped)
	} else {
		require.Len(t, skipped, 1)
		require.Contains(t, skipped[0], o.why)
	}
	if token := s.Mint(guardtest.SignedBy(key)); o.reason == nil {
		guardtest.Accept(t, guard, token)
	} else {
		guardtest.Refuse(t, guard, token, o.reason)
	}
	// It is told once, and not again for an answer that says the same.
	require.Len(t, s.Log.With("level=WARN", "skipped"), len(skipped))
}

// set publishes the key with another value of a member; nil takes it away.
func set(name string, value any) func(jwk) []any {
	return func(k jwk) []any {
		if k[name] = value; value == nil {
			delete(k, name)
		}
		return []any{k}
	}
}

// instead publishes something else.
func instead(entries ...any) func(jwk) []any { return func(jwk) []any { return entries } }

// text makes an entry of JSON text, where a map can't say it.
func text(edit func(object string) string) func(jwk) []any {
	return func(k jwk) []any {
		object, err := json.Marshal(k)
		if err != nil {
			panic(err)
		}
		return []any{json.RawMessage(edit(string(object)))}
	}
}

func oddAnyKeys() []odd {
	other := logtotest.NewKey("ES512")
	unknown := logtoguard.ErrUnknownKey
	return []odd{
		{"as it is", func(k jwk) []any { return []any{k} }, nil, ""},
		{"no alg", set("alg", nil), nil, ""},
		{"no use", set("use", nil), nil, ""},
		{"unknown member", set("x-comment", []any{1, jwk{}}), nil, ""},
		{"key_ops with verify", set("key_ops", []string{"sign", "verify"}), nil, ""},
		{"twice", func(k jwk) []any { return []any{k, k} }, nil, ""},
		{"twice, written differently", func(k jwk) []any { return []any{k, set("use", nil)(clone(k))[0]} }, nil, ""},
		{"under its kid, one for encryption", func(k jwk) []any { return []any{k, set("use", "enc")(clone(k))[0]} }, nil, "use"},

		{"use enc", set("use", "enc"), unknown, "use"},
		{"use in capitals", set("use", "SIG"), unknown, "use"},
		{"use empty", set("use", ""), unknown, "use"},
		{"use null", text(func(s string) string { return strings.Replace(s, `"use":"sig"`, `"use":null`, 1) }), unknown, "skipped"},
		{"use not a string", set("use", 1), unknown, "skipped"},
		{"key_ops without verify", set("key_ops", []string{"sign"}), unknown, "key_ops"},
		{"key_ops empty", set("key_ops", []string{}), unknown, "key_ops"},
		{"no kid", set("kid", nil), unknown, "kid"},
		{"empty kid", set("kid", ""), unknown, "kid"},
		{"kid not a string", set("kid", 7), unknown, "skipped"},
		{"no kty", set("kty", nil), unknown, "type"},
		{"unknown kty", set("kty", "AKP"), unknown, "type"},
		{"kty not a string", set("kty", []string{"EC", "RSA"}), unknown, "skipped"},
		{"alg not a string", set("alg", 256), unknown, "skipped"},
		{"duplicate member", text(func(s string) string { return `{"use":"enc",` + s[1:] }), unknown, "duplicate"},
		{"duplicate kid", text(func(s string) string { return s[:len(s)-1] + `,"kid":"b"}` }), unknown, "duplicate"},

		{"alg of another type", set("alg", other.Algorithm()), logtoguard.ErrWrongAlgorithm, "alg does not fit"},
		{"alg HS256", set("alg", "HS256"), logtoguard.ErrWrongAlgorithm, "alg does not fit"},
		{"alg none", set("alg", "none"), logtoguard.ErrWrongAlgorithm, "alg does not fit"},
		{"alg unknown", set("alg", "ML-DSA-44"), logtoguard.ErrWrongAlgorithm, "alg does not fit"},

		{"two keys under one kid", func(k jwk) []any {
			twin := other.JWK()
			twin["kid"] = k["kid"]
			return []any{k, twin}
		}, unknown, "two different keys"},
		{"two keys under one kid, the first again", func(k jwk) []any {
			twin := other.JWK()
			twin["kid"] = k["kid"]
			return []any{k, twin, k}
		}, unknown, "two different keys"},

		{"a private member without the others", set("qi", "AQAB"), unknown, "private"},
		{"further primes", set("oth", []any{}), unknown, "private"},
		{"null", instead(nil), unknown, "object"},
		{"a string", instead("key"), unknown, "object"},
		{"a number", instead(1), unknown, "object"},
		{"an array", instead([]any{}), unknown, "object"},
		{"an empty object", instead(jwk{}), unknown, "type"},
		{"oct", instead(jwk{"kty": "oct", "kid": "oct", "k": guardtest.Encode([]byte("secret"))}), unknown, "symmetric"},
		{"OKP Ed25519", instead(jwk{"kty": "OKP", "crv": "Ed25519", "kid": "okp", "x": guardtest.Encode(make([]byte, 32))}), unknown, "skipped"},
		{"OKP X25519", instead(jwk{"kty": "OKP", "crv": "X25519", "kid": "okp", "x": guardtest.Encode(make([]byte, 32))}), unknown, "skipped"},
	}
}

func oddECKeys() []odd {
	unknown := logtoguard.ErrUnknownKey
	point := func(x, y []byte) func(jwk) []any {
		return func(k jwk) []any {
			k["x"], k["y"] = guardtest.Encode(x), guardtest.Encode(y)
			return []any{k}
		}
	}
	full := make([]byte, 32)
	for i := range full {
		full[i] = 0xff
	}
	return []odd{
		{"unknown curve", set("crv", "P-999"), unknown, "skipped"},
		{"secp256k1", set("crv", "secp256k1"), unknown, "skipped"},
		{"no curve", set("crv", nil), unknown, "skipped"},
		{"another curve", set("crv", "P-384"), unknown, "skipped"},
		{"no y", set("y", nil), unknown, "skipped"},
		{"x not base64", set("x", "?"), unknown, "skipped"},
		{"x not a string", set("x", 1), unknown, "skipped"},
		{"private", set("d", guardtest.Encode(full[:31])), unknown, "private"},
		{"point off the curve", func(k jwk) []any { k["x"] = k["y"]; return []any{k} }, unknown, "curve"},
		{"point at infinity", point(make([]byte, 32), make([]byte, 32)), unknown, "curve"},
		{"empty coordinates", point(nil, nil), unknown, "skipped"},
		{"coordinates beyond the field", point(full, full), unknown, "curve"},
		{"coordinates far too long", point(make([]byte, 4096), append(make([]byte, 4096), full...)), unknown, "curve"},
	}
}

func oddRSAKeys(t *testing.T) []odd {
	unknown := logtoguard.ErrUnknownKey
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	short := func(bits int) string { // as crypto/rsa doesn't make them any more
		n := new(big.Int).SetBit(private.N, bits-1, 1)
		n.And(n, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), big.NewInt(1)))
		return guardtest.Encode(n.Bytes())
	}
	long := func(bits int) string {
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return guardtest.Encode(n.Add(n, private.N).Bytes())
	}
	even := new(big.Int).Sub(private.N, big.NewInt(1))
	return []odd{
		{"with alg RS256", set("alg", "RS256"), nil, ""},
		{"with alg PS256", set("alg", "PS256"), logtoguard.ErrWrongAlgorithm, "alg does not fit"},
		{"with alg RS512", set("alg", "RS512"), logtoguard.ErrWrongAlgorithm, "alg does not fit"},
		{"1,024 bits", set("n", short(1024)), unknown, "weak"},
		{"2,047 bits", set("n", short(2047)), unknown, "weak"},
		{"1,024 bits with zeros in front", set("n", "AAAA"+guardtest.Encode(make([]byte, 1023))+short(1024)), unknown, "weak"},
		{"8,193 bits", set("n", long(8193)), unknown, "too large"},
		{"a million bits", set("n", long(1_000_000)), unknown, "too large"},
		{"even modulus", set("n", guardtest.Encode(even.Bytes())), unknown, "weak"},
		{"no modulus", set("n", nil), unknown, "skipped"},
		{"exponent 0", set("e", "AA"), unknown, "weak"},
		{"exponent 1", set("e", "AQ"), unknown, "weak"},
		{"exponent in the alphabet of base64", set("e", "AQ+B"), unknown, "skipped"},
		{"exponent with padding", set("e", "AQAB=="), unknown, "skipped"},
		{"exponent with a line break", set("e", "AQ\nAB"), unknown, "skipped"},
		{"exponent with a bit too many", set("e", "Aw9"), unknown, "skipped"},
		{"exponent even", set("e", "AQAA"), unknown, "weak"},
		{"exponent 3", set("e", "Aw"), logtoguard.ErrWrongSignature, ""},
		{"exponent 65,537 with a zero in front", set("e", "AAEAAQ"), nil, ""},
		{"exponent 65,539", set("e", guardtest.Encode([]byte{1, 0, 3})), unknown, "its exponent is too large"},
		{"exponent of 31 bits", set("e", guardtest.Encode([]byte{0x7f, 0xff, 0xff, 0xff})), unknown, "its exponent is too large"},
		{"exponent of 32 bits", set("e", guardtest.Encode([]byte{0xff, 0xff, 0xff, 0xff})), unknown, "its exponent is too large"},
		{"exponent beyond 64 bits", set("e", guardtest.Encode([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1})), unknown, "its exponent is too large"},
		{"private", func(k jwk) []any {
			return []any{jwk{
				"kty": "RSA", "kid": k["kid"],
				"n": guardtest.Encode(private.N.Bytes()), "e": "AQAB", "d": guardtest.Encode(private.D.Bytes()),
				"p": guardtest.Encode(private.Primes[0].Bytes()), "q": guardtest.Encode(private.Primes[1].Bytes()),
				"dp": guardtest.Encode(private.Precomputed.Dp.Bytes()), "dq": guardtest.Encode(private.Precomputed.Dq.Bytes()),
				"qi": guardtest.Encode(private.Precomputed.Qinv.Bytes()),
			}}
		}, unknown, "private"},
	}
}

func clone(k jwk) jwk {
	c := jwk{}
	for name, value := range k {
		c[name] = value
	}
	return c
}
