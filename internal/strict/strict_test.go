package strict

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
)

func TestUnmarshalObject(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true, ` {"a":1} `: true, `{"a":{"b":[1]},"b":2}`: true,
		``: false, `null`: false, `[]`: false, `"a"`: false, `1`: false, `{`: false,
		`{"a":1,"a":2}`: false, `{"a":1,"\u0061":2}`: false, `{"b":{"a":1,"a":2}}`: false,
		`{} {}`: false, `{}x`: false, `{"a":1,}`: false, `{'a':1}`: false, `{"a":NaN}`: false,
		"{\"a\":\"\xff\"}": false, "\ufeff{}": false,
	} {
		var members map[string]any
		err := UnmarshalObject([]byte(text), &members)
		assert.Equal(t, ok, err == nil, "%s: %v", text, err)
	}
	var named struct {
		A int `json:"a"`
	}
	assert.NoError(t, UnmarshalObject([]byte(`{"A":2,"a":1}`), &named))
	assert.Equal(t, 1, named.A, "names match exactly")
}

func TestMeasure(t *testing.T) {
	for text, want := range map[string][2]int{
		`0`: {0, 0}, `{}`: {1, 0}, `[]`: {1, 0}, `{"a":1}`: {1, 1}, `[[],[[]],[]]`: {3, 0}, `{"a":{"b":[{"c":1,"d":2}]},"e":3}`: {4, 5},
		`{"{[:":"{[:","\"{[:":"\\","\\":"\\\"{[:"}`: {1, 3}, ` { "a" : { } } `: {2, 1},
		// No JSON:
		``: {0, 0}, `}}}{`: {0, 0}, `}{{`: {1, 0}, `:::`: {0, 3}, `{"a:{`: {1, 0}, `{"\`: {1, 0}, `"`: {0, 0}, `[{[{`: {4, 0},
	} {
		depth, members := Measure([]byte(text))
		assert.Equal(t, want, [2]int{depth, members}, text)
	}
}

// What is decoded is what jsontext, asked to refuse duplicates, takes for an object.
func agree(t *testing.T, text []byte) {
	t.Helper()
	var ours, theirs any
	err := UnmarshalObject(text, &ours)
	want := json.Unmarshal(text, &theirs)
	if _, isObject := theirs.(map[string]any); want == nil && isObject {
		assert.NoError(t, err, "%q", text)
		if len(text) <= maxName {
			assert.Equal(t, theirs, ours, "%q", text)
		}
	} else {
		assert.Error(t, err, "%q: %v", text, want)
	}
}

