package attacks_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// Stand-ins for what differs from process to process, so that a corpus keeps.
const (
	seedKeyID  = "KID"
	seedIssuer = "ISSUER"
)

// FuzzAuthorization sends any header. None of them was signed by the stand-in of
// the process that judges it, so none may pass.
func FuzzAuthorization(f *testing.F) {
	seeds, _ := guardtest.NewLogto(f, "ES256")
	for _, v := range slices.Concat(guardtest.Encodings(seeds), guardtest.Headers(seeds), guardtest.Payloads(seeds), guardtest.Signatures(seeds)) {
		f.Add("Bearer " + v.Token)
	}
	f.Add("Basic eDp5")
	f.Add("bearer\tx")
	handler := fuzzed(f, "ES256").handler
	f.Fuzz(func(t *testing.T, authorization string) {
		checkRefusal(t, guardtest.Serve(handler, authorization))
	})
}

// FuzzForged has any signature under any header and payload, of a key ID that is
// known: none was made with the key.
func FuzzForged(f *testing.F) {
	all := fuzzedAll(f)
	for i, s := range all {
		for _, v := range guardtest.Signatures(s.logto) {
			if header, payload, signature, ok := s.seed(v.Token); ok {
				f.Add(byte(i), header, payload, signature)
			}
		}
	}
	f.Fuzz(func(t *testing.T, algorithm byte, header, payload string, signature []byte) {
		s := all[int(algorithm)%len(all)]
		header, payload = s.here(header), s.here(payload)
		token := guardtest.Encode([]byte(header)) + "." + guardtest.Encode([]byte(payload)) + "." + guardtest.Encode(signature)
		checkRefusal(t, guardtest.Serve(s.handler, "Bearer "+token))
	})
}

// FuzzSigned has the stand-in sign any header and payload. What is let in has to
// pass a reading by encoding/json too, which shares no code with the guard's.
func FuzzSigned(f *testing.F) {
	all := fuzzedAll(f)
	for i, s := range all {
		for _, v := range slices.Concat(guardtest.Encodings(s.logto), guardtest.Headers(s.logto), guardtest.Payloads(s.logto)) {
			if header, payload, _, ok := s.seed(v.Token); ok {
				f.Add(byte(i), header, payload)
			}
		}
	}
	f.Fuzz(func(t *testing.T, algorithm byte, header, payload string) {
		s := all[int(algorithm)%len(all)]
		header, payload = s.here(header), s.here(payload)
		w := guardtest.Serve(s.handler, "Bearer "+s.logto.Key().Sign([]byte(header), []byte(payload)))
		if w.Code != http.StatusNoContent {
			checkRefusal(t, w)
			return
		}
		if fault := faultOf(s.logto, header, payload); fault != "" {
			t.Fatalf("let in without %s: %s . %s", fault, header, payload)
		}
	})
}

// FuzzSpoiled changes the signature of a token that is good. ECDSA has a second one
// for each, which can't be found without knowing of it.
func FuzzSpoiled(f *testing.F) {
	all := fuzzedAll(f)
	for i := range all {
		for _, at := range []uint16{0, 1, 32, 48, 66, 255, 1000} {
			f.Add(byte(i), at, byte(0), []byte{0})
			f.Add(byte(i), at, byte(1), []byte{})
			f.Add(byte(i), at, byte(1), []byte{0x80})
			f.Add(byte(i), at, byte(0), make([]byte, 48))
		}
	}
	var tokens [][]string
	for _, s := range all {
		token := s.logto.Mint(logtotest.Token{Subject: "shop", Scopes: []string{"read:products"}})
		require.Equal(f, http.StatusNoContent, guardtest.Serve(s.handler, "Bearer "+token).Code)
		tokens = append(tokens, strings.Split(token, "."))
	}
	f.Fuzz(func(t *testing.T, algorithm byte, at uint16, cut byte, inserted []byte) {
		i := int(algorithm) % len(all)
		good := guardtest.Decode(tokens[i][2])
		from := int(at) % (len(good) + 1)
		spoiled := slices.Concat(good[:from], inserted, good[min(from+int(cut), len(good)):])
		if bytes.Equal(good, spoiled) {
			return
		}
		checkRefusal(t, guardtest.Serve(all[i].handler, "Bearer "+tokens[i][0]+"."+tokens[i][1]+"."+guardtest.Encode(spoiled)))
	})
}

// fuzzTarget is a guarded route that asks for a scope, and the stand-in that it trusts.
type fuzzTarget struct {
	logto   *logtotest.Server
	handler http.Handler
}

func fuzzed(f *testing.F, algorithm string) fuzzTarget {
	logto, clock := guardtest.NewLogto(f, algorithm)
	guard := guardtest.NewGuard(f, logto, clock)
	guardtest.Ready(f, guard)
	return fuzzTarget{logto, guard.Handler(logtoguard.RequireScope("read:products")(guardtest.NoContent))}
}

func fuzzedAll(f *testing.F) []fuzzTarget {
	var all []fuzzTarget
	for _, algorithm := range guardtest.Algorithms {
		all = append(all, fuzzed(f, algorithm))
	}
	return all
}

// seed takes a token apart, if it is in the usual encoding.
func (s fuzzTarget) seed(token string) (header, payload string, signature []byte, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || strings.ContainsAny(token, "\r\n =+") {
		return "", "", nil, false
	}
	lasting := strings.NewReplacer(s.logto.Key().ID(), seedKeyID, s.logto.Endpoint()+"/oidc", seedIssuer)
	return lasting.Replace(string(guardtest.Decode(parts[0]))), lasting.Replace(string(guardtest.Decode(parts[1]))), guardtest.Decode(parts[2]), true
}

