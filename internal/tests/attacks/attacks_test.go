package attacks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"log/slog"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// attacker knows a token's signature, and the public key.
type attacker struct {
	issuer  string
	private *ecdsa.PrivateKey
	jwk     map[string]any
	guard   *logtoguard.Guard
}

func newAttacker(t *testing.T) *attacker {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	point, err := private.PublicKey.Bytes()
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	server := guardtest.NewKeyServer(t)
	jwk := map[string]any{"kty": "EC", "crv": "P-384", "use": "sig", "kid": "k", "x": encode(point[1:49]), "y": encode(point[49:])}
	server.Serve(jwk)
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: server.URL, Audience: []string{guardtest.Shopping},
		Now: logtotest.NewClock(guardtest.Now).Now, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	return &attacker{server.URL, private, jwk, guard}
}

// input is what is signed, under the header's alg.
func (a *attacker) input(alg string) string {
	header := fmt.Sprintf(`{"alg":"%s","typ":"at+jwt","kid":"k"}`, alg)
	payload := fmt.Sprintf(`{"iss":"%s/oidc","aud":"%s","sub":"s","client_id":"s","iat":%d,"exp":%d}`, a.issuer, guardtest.Shopping, guardtest.Now.Unix(), guardtest.Now.Unix()+3600)
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(payload))
}

func (a *attacker) sign(t *testing.T, input string) (r, s *big.Int) {
	t.Helper()
	digest := sha512.Sum384([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, a.private, digest[:])
	require.NoError(t, err)
	return r, s
}

func joined(input string, signature []byte) string {
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// fixed writes numbers as RFC 7518, section 3.4, does. A number that is too large
// for its half is cut.
func fixed(numbers ...*big.Int) []byte {
	var out []byte
	for _, n := range numbers {
		half := make([]byte, 64)
		n.FillBytes(half)
		out = append(out, half[16:]...)
	}
	return out
}

func TestSignatureAttacks(t *testing.T) {
	a := newAttacker(t)
	input := a.input("ES384")
	r, s := a.sign(t, input)
	n, zero, one := elliptic.P384().Params().N, new(big.Int), big.NewInt(1)
	plus := func(x, y *big.Int) *big.Int { return new(big.Int).Add(x, y) }
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	require.NoError(t, err)
	good := fixed(r, s)
	sum256, sum512 := sha256.Sum256([]byte(input)), sha512.Sum512([]byte(input))
	for name, signature := range map[string][]byte{
		"DER":                   der,
		"r and s exchanged":     fixed(s, r),
		"r is 0":                fixed(zero, s),
		"s is 0":                fixed(r, zero),
		"both are 0":            fixed(zero, zero),
		"r is n":                fixed(n, s),
		"s is n":                fixed(r, n),
		"both are 1":            fixed(one, one),
		"r is n+1":              fixed(plus(n, one), s),
		"s is beyond n":         fixed(r, plus(n, s)),
		"the negated r":         fixed(new(big.Int).Sub(n, r), s),
		"all bits set":          fixed(allBits(384), allBits(384)),
		"r alone":               good[:48],
		"a byte before":         append([]byte{0}, good...),
		"a byte behind":         append(append([]byte{}, good...), 0),
		"a zero byte in each":   append(append(append([]byte{0}, good[:48]...), 0), good[48:]...),
		"a zero byte between":   slices.Concat(good[:48], []byte{0}, good[48:]),
		"a zero half between":   slices.Concat(good[:48], make([]byte, 48), good[48:]),
		"a zero byte before s":  slices.Concat(good[:48], []byte{0}, good[48:95]),
		"twice":                 append(append([]byte{}, good...), good...),
		"the length of ES256":   good[:64],
		"the length of ES512":   append(append([]byte{}, good...), make([]byte, 36)...),
		"as text":               []byte(fmt.Sprintf("%x", good)),
		"in base64 once more":   []byte(base64.RawURLEncoding.EncodeToString(good)),
		"the digest":            digestOf(input),
		"of the payload alone":  a.signatureOf(t, input[len(input)/2:]),
		"with a dot at the end": a.signatureOf(t, input+"."),
		"the hash of ES256":     a.signatureOfDigest(t, sum256[:]),
		"the hash of ES512":     a.signatureOfDigest(t, sum512[:]),
	} {
		_, err := a.guard.Verify(t.Context(), joined(input, signature))
		require.ErrorIs(t, err, logtoguard.ErrWrongSignature, name)
	}
	_, err = a.guard.Verify(t.Context(), joined(input, good))
	require.NoError(t, err)
}

// TestNegatedS: for a valid (r, s), (r, n-s) is valid too, and ECDSA doesn't tell
// which one the issuer made. Both are let in: they say the same, and whoever can
// make the second holds the first. Nothing identifies a token by its text.
func TestNegatedS(t *testing.T) {
	a := newAttacker(t)
	input := a.input("ES384")
	r, s := a.sign(t, input)
	tokens := []string{
		joined(input, fixed(r, s)),
		joined(input, fixed(r, new(big.Int).Sub(elliptic.P384().Params().N, s))),
	}
	for range 2 {
		for _, token := range tokens {
			_, err := a.guard.Verify(t.Context(), token)
			require.NoError(t, err)
		}
	}
	stats := a.guard.Stats()
	assert.EqualValues(t, 2, stats.Verifications, "each was verified by itself")
	assert.EqualValues(t, 2, stats.TokenCacheHits)
}

// TestPublicKeyAsSecret: whoever lets the token choose HMAC takes the public key,
// in any of its notations, for a secret.
func TestPublicKeyAsSecret(t *testing.T) {
	a := newAttacker(t)
	der, err := x509.MarshalPKIXPublicKey(&a.private.PublicKey)
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwk, err := json.Marshal(a.jwk)
	require.NoError(t, err)
	point, err := a.private.PublicKey.Bytes()
	require.NoError(t, err)
	secrets := [][]byte{der, text, text[:len(text)-1], jwk, point, point[1:], point[1:49], []byte(a.jwk["x"].(string)), []byte("k"), {}}
	for alg, newHash := range map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New} {
		for i, secret := range secrets {
			for _, header := range []string{alg, "ES384"} {
				input := a.input(header)
				mac := hmac.New(newHash, secret)
				mac.Write([]byte(input))
				_, err := a.guard.Verify(t.Context(), joined(input, mac.Sum(nil)))
				require.Error(t, err, "%s %d", alg, i)
				if header == "ES384" {
					require.ErrorIs(t, err, logtoguard.ErrWrongSignature)
				} else {
					require.ErrorIs(t, err, logtoguard.ErrWrongAlgorithm)
				}
			}
		}
	}
}

func allBits(size uint) *big.Int {
	return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), size), big.NewInt(1))
}

func digestOf(input string) []byte {
	digest := sha512.Sum384([]byte(input))
	return append(digest[:], digest[:]...)
}

func (a *attacker) signatureOf(t *testing.T, input string) []byte {
	t.Helper()
	return fixed(a.sign(t, input))
}

// signatureOfDigest signs what another algorithm would.
func (a *attacker) signatureOfDigest(t *testing.T, digest []byte) []byte {
	t.Helper()
	r, s, err := ecdsa.Sign(rand.Reader, a.private, digest)
	require.NoError(t, err)
	return fixed(r, s)
}
