package shop_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/shop"
	"github.com/logtoguard/logtoguard/logtotest"
)

// A user's plain token carries what the user holds in any organization.
func TestOrdersCountInAnOrganizationOnly(t *testing.T) {
	logto := logtotest.NewServer(logtotest.Tenant{})
	defer logto.Close()
	t.Setenv("LOGTO_ENDPOINT", logto.Endpoint())
	t.Setenv("LOGTO_AUDIENCE", "")
	t.Setenv("ADDR", "127.0.0.1:0")
	served := false
	shop.Run(logtoguard.Config{}, func(guard *logtoguard.Guard, listener net.Listener) error {
		defer listener.Close()
		defer guard.Close()
		claims, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{
			Audience: "https://shopping.api", Subject: "carol", ClientID: "webshop", Scopes: []string{"read:orders", "read:products"}}))
		require.NoError(t, err)
		require.Equal(t, []string{"read:products"}, claims.Scopes())
		served = true
		return nil
	})
	require.True(t, served)
}
