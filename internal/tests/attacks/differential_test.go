package attacks_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// member is one of a JSON object, as text: also one that a map can't hold twice.
type member struct{ name, value string }

type object []member

func (o object) text() string {
	var parts []string
	for _, m := range o {
		parts = append(parts, m.name+":"+m.value)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// oddValues are put in the place of every member's value.
var oddValues = []string{
	`null`, `true`, `false`, `0`, `-1`, `1`, `1.5`, `1e400`, `-1e400`, `9223372036854775808`, `253402300800`, `1e11`, `5e-324`, `""`, `" "`, `"x"`,
	`"\u0000"`, `[]`, `[null]`, `["x"]`, `[["x"]]`, `{}`, `{"a":{"a":1}}`, `{"sub":"x"}`, `"at+jwt"`, `"AT+JWT"`, `"JWT"`, `"none"`, `"HS256"`, `"ES256"`,
	`"ES384"`, `"RS256"`, `"https://shopping.api"`, `["https://shopping.api"]`, `["x","https://shopping.api"]`, `["https://shopping.api",1]`,
	`"urn:logto:organization:acme"`, `["https://shopping.api","urn:logto:organization:acme"]`, `"urn:logto:organization:"`, `"acme"`,
	`"https\u003a//shopping.api"`,
	"\"x\x00\"", "\"x\n\"", "\"\xff\"", "\"\xed\xa0\x80\"", `"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ude00"`,
	audiences(15), audiences(16), audiences(17), `["https://shopping.api"` + strings.Repeat(`,"x"`, 16) + `]`, `[` + strings.Repeat(`0,`, 16) + `0]`, arrays(31), arrays(32),
	`1e-310`, `1795348800.` + strings.Repeat("0", 53), `1795348800.` + strings.Repeat("0", 54), `"1795348800.` + strings.Repeat("0", 54) + `"`,
	`1795348800`, `1795348800.75`, `"1795348800"`, `1795348795`, `1795348860`, `1795348861`, `99999999999999999999999`, `-0`,
}

// mutations of an object: each member with every odd value, without it, twice, and
// under names that only look alike.
func mutations(o object) []object {
	var all []object
	replaced := func(i int, with ...member) object { return slices.Concat(o[:i], with, o[i+1:]) }
	for i, m := range o {
		for _, value := range oddValues {
			all = append(all, replaced(i, member{m.name, value}))
		}
		all = append(all, replaced(i), replaced(i, m, m), replaced(i, member{`"x"`, "{" + m.name + ":" + m.value + "}"}))
		for _, name := range lookAlikes(strings.Trim(m.name, `"`)) {
			all = append(all, replaced(i, member{name, m.value}), replaced(i, m, member{name, `"other"`}))
		}
	}
	for _, extra := range []member{
		{`"crit"`, `[]`}, {`"crit"`, `["exp"]`}, {`"cnf"`, `{"jkt":"x"}`}, {`"cnf"`, `null`}, {`"organization_id"`, `"acme"`},
		{`"nbf"`, `1795348800`}, {`"nbf"`, `1795348805`}, {`"nbf"`, `1795348806`}, {`"nbf"`, `"1"`}, {`"jwk"`, `{}`}, {`"x"`, `{"y":1,"y":2}`}, {`"x"`, `{"y":1,"\u0079":2}`},
		{`"x"`, arrays(200)}, {`"x"`, `{"x":` + arrays(30) + `}`}, {`"x"`, `{"x":` + arrays(31) + `}`}, {`"x"`, `[` + strings.Repeat(arrays(2)+",", 50) + `0]`},
		{`"x"`, object(numbered(988)).text()}, {`"x"`, object(numbered(989)).text()}, {`"x"`, object(numbered(2000)).text()},
		{`"x"`, `[` + strings.Repeat(`{"y":0},`, 988) + `{}]`}, {`"x"`, `[` + strings.Repeat(`{"y":0},`, 989) + `{}]`},
		{`"x"`, `"` + strings.Repeat(`[{\":`, 1001) + `"`}, {`"x"`, `[` + strings.Repeat(`":",`, 1001) + `0]`},
	} {
		all = append(all, append(slices.Clone(o), extra))
	}
	return all
}

// numbered are members under different names.
func numbered(n int) (list object) {
	for i := range n {
		list = append(list, member{fmt.Sprintf(`"%d"`, i), "0"})
	}
	return list
}

func arrays(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// audiences is an array of n, the last of which is right.
func audiences(n int) string { return `[` + strings.Repeat(`"x",`, n-1) + `"https://shopping.api"]` }

func lookAlikes(name string) []string {
	quoted := []string{strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], name + " ", " " + name, name + `\u0000`, name + "\x00", name + "\xff", strings.ReplaceAll(name, "_", "-")}
	quoted = append(quoted, strings.NewReplacer("s", "ſ", "k", "K", "i", "ı", "a", "а").Replace(name))
	quoted = append(quoted, fmt.Sprintf(`\u%04x`, name[0])+name[1:]) // the same name, escaped
	for i, s := range quoted {
		quoted[i] = `"` + s + `"`
	}
	return quoted
}

// TestDifferential judges thousands of mutations of valid tokens by the guard and by
// the rules as they are written down in ruling. Both must give the same reason. Those
// that are to be let in are signed; the others keep the signature of the valid token,
// so that one which passes a rule by mistake is refused for its signature.
func TestDifferential(t *testing.T) {
	for _, algorithm := range guardtest.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) { // where unknown keys take no time
				s.Logto.Rotate(algorithm)
				logto := s.Logto
				guard := s.ReadyGuard(t, guardtest.ClockOf(logtotest.NewClock(guardtest.Now)), func(cfg *logtoguard.Config) { cfg.TokenCacheSize = -1 })
				header := object{{`"alg"`, `"` + algorithm + `"`}, {`"typ"`, `"at+jwt"`}, {`"kid"`, `"` + logto.Key().ID() + `"`}}
				payload := object{
					{`"iss"`, `"` + logto.Endpoint() + `/oidc"`}, {`"aud"`, `"https://shopping.api"`}, {`"sub"`, `"user"`},
					{`"client_id"`, `"app"`}, {`"exp"`, `1795352400`}, {`"iat"`, `1795348800`}, {`"scope"`, `"read:products"`}, {`"jti"`, `"j"`},
				}
				good := logto.Key().Sign([]byte(header.text()), []byte(payload.text()))
				signature := good[strings.LastIndexByte(good, '.'):]
				judge := func(header, payload object) {
					t.Helper()
					want := ruling{key: logto.Key(), issuer: logto.Endpoint() + "/oidc"}.of(header.text(), payload.text())
					token := guardtest.Encode([]byte(header.text())) + "." + guardtest.Encode([]byte(payload.text())) + signature
					if want == nil {
						token = logto.Key().Sign([]byte(header.text()), []byte(payload.text()))
					}
					_, err := guard.Verify(t.Context(), token)
					require.ErrorIs(t, err, want, "%s . %s", header.text(), payload.text())
				}
				headers, payloads := mutations(header), mutations(payload)
				for _, h := range headers {
					judge(h, payload)
				}
				for _, p := range payloads {
					judge(header, p)
				}
				// The members of both parts count together.
				for _, total := range []int{1000, 1001} {
					for _, first := range []int{0, 1, 500} {
						rest := total - len(header) - len(payload) - first
						judge(slices.Concat(header, numbered(first)), slices.Concat(payload, numbered(rest)))
						judge(slices.Concat(header, numbered(rest)), slices.Concat(payload, numbered(first)))
					}
				}
				// The audience names an organization, and organization_id the same, or another.
				bound := slices.Clone(payload)
				bound[1].value = `["https://shopping.api","urn:logto:organization:acme"]`
				for _, id := range []string{`"acme"`, `"other"`, `""`, `null`} {
					judge(header, append(slices.Clone(bound), member{`"organization_id"`, id}))
				}
				// Two faults at once: the first by the order of the rules is the reason.
				random := rand.New(rand.NewPCG(1, 2))
				for range 300 {
					p := payloads[random.IntN(len(payloads))]
					again := mutations(p)
					judge(headers[random.IntN(len(headers))], p)
					judge(header, again[random.IntN(len(again))])
				}
			})
		})
	}
}