func TestDuplicates(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{`"a"`, `"b"`, `"\u0061"`, `"\u0062"`, `""`, `"\\"`, `"\""`, `":"`, `"é"`, `"\u00e9"`, `"{"`, `"}"`, `"["`, "\"\xff\"", `"a`, `a`}
	var value func(depth int) string
	value = func(depth int) string {
		var parts []string
		n := random.IntN(4)
		switch kind := random.IntN(4); {
		case depth == 0 || kind == 0:
			return []string{`0`, `"a"`, `null`, `"\\"`, `"\":"`}[random.IntN(5)]
		case kind == 1:
			for range n {
				parts = append(parts, value(depth-1))
			}
			return "[" + strings.Join(parts, ",") + "]"
		}
		for range n {
			parts = append(parts, names[random.IntN(len(names))]+":"+value(depth-1))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for range 20_000 {
		agree(t, []byte(value(4)))
	}
}

// Long names are only compared.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("~", maxName)
	for text, want := range map[string]map[string]any{
		`{"` + long + `":1,"b":2}`:                        {long: 1., "b": 2.},
		`{"` + long + `~":1,"b":2}`:                       {"": 1., "b": 2.},
		`{"` + long + `\u0061":1,"` + long + `b":2}`:      {"": 2.},
		`{"b":{"` + long + `\n":1},"` + long + `\n":2}`:   {"b": map[string]any{"": 1.}, "": 2.},
		`{"b":"` + long + `~"}`:                           {"b": long + "~"},
		`{"` + strings.Repeat(`\u0061`, maxName) + `":1}`: {strings.Repeat("a", maxName): 1.},
	} {
		var got map[string]any
		assert.NoError(t, UnmarshalObject([]byte(text), &got), text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{
		`{"` + long + `a":1,"b":2,"` + long + `\u0061":3}`, `{"` + long + `\x":1}`, `{"` + long + "\n" + `":1}`, `{"` + long + `a"x":1}`, `{"` + long + `a":}`, `{"` + long + `a"::1}`, `["` + long + `a":1]`,
	} {
		var got any
		assert.Error(t, UnmarshalObject([]byte(text), &got), text)
	}
}

func FuzzUnmarshalObject(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1},"b":2}`, `{"a":{"a":1,"b":[{"a":1},{"a":1}]}}`, `{"a":1,"b":{"c":1,"c":1}}`, `{:}`, `}:`, `{"\`, `{"a`, `:`} {
		f.Add([]byte(text))
	}
	f.Fuzz(agree)
}

func TestDecodeBase64URL(t *testing.T) {
	for text, want := range map[string]string{"": "", "YQ": "a", "YWI": "ab", "YWJj": "abc", "_-8": "\xff\xef"} {
		got, err := DecodeBase64URL(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, string(got))
	}
	for _, text := range []string{"Y", "YQ==", "YR", "YWJ", "/+8", "Y Q", "YQ\n", "Y\rQ", "YQ.", "é"} {
		_, err := DecodeBase64URL(text)
		assert.Error(t, err, "%q", text)
	}
}

func TestIsToken68(t *testing.T) {
	for _, text := range []string{"a", "aZ09-._~+/", "abc=", "abc=="} {
		assert.True(t, IsToken68(text), text)
	}
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
	for c := range 256 {
		assert.Equal(t, strings.IndexByte(allowed, byte(c)) >= 0, IsToken68("a"+string([]byte{byte(c)})+"a"), "%q", byte(c))
	}
	for _, text := range []string{"", "=", "==", "a b", "a=b", "a,b", "a\n", "a\x00", "é", "a\xff", `"a"`} {
		assert.False(t, IsToken68(text), "%q", text)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(1994, time.November, 6, 8, 49, 7, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"30": 30 * time.Second, "Sun, 06 Nov 1994 08:49:37 GMT": 30 * time.Second,
		"": 0, "0": 0, "-30": 0, "soon": 0, "Sun, 06 Nov 1994 08:49:07 GMT": 0, "Sun, 06 Nov 1994 08:48:37 GMT": 0,
		"Sun, 06 Nov 1994 08:49:37 CET": 0, "1994-11-06T08:49:37Z": 0,
	} {
		assert.Equal(t, want, RetryAfter(value, now), "%q", value)
	}
}

func TestIsName(t *testing.T) {
	for _, text := range []string{"a", "read:orders", "https://shopping.api/read", "!~", `a"\`, "заказы:читать", "読む", "e\u0301", "🛒"} {
		assert.True(t, IsName(text), "%q", text)
	}
	for _, text := range []string{"", " ", "a b", "a\n", "\ta", "a\r", "a\x00", "a\x7f", "\ufeffa", "a\u00a0", "a\u200b", "a\u2028", "a\u3000", "a\u00ad", "a\u202e", "a\xff"} {
		assert.False(t, IsName(text), "%q", text)
	}
}

func TestDeltaSeconds(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"1": time.Second, "060": time.Minute, "2147483647": math.MaxInt32 * time.Second,
		"2147483648": math.MaxInt32 * time.Second, "99999999999999999999": math.MaxInt32 * time.Second,
		"": 0, "0": 0, "-1": 0, "+1": 0, "1.5": 0, " 1": 0, "1_0": 0, "0x1": 0, "soon": 0, "1s": 0,
	} {
		assert.Equal(t, want, DeltaSeconds(value), "%q", value)
	}
}
