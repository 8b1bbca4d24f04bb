package logtoguard

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const maxTokenSize = 16 << 10

// token is a JWS in compact serialization (RFC 7515, section 3.1), decoded.
type token struct {
	header, payload, signature []byte
	// signed is what the signature covers: the first two parts, still encoded.
	signed []byte
}

func parseToken(compact string) (t token, e *Error) {
	if len(compact) > maxTokenSize {
		return t, tokenTooLong.because(nil)
	}
	switch strings.Count(compact, ".") {
	case 0:
		return t, opaqueToken.because(nil)
	case 2:
	default:
		return t, malformedToken.because(nil)
	}
	// encoding/base64 skips line breaks, even when strict.
	if strings.ContainsAny(compact, "\r\n") {
		return t, malformedToken.because(nil)
	}
	lastDot := strings.LastIndexByte(compact, '.')
	t.signed = []byte(compact[:lastDot])
	header, payload, _ := strings.Cut(compact[:lastDot], ".")
	for _, part := range []struct {
		encoded string
		decoded *[]byte
	}{{header, &t.header}, {payload, &t.payload}, {compact[lastDot+1:], &t.signature}} {
		decoded, err := base64.RawURLEncoding.Strict().DecodeString(part.encoded)
		if err != nil {
			return t, malformedToken.because(err)
		}
		*part.decoded = decoded
	}
	return t, nil
}

// jsonValue is a member's value as it was sent: unlike a Go type it tells null
// and a wrong type from absence.
type jsonValue struct{ raw jsontext.Value }

func (v *jsonValue) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	v.raw = raw.Clone()
	return err
}

func (v jsonValue) present() bool { return v.raw != nil }

// text returns a string's value; any other kind is not ok.
func (v jsonValue) text() (s string, ok bool) {
	if v.raw.Kind() != '"' {
		return "", false
	}
	unquoted, err := jsontext.AppendUnquote(nil, v.raw)
	return string(unquoted), err == nil
}

// texts returns the elements of an array of strings, or the one string.
func (v jsonValue) texts() (list []string, ok bool) {
	if s, ok := v.text(); ok {
		return []string{s}, true
	}
	if v.raw.Kind() != '[' {
		return nil, false
	}
	var values []jsonValue
	if err := json.Unmarshal(v.raw, &values); err != nil {
		return nil, false
	}
	for _, value := range values {
		s, ok := value.text()
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// Beyond the year 9999 a time can't be written in RFC 3339, nor by time.Time's MarshalJSON.
const (
	firstSecond = -62135596800 // 0001-01-01T00:00:00Z
	endOfTime   = 253402300800 // 10000-01-01T00:00:00Z
)

// instant returns a NumericDate: seconds since 1970, fractions allowed (RFC 7519, section 2).
func (v jsonValue) instant() (t time.Time, ok bool) {
	if v.raw.Kind() != '0' {
		return t, false
	}
	seconds, err := strconv.ParseFloat(string(v.raw), 64)
	if err != nil || seconds < firstSecond || seconds >= endOfTime {
		return t, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

var errNotAnObject = errors.New("not a JSON object")

// decodeObject decodes one JSON object: member names match exactly, a duplicate
// name at any depth, invalid UTF-8 and trailing data are errors.
// go-json-experiment does that by default, which encoding/json can't (it is the
// origin of Go's own encoding/json/v2).
func decodeObject(data []byte, v any) error {
	if jsontext.Value(data).Kind() != '{' {
		return errNotAnObject
	}
	return json.Unmarshal(data, v)
}