// here fills in what holds in this process.
func (s fuzzTarget) here(json string) string {
	return strings.NewReplacer(seedKeyID, s.logto.Key().ID(), seedIssuer, s.logto.Endpoint()+"/oidc").Replace(json)
}

// refusalsOfTokens are all the texts that a token can be refused with, and their
// statuses. What an answer says is one of them, so it holds nothing that was sent.
var refusalsOfTokens = func() map[string]int {
	texts := map[string]int{
		"no access token: send one as Authorization: Bearer":                                                        401,
		"the Authorization header does not hold exactly one token after Bearer":                                     400,
		"the token is longer than 16 KiB":                                                                           401,
		"the token's JSON is nested more than 32 deep":                                                              401,
		"the token's header and payload have more than 1,000 members":                                               401,
		"the token is not a well-formed JWT":                                                                        401,
		"the token's header has a crit member, and no extension is known here":                                      401,
		"the token's header names no key: its kid is missing, empty or not a string":                                401,
		"opaque token: request it with the `resource` parameter":                                                    401,
		"this is not an access token: its typ is not at+jwt (an ID token is for the application that asked for it)": 401,
		"the token's signature algorithm is not allowed":                                                            401,
		"the token's signature algorithm does not fit its key":                                                      401,
		"the token is signed by a key that the issuer does not publish":                                             401,
		"the token's signature is wrong":                                                                            401,
		"the token expired":                                                                                         401,
		"the token is not valid yet":                                                                                401,
		"the token is from another issuer":                                                                          401,
		"the token is for another audience":                                                                         401,
		"the token has more than 16 audiences":                                                                      401,
		"the token's organization_id contradicts its audience":                                                      401,
		"the token is bound to a key of its sender (cnf), which is not supported":                                   401,
		"the token does not hold the scope that is needed":                                                          403,
		"the token's scopes are bound to an organization, which is not the one being served":                        403,
	}
	for _, claim := range []string{"exp", "nbf", "iat", "sub", "client_id", "scope", "organization_id"} {
		texts["the token's "+claim+" claim is missing or of the wrong type"] = 401
	}
	return texts
}()

// checkRefusal wants a whole answer of the table: status, challenge, headers, body.
func checkRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var body map[string]string
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
	description := body["error_description"]
	status, known := refusalsOfTokens[description]
	require.True(t, known, "status %d: %s", w.Code, w.Body)
	require.Equal(t, status, w.Code, description)
	code, want := challengeOf(status, description)
	require.Equal(t, map[string]string{"error": code, "error_description": description}, body)

	challenge := w.Header().Get("WWW-Authenticate")
	require.Equal(t, http.Header{
		"Cache-Control":    {"no-store"},
		"Content-Type":     {"application/json"},
		"Www-Authenticate": {challenge},
	}, w.Header())
	scheme, parameters := guardtest.ParseChallenge(t, challenge)
	require.Equal(t, "Bearer", scheme)
	require.Equal(t, want, parameters)
}

// challengeOf is what RFC 6750, section 3, has in the challenge, and the error in the body.
func challengeOf(status int, description string) (code string, parameters map[string]string) {
	switch {
	case strings.HasPrefix(description, "no access token"):
		return "no_token", map[string]string{}
	case status == http.StatusBadRequest:
		return "invalid_request", map[string]string{"error": "invalid_request"}
	case status == http.StatusForbidden:
		return "insufficient_scope", map[string]string{"error": "insufficient_scope", "scope": "read:products"}
	}
	return "invalid_token", map[string]string{"error": "invalid_token", "error_description": description}
}

// faultOf names the first thing that an accepted token lacks.
func faultOf(logto *logtotest.Server, header, payload string) string {
	h, isHeader := objectOf(header)
	c, isPayload := objectOf(payload)
	if !isHeader || !isPayload {
		return "valid JSON"
	}
	typ, _ := h["typ"].(string)
	scope, _ := c["scope"].(string)
	_, crit := h["crit"]
	_, cnf := c["cnf"]
	_, organization := c["organization_id"]
	audience, _ := c["aud"].([]any)
	headerDepth, headerMembers := extent(h)
	payloadDepth, payloadMembers := extent(c)
	switch {
	case max(headerDepth, payloadDepth) > 32 || headerMembers+payloadMembers > 1000:
		return "a bounded extent"
	case !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), "at+jwt"):
		return "typ"
	case h["alg"] != logto.Key().Algorithm() || h["kid"] != logto.Key().ID() || crit:
		return "a right header"
	case c["iss"] != logto.Endpoint()+"/oidc":
		return "iss"
	case len(audience) > 16 || c["aud"] != guardtest.Shopping && !slices.Contains(audience, any(guardtest.Shopping)):
		return "aud"
	case !isTime(c["exp"]) || !later(c["exp"], guardtest.Now.Unix()-5):
		return "exp"
	case c["sub"] == nil || c["sub"] == "" || c["client_id"] == nil || c["client_id"] == "" || cnf:
		return "right parties"
	case organization || !slices.Contains(strings.Fields(scope), "read:products"):
		return "scope"
	}
	return ""
}

// objectOf keeps numbers as text: one that no float64 holds may stand where nobody looks.
func objectOf(text string) (object map[string]any, ok bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	err := dec.Decode(&object)
	return object, err == nil && json.Valid([]byte(text))
}
