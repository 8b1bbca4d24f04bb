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
	return json.Unmarshal(data, v)
}

// DecodeBase64URL decodes unpadded base64url (RFC 7515, section 2). Unused bits that
// are set are an error, and so are line breaks, which encoding/base64 skips.
func DecodeBase64URL(encoded string) ([]byte, error) {
	if strings.ContainsAny(encoded, "\r\n") {
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
