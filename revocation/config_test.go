package revocation_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/revocation"
)

func TestConfigFaults(t *testing.T) {
	_, err := revocation.New(revocation.Config{
		SigningKeys:      []string{"s3cret", "", " s3cret", "s3cret\n"},
		MaxTokenLifetime: -1,
		MaxStaleness:     10*time.Second - 1,
	})
	require.EqualError(t, err, `revocation: Config: SigningKeys[1] is empty or has white space around it: write it as Logto shows it on the webhook's page
SigningKeys[2] is empty or has white space around it: write it as Logto shows it on the webhook's page
SigningKeys[3] is empty or has white space around it: write it as Logto shows it on the webhook's page
MaxTokenLifetime is negative: set it to the longest lifetime of the tenant's access tokens, such as 24 h
MaxStaleness of 9.999999999s would refuse all requests on every hiccup: give at least 10s`)

	for _, cfg := range []revocation.Config{{}, {MaxStaleness: -1}, {MaxStaleness: 10 * time.Second}, {MaxTokenLifetime: 1}} {
		list, err := revocation.New(cfg)
		require.NoError(t, err)
		require.NoError(t, list.Ready(t.Context()))
		require.NoError(t, list.Close())
		require.NoError(t, list.Close())
	}
}

func TestListHidesItsKeys(t *testing.T) {
	list := newList(t, func(cfg *revocation.Config) { cfg.SigningKeys = []string{"whsec-1"} })
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("started", "list", list)
	for _, text := range []string{log.String(), fmt.Sprintf("%v %+v %#v", list, list, list), fmt.Sprintf("%v", struct{ L *revocation.List }{list})} {
		require.NotContains(t, text, "whsec-1")
		require.NotContains(t, text, fmt.Sprint([]byte("whsec-1"))) // as bytes
	}
}
