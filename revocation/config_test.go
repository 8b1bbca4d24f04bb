package revocation_test

import (
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
