package logtotest_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

var algorithms = []string{"ES384", "ES256", "ES512", "RS256"}

func TestKeyIsPublishedAsLogtoDoes(t *testing.T) {
	ec := []string{"alg", "crv", "kid", "kty", "use", "x", "y"}
	members := map[string][]string{"ES384": ec, "ES256": ec, "ES512": ec, "RS256": {"e", "kid", "kty", "n", "use"}}
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			key := logtotest.NewKey(algorithm)
			published := key.JWK()
			require.Equal(t, members[algorithm], slices.Sorted(maps.Keys(published)))
			require.Equal(t, "sig", published["use"])
			require.Equal(t, key.ID(), published["kid"])
			require.Equal(t, algorithm, key.Algorithm())
			require.Len(t, key.ID(), 43)

			text, err := json.Marshal(published)
			require.NoError(t, err)
			parsed, err := jwk.ParseKey(text)
			require.NoError(t, err)
			require.NoError(t, jwk.AssignKeyID(parsed))
			require.Equal(t, parsed.KeyID(), key.ID(), "the kid is the RFC 7638 thumbprint")
		})
	}
	require.Panics(t, func() { logtotest.NewKey("PS256") })
}

func TestKeySignsTheBytesItIsGiven(t *testing.T) {
	s := start(t, logtotest.Tenant{})
	header, err := json.Marshal(map[string]string{"alg": "ES384", "kid": s.Key().ID()})
	require.NoError(t, err)
	payload := `{"iss":"a", "iss":"b"} trailing`
	signed, err := verify(t, s, s.Key().Sign(header, []byte(payload)))
	require.NoError(t, err)
	require.Equal(t, payload, string(signed))
}

func TestRotation(t *testing.T) {
	s := start(t, logtotest.Tenant{})
	first := s.Key()
	old := s.Mint(logtotest.Token{})
	require.Equal(t, []string{first.ID()}, publishedIDs(t, s))

	s.Announce("RS256")
	ids := publishedIDs(t, s)
	require.Len(t, ids, 2)
	require.Equal(t, first.ID(), ids[0], "the present key comes first")
	require.Equal(t, first, s.Key(), "the announced key doesn't sign yet")

	s.Rotate("")
	second := s.Key()
	require.Equal(t, ids[1], second.ID(), "the announced key signs")
	require.Equal(t, "RS256", second.Algorithm())
	require.Equal(t, []string{second.ID(), first.ID()}, publishedIDs(t, s))
	_, err := verify(t, s, old)
	require.NoError(t, err, "one rotation keeps what was issued")
	_, err = verify(t, s, s.Mint(logtotest.Token{}))
	require.NoError(t, err)

	s.Announce("")
	require.Len(t, publishedIDs(t, s), 3)
	s.Announce("ES256")
	require.Len(t, publishedIDs(t, s), 3, "a key announced again takes the place of the one before")
	require.Panics(t, func() { s.Rotate("ES512") })

	s.Rotate("ES256")
	third := s.Key()
	require.Equal(t, []string{third.ID(), second.ID()}, publishedIDs(t, s))
	_, err = verify(t, s, old)
	require.Error(t, err, "a second rotation drops the oldest key")

	s.Rotate("")
	require.Equal(t, "ES256", s.Key().Algorithm(), "without a word, the algorithm stays")
	require.Equal(t, []string{s.Key().ID(), third.ID()}, publishedIDs(t, s))

	s.DropPrevious()
	require.Equal(t, []string{s.Key().ID()}, publishedIDs(t, s))
}

