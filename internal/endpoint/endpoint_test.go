package endpoint

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNormalize(t *testing.T) {
	for value, want := range map[string]string{
		"https://tenant-id.logto.app":          "https://tenant-id.logto.app",
		"https://tenant-id.logto.app/":         "https://tenant-id.logto.app",
		"https://tenant-id.logto.app//":        "https://tenant-id.logto.app",
		"https://tenant-id.logto.app/oidc":     "https://tenant-id.logto.app",
		"https://tenant-id.logto.app/oidc/":    "https://tenant-id.logto.app",
		"HTTPS://Tenant-ID.Logto.app:443":      "https://tenant-id.logto.app",
		"https://tenant-id.logto.app:":         "https://tenant-id.logto.app",
		"https://logto.example:8443/auth/":     "https://logto.example:8443/auth",
		"http://127.0.0.1:3001":                "http://127.0.0.1:3001",
		"http://[::1]:80":                      "http://[::1]",
		"http://localhost:3001":                "http://localhost:3001",
		"https://logto.example/not-oidc/oidcs": "https://logto.example/not-oidc/oidcs",
	} {
		got, err := Normalize("Endpoint", value, false)
		require.NoError(t, err, value)
		assert.Equal(t, want, got)
	}
}

// The values are those of new URL(value) in Node 20, by origin and path; "" is refused,
// here or there.
func TestNormalizeAsLogtoDoes(t *testing.T) {
	for value, want := range map[string]string{
		"https://logto.example:0443":       "https://logto.example",
		"https://logto.example:08443/auth": "https://logto.example:8443/auth",
		"http://127.0.0.1:00080":           "http://127.0.0.1",
		"https://logto.example:80":         "https://logto.example:80",
		"https://logto.example:0":          "https://logto.example:0",
		"https://logto.example:000":        "https://logto.example:0",
		"https://logto.example:65535":      "https://logto.example:65535",
		"https://logto.example:65536":      "",

		"http://[0:0:0:0:0:0:0:1]:3001":                     "http://[::1]:3001",
		"https://[2001:DB8::0:1]:8443":                      "https://[2001:db8::1]:8443",
		"https://[2001:db8:0:0:1:0:0:1]":                    "https://[2001:db8::1:0:0:1]",
		"https://[2001:0db8:0000:0000:0000:0000:0000:0001]": "https://[2001:db8::1]",
		"https://[1:0:3:4:5:6:7:8]":                         "https://[1:0:3:4:5:6:7:8]",
		"https://[1:2:3:4:5:6:7::]":                         "https://[1:2:3:4:5:6:7:0]",
		"https://[::ffff:192.0.2.1]":                        "https://[::ffff:c000:201]",
		"https://[::FFFF:0.0.0.1]":                          "https://[::ffff:0:1]",
		"https://[::192.0.2.1]":                             "https://[::c000:201]",
		"https://[64:ff9b::192.0.2.33]":                     "https://[64:ff9b::c000:221]",
		"https://[::]":                                      "https://[::]",
		"https://[fe80::1%25eth0]":                          "",
		"https://[1.2.3.4]":                                 "",
		"https://[::g]":                                     "",
		"https://[::192.0.02.1]":                            "",

		"https://2001:db8::1":           "",
		"https://::":                    "",
		"https://::1":                   "",
		"http://::1:3001":               "",
		"https://localhost::3001":       "",
		"https://logto.example::":       "",
		"https://logto.example:443:443": "",
		"https://a]":                    "",
		"https://a[b":                   "",
		"https://logto.example%80":      "",
		"https://logto.example%25":      "",
		"https://b%C3%BCcher.example":   "", // xn--bcher-kva.example there
		"https://a!$&'()*+,;=b":         "https://a!$&'()*+,;=b",

		"https://192.0.2.1":    "https://192.0.2.1",
		"https://192.0.2.1.":   "", // the rest of these is read in several ways
		"https://192.0.2.01":   "",
		"https://010.0.0.1":    "",
		"http://127.1":         "",
		"http://2130706433":    "",
		"http://0x7f.0.0.1":    "",
		"http://127.0.0.0x1":   "",
		"https://192.0.2.256":  "",
		"https://1.2.3.4.5":    "",
		"https://logto.09":     "",
		"https://logto.0X":     "",
		"https://0x7f.example": "https://0x7f.example",
		"https://09.example":   "https://09.example",
		"https://a_b.example.": "https://a_b.example.",

		"https://a|b":                              "",
		"https://a^b":                              "",
		`https://a\b`:                              "",
		"https://logto.example/a|b":                "",
		"https://logto.example/a^b":                "",
		`https://logto.example/a\b`:                "",
		"https://logto.example/{a}`<b>\"":          "",
		"https://logto.example/%7c%7C%41":          "https://logto.example/%7c%7C%41",
		"https://logto.example/a!$&'()*+,;=:@b~[]": "https://logto.example/a!$&'()*+,;=:@b~[]",
	} {
		got, err := Normalize("Endpoint", value, true)
		assert.Equal(t, want, got, value)
		assert.Equal(t, want == "", err != nil, value)
	}
}

func TestAdvice(t *testing.T) {
	for value, advice := range map[string]string{
		"https://010.0.0.1":         "four decimal numbers without leading zeros",
		"https://[fe80::1%25eth0]":  "IPv6 without a zone",
		"https://2001:db8::1":       "IPv6 in brackets",
		"https://b%C3%BC.example":   "punycode",
		"https://logto.example/a|b": "percent-encoded",
		`https://logto.example\a`:   "write it like",
	} {
		_, err := Normalize("Endpoint", value, true)
		assert.ErrorContains(t, err, advice, value)
	}
}

func TestSameOriginHoweverItIsWritten(t *testing.T) {
	for a, b := range map[string]string{
		"https://[::1]:0443":         "https://[0:0::1]/jwks",
		"http://LOGTO.example:080/x": "http://logto.example",
	} {
		first, err := url.Parse(a)
		require.NoError(t, err)
		second, err := url.Parse(b)
		require.NoError(t, err)
		assert.Equal(t, Origin(first), Origin(second))
	}
}

func TestFaultsSayTheField(t *testing.T) {
	for _, value := range []string{
		"", " ", "tenant-id.logto.app", "ftp://logto.example", "https://", "https:///oidc", "https://logto.example /", "https://a b",
		"http://logto.example", "https://user:secret@logto.example", "user:secret@logto.example", "https://logto.example?x=secret", "https://logto.example#secret",
		"https://bücher.example", "https://logto.example/é", "https://logto.example/a/../b", "https://logto.example//a", "https://logto.example/%2e%2e/a",
	} {
		_, err := Normalize("CustomDomains[1]", value, false)
		require.ErrorContains(t, err, "CustomDomains[1]", value)
		assert.NotContains(t, err.Error(), "secret")
	}
	_, err := Normalize("Endpoint", "http://logto.example", true)
	assert.NoError(t, err)
}

func TestIsConfidential(t *testing.T) {
	for address, want := range map[string]bool{
		"https://logto.example": true, "http://127.0.0.1": true, "http://127.8.8.8:3001": true, "http://[::1]": true, "http://LocalHost": true,
		"http://logto.example": false, "http://localhost.example": false, "http://10.0.0.1": false, "http://127.0.0.1.example": false, "ws://logto.example": false,
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		assert.Equal(t, want, IsConfidential(u), address)
	}
}
