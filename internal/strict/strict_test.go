package strict

import (
	"strings"
	"testing"

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