func TestKeySetHeaders(t *testing.T) {
	s := start(t, logtotest.Tenant{})
	address := s.URL() + "/oidc/jwks"

	resp := get(t, address)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "application/jwk-set+json; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Equal(t, "no-cache, max-age=0, must-revalidate", resp.Header.Get("Cache-Control"))
	etag := resp.Header.Get("ETag")
	require.NotEmpty(t, etag)

	head := do(t, request(t, http.MethodHead, address, ""))
	require.Equal(t, http.StatusOK, head.StatusCode)
	require.Empty(t, head.Header.Get("ETag")+head.Header.Get("Cache-Control")+head.body)
	slash := get(t, address+"/")
	require.Equal(t, resp.body, slash.body)
	require.Equal(t, etag, slash.Header.Get("ETag"))
	require.Empty(t, slash.Header.Get("Cache-Control"))

	for _, condition := range []string{etag, "W/" + etag, `"other", W/"more",` + etag, "*"} {
		resp := get(t, address, "If-None-Match", condition)
		require.Equal(t, http.StatusNotModified, resp.StatusCode, condition)
		require.Equal(t, etag, resp.Header.Get("ETag"))
		require.Empty(t, resp.body)
	}
	require.Equal(t, http.StatusOK, get(t, address, "If-None-Match", `"other"`).StatusCode)
	require.Equal(t, http.StatusOK, get(t, address, "If-None-Match", etag, "Cache-Control", "no-cache").StatusCode)
	require.Equal(t, http.StatusNotFound, do(t, request(t, http.MethodPost, address, "")).StatusCode)

	s.Rotate("")
	resp = get(t, address, "If-None-Match", etag)
	require.Equal(t, http.StatusOK, resp.StatusCode, "another set has another tag")
}

func TestDiscoveryFollowsTheHost(t *testing.T) {
	declared := tenant()
	declared.Endpoint = "https://auth.example.com/"
	s := start(t, declared)
	require.Equal(t, "https://auth.example.com", s.Endpoint())
	require.True(t, strings.HasPrefix(s.URL(), "http://127.0.0.1:"))

	local := strings.Replace(s.URL(), "127.0.0.1", "localhost", 1)
	r := request(t, http.MethodGet, s.URL()+"/oidc/.well-known/openid-configuration", "")
	r.Host = strings.TrimPrefix(local, "http://")
	metadata := do(t, r).decode(t)
	require.Equal(t, "https://auth.example.com/oidc", metadata["issuer"])
	require.Equal(t, local+"/oidc/jwks", metadata["jwks_uri"])
	for name, path := range map[string]string{
		"authorization_endpoint": "/auth", "token_endpoint": "/token", "revocation_endpoint": "/token/revocation",
		"userinfo_endpoint": "/me", "end_session_endpoint": "/session/end",
	} {
		require.Equal(t, local+"/oidc"+path, metadata[name])
	}
	require.Equal(t, metadata, get(t, local+"/oidc/.well-known/oauth-authorization-server").decode(t))
	require.Equal(t, []any{"authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"}, metadata["grant_types_supported"])
	require.Equal(t, []any{"client_secret_basic", "client_secret_post", "none"}, metadata["token_endpoint_auth_methods_supported"])
	require.Equal(t, []any{"ES384"}, metadata["id_token_signing_alg_values_supported"])

	require.Equal(t, "https://auth.example.com/oidc", claims(t, s, s.Mint(logtotest.Token{}))["iss"])
}

func TestKeyIsKept(t *testing.T) {
	for _, algorithm := range algorithms {
		key := logtotest.NewKey(algorithm)
		kept, err := logtotest.ParseKey(key.PEM())
		require.NoError(t, err)
		require.Equal(t, key.JWK(), kept.JWK())
		require.Equal(t, algorithm, kept.Algorithm())
		s := start(t, logtotest.Tenant{Key: kept})
		require.Equal(t, key.ID(), s.Key().ID())
		_, err = verify(t, s, key.Sign([]byte(`{"alg":"`+algorithm+`","kid":"`+key.ID()+`"}`), nil))
		require.NoError(t, err)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	inPEM := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	good := string(logtotest.NewKey("ES384").PEM())
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "key", "another type": strings.ReplaceAll(good, "PRIVATE", "PUBLIC"),
		"half": strings.Replace(good, "MI", "AA", 1), "another curve": inPEM(curve), "another kind": inPEM(edwards),
	} {
		_, err := logtotest.ParseKey([]byte(text))
		require.ErrorContains(t, err, "logtotest: ", name)
	}
}
