package jwks

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWycheproof runs Project Wycheproof's vectors (testdata/wycheproof) through the
// function that checks the signatures of tokens, with keys that were read as Logto's are.
func TestWycheproof(t *testing.T) {
	for _, test := range []struct{ file, algorithm string }{
		{"ecdsa_secp256r1_sha256_p1363_test.json", "ES256"},
		{"ecdsa_secp384r1_sha384_p1363_test.json", "ES384"},
		{"ecdsa_secp521r1_sha512_p1363_test.json", "ES512"},
		{"rsa_signature_2048_sha256_test.json", "RS256"},
		{"rsa_signature_3072_sha256_test.json", "RS256"},
		{"rsa_signature_4096_sha256_test.json", "RS256"},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			vectors := readWycheproof(t, test.file)
			assert.NotEmpty(t, vectors.TestGroups)
			count := 0
			for _, group := range vectors.TestGroups {
				group.run(t, test.algorithm)
				count += len(group.Tests)
			}
			assert.Equal(t, vectors.NumberOfTests, count)
		})
	}
}

type wycheproofVectors struct {
	NumberOfTests int
	TestGroups    []wycheproofGroup
}

type wycheproofGroup struct {
	KeyJWK    map[string]any                       // of an RSA key
	PublicKey struct{ Curve, Uncompressed string } // of an EC key
	Tests     []struct {
		TcID                      int
		Comment, Msg, Sig, Result string
	}
}

func (g wycheproofGroup) run(t *testing.T, algorithm string) {
	raw, err := json.Marshal(g.jwk())
	assert.NoError(t, err)
	k, _, err := parseKey(raw)
	if !assert.NoError(t, err) {
		return
	}
	assert.Equal(t, algorithm, k.algorithm)
	for _, test := range g.Tests {
		msg, _ := hex.DecodeString(test.Msg)
		sig, _ := hex.DecodeString(test.Sig)
		// What is only acceptable, a signature in an old notation, is refused.
		assert.Equal(t, test.Result == "valid", k.Verify(msg, sig), "%d: %s", test.TcID, test.Comment)
	}
}

func (g wycheproofGroup) jwk() map[string]any {
	if g.KeyJWK != nil {
		return g.KeyJWK
	}
	curves := map[string]string{"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
	point, _ := hex.DecodeString(g.PublicKey.Uncompressed)
	x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "EC", "crv": curves[g.PublicKey.Curve], "kid": "none", "x": encode(x), "y": encode(y)}
}

func readWycheproof(t *testing.T, file string) (vectors wycheproofVectors) {
	t.Helper()
	compressed, err := os.Open(filepath.Join("testdata", "wycheproof", file+".gz"))
	require.NoError(t, err)
	defer compressed.Close()
	text, err := gzip.NewReader(compressed)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(text).Decode(&vectors))
	return vectors
}
