package safetext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWord(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"plain-word_1.2:/~":           "plain-word_1.2:/~",
		"two words":                   `"two words"`,
		"a=b":                         `"a=b"`,
		`a"b`:                         `"a\"b"`,
		`a\b`:                         `"a\\b"`,
		"line\nbreak":                 `"line\nbreak"`,
		"\x1b[31m":                    `"\x1b[31m"`,
		"\x7f":                        `"\x7f"`,
		"é\u202e":                     `"\u00e9\u202e"`,
		"\xff":                        `"\xff"`,
		strings.Repeat("x", 64):       strings.Repeat("x", 64),
		strings.Repeat("x", 65):       strings.Repeat("x", 64),
		strings.Repeat("x", 63) + "é": `"` + strings.Repeat("x", 63) + `\xc3"`,
	} {
		assert.Equal(t, want, Word(in), "%q", in)
	}
	long := strings.Repeat("y", 1000)
	assert.Equal(t, long, Quote(long))
}

func TestText(t *testing.T) {
	assert.Equal(t, `GET "x" = \y: EOF`, Text(`GET "x" = \y: EOF`))
	assert.Equal(t, "a?b?c?d?e??", Text("a\nb\x00c\x7fd\u202ee\xff\xfe"))
	assert.Len(t, Text(strings.Repeat("x", 513)), 512)
	long := strings.Repeat("é", 1000)
	assert.Equal(t, strings.Repeat("?", 1000), Printable(long))
}
