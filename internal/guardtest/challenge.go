package guardtest

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ParseChallenge reads a challenge with parameters by the grammar of RFC 9110,
// section 11.3, as a client would, and fails on anything else.
func ParseChallenge(t *testing.T, challenge string) (scheme string, params map[string]string) {
	t.Helper()
	const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	// qdtext and quoted-pair without obs-text, which not every parser takes.
	param := regexp.MustCompile(`^(` + token + `)="((?:[\t !#-\[\]-~]|\\[\t -~])*)"`)
	scheme, rest, found := strings.Cut(challenge, " ")
	require.Regexp(t, "^"+token+"$", scheme)
	params = map[string]string{}
	for found {
		m := param.FindStringSubmatch(rest)
		require.NotNil(t, m, "%s: a parameter is expected at %q", challenge, rest)
		require.NotContains(t, params, m[1])
		params[m[1]] = regexp.MustCompile(`\\(.)`).ReplaceAllString(m[2], "$1")
		rest = rest[len(m[0]):]
		if rest == "" {
			return scheme, params
		}
		rest, found = strings.CutPrefix(rest, ", ")
		require.True(t, found, "%s: no comma", challenge)
	}
	return scheme, params
}
