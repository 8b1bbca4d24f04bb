package attacks_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// retyped are texts that differ from a token at one place: white space, line breaks,
// padding, the other alphabet, look-alikes, NUL and what is no UTF-8.
func retyped(token string) []string {
	var all []string
	for i := range len(token) {
		before, char, after := token[:i], rune(token[i]), token[i+1:]
		for _, with := range []string{"", "\n", "\r\n", " ", "\t", "=", ".", "+", "/", "\x00", "\xff", "ſ", "K", "é", "%41"} {
			all = append(all, before+with+after)
		}
		for _, with := range []string{"\n", "\r", "\x00", "A"} {
			all = append(all, before+with+string(char)+after)
		}
		all = append(all, before+string(unicode.ToUpper(char))+after, before+string(unicode.ToLower(char))+after)
	}
	parts := strings.Split(token, ".")
	for _, order := range [][]int{{0, 1}, {0, 1, 2, 2}, {1, 0, 2}, {0, 2, 1}, {2, 1, 0}, {0, 0, 2}, {1, 1, 2}, {0}} {
		var some []string
		for _, i := range order {
			some = append(some, parts[i])
		}
		all = append(all, strings.Join(some, "."))
	}
	return append(all, token+"\n", token+"\x00", token+".", token+"A", token+"=", strings.Join(parts, ""), "", ".", "..", "...")
}

// otherEnds are texts with another last character in one part: some of its bits may
// be unused, four in the signatures of ES256 and RS256 for one.
func otherEnds(token string) []string {
	var all []string
	for i := range len(token) {
		if i+1 == len(token) || token[i+1] == '.' {
			for _, with := range base64Alphabet {
				all = append(all, token[:i]+string(with)+token[i+1:])
			}
		}
	}
	return all
}

var compactForm = regexp.MustCompile(`^[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$`)

// ofText is what is written down of a token's text. good is the only one that was signed.
func (r ruling) ofText(text, good string) error {
	switch {
	case text == "":
		return logtoguard.ErrNoToken
	case !strings.Contains(text, "."):
		return logtoguard.ErrOpaqueToken
	case !compactForm.MatchString(text):
		return logtoguard.ErrMalformed
	}
	var decoded []string
	for part := range strings.SplitSeq(text, ".") {
		data, err := base64.RawURLEncoding.DecodeString(part)
		// There is but one way to write what a part says.
		if err != nil || base64.RawURLEncoding.EncodeToString(data) != part {
			return logtoguard.ErrMalformed
		}
		decoded = append(decoded, string(data))
	}
	if err := r.of(decoded[0], decoded[1]); err != nil {
		return err
	}
	if text != good {
		return logtoguard.ErrWrongSignature
	}
	return nil
}

// TestSerialization changes the text of valid tokens at every place, and has each
// judged by the guard, which knows the one that is right, and by what is written down.
func TestSerialization(t *testing.T) {
	for _, algorithm := range guardtest.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) { // where unknown keys take no time
				s.Logto.Rotate(algorithm)
				logto := s.Logto
				guard := s.ReadyGuard(t, guardtest.ClockOf(logtotest.NewClock(guardtest.Now)))
				rules := ruling{key: logto.Key(), issuer: logto.Endpoint() + "/oidc"}
				judge := func(good string, texts []string) {
					_, err := guard.Verify(t.Context(), good)
					require.NoError(t, err)
					for _, text := range texts {
						_, err := guard.Verify(t.Context(), text)
						require.ErrorIs(t, err, rules.ofText(text, good), "%q", text)
					}
				}
				mint := func(subject string) string {
					return logto.Mint(logtotest.Token{Subject: subject, ClientID: "app"}, func(d *logtotest.Draft) {
						d.Claims["iat"], d.Claims["exp"] = guardtest.Now.Unix(), guardtest.Now.Unix()+3600
					})
				}
				user := mint("user")
				judge(user, retyped(user))
				// Payloads of each length that leaves bits unused, and of one that doesn't.
				for _, subject := range []string{"u", "us", "use"} {
					token := mint(subject)
					judge(token, otherEnds(token))
				}
			})
		})
	}
}
