package guardtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// A Verdict is a token with at most one fault, and what becomes of it.
type Verdict struct {
	Name  string
	Token string
	Is    error // the sentinel of the refusal; nil: it is let in
}

// Encodings returns tokens that are written in unusual ways.
func Encodings(logto *logtotest.Server) []Verdict {
	good := logto.Mint(logtotest.Token{Subject: "shop"})
	parts := strings.Split(good, ".")
	header, payload := Decode(parts[0]), Decode(parts[1])
	sign := logto.Key().Sign
	malformed := logtoguard.ErrMalformed
	left := 1000 - count(header) - count(payload)
	long := func(size int) string {
		token := func(n int) string {
			return logto.Mint(logtotest.Token{Subject: "shop", Claims: map[string]any{"pad": strings.Repeat("x", n)}})
		}
		// Four characters of the token hold three of the padding.
		n := (size-len(token(0)))*3/4 + 3
		for len(token(n)) > size {
			n--
		}
		return token(n)
	}
	return []Verdict{
		{"good", good, nil},
		{"opaque", "9NybN27JstKkzKqrRhDgongGRDub59CV45teTmWabGY", logtoguard.ErrOpaqueToken},
		{"as long as it may be", long(16 << 10), nil},
		{"too long", long(16<<10 + 4), malformed},
		{"too long, no dots", strings.Repeat("x", 16<<10+1), malformed},
		{"one dot", parts[0] + "." + parts[1], malformed},
		{"four parts", good + ".", malformed},
		{"five parts, a JWE", good + "..", malformed},
		{"dots only", "..", malformed},
		{"a thousand dots", strings.Repeat(".", 1000), malformed},
		{"no header", "." + parts[1] + "." + parts[2], malformed},
		{"no payload", parts[0] + ".." + parts[2], malformed},
		{"line feed in the header", parts[0][:9] + "\n" + good[9:], malformed},
		{"carriage return in the payload", parts[0] + ".\r" + parts[1] + "." + parts[2], malformed},
		{"line feed in the signature", good + "\n", malformed},
		{"space at the end", good + " ", malformed},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "=", malformed},
		{"standard alphabet", parts[0] + "." + parts[1] + "." + "+" + parts[2][1:], malformed},
		{"unused bits in the payload", unusedBits(sign, header, payload), malformed},
		{"header is no JSON", sign([]byte("no"), payload), malformed},
		{"header is null", sign([]byte("null"), payload), malformed},
		{"header is an array", sign([]byte("[]"), payload), malformed},
		{"header is a string", sign([]byte(`"{}"`), payload), malformed},
		{"payload is no JSON", sign(header, []byte("no")), malformed},
		{"payload is null", sign(header, []byte("null")), malformed},
		{"payload is an array", sign(header, slices.Concat([]byte("["), payload, []byte("]"))), malformed},
		{"data after the header", sign(append(slices.Clone(header), "{}"...), payload), malformed},
		{"data after the payload", sign(header, append(slices.Clone(payload), "{}"...)), malformed},
		{"byte order mark", sign(header, append([]byte("\xef\xbb\xbf"), payload...)), malformed},
		{"header in invalid UTF-8", sign(with(header, `"x":"`+"\xff"+`"`), payload), malformed},
		{"payload in invalid UTF-8", sign(header, with(payload, `"x":"`+"\xff"+`"`)), malformed},
		{"half a surrogate pair", sign(header, with(payload, `"x":"\ud800"`)), malformed},
		{"alg twice", sign(with(header, `"alg":"`+logto.Key().Algorithm()+`"`), payload), malformed},
		{"iss twice", sign(header, with(payload, `"iss":"https://evil.example"`)), malformed},
		{"scope twice, once escaped", sign(header, with(payload, `"exp":1,"e\u0078p":2`)), malformed},
		{"duplicate deep in the payload", sign(header, with(payload, `"x":[{"y":{"z":1,"z":1}}]`)), malformed},
		{"duplicate deep in the header", sign(with(header, `"x":[{"y":{"z":1,"z":1}}]`), payload), malformed},
		{"single quotes", sign(header, bytes.ReplaceAll(payload, []byte(`"`), []byte(`'`))), malformed},
		{"trailing comma", sign(header, append(payload[:len(payload)-1:len(payload)-1], ",}"...)), malformed},
		{"a comment", sign(header, with(payload, `/**/"x":1`)), malformed},
		{"arrays 32 deep in the payload", sign(header, with(payload, `"x":`+nested("[", 31, "]"))), nil},
		{"arrays 33 deep in the payload", sign(header, with(payload, `"x":`+nested("[", 32, "]"))), malformed},
		{"arrays 32 deep in the header", sign(with(header, `"x":`+nested("[", 31, "]")), payload), nil},
		{"arrays 33 deep in the header", sign(with(header, `"x":`+nested("[", 32, "]")), payload), malformed},
		{"objects 32 deep", sign(header, with(payload, `"x":`+nested(`{"y":`, 30, "}", "{}"))), nil},
		{"objects 33 deep", sign(header, with(payload, `"x":`+nested(`{"y":`, 31, "}", "{}"))), malformed},
		{"arrays and objects 32 deep in act", sign(header, with(payload, `"act":`+nested(`[{"y":`, 15, "}]", "[]"))), nil},
		{"arrays and objects 33 deep in act", sign(header, with(payload, `"act":`+nested(`[{"y":`, 16, "}]"))), malformed},
		{"arrays 5,000 deep", sign(header, with(payload, `"x":`+nested("[", 5000, "]"))), malformed},
		{"arrays side by side", sign(header, with(payload, `"x":[`+strings.Repeat("[],", 3000)+"0]")), nil},
		{"1,000 members", sign(header, with(payload, numbered(left))), nil},
		{"1,001 members", sign(header, with(payload, numbered(left+1))), malformed},
		{"1,000 members, half of them in the header", sign(with(header, numbered(500)), with(payload, numbered(left-500))), nil},
		{"1,001 members, half of them in the header", sign(with(header, numbered(501)), with(payload, numbered(left-500))), malformed},
		{"1,001 members, nearly all of them in the header", sign(with(header, numbered(left+1)), payload), malformed},
		{"1,000 members at two depths", sign(header, with(payload, `"x":[{`+numbered(left-201)+`},{`+numbered(100)+`},{`+numbered(100)+`}]`)), nil},
		{"1,001 members at two depths", sign(header, with(payload, `"x":[{`+numbered(left-200)+`},{`+numbered(100)+`},{`+numbered(100)+`}]`)), malformed},
		{"brackets and colons in strings", sign(header, with(payload, `"`+strings.Repeat("[{:", 500)+`":"\"`+strings.Repeat(`[{:\\\"`, 500)+`"`)), nil},
		{"one name in many objects", sign(header, with(payload, `"x":[`+strings.Repeat(`{"iss":{"iss":0}},`, 400)+"0]")), nil},
	}
}

