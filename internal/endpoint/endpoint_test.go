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
