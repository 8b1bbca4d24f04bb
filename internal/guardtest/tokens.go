package guardtest

import (
	"encoding/base64"

	"github.com/logtoguard/logtoguard/logtotest"
)

// Kid makes a token name another key than the one that signs it.
func Kid(id string) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) { d.Header["kid"] = id }
}

// SignedBy makes another key sign a token, which also names it.
func SignedBy(k *logtotest.Key) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) {
		d.Key, d.Header["kid"], d.Header["alg"] = k, k.ID(), k.Algorithm()
	}
}

// Claim sets one claim to any value; a json.RawMessage is used as it is.
func Claim(name string, value any) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) { d.Claims[name] = value }
}

// Encode encodes a part of a token.
func Encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Decode decodes a part of a token that is known to be valid.
func Decode(part string) []byte {
	decoded, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		panic(err)
	}
	return decoded
}
