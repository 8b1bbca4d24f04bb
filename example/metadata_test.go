package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// TestMetadata asks as a client does that knows nothing but the API's address.
func TestMetadata(t *testing.T) {
	const own = "https://shop.example/.well-known/oauth-protected-resource"
	logto := logtotest.NewServer(logtotest.Tenant{})
	t.Cleanup(logto.Close)
	for name, row := range map[string]struct {
		vars map[string]string
		at   func(api string) string
	}{
		"its own address in the demo": {nil, func(api string) string { return api + "/.well-known/oauth-protected-resource" }},
		"the one that is set":         {map[string]string{"METADATA_URL": own}, func(string) string { return own }},
		"none with a real Logto":      {map[string]string{"LOGTO_ENDPOINT": logto.Endpoint()}, nil},
		"the one that is set, with a real Logto": {
			map[string]string{"LOGTO_ENDPOINT": logto.Endpoint(), "METADATA_URL": own}, func(string) string { return own }},
	} {
		t.Run(name, func(t *testing.T) {
			welcome, stop := start(t, row.vars)
			defer func() { require.NoError(t, stop()) }()
			api := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(welcome)
			refused, err := http.Get(api + "/products")
			require.NoError(t, err)
			defer refused.Body.Close()
			described, err := http.Get(api + "/.well-known/oauth-protected-resource")
			require.NoError(t, err)
			defer described.Body.Close()
			if row.at == nil {
				require.Equal(t, "Bearer", refused.Header.Get("WWW-Authenticate"))
				require.Equal(t, http.StatusUnauthorized, described.StatusCode, "as for any path")
				return
			}
			require.Equal(t, `Bearer resource_metadata="`+row.at(api)+`"`, refused.Header.Get("WWW-Authenticate"))
			require.Equal(t, http.StatusOK, described.StatusCode)
			var document struct {
				Resource string   `json:"resource"`
				Scopes   []string `json:"scopes_supported"`
			}
			require.NoError(t, json.NewDecoder(described.Body).Decode(&document))
			require.Equal(t, "https://shopping.api", document.Resource)
			require.Equal(t, []string{readProducts, writeProducts, readOrders, writeOrders}, document.Scopes)
		})
	}
}