// nested is what is in the middle, with opening and closing texts around it.
func nested(opening string, times int, closing string, middle ...string) string {
	return strings.Repeat(opening, times) + strings.Join(middle, "") + strings.Repeat(closing, times)
}

// numbered are members under different names.
func numbered(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"%d":0`, i)
	}
	return strings.Join(list, ",")
}

// count is how many members an object has that holds no other.
func count(object []byte) int {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		panic(err)
	}
	return len(members)
}

// Headers returns tokens with unusual headers.
func Headers(logto *logtotest.Server) []Verdict {
	mint := minter(logto)
	set := func(name string, value any) string {
		return mint(func(d *logtotest.Draft) { d.Header[name] = value })
	}
	without := func(name string) string {
		return mint(func(d *logtotest.Draft) { delete(d.Header, name) })
	}
	list := []Verdict{
		{"typ in upper case", set("typ", "AT+JWT"), nil},
		{"typ with its tree", set("typ", "application/at+jwt"), nil},
		{"no typ: an ID token", without("typ"), logtoguard.ErrNotAccessToken},
		{"typ JWT", set("typ", "JWT"), logtoguard.ErrNotAccessToken},
		{"typ empty", set("typ", ""), logtoguard.ErrNotAccessToken},
		{"typ null", set("typ", nil), logtoguard.ErrNotAccessToken},
		{"typ in an array", set("typ", []string{"at+jwt"}), logtoguard.ErrNotAccessToken},
		{"typ with a parameter", set("typ", "at+jwt; v=1"), logtoguard.ErrNotAccessToken},
		{"typ under another name", mint(func(d *logtotest.Draft) { d.Header["Typ"] = "at+jwt"; delete(d.Header, "typ") }), logtoguard.ErrNotAccessToken},
		{"no alg", without("alg"), logtoguard.ErrWrongAlgorithm},
		{"alg a number", set("alg", 384), logtoguard.ErrWrongAlgorithm},
		{"alg in lower case", set("alg", strings.ToLower(logto.Key().Algorithm())), logtoguard.ErrWrongAlgorithm},
		{"no kid", without("kid"), logtoguard.ErrMalformed},
		{"kid empty", set("kid", ""), logtoguard.ErrMalformed},
		{"kid a number", set("kid", 1), logtoguard.ErrMalformed},
		{"kid null", set("kid", nil), logtoguard.ErrMalformed},
		{"crit", set("crit", []string{"exp"}), logtoguard.ErrMalformed},
		{"crit empty", set("crit", []string{}), logtoguard.ErrMalformed},
		{"crit null", set("crit", nil), logtoguard.ErrMalformed},
		{"further members", set("x", map[string]any{"y": 1}), nil},
	}
	for _, name := range []string{"none", "None", "NONE", "nOnE", "", "HS256", "HS384", "PS256", "RS384", "RS512", "EdDSA", "ES256K", "dir"} {
		list = append(list, Verdict{"alg " + name, set("alg", name), logtoguard.ErrWrongAlgorithm})
	}
	for _, name := range Algorithms {
		if name != logto.Key().Algorithm() {
			list = append(list, Verdict{"alg of another key: " + name, set("alg", name), logtoguard.ErrWrongAlgorithm})
		}
	}
	return list
}

// Payloads returns tokens with unusual claims.
func Payloads(logto *logtotest.Server) []Verdict {
	mint := minter(logto)
	set := func(name string, value any) string {
		return mint(func(d *logtotest.Draft) { d.Claims[name] = value })
	}
	without := func(name string) string {
		return mint(func(d *logtotest.Draft) { delete(d.Claims, name) })
	}
	renamed := func(from, to string) string {
		return mint(func(d *logtotest.Draft) { d.Claims[to] = d.Claims[from]; delete(d.Claims, from) })
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	issuer := logto.Endpoint() + "/oidc"
	list := []Verdict{
		{"no iss", without("iss"), logtoguard.ErrWrongIssuer},
		{"iss of another", set("iss", "https://evil.example/oidc"), logtoguard.ErrWrongIssuer},
		{"iss with a slash", set("iss", issuer+"/"), logtoguard.ErrWrongIssuer},
		{"iss in another case", set("iss", strings.ToUpper(issuer)), logtoguard.ErrWrongIssuer},
		{"iss in an array", set("iss", []string{issuer}), logtoguard.ErrWrongIssuer},
		{"iss null", set("iss", nil), logtoguard.ErrWrongIssuer},
		{"Iss for iss", renamed("iss", "Iss"), logtoguard.ErrWrongIssuer},
		{"no aud", without("aud"), logtoguard.ErrWrongAudience},
		{"aud of another API", set("aud", "https://other.api"), logtoguard.ErrWrongAudience},
		{"aud with a slash", set("aud", Shopping+"/"), logtoguard.ErrWrongAudience},
		{"aud among others", set("aud", []string{"https://other.api", Shopping}), nil},
		{"aud the last of 16", set("aud", among(15)), nil},
		{"aud the last of 17", set("aud", among(16)), logtoguard.ErrWrongAudience},
		{"aud the first of 17", set("aud", append([]string{Shopping}, among(15)...)), logtoguard.ErrWrongAudience},
		{"aud with a number among it", set("aud", []any{Shopping, 1}), logtoguard.ErrWrongAudience},
		{"aud with an array in it", set("aud", []any{[]string{Shopping}}), logtoguard.ErrWrongAudience},
		{"aud an empty array", set("aud", []string{}), logtoguard.ErrWrongAudience},
		{"aud empty", set("aud", ""), logtoguard.ErrWrongAudience},
		{"aud an object", set("aud", map[string]any{Shopping: true}), logtoguard.ErrWrongAudience},
		{"aud null", set("aud", nil), logtoguard.ErrWrongAudience},
		{"AUD for aud", renamed("aud", "AUD"), logtoguard.ErrWrongAudience},
		{"organization token at an API resource", set("aud", "urn:logto:organization:acme"), logtoguard.ErrWrongAudience},
		{"no exp", without("exp"), logtoguard.ErrInvalidClaim},
		{"exp null", set("exp", nil), logtoguard.ErrInvalidClaim},
		{"Exp for exp", renamed("exp", "Exp"), logtoguard.ErrInvalidClaim},
		{"exp past", set("exp", Now.Add(-time.Minute).Unix()), logtoguard.ErrExpired},
		{"exp negative", set("exp", -1), logtoguard.ErrExpired},
		{"exp with a fraction", set("exp", float64(Now.Unix())+0.5), nil},
		{"exp in scientific notation", set("exp", raw("1.9e9")), nil},
		{"exp beyond float64", set("exp", raw("1e400")), logtoguard.ErrInvalidClaim},
		{"exp beyond what a time can hold", set("exp", raw("9223372036854775807")), logtoguard.ErrInvalidClaim},
		{"exp of 64 characters", set("exp", raw(fmt.Sprintf("%d.%053d", Now.Unix(), 1))), nil},
		{"exp of 65 characters", set("exp", raw(fmt.Sprintf("%d.%054d", Now.Unix(), 1))), logtoguard.ErrInvalidClaim},
		{"nbf of 65 characters", set("nbf", raw(fmt.Sprintf("%d.%054d", Now.Unix(), 1))), logtoguard.ErrInvalidClaim},
		{"iat of 65 characters", set("iat", raw(fmt.Sprintf("%d.%054d", Now.Unix(), 1))), logtoguard.ErrInvalidClaim},
		{"a number of 65 characters in another claim", set("x", raw(fmt.Sprintf("%d.%054d", Now.Unix(), 1))), nil},
		{"exp in milliseconds", set("exp", Now.Add(time.Hour).UnixMilli()), logtoguard.ErrInvalidClaim},
		{"exp far below zero", set("exp", raw("-9223372036854775808")), logtoguard.ErrInvalidClaim},
		{"nbf past", set("nbf", Now.Unix()), nil},
		{"nbf ahead", set("nbf", Now.Add(time.Minute).Unix()), logtoguard.ErrNotYetValid},
		{"nbf null", set("nbf", nil), logtoguard.ErrInvalidClaim},
		{"nbf beyond what a time can hold", set("nbf", raw("-1e30")), logtoguard.ErrInvalidClaim},
		{"no iat", without("iat"), logtoguard.ErrInvalidClaim},
		{"iat null", set("iat", nil), logtoguard.ErrInvalidClaim},
		{"iat a little ahead", set("iat", Now.Add(time.Minute).Unix()), nil},
		{"iat far ahead", set("iat", Now.Add(61*time.Second).Unix()), logtoguard.ErrNotYetValid},
		{"no sub", without("sub"), logtoguard.ErrInvalidClaim},
		{"sub empty", set("sub", ""), logtoguard.ErrInvalidClaim},
		{"sub null", set("sub", nil), logtoguard.ErrInvalidClaim},
		{"no client_id", without("client_id"), logtoguard.ErrInvalidClaim},
		{"client_id empty", set("client_id", ""), logtoguard.ErrInvalidClaim},
		{"azp for client_id", renamed("client_id", "azp"), logtoguard.ErrInvalidClaim},
		{"no scope", without("scope"), nil},
		{"scope empty", set("scope", ""), nil},
		{"scope an array", set("scope", []string{"read:products"}), logtoguard.ErrInvalidClaim},
		{"scope null", set("scope", nil), logtoguard.ErrInvalidClaim},
		{"organization_id empty", set("organization_id", ""), logtoguard.ErrInvalidClaim},
		{"organization_id null", set("organization_id", nil), logtoguard.ErrInvalidClaim},
		{"organization_id in an array", set("organization_id", []string{"acme"}), logtoguard.ErrInvalidClaim},
		{"organization_id", set("organization_id", "acme"), nil},
		{"cnf", set("cnf", map[string]any{"jkt": "x"}), logtoguard.ErrSenderConstrained},
		{"cnf null", set("cnf", nil), logtoguard.ErrSenderConstrained},
		{"act of any shape", set("act", []any{1}), nil},
		{"a number beyond float64 in another claim", set("x", raw("1E999")), nil},
		{"an ID token's claims", mint(func(d *logtotest.Draft) {
			delete(d.Header, "typ")
			delete(d.Claims, "client_id")
			d.Claims["aud"] = "application"
		}), logtoguard.ErrNotAccessToken},
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		for _, wrong := range []any{"1900000000", true, []int{1}, map[string]any{}} {
			list = append(list, Verdict{name + " of a wrong type", set(name, wrong), logtoguard.ErrInvalidClaim})
		}
	}
	for _, name := range []string{"sub", "client_id", "scope", "organization_id"} {
		for _, wrong := range []any{1, false, []string{"x"}, map[string]any{}} {
			list = append(list, Verdict{name + " of a wrong type", set(name, wrong), logtoguard.ErrInvalidClaim})
		}
	}
	return list
}

// among is the right audience after n others.
func among(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("https://%d.api", i)
	}
	return append(list, Shopping)
}

// Signatures returns tokens with wrong signatures.
func Signatures(logto *logtotest.Server) []Verdict {
	mint := minter(logto)
	good := mint(func(*logtotest.Draft) {})
	parts := strings.Split(good, ".")
	signature := Decode(parts[2])
	resigned := func(signature []byte) string {
		return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	flipped := slices.Clone(signature)
	flipped[len(flipped)/2] ^= 1
	other := logtotest.NewKey(logto.Key().Algorithm())
	promoted := strings.Split(mint(func(d *logtotest.Draft) { d.Claims["scope"] = "all" }), ".")[1]
	wrong := logtoguard.ErrWrongSignature
	return []Verdict{
		{"one bit flipped", resigned(flipped), wrong},
		{"empty", resigned(nil), wrong},
		{"zeros", resigned(make([]byte, len(signature))), wrong},
		{"a byte too many", resigned(append(slices.Clone(signature), 0)), wrong},
		{"a byte too few", resigned(signature[:len(signature)-1]), wrong},
		{"of another payload", parts[0] + "." + promoted + "." + parts[2], wrong},
		{"by another key of that kid", mint(func(d *logtotest.Draft) { d.Key = other }), wrong},
		{"by a key that is not published", mint(func(d *logtotest.Draft) { d.Key = other; d.Header["kid"] = other.ID() }), logtoguard.ErrUnknownKey},
		{"by the key that came with it", mint(func(d *logtotest.Draft) {
			d.Key = other
			d.Header["jwk"] = other.JWK()
			d.Header["jku"] = "https://evil.example/jwks"
			d.Header["x5u"] = "https://evil.example/x5u"
		}), wrong},
	}
}

// minter makes a token that is good but for one edit.
func minter(logto *logtotest.Server) func(func(*logtotest.Draft)) string {
	return func(edit func(*logtotest.Draft)) string {
		return logto.Mint(logtotest.Token{Subject: "shop", Scopes: []string{"read:products"}}, edit)
	}
}

// with adds members to a JSON object.
func with(object []byte, members string) []byte {
	return slices.Concat(object[:len(object)-1], []byte(","+members+"}"))
}

// unusedBits sets a bit of the payload's last character that decodes to nothing.
func unusedBits(sign func(header, payload []byte) string, header, payload []byte) string {
	for len(payload)%3 != 1 {
		payload = append(slices.Clone(payload), ' ')
	}
	token := []byte(sign(header, payload))
	last := bytes.LastIndexByte(token, '.') - 1
	token[last]++ // A, Q, g or w: four bits of it are used
	return string(token)
}
