package logtoguard

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

const (
	fetchTimeout   = 5 * time.Second
	maxKeySetSize  = 1 << 20
	minRSABits     = 2048
	minRSAExponent = 3
)

// A key verifies the signatures of one algorithm. The same key keeps the same
// pointer from one fetch to the next.
type key struct {
	id string
	// algorithm is the one that fits the key's type and curve, or "" if the key
	// is declared for another.
	algorithm string
	public    crypto.PublicKey
	// retired: the issuer no longer publishes it.
	retired atomic.Bool
}

func (k *key) equal(other *key) bool {
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.algorithm == other.algorithm && public.Equal(other.public)
}

// skippedKey is a key that can't be used, and why.
type skippedKey struct{ id, why string }

var (
	errNoUsableKey = errors.New("no usable key")
	errOddKey      = errors.New("its type or curve is unknown, or a member is wrong")
	errNotPublic   = errors.New("it is private or symmetric")
)

// parseKeySet takes the usable keys out of a key set (RFC 7517, section 5). One
// that can't be used costs nobody the others.
func parseKeySet(body []byte) (map[string]*key, []skippedKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	// Duplicate members are a fault of the key that has them: see parseKey.
	if err := json.Unmarshal(body, &set, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, nil, fmt.Errorf("not a key set: %w", err)
	}
	keys := make(map[string]*key)
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
func parseKey(raw []byte) (k *key, id string, err error) {
	var members map[string]jsontext.Value
	if err := decodeObject(raw, &members); err != nil {
		return nil, "", err
	}
	// What is no string is for jwx to complain of.
	_ = json.Unmarshal(members["kid"], &id)
	parsed, err := parsePublicKey(members)
	if err != nil {
		return nil, id, err
	}
	operations, restricted := parsed.Get(jwk.KeyOpsKey)
	switch {
	case id == "":
		return nil, "", errors.New("it has no kid")
	case parsed.KeyUsage() != "" && parsed.KeyUsage() != string(jwk.ForSignature):
		return nil, id, errors.New("its use is not sig")
	case restricted && !allowsVerify(operations):
		return nil, id, errors.New("its key_ops lack verify")
	}
	var public crypto.PublicKey
	if err := parsed.Raw(&public); err != nil || hasWideExponent(parsed) {
		return nil, id, errOddKey
	}
	fitting, err := fittingAlgorithm(public)
	if err != nil {
		return nil, id, err
	}
	k = &key{id: id, algorithm: fitting, public: public}
	// Logto's RSA keys name no algorithm.
	if declared := parsed.Algorithm().String(); declared != "" && declared != k.algorithm {
		k.algorithm = ""
	}
	return k, id, nil
}

// keyMembers are what is read of a key.
var keyMembers = []string{"kty", "kid", "use", "key_ops", "alg", "crv", "x", "y", "n", "e"}

// keyNumbers are in base64url (RFC 7518, sections 6.2.1 and 6.3.1). jwx takes
// other alphabets, and padding, for it.
var keyNumbers = []string{"x", "y", "n", "e"}

func isBase64URL(value jsontext.Value) bool {
	var text string
	if json.Unmarshal(value, &text) != nil || strings.ContainsAny(text, "\r\n") {
		return false
	}
	_, err := decodeBase64([]byte(text))
	return err == nil
}

// parsePublicKey gives jwx nothing else to see: it takes KTY for kty.
func parsePublicKey(members map[string]jsontext.Value) (jwk.Key, error) {
	if members["d"] != nil || members["k"] != nil {
		return nil, errNotPublic
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

// hasWideExponent: jwx cuts an exponent down to what an int holds.
func hasWideExponent(parsed jwk.Key) bool {
	k, ok := parsed.(jwk.RSAPublicKey)
	return ok && new(big.Int).SetBytes(k.E()).BitLen() > 31
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
		return "RS256", nil
	}
	return "", errOddKey
}

// keySource is the key set's address, and how it is asked.
type keySource struct {
	url    string
	shown  string // the address in errors: without its query
	client *http.Client
	// release gives back what the client holds, where the client is our own.
	release func()
}

func newKeySource(address string, given *http.Client) *keySource {
	shown, _, _ := strings.Cut(address, "?")
	source := &keySource{url: address, shown: shown, client: &http.Client{}, release: func() {}}
	if given != nil {
		*source.client = *given
	} else if shared, ok := http.DefaultTransport.(*http.Transport); ok {
		own := shared.Clone()
		source.client.Transport = own
		source.release = own.CloseIdleConnections
	}
	if source.client.Timeout == 0 {
		source.client.Timeout = fetchTimeout
	}
	// Whoever answers there decides who may sign tokens.
	source.client.CheckRedirect = endpoint.SameOrigin(source.client.CheckRedirect)
	return source
}

// keyAnswer is a key set as it was sent.
type keyAnswer struct {
	unchanged bool // since the answer with the ETag that was asked about
	body      []byte
	etag      string
}

// fetch asks once. It ends with ctx, and after 5 s at the latest.
func (s *keySource) fetch(ctx context.Context, etag string) (keyAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return keyAnswer{}, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := s.client.Do(request)
	if err != nil {
		// A url.Error has the whole address in it, and a query may be a secret.
		if urlError := (*url.Error)(nil); errors.As(err, &urlError) {
			err = urlError.Err
		}
		return keyAnswer{}, fmt.Errorf("GET %s: %w", s.shown, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		return keyAnswer{unchanged: true}, nil
	case response.StatusCode != http.StatusOK:
		return keyAnswer{}, fmt.Errorf("GET %s: answered with status %d", s.shown, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetSize+1))
	switch {
	case err != nil:
		return keyAnswer{}, fmt.Errorf("GET %s: %w", s.shown, err)
	case len(body) > maxKeySetSize:
		return keyAnswer{}, fmt.Errorf("GET %s: the answer is longer than 1 MiB", s.shown)
	}
	return keyAnswer{body: body, etag: response.Header.Get("ETag")}, nil
}
