package logtoguard

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/logtoguard/logtoguard/internal/strict"
)

// What a token may hold: whatever comes, the work before its signature is checked
// stays below half of that check.
const (
	maxTokenSize = 16 << 10
	maxDepth     = 32   // objects and arrays in one another
	maxMembers   = 1000 // at every depth, in header and payload together
	maxAudiences = 16
	maxNumber    = 64 // bytes of a time: one of 800 digits can take 0.1 ms to parse
)

// token is a JWS in compact serialization (RFC 7515, section 3.1), decoded.
type token struct {
	header, payload, signature []byte
	// signed is what the signature covers: the first two parts, still encoded.
	signed string
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
	depth, members := strict.Measure(t.header)
	depth2, members2 := strict.Measure(t.payload)
	switch {
	case max(depth, depth2) > maxDepth:
		return t, tooDeep.because(nil)
	case members+members2 > maxMembers:
		return t, tooManyMembers.because(nil)
	}
	t.signed = compact[:last]
	return t, nil
}

// jsonObject decodes those members of an object that it has a place for. A struct would
// do, but for the names that it lacks: json folds the case of each, letter by letter.
type jsonObject map[string]json.UnmarshalerFrom

func (o jsonObject) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	var name []byte
	for dec.PeekKind() != '}' {
		quoted, err := dec.ReadValue()
		if err != nil {
			return err
		}
		name, _ = jsontext.AppendUnquote(name[:0], quoted)
		if place := o[string(name)]; place != nil {
			err = place.UnmarshalJSONFrom(dec)
		} else {
			err = dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// jsonValue is a member's value as it was sent: unlike a Go type it tells null
// and a wrong type from absence.
type jsonValue struct {
	kind jsontext.Kind // 0: absent
	str  string        // of a string; of a number as it is written: 1e-310 takes 16 µs to parse
}

func (v *jsonValue) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v.kind = dec.PeekKind()
	if v.kind != '"' && v.kind != '0' {
		return dec.SkipValue()
	}
	token, err := dec.ReadToken()
	if err == nil {
		v.str = token.String()
	}
	return err
}

func (v *jsonValue) present() bool { return v.kind != 0 }

// text returns a string's value; any other kind is not ok.
func (v *jsonValue) text() (s string, ok bool) {
	if v.kind != '"' {
		return "", false
	}
	return v.str, true
}

// audience is aud: a string, or an array of strings.
type audience struct {
	list    []string // at most maxAudiences
	valid   bool     // it is one of the two
	tooMany bool     // the array has more: they are skipped
}

func (a *audience) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	a.valid = true
	if dec.PeekKind() != '[' {
		return a.add(dec)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' && !a.tooMany {
		if err := a.add(dec); err != nil {
			return err
		}
	}
	for inside := dec.StackDepth(); dec.StackDepth() >= inside; {
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
	}
	return nil
}

func (a *audience) add(dec *jsontext.Decoder) error {
	if len(a.list) == maxAudiences {
		a.tooMany = true
		return nil
	}
	var v jsonValue
	err := v.UnmarshalJSONFrom(dec)
	s, ok := v.text()
	a.list, a.valid = append(a.list, s), a.valid && ok
	return err
}

// actor is act.sub. The tenant's script can write anything into act, and nothing is
// decided by it: what has another shape is no actor.
type actor struct{ subject jsonValue }

func (a *actor) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	return jsonObject{"sub": &a.subject}.UnmarshalJSONFrom(dec)
}

// Beyond the year 9999 a time can't be written in RFC 3339, nor by time.Time's MarshalJSON.
const (
	firstSecond = -62135596800 // 0001-01-01T00:00:00Z
	endOfTime   = 253402300800 // 10000-01-01T00:00:00Z
)

// instant returns a NumericDate: seconds since 1970, fractions allowed (RFC 7519, section 2).
func (v *jsonValue) instant() (t time.Time, ok bool) {
	if v.kind != '0' || len(v.str) > maxNumber {
		return t, false
	}
	seconds, err := strconv.ParseFloat(v.str, 64)
	if err != nil || seconds < firstSecond || seconds >= endOfTime {
		return t, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}
