package jwks

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// FuzzParseKeySet: of whatever the issuer answers, only such keys are kept as an
// entry read by encoding/json describes, and allows to be used.
func FuzzParseKeySet(f *testing.F) {
	for _, seed := range keySetSeeds(f) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, _, err := parse(body)
		if err != nil {
			assert.Empty(t, keys)
			return
		}
		assert.NotEmpty(t, keys)
		var set map[string][]map[string]any
		// What is no array of objects beside keys is nothing to us.
		_ = json.Unmarshal(body, &set)
		for kid, k := range keys {
			require.NotEmpty(t, kid)
			require.Equal(t, kid, k.id)
			require.True(t, slices.ContainsFunc(set["keys"], k.isDescribedBy), "%s: kept without reason in %s", kid, body)
		}
	})
}

func keySetSeeds(t testing.TB) (seeds []string) {
	seeds = []string{`{"keys":[]}`, `{"keys":[null,{}]}`, `[`, `{"Keys":[{}],"keys":[{}]}`}
	edits := []func(map[string]any){
		func(map[string]any) {},
		func(k map[string]any) { k["alg"] = "RS512" },
		func(k map[string]any) { k["use"] = "enc" },
		func(k map[string]any) { k["key_ops"] = []string{"sign"} },
		func(k map[string]any) { k["key_ops"] = []string{"verify"} },
		func(k map[string]any) { k["d"] = "AQAB" },
		func(k map[string]any) { k["KTY"] = "oct" },
		func(k map[string]any) { k["e"] = "AQ" },
		func(k map[string]any) { k["e"] = "AQ+B" },
		func(k map[string]any) { k["y"] = k["x"] },
		func(k map[string]any) { k["crv"] = "P-256" },
		func(k map[string]any) { delete(k, "kid") },
	}
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "RS256"} {
		key := logtotest.NewKey(algorithm)
		for _, edit := range edits {
			jwk := key.JWK()
			edit(jwk)
			set, err := json.Marshal(map[string]any{"keys": []any{jwk, jwk}})
			require.NoError(t, err)
			seeds = append(seeds, string(set))
		}
	}
	return append(seeds,
		`{"keys":[{"kty":"RSA","kid":"b","use":"sig","key_ops":["verify"],"e":"AQAB","n":"sXch"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"c","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"oct","kid":"d","k":"AA"}]}`)
}

// isDescribedBy tells whether a JWK is this key, public, strong and for signatures:
// the rules once more, by other means.
func (k *Key) isDescribedBy(jwk map[string]any) bool {
	number := func(name string) *big.Int {
		text, _ := jwk[name].(string)
		octets, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return new(big.Int)
		}
		return new(big.Int).SetBytes(octets)
	}
	use, used := jwk["use"]
	operations, restricted := jwk["key_ops"].([]any)
	switch {
	case jwk["kid"] != k.id, jwk["d"] != nil, jwk["k"] != nil:
		return false
	case used && use != "sig", restricted && !slices.Contains(operations, any("verify")):
		return false
	}
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		algorithm := map[any]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[jwk["crv"]]
		octets, err := public.Bytes()
		size := (public.Params().BitSize + 7) / 8
		return jwk["kty"] == "EC" && (k.algorithm == algorithm || k.algorithm == "") && err == nil &&
			number("x").Cmp(new(big.Int).SetBytes(octets[1:1+size])) == 0 && number("y").Cmp(new(big.Int).SetBytes(octets[1+size:])) == 0
	case *rsa.PublicKey:
		return jwk["kty"] == "RSA" && (k.algorithm == "RS256" || k.algorithm == "") &&
			number("n").Cmp(public.N) == 0 && number("e").Cmp(big.NewInt(int64(public.E))) == 0 &&
			public.N.BitLen() >= 2048 && public.E >= 3 && public.E%2 == 1
	}
	return false
}
