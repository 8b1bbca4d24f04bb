// Package strict decodes what a stranger sends, and takes one notation only: that of
// the RFCs. Decoders that are lenient let the same token be read in two ways.
package strict

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNotAnObject = errors.New("not a JSON object")
	errNotUTF8     = errors.New("not UTF-8")
	errDuplicate   = errors.New("duplicate member name")
	errNoName      = errors.New("a member without a name or a value")
	errLineBreak   = errors.New("a line break in base64url")
)

// UnmarshalObject decodes exactly one JSON object. Member names match exactly;
// a duplicate name at any depth, invalid UTF-8 and trailing data are errors. It is
// go-json-experiment, the origin of encoding/json/v2, because encoding/json can't do
// that. What is costly there is done here: see withShortNames. A map gets no name
// of more than 64 bytes.
func UnmarshalObject(data []byte, v any) error {
	if jsontext.Value(data).Kind() != '{' {
		return errNotAnObject
	}
	if !utf8.Valid(data) {
		return errNotUTF8
	}
	data, err := withShortNames(data)
	if err != nil {
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

// maxName is the longest name of a member that may be decoded.
const maxName = 64

var seed = maphash.MakeSeed()

// withShortNames reports an object in a JSON text that has two members of one name. It
// returns a copy of the text in which long names are empty: json would copy them into
// its errors, with all names that lead there. A text that is not JSON stays so.
//
// It compares hashes of 64 bits, so it takes different names for the same in one of
// 10^13 texts of 1,000 members. The seed is random, so that can't be provoked.
func withShortNames(data []byte) ([]byte, error) {
	data = slices.Clone(data)
	var (
		hashes []uint64 // of each member: the number of its object, and its name
		key    []byte
	)
	err := eachName(data, func(object uint64, name []byte) (err error) {
		// AppendUnquote makes an error of each lone surrogate.
		if len(name) > maxName && !jsontext.Value(name).IsValid() {
			return errNoName
		}
		key = binary.LittleEndian.AppendUint64(key[:0], object)
		if key, err = jsontext.AppendUnquote(key, name); err != nil {
			return err
		}
		hashes = append(hashes, maphash.Bytes(seed, key))
		if len(key) > 8+maxName {
			for i := range name {
				name[i] = ' '
			}
			copy(name, `""`)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(hashes)
	if len(slices.Compact(hashes)) < len(hashes) {
		return nil, errDuplicate
	}
	return data, nil
}

// eachName calls f for each member of a JSON text, with the number of its object, and
// its name as it is written. In a text that is not JSON it finds no more names than
// there are colons, and one.
func eachName(data []byte, f func(object uint64, name []byte) error) error {
	var (
		objects uint64        // so far
		open    = []uint64{0} // the numbers of the objects that are open; 0: an array
		atName  bool          // the next string is a name
		atColon bool          // the last name has no colon yet
	)
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			objects++
			open, atName = append(open, objects), true
		case '[':
			open, atName = append(open, 0), false
		case '}', ']':
			open = open[:max(1, len(open)-1)]
		case ',':
			atName = open[len(open)-1] != 0
		case ':':
			atColon = false
		case '"':
			end := min(endOfString(data, i)+1, len(data))
			if atName {
				if atColon {
					return errNoName
				}
				if err := f(open[len(open)-1], data[i:end]); err != nil {
					return err
				}
				atName, atColon = false, true
			}
			i = end - 1
		}
	}
	return nil
}

// endOfString returns the index of the quotation mark that ends the string at i.
func endOfString(data []byte, i int) int {
	for i++; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
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

// DeltaSeconds reads delta-seconds (RFC 9111, section 1.2.2): too many are very many,
// and anything else is zero.
func DeltaSeconds(value string) time.Duration {
	seconds, _ := strconv.ParseUint(value, 10, 31)
	return time.Duration(seconds) * time.Second
}

// RetryAfter returns how long an answer asks to be left alone (RFC 9110, section
// 10.2.3), by delta-seconds or by a date: zero if it does not say, or the date is over.
func RetryAfter(value string, now time.Time) time.Duration {
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return DeltaSeconds(value)
}

// IsName reports whether s can be the name of a scope, a resource or an organization:
// nothing in it is white space or invisible. RFC 6749, section 3.3, allows only ASCII in
// scopes, but permissions in Logto may have any letters.
func IsName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) })
}

// IsAlphanumeric reports whether c is an ASCII letter or digit.
func IsAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
