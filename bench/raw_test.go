package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// raw is a signature check of the standard library, hashing included, over what
// the signature of a typical token covers: the yardstick of all other figures.
type raw struct {
	name, algorithm string
	check           func() bool
}

func rawChecks(tb testing.TB) []raw {
	tb.Helper()
	return []raw{
		ecdsaCheck(tb, "P-384", "ES384", elliptic.P384(), crypto.SHA384),
		ecdsaCheck(tb, "P-256", "ES256", elliptic.P256(), crypto.SHA256),
		rsaCheck(tb, "RSA-2048", "RS256", 2048),
		rsaCheck(tb, "RSA-4096", "", 4096),
	}
}

// signedPart is the part of a typical token that is signed.
func signedPart(tb testing.TB, algorithm string) []byte {
	r := rig.New(algorithm)
	tb.Cleanup(r.Close)
	token := r.Good()
	return []byte(token[:strings.LastIndexByte(token, '.')])
}

func digest(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

func ecdsaCheck(tb testing.TB, name, algorithm string, curve elliptic.Curve, hash crypto.Hash) raw {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	input := signedPart(tb, algorithm)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest(hash, input))
	if err != nil {
		tb.Fatal(err)
	}
	return raw{name, algorithm, func() bool {
		return ecdsa.VerifyASN1(&key.PublicKey, digest(hash, input), signature)
	}}
}

func rsaCheck(tb testing.TB, name, algorithm string, bits int) raw {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	input := signedPart(tb, "RS256")
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest(crypto.SHA256, input))
	if err != nil {
		tb.Fatal(err)
	}
	return raw{name, algorithm, func() bool {
		return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest(crypto.SHA256, input), signature) == nil
	}}
}

func BenchmarkRaw(b *testing.B) {
	for _, raw := range rawChecks(b) {
		b.Run(raw.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !raw.check() {
					b.Fatal("a good signature was refused")
				}
			}
		})
	}
}
