// Package strict decodes what a stranger sends, and takes one notation only: that of
// the RFCs. Decoders that are lenient let the same token be read in two ways.
package strict

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNotAnObject = errors.New("not a JSON object")
	errDuplicate   = errors.New("duplicate member name")
	errLineBreak   = errors.New("a line break in base64url")
)

// UnmarshalObject decodes exactly one JSON object. Member names match exactly;
// a duplicate name at any depth, invalid UTF-8 and trailing data are errors. It is
// go-json-experiment, the origin of encoding/json/v2, because encoding/json can't do
// that.
func UnmarshalObject(data []byte, v any) error {
	if jsontext.Value(data).Kind() != '{' {
		return errNotAnObject
	}
	if err := checkNames(data); err != nil {
		return err
	}
	return json.Unmarshal(data, v, jsontext.AllowDuplicateNames(true))
}

// Measure returns how deeply objects and arrays are nested in a JSON text, and how many
// members its objects have. It only looks for strings, brackets and colons, so it costs
// little. Any text has some measure: whether it is JSON is for UnmarshalObject to say.
func Measure(data []byte) (depth, members int) {
	open := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = endOfString(data, i)
		case '{', '[':
			open++
			depth = max(depth, open)
		case '}', ']':
			open--
		case ':':
			members++
		}
	}
	return depth, members
}

// checkNames refuses an object with two members of one name. json does that, too, but
// takes more than twice the time and memory where there are a thousand. Like Measure it
// relies on the decoder to refuse what is not JSON.
func checkNames(data []byte) error {
	type member struct {
		object int // the number of the bracket that opens it
		name   string
	}
	text := string(data) // names are parts of it
	seen := make(map[member]struct{}, min(strings.Count(text, ":"), 1000))
	var open []int // the numbers of brackets that are not closed
	var plain []byte
	brackets, last := 0, ""
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := min(endOfString(text, i), len(text)-1)
			last, i = text[i:end+1], end
		case '{', '[':
			brackets++
			open = append(open, brackets)
		case '}', ']':
			open = open[:max(0, len(open)-1)]
		case ':':
			m := member{name: strings.Trim(last, `"`)}
			if strings.Contains(last, `\`) {
				plain, _ = jsontext.AppendUnquote(plain[:0], last)
				m.name = string(plain)
			}
			if len(open) > 0 {
				m.object = open[len(open)-1]
			}
			if _, twice := seen[m]; twice {
				return errDuplicate
			}
			seen[m] = struct{}{}
		}
	}
	return nil
}

// endOfString returns the index of the quotation mark that ends the string at i.
func endOfString[T string | []byte](text T, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// DecodeBase64URL decodes unpadded base64url (RFC 7515, section 2). Unused bits that
// are set are an error, and so are line breaks, which encoding/base64 skips.
func DecodeBase64URL(encoded string) ([]byte, error) {
	if strings.ContainsRune(encoded, '\r') || strings.ContainsRune(encoded, '\n') {
		return nil, errLineBreak
	}
	return base64.RawURLEncoding.Strict().DecodeString(encoded)
}

// IsToken68 reports whether s is a token68 (RFC 9110, section 11.2), which is all
// that may follow Bearer.
func IsToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !token68[s[i]] {
			return false
		}
	}
	return s != ""
}

// token68 is a table because tokens are long.
var token68 = func() (allowed [256]bool) {
	for c := range allowed {
		allowed[c] = IsAlphanumeric(byte(c)) || strings.IndexByte("-._~+/", byte(c)) >= 0
	}
	return allowed
}()

// IsAlphanumeric reports whether c is an ASCII letter or digit.
func IsAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
