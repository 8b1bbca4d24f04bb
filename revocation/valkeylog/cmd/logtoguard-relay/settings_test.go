package main

import (
	"io"
	"log/slog"
	"maps"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type vars = map[string]string

func environment(set vars) func(string) string {
	return func(name string) string { return set[name] }
}

// with returns settings that are right, with others in their place.
func with(more vars) vars {
	set := vars{
		"ADDR": "127.0.0.1:0", "LOGTO_ENDPOINT": "https://abc.logto.app", "LOGTO_APP_ID": "app", "LOGTO_APP_SECRET": "s3cret",
		"LOGTO_HOOK_ID": "hook", "VALKEY_URL": "redis://127.0.0.1:1", "VALKEY_KEY": "logto:revocations",
	}
	maps.Copy(set, more)
	return set
}

func TestSettings(t *testing.T) {
	set, err := readSettings(environment(with(vars{"ADDR": ""})), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", set.addr)
	require.Equal(t, "logto:revocations", set.key)
	require.Equal(t, []string{"127.0.0.1:1"}, set.valkey.InitAddress)
	require.True(t, set.valkey.ForceSingleClient)
	require.Empty(t, set.revocation.SigningKeys)
	require.Equal(t, 24*time.Hour, set.revocation.MaxTokenLifetime)
	require.Equal(t, 5*time.Second, set.revocation.Events.Interval)
	require.Equal(t, "https://abc.logto.app", set.revocation.Events.Endpoint)
	require.Equal(t, "hook", set.revocation.Events.HookID)

	set, err = readSettings(environment(with(vars{
		"ADDR": ":80", "LOGTO_ENDPOINT": "http://logto:3001", "LOGTO_INSECURE_HTTP": "true", "LOGTO_TENANT_ID": "abc",
		"LOGTO_SIGNING_KEYS": "old, new", "MAX_TOKEN_LIFETIME": "1h", "INTERVAL": "1m",
		"VALKEY_URL": "rediss://relay:s3cret@a.example?addr=b.example:6380&addr=c.example:6380&master_set=main",
	})), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Equal(t, ":80", set.addr)
	require.Equal(t, []string{"a.example:6379", "b.example:6380", "c.example:6380"}, set.valkey.InitAddress)
	require.Equal(t, "main", set.valkey.Sentinel.MasterSet)
	require.Positive(t, set.valkey.Sentinel.TopologyRefreshInterval)
	require.False(t, set.valkey.ForceSingleClient)
	require.NotNil(t, set.valkey.TLSConfig)
	require.Equal(t, []string{"old", "new"}, set.revocation.SigningKeys)
	require.Equal(t, time.Hour, set.revocation.MaxTokenLifetime)
	require.Equal(t, time.Minute, set.revocation.Events.Interval)
}

func TestValkeyBySocket(t *testing.T) {
	option, err := readValkey("unix://relay:s3cret@/run/valkey.sock")
	require.NoError(t, err)
	require.Equal(t, []string{"/run/valkey.sock"}, option.InitAddress)
	require.Equal(t, "s3cret", option.Password)
	require.True(t, option.ForceSingleClient)
}

// TestSettingsThatAreRefused has a row for each way to set things wrong, and what the
// error must say.
func TestSettingsThatAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		vars vars
		text []string
	}{
		"none": {nil, []string{
			"LOGTO_ENDPOINT is empty", "LOGTO_APP_ID is empty", "LOGTO_APP_SECRET is empty", "LOGTO_HOOK_ID is not",
			"VALKEY_URL is not", "VALKEY_KEY is empty",
		}},
		"no port":                {with(vars{"ADDR": "127.0.0.1"}), []string{"ADDR is not host:port"}},
		"no such port":           {with(vars{"ADDR": "127.0.0.1:port"}), []string{"choose another address with ADDR"}},
		"not an endpoint":        {with(vars{"LOGTO_ENDPOINT": "s3cret"}), []string{"LOGTO_ENDPOINT is not an http(s) URL"}},
		"endpoint over http":     {with(vars{"LOGTO_ENDPOINT": "http://logto:3001"}), []string{"LOGTO_ENDPOINT is not encrypted", "set LOGTO_INSECURE_HTTP"}},
		"line break":             {with(vars{"LOGTO_APP_SECRET": "s3cret\n"}), []string{"LOGTO_APP_SECRET has white space"}},
		"not a bool":             {with(vars{"LOGTO_INSECURE_HTTP": "s3cret"}), []string{"LOGTO_INSECURE_HTTP is neither"}},
		"tenant's address":       {with(vars{"LOGTO_TENANT_ID": "https://s3cret.logto.app"}), []string{"LOGTO_TENANT_ID is not a tenant's ID"}},
		"hook's address":         {with(vars{"LOGTO_HOOK_ID": "https://s3cret.example/hooks/1"}), []string{"LOGTO_HOOK_ID is not a webhook's ID"}},
		"empty signing key":      {with(vars{"LOGTO_SIGNING_KEYS": "s3cret,"}), []string{"LOGTO_SIGNING_KEYS has an empty key"}},
		"not a URL of Valkey":    {with(vars{"VALKEY_URL": "http://:s3cret@valkey"}), []string{"VALKEY_URL is not the URL of a Valkey"}},
		"unescaped password":     {with(vars{"VALKEY_URL": "redis://:s3cret%@valkey"}), []string{"VALKEY_URL is not the URL of a Valkey", "percent-encoded"}},
		"database":               {with(vars{"VALKEY_URL": "redis://valkey/s3cret"}), []string{"VALKEY_URL is not the URL of a Valkey"}},
		"no key":                 {with(vars{"VALKEY_KEY": ""}), []string{"VALKEY_KEY is empty"}},
		"lifetime without unit":  {with(vars{"MAX_TOKEN_LIFETIME": "3600"}), []string{"MAX_TOKEN_LIFETIME is not a time above 0: write it like 24h"}},
		"interval of no time":    {with(vars{"INTERVAL": "0s"}), []string{"INTERVAL is not a time above 0: write it like 5s"}},
		"several things at once": {with(vars{"ADDR": "s3cret", "LOGTO_TENANT_ID": "/", "LOGTO_APP_ID": "", "INTERVAL": "s3cret"}), []string{"ADDR", "LOGTO_TENANT_ID", "LOGTO_APP_ID", "INTERVAL"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), environment(row.vars), io.Discard)
			require.Error(t, err)
			for _, text := range row.text {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	err = run(t.Context(), environment(with(vars{"ADDR": taken.Addr().String()})), io.Discard)
	require.ErrorContains(t, err, "choose another address with ADDR")
}
