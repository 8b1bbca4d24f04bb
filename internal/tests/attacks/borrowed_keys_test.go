package attacks_test

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// Tokens signed by a key that is not the issuer's, or by none.

// unsigned is a token without its signature: header and payload.
func unsigned(logto *logtotest.Server, alg any) string {
	token := logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) { d.Header["alg"], d.Key = alg, nil })
	return token[:len(token)-1]
}

// TestUnsigned: no spelling of none is an algorithm, whatever stands for the signature.
func TestUnsigned(t *testing.T) {
	for _, algorithm := range guardtest.Algorithms {
		logto, clock := guardtest.NewLogto(t, algorithm)
		guard := guardtest.NewGuard(t, logto, clock)
		guardtest.Ready(t, guard)
		for _, alg := range []any{"none", "None", "NONE", "nOnE", "none ", " none", "none\x00", "n\u006fne", "ｎｏｎｅ", "", nil, 0, false, []string{"none"}, []string{algorithm}} {
			for _, signature := range []string{".", ".AA", ".bm9uZQ", "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))} {
				guardtest.Refuse(t, guard, unsigned(logto, alg)+signature, logtoguard.ErrWrongAlgorithm)
			}
			guardtest.Refuse(t, guard, unsigned(logto, alg), logtoguard.ErrMalformed)
		}
		guardtest.Refuse(t, guard, unsigned(logto, algorithm)+".", logtoguard.ErrWrongSignature)
	}
}

// rsaNotations are what a public RSA key looks like in files.
func rsaNotations(t *testing.T, key *logtotest.Key) [][]byte {
	t.Helper()
	number := func(name string) *big.Int {
		data, err := base64.RawURLEncoding.DecodeString(key.JWK()[name].(string))
		require.NoError(t, err)
		return new(big.Int).SetBytes(data)
	}
	public := &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}
	spki, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	pkcs1 := x509.MarshalPKCS1PublicKey(public)
	jwk, err := json.Marshal(key.JWK())
	require.NoError(t, err)
	secrets := [][]byte{spki, pkcs1, public.N.Bytes(), []byte(key.JWK()["n"].(string)), jwk, []byte(key.ID())}
	for kind, der := range map[string][]byte{"PUBLIC KEY": spki, "RSA PUBLIC KEY": pkcs1} {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		secrets = append(secrets, text, text[:len(text)-1], []byte(base64.StdEncoding.EncodeToString(der)))
	}
	return secrets
}

// The attack of the textbooks: RS256 becomes HS256, and the public key the secret.
func TestPublicRSAKeyAsSecret(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "RS256")
	guard := guardtest.NewGuard(t, logto, clock)
	guardtest.Ready(t, guard)
	for _, secret := range rsaNotations(t, logto.Key()) {
		for alg, reason := range map[string]error{"HS256": logtoguard.ErrWrongAlgorithm, "RS256": logtoguard.ErrWrongSignature} {
			input := unsigned(logto, alg)
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			guardtest.Refuse(t, guard, joined(input, mac.Sum(nil)), reason)
		}
	}
}

// TestTokenBringsItsKey: a token that carries its key, or says where to find it, is
// judged by the issuer's keys all the same, and its own address is not asked. In the
// bubble every address leads to the stand-in.
func TestTokenBringsItsKey(t *testing.T) {
	for _, algorithm := range guardtest.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				s.Logto.Rotate(algorithm)
				own := logtotest.NewKey(algorithm)
				leaf := guardtest.Certificate(t, time.Now().Add(time.Hour)).Certificate[0]
				brought := map[string]any{
					"jwk": own.JWK(), "jku": "https://evil.example/jku", "x5u": "https://evil.example/x5u",
					"x5c": []string{base64.StdEncoding.EncodeToString(leaf)}, "x5t#S256": own.ID(),
				}
				guard := s.ReadyGuard(t)
				for name, value := range brought {
					one := func(d *logtotest.Draft) { d.Header[name] = value }
					by := func(d *logtotest.Draft) { d.Key = own }
					guardtest.Accept(t, guard, s.Mint(one))
					guardtest.Refuse(t, guard, s.Mint(one, by), logtoguard.ErrWrongSignature)
					guardtest.Refuse(t, guard, s.Mint(one, by, guardtest.Kid(own.ID())), logtoguard.ErrUnknownKey)
					guardtest.Refuse(t, guard, s.Mint(one, by, func(d *logtotest.Draft) { delete(d.Header, "kid") }), logtoguard.ErrMalformed)
				}
				require.Zero(t, s.Logto.Requests("/jku")+s.Logto.Requests("/x5u"))
			})
		})
	}
}
