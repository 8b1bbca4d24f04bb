package logtoguard

import (
	"errors"
	"math"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/logtoguard/logtoguard/internal/strict"
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
	first, last := strings.IndexByte(compact, '.'), strings.LastIndexByte(compact, '.')
	var errs [3]error
	t.header, errs[0] = strict.DecodeBase64URL(compact[:first])
	t.payload, errs[1] = strict.DecodeBase64URL(compact[first+1 : last])
	t.signature, errs[2] = strict.DecodeBase64URL(compact[last+1:])
	if err := errors.Join(errs[:]...); err != nil {
		return t, malformedToken.because(err)
	}
	t.signed = []byte(compact[:last])
	return t, nil
}

// jsonValue is a member's value as it was sent: unlike a Go type it tells null
// and a wrong type from absence.
type jsonValue struct {
	kind   jsontext.Kind // 0: absent
	str    string
	number float64
	raw    jsontext.Value // of everything but strings and numbers
}

func (v *jsonValue) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v.kind = dec.PeekKind()
	if v.kind != '"' && v.kind != '0' {
		raw, err := dec.ReadValue()
		v.raw = raw.Clone()
		return err
	}
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if v.kind == '"' {
		v.str = token.String()
	} else {
		v.number = token.Float()
	}
	return nil
}

func (v *jsonValue) present() bool { return v.kind != 0 }

// text returns a string's value; any other kind is not ok.
func (v *jsonValue) text() (s string, ok bool) { return v.str, v.kind == '"' }

// texts returns the elements of an array of strings, or the one string.
func (v *jsonValue) texts() (list []string, ok bool) {
	if s, ok := v.text(); ok {
		return []string{s}, true
	}
	if v.kind != '[' {
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
func (v *jsonValue) instant() (t time.Time, ok bool) {
	if v.kind != '0' || v.number < firstSecond || v.number >= endOfTime {
		return t, false
	}
	whole, fraction := math.Modf(v.number)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}
