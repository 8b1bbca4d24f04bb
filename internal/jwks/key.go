package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/logtoguard/logtoguard/internal/strict"
)

const (
	maxKeys        = 1000
	minRSABits     = 2048
	maxRSABits     = 8192 // crypto/tls has the same: each signature takes the square of it
	minRSAExponent = 3
	maxRSAExponent = 65537 // the usual one; with 2^31-1 a signature takes many times as long to check
)

// A Key verifies the signatures of one algorithm. The same key keeps the same
// pointer from one fetch to the next.
type Key struct {
	id string
	// algorithm is the one that fits the key's type and curve, or "" if the key
	// is declared for another.
	algorithm string
	public    crypto.PublicKey
	// retired: the issuer no longer publishes it.
	retired atomic.Bool
}

// Algorithm returns the algorithm whose signatures the key verifies, or "" if there is none.
func (k *Key) Algorithm() string { return k.algorithm }

// Retired reports whether the issuer no longer publishes the key, or the set is closed.
func (k *Key) Retired() bool { return k.retired.Load() }

func (k *Key) equal(other *Key) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.algorithm == other.algorithm && public.Equal(other.public)
}

// Verify reports whether a signature is right (RFC 7518, sections 3.3 and 3.4), by the
// standard library. jwx would do the same, but prove on each call that the key's point
// is on its curve, which parseKey has done.
func (k *Key) Verify(signed, signature []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		size := (public.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(public, k.digest(signed), r, s)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, k.digest(signed), signature) == nil
	}
	return false
}

func (k *Key) digest(signed []byte) []byte {
	switch k.algorithm {
	case "ES384":
		sum := sha512.Sum384(signed)
		return sum[:]
	case "ES512":
		sum := sha512.Sum512(signed)
		return sum[:]
	}
	sum := sha256.Sum256(signed)
	return sum[:]
}

// skippedKey is a key that can't be used, and why.
type skippedKey struct{ id, why string }

var (
	errNoUsableKey = errors.New("no usable key")
	errOddKey      = errors.New("its type or curve is unknown, or a member is wrong")
	errNotPublic   = errors.New("it is private or symmetric")
	errNoKeyArray  = errors.New("no JSON object with an array of keys")
	errTooManyKeys = fmt.Errorf("more than %d keys", maxKeys)
)

