package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

// Of the demo applications one may use the Management API.
func TestManagementAPI(t *testing.T) {
	f := newFixture(t)
	for application, want := range map[string]int{"shop-manager": 200, "shop-reader": 403, "no-role": 403, "acme-bot": 403} {
		client, err := m2m.New(m2m.Config{
			Endpoint:          f.logto.Endpoint(),
			AppID:             application,
			AppSecret:         application + "-secret",
			Resource:          m2m.ManagementResource("default"),
			Scopes:            []string{"all"},
			AcceptFewerScopes: true,
		})
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.logto.URL()+"/api/applications", nil)
		require.NoError(t, err)
		res, err := client.HTTPClient().Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, application)
	}
}
