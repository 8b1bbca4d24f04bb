package m2m_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/oauth2"
)

// An asking is what the client wants, a reply what came back.
type asking struct {
	scopes      []string
	acceptFewer bool
}

type reply struct {
	status            int
	contentType, body string
}

var (
	token68 = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`) // RFC 6750, section 2.1

	// Neither package mime nor jsontext is asked here, so where they may be stricter
	// than this reading, it can't be sure.
	plainType = regexp.MustCompile(`^(?i:application/json)( *; *charset=("[A-Za-z0-9-]+"|[A-Za-z0-9-]+))?$`)
	surrogate = regexp.MustCompile(`(?i:\\u[d][89a-f])`)
)

// grantOf is the token that RFC 6749, section 5.1, makes of a reply, or nil, by a
// reading that shares no code with the client's. Where it isn't sure, a refusal
// is right too.
func grantOf(a asking, r reply) (token *oauth2.Token, sure bool) {
	mediaType, _, _ := strings.Cut(r.contentType, ";")
	if r.status != 200 || strings.ToLower(strings.TrimSpace(mediaType)) != "application/json" {
		return nil, true
	}
	members := objectIn(r.body)
	access, kind, scope := members["access_token"], members["token_type"], members["scope"]
	if members == nil || !wellTyped(members) {
		return nil, true
	}
	seconds, timed := secondsIn(members["expires_in"])
	if !timed || !token68.MatchString(text(access)) || !strings.EqualFold(text(kind), "Bearer") || text(members["error"]) != "" {
		return nil, true
	}
	granted := strings.Fields(text(scope))
	for _, asked := range a.scopes {
		if !slices.Contains(granted, asked) && !a.acceptFewer {
			return nil, true
		}
	}
	token = &oauth2.Token{AccessToken: text(access), TokenType: "Bearer", Expiry: noon.Add(time.Duration(seconds) * time.Second)}
	sure = plainType.MatchString(r.contentType) && !surrogate.MatchString(r.body)
	return token.WithExtra(map[string]any{"scope": text(scope)}), sure
}

// wellTyped: what is read as text is that, or null.
func wellTyped(members map[string]any) bool {
	return !slices.ContainsFunc([]string{"access_token", "token_type", "scope", "error", "error_description"}, func(name string) bool {
		_, isText := members[name].(string)
		return !isText && members[name] != nil
	})
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// secondsIn reads expires_in, 1*DIGIT by RFC 6749, appendix A.14.
func secondsIn(value any) (int64, bool) {
	if value == nil {
		return 60, true
	}
	number, _ := value.(json.Number)
	seconds, err := strconv.ParseInt(number.String(), 10, 64)
	return min(seconds, 86400), err == nil && seconds > 0
}

// objectIn returns the members of the one object that the body is, or nil.
func objectIn(body string) map[string]any {
	if len(body) > 64<<10 || !utf8.ValidString(body) || !json.Valid([]byte(body)) {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	value, unique := valueIn(decoder)
	if members, isObject := value.(map[string]any); isObject && unique {
		return members
	}
	return nil
}

// valueIn reads token by token, which alone shows names that come twice.
func valueIn(decoder *json.Decoder) (value any, unique bool) {
	next, _ := decoder.Token()
	switch next {
	case json.Delim('{'):
		members := map[string]any{}
		for decoder.More() {
			name, _ := decoder.Token()
			_, twice := members[text(name)]
			member, unique := valueIn(decoder)
			if twice || !unique {
				return nil, false
			}
			members[text(name)] = member
		}
		value = members
	case json.Delim('['):
		for decoder.More() {
			if _, unique := valueIn(decoder); !unique {
				return nil, false
			}
		}
		value = []any{}
	default:
		return next, true
	}
	_, _ = decoder.Token() // the end of the object or array
	return value, true
}
