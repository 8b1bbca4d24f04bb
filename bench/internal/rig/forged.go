package rig

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

// A Forger makes forged tokens of a good one: the same but for the signature, which
// is of random bytes and costs the server that checks it as much as a valid one. It
// is cheap to make, unlike a signature.
type Forger struct {
	header             string // encoded, and its dot
	payload, signature []byte
}

// NewForger starts with that token, which need not have a valid signature.
func NewForger(good string) *Forger {
	parts := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err) // only tokens made here come here
	}
	return &Forger{parts[0] + ".", payload, make([]byte, len(parts[2])*3/4)}
}

// Append appends a forged token to b, another one each time.
func (f *Forger) Append(b []byte) []byte {
	rand.Read(f.signature) // never fails
	b = append(b, f.header...)
	b = base64.RawURLEncoding.AppendEncode(b, f.payload)
	b = append(b, '.')
	return base64.RawURLEncoding.AppendEncode(b, f.signature)
}

// Rename gives the tokens that follow a subject that no token has had before.
func (f *Forger) Rename() {
	const member = `"sub":"`
	begin := bytes.Index(f.payload, []byte(member)) + len(member)
	copy(f.payload[begin:begin+subjectLength], rand.Text())
}

// Forge makes one forged token.
func Forge(good string) string { return string(NewForger(good).Append(nil)) }

// MaxToken is how long the Worst tokens are, or a few bytes less. logtoguard refuses
// longer ones unread.
const MaxToken = 16 << 10

// Worst are tokens of 16 KiB, by what they are full of. The right issuer, key ID and
// times get them as far as they can; their signatures are forged.
var Worst = []struct {
	Kind string
	Make func(*Rig) string
}{
	{"numbers in aud", stuffed(payload, "aud", repeated("[", "0,", `0]`))},
	{"strings in aud", stuffed(payload, "aud", repeated("[", `"",`, `"`+Audience+`"]`))},
	{"nested objects", stuffed(payload, "x", nested(`{"":`, "0", "}"))},
	{"nested arrays", stuffed(payload, "x", nested("[", "", "]"))},
	{"many members", stuffed(payload, "x", members)},
	{"an array of objects", stuffed(payload, "x", repeated("[", "{},", "{}]"))},
	{"a string of escapes", stuffed(payload, "x", repeated(`"`, `\u00e9`, `"`))},
	{"a long number", stuffed(payload, "x", repeated("0.", "9", ""))},
	{"a long string", stuffed(payload, "x", repeated(`"`, "x", `"`))},
	{"nested arrays in the header", stuffed(header, "x", nested("[", "", "]"))},
	{"many members in the header", stuffed(header, "x", members)},
}

// The parts of a token.
const (
	header = iota
	payload
)

// stuffed makes tokens whose header or payload has a member that fills the room
// that is left. It takes the place of one with the same name.
func stuffed(part int, name string, fill func(room int) string) func(*Rig) string {
	return func(r *Rig) string {
		parts := strings.Split(Forge(r.With(name, "")), ".")
		text, err := base64.RawURLEncoding.DecodeString(parts[part])
		if err != nil {
			panic(err)
		}
		member := fmt.Sprintf("%q:", name)
		if part == header {
			text = append(text[:len(text)-1], ","+member+`""}`...)
		}
		parts[part] = ""
		room := (MaxToken - len(strings.Join(parts, "."))) * 3 / 4
		full := member + fill(room-len(text)+len(`""`))
		parts[part] = base64.RawURLEncoding.EncodeToString(bytes.Replace(text, []byte(member+`""`), []byte(full), 1))
		return strings.Join(parts, ".")
	}
}

func repeated(before, unit, after string) func(room int) string {
	return func(room int) string {
		return before + strings.Repeat(unit, (room-len(before)-len(after))/len(unit)) + after
	}
}

func nested(before, inside, after string) func(room int) string {
	return func(room int) string {
		deep := (room - len(inside)) / (len(before) + len(after))
		return strings.Repeat(before, deep) + inside + strings.Repeat(after, deep)
	}
}

// members is an object of many members with different names.
func members(room int) string {
	var b strings.Builder
	for i := 0; b.Len()+len(`,"zzz":0}`) <= room; i++ {
		fmt.Fprintf(&b, `,"%03x":0`, i)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}
