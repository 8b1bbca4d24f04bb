package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/logtoguard/logtoguard/internal/strict"
)

// What a guard takes: longer tokens are not read here either.
const (
	maxRead      = 16 << 10
	maxDepth     = 32
	maxMembers   = 1000
	maxAudiences = 16
	maxNumber    = 64 // bytes of a time
)

// reading is what a token seems to say. It is for display and for advice: nothing
// is judged by it, and it is not verified.
type reading struct {
	size      int
	sendable  bool // a token68, so that it can follow Bearer
	parts     []string
	header    object
	claims    object
	signature int  // bytes
	encoded   bool // all parts are strict base64url
	depth     int  // of the objects and arrays in header and claims
	members   int  // of all objects in header and claims
}

// token68 is that of RFC 9110, section 11.2.
var token68 = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

func read(token string) (r reading) {
	r.size = len(token)
	if r.size > maxRead {
		return r
	}
	r.sendable = token68.MatchString(token)
	r.parts = strings.Split(token, ".")
	if len(r.parts) < 2 {
		return r
	}
	header, errHeader := decode(r.parts[0])
	claims, errClaims := decode(r.parts[1])
	r.header, r.claims = readObject(header), readObject(claims)
	for _, part := range [][]byte{header, claims} {
		depth, members := strict.Measure(part)
		r.depth, r.members = max(r.depth, depth), r.members+members
	}
	if len(r.parts) == 3 {
		signature, err := decode(r.parts[2])
		r.signature = len(signature)
		r.encoded = errHeader == nil && errClaims == nil && err == nil && !strings.ContainsAny(token, "\r\n")
	}
	return r
}

func decode(part string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(part) }

// looksWhole reports whether a guard would get as far as the header's members.
func (r reading) looksWhole() bool {
	return r.encoded && r.header.strict && !r.tooDeep() && !r.tooMany()
}

func (r reading) tooDeep() bool { return r.encoded && r.depth > maxDepth }

func (r reading) tooMany() bool { return r.encoded && r.members > maxMembers }

// form describes the token without showing it.
func (r reading) form() string {
	dots := len(r.parts) - 1
	switch {
	case r.size > maxRead:
		return "more than 16 KiB"
	case dots <= 0:
		return fmt.Sprintf("%d bytes without a dot", r.size)
	case dots != 2:
		return fmt.Sprintf("%d parts", dots+1)
	case !r.encoded:
		return "three parts, not all of them base64url"
	case r.tooDeep():
		return fmt.Sprintf("objects and arrays nested %d deep", r.depth)
	case r.tooMany():
		return fmt.Sprintf("%d members in header and claims", r.members)
	case !r.header.strict:
		return "a header that is " + r.header.fault()
	}
	return fmt.Sprintf("three parts, %d bytes", r.size)
}

// object is a JSON object, as far as it can be read.
type object struct {
	members []member // in the order they came
	strict  bool     // valid throughout, and no name twice
}

type member struct {
	name string
	raw  jsontext.Value
}

func readObject(data []byte) (o object) {
	value := jsontext.Value(data)
	o.strict = value.Kind() == '{' && value.IsValid()
	decoder := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return o
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			break
		}
		m := member{name: name.String()}
		raw, err := decoder.ReadValue()
		if err != nil {
			break
		}
		m.raw = raw.Clone()
		o.members = append(o.members, m)
	}
	return o
}

// fault says why an object is not strict.
func (o object) fault() string {
	if len(o.members) > 0 {
		return "cut off, not valid UTF-8, or has a member twice"
	}
	return "not a JSON object"
}

func (o object) get(name string) jsontext.Value {
	for _, m := range o.members {
		if m.name == name {
			return m.raw
		}
	}
	return nil
}

func (o object) has(name string) bool { return o.get(name) != nil }

func (o object) text(name string) string {
	s, _ := textOf(o.get(name))
	return s
}

// texts are the strings of an array of them, or the one string.
func (o object) texts(name string) (list []string, ok bool) {
	raw := o.get(name)
	if raw.Kind() != '[' {
		s, ok := textOf(raw)
		return []string{s}, ok
	}
	for _, element := range elements(raw) {
		s, ok := textOf(element)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

func (o object) instant(name string) (t time.Time, ok bool) {
	raw := o.get(name)
	if raw.Kind() != '0' || len(raw) > maxNumber {
		return t, false
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	// What time.Time can hold and write.
	if err != nil || seconds < -62135596800 || seconds >= 253402300800 {
		return t, false
	}
	whole := int64(seconds)
	return time.Unix(whole, int64((seconds-float64(whole))*1e9)).UTC(), true
}

func textOf(raw jsontext.Value) (string, bool) {
	if raw.Kind() != '"' {
		return "", false
	}
	s, err := jsontext.AppendUnquote(nil, raw)
	return string(s), err == nil
}

// elements are those of a JSON array, as far as it can be read.
func elements(array jsontext.Value) (list []jsontext.Value) {
	decoder := jsontext.NewDecoder(bytes.NewReader(array), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '[' {
		return nil
	}
	for decoder.PeekKind() != ']' {
		raw, err := decoder.ReadValue()
		if err != nil {
			break
		}
		list = append(list, raw.Clone())
	}
	return list
}

const maxShown = 300

// show makes what a stranger wrote safe for a terminal: anything but one line of
// plain ASCII is quoted, and much of it is cut.
func show(s string) string {
	rest := len(s) - maxShown
	if rest > 0 {
		s = s[:maxShown]
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(s) != s {
		s = strconv.QuoteToASCII(s)
	}
	if rest > 0 {
		s += fmt.Sprintf("… (and %d bytes)", rest)
	}
	return s
}

// absent stands for a member that is not there.
const absent = "none"

// showValue shows strings as they are, unless they read like something else, and
// all else as JSON.
func showValue(raw jsontext.Value) string {
	s, ok := textOf(raw)
	if !ok || s == absent || jsontext.Value(s).IsValid() {
		return showJSON(raw)
	}
	return show(s)
}

func showJSON(raw jsontext.Value) string {
	if raw == nil {
		return absent
	}
	return show(string(raw))
}

func showAll(list []string) string { return showJoined(list, " ") }

func showAny(list []string) string { return showJoined(list, " or ") }

func showJoined(list []string, between string) string {
	shown := make([]string, len(list))
	for i, s := range list {
		shown[i] = show(s)
	}
	return strings.Join(shown, between)
}