// ruling is what is written down of the rules, in their order, on encoding/json.
type ruling struct {
	key    *logtotest.Key
	issuer string
}

func (r ruling) of(headerText, payloadText string) error {
	headerDepth, headerMembers := extent(read(headerText))
	payloadDepth, payloadMembers := extent(read(payloadText))
	if headerDepth > 32 || payloadDepth > 32 || headerMembers+payloadMembers > 1000 {
		return logtoguard.ErrMalformed
	}
	h, ok := members(headerText)
	typ, _ := h["typ"].(string)
	alg, _ := h["alg"].(string)
	kid, _ := h["kid"].(string)
	_, crit := h["crit"]
	switch {
	case !ok:
		return logtoguard.ErrMalformed
	case strings.ToLower(typ) != "at+jwt" && strings.ToLower(typ) != "application/at+jwt":
		return logtoguard.ErrNotAccessToken
	case !slices.Contains(guardtest.Algorithms, alg):
		return logtoguard.ErrWrongAlgorithm
	case crit || kid == "":
		return logtoguard.ErrMalformed
	}
	c, ok := members(payloadText)
	if !ok {
		return logtoguard.ErrMalformed
	}
	if err := r.ofClaims(c); err != nil {
		return err
	}
	switch {
	case kid != r.key.ID():
		return logtoguard.ErrUnknownKey
	case alg != r.key.Algorithm():
		return logtoguard.ErrWrongAlgorithm
	}
	return nil
}

