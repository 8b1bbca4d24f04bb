package logtotest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for ES384 and ES512
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// Key is a signing key. It never changes, so it may be shared.
type Key struct {
	algorithm string
	hash      crypto.Hash
	private   crypto.Signer
	material  map[string]string // the public JWK's members that make the thumbprint
	id        string
}

// curves are those of the algorithms with elliptic keys.
var curves = map[string]struct {
	curve elliptic.Curve
	hash  crypto.Hash
}{
	"ES256": {elliptic.P256(), crypto.SHA256},
	"ES384": {elliptic.P384(), crypto.SHA384},
	"ES512": {elliptic.P521(), crypto.SHA512},
}

// NewKey makes a key for ES256, ES384, ES512 or RS256 and panics on anything else.
// RSA keys have 2,048 bits, because they are faster to make; Logto's have 4,096.
func NewKey(algorithm string) *Key {
	must(checkAlgorithm(algorithm))
	var private any
	var err error
	if algorithm == "RS256" {
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		private, err = ecdsa.GenerateKey(curves[algorithm].curve, rand.Reader)
	}
	must(err)
	k, err := keyOf(private)
	must(err)
	return k
}

func checkAlgorithm(algorithm string) error {
	if _, ok := curves[algorithm]; ok || algorithm == "RS256" {
		return nil
	}
	return fmt.Errorf("unknown algorithm %q: use ES384, ES256, ES512 or RS256", algorithm)
}

// ParseKey reads a key that [Key.PEM] has written. As [Tenant].Key it lets tokens outlive the server.
func ParseKey(text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, errors.New("logtotest: no PEM block of the type " + pemType)
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("logtotest: %w", err)
	}
	k, err := keyOf(private)
	if err != nil {
		return nil, fmt.Errorf("logtotest: %w", err)
	}
	return k, nil
}

// PEM is the private key in PKCS #8, for [ParseKey].
func (k *Key) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	must(err)
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
}

const pemType = "PRIVATE KEY"

func keyOf(private any) (*Key, error) {
	k := &Key{}
	switch private := private.(type) {
	case *ecdsa.PrivateKey:
		k.setEC(private)
	case *rsa.PrivateKey:
		k.algorithm, k.hash, k.private = "RS256", crypto.SHA256, private
		k.material = map[string]string{
			"kty": "RSA",
			"n":   encode(private.N.Bytes()),
			"e":   encode(big.NewInt(int64(private.E)).Bytes()),
		}
	}
	if k.private == nil {
		return nil, errors.New("a key is for ES384, ES256, ES512 or RS256")
	}
	// RFC 7638 section 3: the required members, sorted by name and without white space, as Marshal writes a map.
	sum := sha256.Sum256(marshal(k.material))
	k.id = encode(sum[:])
	return k, nil
}

// setEC leaves a key empty that is on another curve.
func (k *Key) setEC(private *ecdsa.PrivateKey) {
	for algorithm, c := range curves {
		if c.curve != private.Curve {
			continue
		}
		point, err := private.PublicKey.Bytes() // uncompressed: 4, X, Y
		must(err)
		size := len(point) / 2
		k.algorithm, k.hash, k.private = algorithm, c.hash, private
		k.material = map[string]string{
			"kty": "EC",
			"crv": c.curve.Params().Name,
			"x":   encode(point[1 : 1+size]),
			"y":   encode(point[1+size:]),
		}
	}
}

// ID is the key's kid: its RFC 7638 thumbprint.
func (k *Key) ID() string { return k.id }

// Algorithm is the one that the key signs by.
func (k *Key) Algorithm() string { return k.algorithm }

// JWK is the public key as Logto publishes it: an RSA key doesn't say its alg.
func (k *Key) JWK() map[string]any {
	jwk := map[string]any{"use": "sig", "kid": k.id}
	for name, value := range k.material {
		jwk[name] = value
	}
	if jwk["kty"] == "EC" {
		jwk["alg"] = k.algorithm
	}
	return jwk
}

// Sign makes a compact JWS over exactly these bytes, whatever they are: a header that contradicts the key,
// a duplicate member, no JSON at all. [Server.Mint] is for everything that a map can hold.
func (k *Key) Sign(header, payload []byte) string {
	input := signingInput(header, payload)
	return input + "." + encode(k.signature(input))
}

func (k *Key) signature(input string) []byte {
	digest := k.digest(input)
	if private, ok := k.private.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, private, digest)
		must(err)
		// RFC 7518 section 3.4: R and S one after the other, each as long as the curve's order.
		size := coordinateSize(private.Curve)
		signature := make([]byte, 2*size)
		r.FillBytes(signature[:size])
		s.FillBytes(signature[size:])
		return signature
	}
	signature, err := k.private.Sign(rand.Reader, digest, k.hash)
	must(err)
	return signature
}

func (k *Key) verify(input string, signature []byte) bool {
	digest := k.digest(input)
	switch public := k.private.Public().(type) {
	case *ecdsa.PublicKey:
		size := coordinateSize(public.Curve)
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(public, digest, r, s)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, k.hash, digest, signature) == nil
	}
	return false
}

func (k *Key) digest(input string) []byte {
	hash := k.hash.New()
	hash.Write([]byte(input))
	return hash.Sum(nil)
}

func coordinateSize(curve elliptic.Curve) int { return (curve.Params().BitSize + 7) / 8 }

func signingInput(header, payload []byte) string { return encode(header) + "." + encode(payload) }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	must(err)
	return b
}

// must is for what fails only by a mistake in the calling test, or where nothing works any more.
func must(err error) {
	if err != nil {
		panic(fmt.Errorf("logtotest: %w", err))
	}
}
