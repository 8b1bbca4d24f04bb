package m2m_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

func TestRequestOnTheWire(t *testing.T) {
	for _, test := range []struct {
		name  string
		edit  func(*m2m.Config)
		url   string
		basic string
		body  string
	}{
		{"the guide's", scopes("read:products", "write:products"), "https://logto.example/oidc/token", basic("manager", appSecret),
			"grant_type=client_credentials&resource=https%3A%2F%2Fshopping.api&scope=read%3Aproducts+write%3Aproducts"},
		{"a scope twice", scopes("b", "a", "b"), "https://logto.example/oidc/token", basic("manager", appSecret),
			"grant_type=client_credentials&resource=https%3A%2F%2Fshopping.api&scope=b+a"},
		{"no scope", func(*m2m.Config) {}, "https://logto.example/oidc/token", basic("manager", appSecret),
			"grant_type=client_credentials&resource=https%3A%2F%2Fshopping.api"},
		{"in an organization", func(c *m2m.Config) { c.OrganizationID = "acme" }, "https://logto.example/oidc/token", basic("manager", appSecret),
			"grant_type=client_credentials&organization_id=acme&resource=https%3A%2F%2Fshopping.api"},
		{"for an organization", func(c *m2m.Config) { c.OrganizationID, c.Resource = "acme", "" }, "https://logto.example/oidc/token", basic("manager", appSecret),
			"grant_type=client_credentials&organization_id=acme"},
		{"special characters", func(c *m2m.Config) { c.AppID, c.AppSecret = "a:b/c", "p%+ '~:" }, "https://logto.example/oidc/token", basic("a%3Ab%2Fc", "p%25%2B+%27~%3A"),
			"grant_type=client_credentials&resource=https%3A%2F%2Fshopping.api"},
		{"an endpoint with a path", func(c *m2m.Config) { c.Endpoint = "https://example.com/auth/oidc/" }, "https://example.com/auth/oidc/token", basic("manager", appSecret),
			"grant_type=client_credentials&resource=https%3A%2F%2Fshopping.api"},
	} {
		t.Run(test.name, func(t *testing.T) {
			logto := &tokenEndpoint{answer: func(n int32, r *http.Request) (*http.Response, error) {
				assert.Equal(t, http.MethodPost, r.Method)
				assert.Equal(t, test.url, r.URL.String())
				assert.Equal(t, http.Header{
					"Content-Type":  {"application/x-www-form-urlencoded"},
					"Authorization": {"Basic " + test.basic},
				}, r.Header)
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				assert.Equal(t, test.body, string(body))
				return granted(n), nil
			}}
			client := newClient(t, test.edit, by(logto), func(c *m2m.Config) { c.AcceptFewerScopes = true })
			require.Equal(t, "token-1", token(t, client))
			require.EqualValues(t, 1, logto.requests.Load())
		})
	}
}

func TestNoProbingAfterARefusal(t *testing.T) {
	logto := &tokenEndpoint{answer: func(int32, *http.Request) (*http.Response, error) {
		return jsonAnswer(401, `{"error":"invalid_client"}`), nil
	}}
	refused(t, newClient(t, by(logto)))
	require.EqualValues(t, 1, logto.requests.Load())
}

func TestTokenOfLogto(t *testing.T) {
	logto, clock := newLogto(t)
	for _, test := range []struct {
		name    string
		edit    func(*m2m.Config)
		granted string
	}{
		{"one scope", scopes("read:products"), "read:products"},
		{"two scopes", scopes("read:products", "write:products"), "read:products write:products"},
		{"none asked for", scopes(), ""},
		{"fewer accepted", func(c *m2m.Config) {
			c.AppID, c.Scopes, c.AcceptFewerScopes = "reader", []string{"read:products", "write:products"}, true
		}, "read:products"},
		{"none of them accepted", func(c *m2m.Config) {
			c.AppID, c.Scopes, c.AcceptFewerScopes = "reader", []string{"write:products"}, true
		}, ""},
		{"in an organization", func(c *m2m.Config) {
			c.AppID, c.OrganizationID, c.Scopes = "bot", "acme", []string{"read:products"}
		}, "read:products"},
		{"for an organization", func(c *m2m.Config) {
			c.AppID, c.OrganizationID, c.Resource, c.Scopes = "bot", "acme", "", []string{"invite:member"}
		}, "invite:member"},
		{"special characters", func(c *m2m.Config) {
			c.AppID, c.AppSecret, c.Scopes = "odd/ID:%+~", "odd secret:%&=+/~", []string{"read:products"}
		}, "read:products"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := newClient(t, at(logto, clock), test.edit).Token(t.Context())
			require.NoError(t, err)
			assert.NotEmpty(t, got.AccessToken)
			assert.Equal(t, "Bearer", got.TokenType)
			assert.Equal(t, noon.Add(time.Hour), got.Expiry)
			assert.Equal(t, test.granted, got.Extra("scope"))
			assert.Empty(t, got.RefreshToken)
		})
	}
}

func TestTokensAreCopies(t *testing.T) {
	client := newClient(t, by(&tokenEndpoint{}))
	mine, err := client.Token(t.Context())
	require.NoError(t, err)
	mine.AccessToken, mine.TokenType, mine.Expiry = "changed", "mac", time.Time{}

	other, err := client.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "token-1", other.AccessToken)
	assert.Equal(t, "Bearer", other.TokenType)
	assert.False(t, other.Expiry.IsZero())
	assert.NotContains(t, other.Expiry.String(), "m=", "of the wall clock, not of one that may stand still")
}