func (r ruling) ofClaims(c map[string]any) error {
	audience, strs := texts(c["aud"])
	var organizations []string
	for _, a := range audience {
		if id, ok := strings.CutPrefix(a, "urn:logto:organization:"); ok && id != "" {
			organizations = append(organizations, id)
		}
	}
	nbf, hasNbf := c["nbf"]
	scope, hasScope := c["scope"]
	_, isText := scope.(string)
	organization, hasOrganization := c["organization_id"]
	_, cnf := c["cnf"]
	switch {
	case c["iss"] != r.issuer:
		return logtoguard.ErrWrongIssuer
	case !strs || len(audience) > 16 || !slices.Contains(audience, guardtest.Shopping):
		return logtoguard.ErrWrongAudience
	case !isTime(c["exp"]):
		return logtoguard.ErrInvalidClaim
	case !later(c["exp"], guardtest.Now.Unix()-5):
		return logtoguard.ErrExpired
	case hasNbf && !isTime(nbf):
		return logtoguard.ErrInvalidClaim
	case hasNbf && later(nbf, guardtest.Now.Unix()+5):
		return logtoguard.ErrNotYetValid
	case !isTime(c["iat"]):
		return logtoguard.ErrInvalidClaim
	case later(c["iat"], guardtest.Now.Unix()+60):
		return logtoguard.ErrNotYetValid
	case !filled(c["sub"]), !filled(c["client_id"]), hasScope && !isText, hasOrganization && !filled(organization):
		return logtoguard.ErrInvalidClaim
	case hasOrganization && len(organizations) > 0 && organizations[0] != organization:
		return logtoguard.ErrInvalidClaim
	case cnf:
		return logtoguard.ErrSenderConstrained
	}
	return nil
}

// read is what a lenient reader finds; nil if there is nothing.
func read(text string) (v any) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	_ = dec.Decode(&v)
	return v
}

// extent is how many levels of objects and arrays a value has, and how many members.
func extent(v any) (depth, members int) {
	var inner []any
	switch v := v.(type) {
	case map[string]any:
		inner, members = slices.Collect(maps.Values(v)), len(v)
	case []any:
		inner = v
	default:
		return 0, 0
	}
	for _, each := range inner {
		d, m := extent(each)
		depth, members = max(depth, d), members+m
	}
	return depth + 1, members
}

// members reads an object token by token, so that it sees duplicates.
func members(text string) (map[string]any, bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	v, ok := value(dec)
	o, isObject := v.(map[string]any)
	return o, ok && isObject && json.Valid([]byte(text))
}

func value(dec *json.Decoder) (any, bool) {
	token, err := dec.Token()
	if err != nil {
		return nil, false
	}
	switch token {
	case json.Delim('{'):
		o := map[string]any{}
		for dec.More() {
			token, _ := dec.Token()
			name, _ := token.(string)
			v, ok := value(dec)
			if _, twice := o[name]; twice || !ok || !inUTF8(name) {
				return nil, false
			}
			o[name] = v
		}
		_, err := dec.Token()
		return o, err == nil
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, ok := value(dec)
			if !ok {
				return nil, false
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err == nil
	}
	text, _ := token.(string)
	return token, inUTF8(text)
}

// inUTF8: encoding/json writes U+FFFD for what is no UTF-8, and for half of a
// surrogate pair. No mutation writes it itself.
func inUTF8(s string) bool { return !strings.ContainsRune(s, utf8.RuneError) }

func texts(v any) (list []string, ok bool) {
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	values, ok := v.([]any)
	for _, value := range values {
		s, isText := value.(string)
		if !isText {
			return nil, false
		}
		list = append(list, s)
	}
	return list, ok
}

func filled(v any) bool { s, ok := v.(string); return ok && s != "" }

// number has the precision of the text: 1e400 is one.
func number(v any) *big.Float {
	n, ok := v.(json.Number)
	if !ok {
		return nil
	}
	f, _, err := big.ParseFloat(n.String(), 10, 2000, big.ToNearestEven)
	if err != nil {
		return nil
	}
	return f
}

// isTime: a time of more than 64 characters is none.
func isTime(v any) bool {
	f := number(v)
	return f != nil && len(v.(json.Number)) <= 64 && f.Cmp(big.NewFloat(253402300800)) < 0 && f.Cmp(big.NewFloat(-62135596800)) >= 0
}

func later(v any, seconds int64) bool { return number(v).Cmp(new(big.Float).SetInt64(seconds)) > 0 }