// parse takes the usable keys out of a key set (RFC 7517, section 5). Unusable
// ones are skipped.
func parse(body []byte) (map[string]*Key, []skippedKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	// Duplicate members are a fault of the key that has them: see parseKey.
	if err := json.Unmarshal(body, &set, jsontext.AllowDuplicateNames(true)); err != nil {
		if kind := (*json.SemanticError)(nil); errors.As(err, &kind) {
			err = errNoKeyArray // the text of the other changes from run to run
		}
		return nil, nil, fmt.Errorf("not a key set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, nil, errTooManyKeys
	}
	keys := make(map[string]*Key)
	ambiguous := make(map[string]bool)
	var skipped []skippedKey
	for _, raw := range set.Keys {
		k, id, err := parseKey(raw)
		switch known := keys[id]; {
		case err != nil:
			skipped = append(skipped, skippedKey{id, err.Error()})
		case known != nil && !known.equal(k):
			ambiguous[id] = true
		default:
			keys[id] = k
		}
		if err == nil && k.algorithm == "" {
			skipped = append(skipped, skippedKey{id, "its alg does not fit its type or curve"})
		}
	}
	for id := range ambiguous {
		delete(keys, id)
		skipped = append(skipped, skippedKey{id, "two different keys have this kid"})
	}
	for _, k := range keys {
		if k.algorithm != "" {
			return keys, skipped, nil
		}
	}
	return nil, skipped, errNoUsableKey
}

// parseKey returns the kid also of a key that can't be used, as far as it can be read.
func parseKey(raw []byte) (k *Key, id string, err error) {
	var members map[string]jsontext.Value
	if err := strict.UnmarshalObject(raw, &members); err != nil {
		return nil, "", err
	}
	// jwx reports a kid that is not a string.
	_ = json.Unmarshal(members["kid"], &id)
	parsed, err := parsePublicKey(members)
	if err != nil {
		return nil, id, err
	}
	operations, restricted := parsed.Get(jwk.KeyOpsKey)
	switch {
	case id == "":
		return nil, "", errors.New("it has no kid")
	case members["use"] != nil && parsed.KeyUsage() != string(jwk.ForSignature):
		return nil, id, errors.New("its use is not sig")
	case restricted && !allowsVerify(operations):
		return nil, id, errors.New("its key_ops lack verify")
	case hasLargeExponent(parsed):
		return nil, id, errors.New("its exponent is too large")
	}
	var public crypto.PublicKey
	if err := parsed.Raw(&public); err != nil {
		return nil, id, errOddKey
	}
	fitting, err := fittingAlgorithm(public)
	if err != nil {
		return nil, id, err
	}
	k = &Key{id: id, algorithm: fitting, public: public}
	// Logto's RSA keys name no algorithm.
	if declared := parsed.Algorithm().String(); declared != "" && declared != k.algorithm {
		k.algorithm = ""
	}
	return k, id, nil
}

// keyMembers are what is read of a key.
var keyMembers = []string{"kty", "kid", "use", "key_ops", "alg", "crv", "x", "y", "n", "e"}

// secretMembers are those of private and symmetric keys: RFC 7518, sections 6.2.2,
// 6.3.2 and 6.4.1.
var secretMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// keyNumbers are in base64url (RFC 7518, sections 6.2.1 and 6.3.1). jwx takes
// other alphabets, and padding, for it.
var keyNumbers = []string{"x", "y", "n", "e"}

func isBase64URL(value jsontext.Value) bool {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return false
	}
	_, err := strict.DecodeBase64URL(text)
	return err == nil
}

// parsePublicKey gives jwx nothing else to see: it takes KTY for kty.
func parsePublicKey(members map[string]jsontext.Value) (jwk.Key, error) {
	for _, name := range secretMembers {
		if members[name] != nil {
			return nil, errNotPublic
		}
	}
	known := make(map[string]jsontext.Value)
	for _, name := range keyMembers {
		if value := members[name]; value != nil {
			known[name] = value
		}
	}
	for _, name := range keyNumbers {
		if value := members[name]; value != nil && !isBase64URL(value) {
			return nil, errOddKey
		}
	}
	text, err := json.Marshal(known)
	if err != nil {
		return nil, errOddKey
	}
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return nil, errOddKey
	}
	return parsed, nil
}

// hasLargeExponent looks at the exponent before jwx cuts it down to what an int holds.
func hasLargeExponent(parsed jwk.Key) bool {
	k, ok := parsed.(jwk.RSAPublicKey)
	return ok && new(big.Int).SetBytes(k.E()).Cmp(big.NewInt(maxRSAExponent)) > 0
}

func allowsVerify(operations any) bool {
	list, ok := operations.(jwk.KeyOperationList)
	return ok && slices.Contains(list, jwk.KeyOpVerify)
}

// fittingAlgorithm names the one algorithm that a key verifies; an error says why
// it verifies none. ES256 over P-384 is no algorithm (RFC 7518, section 3.4).
func fittingAlgorithm(public crypto.PublicKey) (string, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		if _, err := k.ECDH(); err != nil {
			return "", errors.New("its point is not on its curve")
		}
		switch k.Curve {
		case elliptic.P256():
			return "ES256", nil
		case elliptic.P384():
			return "ES384", nil
		case elliptic.P521():
			return "ES512", nil
		}
		return "", errors.New("its curve is unknown")
	case *rsa.PublicKey:
		// RFC 7518, section 3.3.
		if k.N.BitLen() < minRSABits || k.N.Bit(0) == 0 || k.E < minRSAExponent || k.E%2 == 0 {
			return "", errors.New("it is weak")
		}
		if k.N.BitLen() > maxRSABits {
			return "", errors.New("it is too large")
		}
		return "RS256", nil
	}
	return "", errOddKey
}
