package main

import (
	"io"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettings(t *testing.T) {
	for name, row := range map[string]struct {
		vars vars
		want settings
	}{
		"none": {nil, settings{
			demo: true, api: "http://127.0.0.1:8080", endpoint: "http://127.0.0.1:3001",
			audience: "https://shopping.api", tenantID: "default",
		}},
		"demo elsewhere": {vars{"ADDR": "[::1]:1", "DEMO_LOGTO_ADDR": "localhost:2", "LOGTO_AUDIENCE": "https://other.api"}, settings{
			demo: true, api: "http://[::1]:1", endpoint: "http://localhost:2",
			audience: "https://other.api", tenantID: "default",
		}},
		"real": {vars{"LOGTO_ENDPOINT": "https://abc.logto.app/oidc/", "LOGTO_APP_ID": "app", "LOGTO_APP_SECRET": "s3cret"}, settings{
			api: "http://127.0.0.1:8080", endpoint: "https://abc.logto.app",
			audience: "https://shopping.api", appID: "app", appSecret: "s3cret", tenantID: "default",
		}},
		"real, with everything": {vars{
			"LOGTO_ENDPOINT": "http://logto:3001", "LOGTO_APP_ID": "app", "LOGTO_APP_SECRET": "s3cret", "LOGTO_AUDIENCE": "https://other.api",
			"LOGTO_TENANT_ID": "abc", "LOGTO_ORGANIZATION_ID": "org", "LOGTO_INSECURE_HTTP": "1", "API_URL": "http://shop:8080/v1/", "ADDR": "nonsense",
		}, settings{
			api: "http://shop:8080/v1", endpoint: "http://logto:3001", audience: "https://other.api",
			appID: "app", appSecret: "s3cret", organization: "org", tenantID: "abc", insecureHTTP: true,
		}},
		"real, all addresses": {vars{"LOGTO_ENDPOINT": "https://a.example", "LOGTO_APP_ID": "app", "LOGTO_APP_SECRET": "s3cret", "ADDR": ":8080"}, settings{
			api: "http://localhost:8080", endpoint: "https://a.example",
			audience: "https://shopping.api", appID: "app", appSecret: "s3cret", tenantID: "default",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := readSettings(func(name string) string { return row.vars[name] })
			require.NoError(t, err)
			require.Equal(t, row.want, set)
		})
	}
}

// TestSettingsThatAreRefused has a row for each way to set things wrong, and what
// the error must say.
func TestSettingsThatAreRefused(t *testing.T) {
	realLogto := func(more vars) vars {
		set := vars{"LOGTO_ENDPOINT": "https://a.example", "LOGTO_APP_ID": "app", "LOGTO_APP_SECRET": "s3cret"}
		maps.Copy(set, more)
		return set
	}
	for name, row := range map[string]struct {
		vars vars
		text []string
	}{
		"real without Logto":     {vars{"LOGTO_APP_ID": "a", "API_URL": "http://127.0.0.1:1"}, []string{"for a real Logto only: LOGTO_APP_ID, API_URL: set LOGTO_ENDPOINT too"}},
		"no port":                {vars{"ADDR": "127.0.0.1", "DEMO_LOGTO_ADDR": "localhost:"}, []string{`ADDR is "127.0.0.1": write host:port`, `DEMO_LOGTO_ADDR is "localhost:"`}},
		"no host":                {vars{"ADDR": "a b:1"}, []string{"ADDR is not an http(s) URL"}},
		"any port":               {vars{"ADDR": "127.0.0.1:0"}, []string{`ADDR is "127.0.0.1:0"`, "the one that the API printed"}},
		"another machine":        {vars{"ADDR": "192.0.2.1:80", "DEMO_LOGTO_ADDR": "logto:1"}, []string{`ADDR is "192.0.2.1:80"`, `DEMO_LOGTO_ADDR is "logto:1"`, "loopback"}},
		"odd audience":           {vars{"LOGTO_AUDIENCE": "https://shopping.api\n"}, []string{"LOGTO_AUDIENCE has white space"}},
		"no application":         {vars{"LOGTO_ENDPOINT": "https://a.example"}, []string{"LOGTO_APP_ID is empty", "LOGTO_APP_SECRET is empty"}},
		"not an endpoint":        {realLogto(vars{"LOGTO_ENDPOINT": "tenant"}), []string{"LOGTO_", "Endpoint is not an http(s) URL"}},
		"endpoint over http":     {realLogto(vars{"LOGTO_ENDPOINT": "http://logto:3001"}), []string{"LOGTO_", "Endpoint is not encrypted"}},
		"line break":             {realLogto(vars{"LOGTO_APP_SECRET": "s3cret\n", "LOGTO_ORGANIZATION_ID": " org"}), []string{"AppSecret has white space", "OrganizationID has white space"}},
		"not a bool":             {realLogto(vars{"LOGTO_INSECURE_HTTP": "s3cret"}), []string{"LOGTO_INSECURE_HTTP is neither true nor false"}},
		"tenant's address":       {realLogto(vars{"LOGTO_TENANT_ID": "https://s3cret.logto.app"}), []string{"LOGTO_TENANT_ID is not a tenant's ID"}},
		"API isn't a URL":        {realLogto(vars{"API_URL": "s3cret:8080"}), []string{"API_URL is not an http(s) URL"}},
		"API with a password":    {realLogto(vars{"API_URL": "https://app:s3cret@shop.example"}), []string{"API_URL has a user name"}},
		"API over http":          {realLogto(vars{"API_URL": "http://shop:8080"}), []string{"API_URL leads to another machine without encryption"}},
		"address over http":      {realLogto(vars{"ADDR": "192.0.2.1:80"}), []string{"ADDR leads to another machine", "set API_URL"}},
		"several things at once": {vars{"LOGTO_ENDPOINT": "tenant", "LOGTO_TENANT_ID": "/", "API_URL": "/"}, []string{"LOGTO_APP_ID", "LOGTO_APP_SECRET", "LOGTO_TENANT_ID", "Endpoint"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), func(name string) string { return row.vars[name] }, io.Discard)
			require.Error(t, err)
			for _, text := range row.text {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}
