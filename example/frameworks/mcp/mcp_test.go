package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

var server = parity.Server{
	Start:    parity.HTTP(routes).Start,
	Products: "/mcp", Orders: "/organizations/acme/mcp", OtherOrders: "/organizations/globex/mcp",
}

func TestRefusesAsNetHTTP(t *testing.T) {
	parity.Refuses(t, server)
	parity.RefusesWithoutKeys(t, server)
}

// Outside of the guard, a log finds the route.
func TestPattern(t *testing.T) {
	world := parity.NewWorld(t, nil)
	require.NoError(t, world.Guard.Ready(t.Context()))
	for path, pattern := range map[string]string{"/mcp": "/mcp", "/organizations/acme/mcp": "/organizations/{organizationID}/mcp"} {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		r.Header.Set("Authorization", "Bearer "+world.Logto.Mint(logtotest.Token{}))
		routes(world.Guard).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, pattern, r.Pattern)
	}
}

// authorized sends one value of Authorization with all requests.
type authorized string

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", string(a))
	return http.DefaultTransport.RoundTrip(r)
}

func connect(t *testing.T, url, authorization string) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1.0.0"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint:   url,
		HTTPClient: &http.Client{Transport: authorized(authorization)},
		MaxRetries: -1,
	}, nil)
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

func TestToolsSeeTheirCaller(t *testing.T) {
	world := parity.NewWorld(t, nil)
	url := server.Start(t, world.Guard)
	for _, row := range parity.Admitted {
		t.Run(row.Name, func(t *testing.T) {
			authorization := row.Authorization(world.Logto)
			session, err := connect(t, url+server.Path(row.Route), authorization[0])
			require.NoError(t, err)
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			require.NoError(t, err)
			require.False(t, result.IsError)
			want := map[string]any{"subject": "alice", "organization": ""}
			if row.Route == parity.Orders {
				want = map[string]any{"subject": "bob", "organization": "acme"}
			}
			require.Equal(t, want, result.StructuredContent)
		})
	}
	_, err := connect(t, url+server.Products, "Bearer a.b.c")
	require.ErrorContains(t, err, "Unauthorized")
}

// A proxy on the same machine hands on the name that clients asked for.
func TestBehindProxy(t *testing.T) {
	world := parity.NewWorld(t, nil)
	url := server.Start(t, world.Guard) + server.Products
	for authorization, want := range map[string]int{"": 401, parity.Admitted[0].Authorization(world.Logto)[0]: 200} {
		r, err := http.NewRequest("POST", url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
		require.NoError(t, err)
		r.Host = "mcp.example.com"
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, want, response.StatusCode)
		require.Equal(t, want == 200, strings.Contains(string(body), "whoami"))
	}
}

// A tool may ask for more than the way to it did.
func TestToolsAskForScopes(t *testing.T) {
	world := parity.NewWorld(t, nil)
	url := server.Start(t, world.Guard)
	for scope, refused := range map[string]bool{"write:products": false, "read:orders": true} {
		token := world.Logto.Mint(logtotest.Token{Subject: "carol", Scopes: []string{"read:products", scope}})
		session, err := connect(t, url+server.Products, "Bearer "+token)
		require.NoError(t, err)
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "delete_product"})
		require.NoError(t, err)
		require.Equal(t, refused, result.IsError)
		if refused {
			require.Equal(t, "the token does not hold the scope that is needed", result.Content[0].(*mcp.TextContent).Text)
		}
	}
}

// Neither a tool nor the guard ends the process.
func TestPanics(t *testing.T) {
	world := parity.NewPanickingWorld(t)
	shop := shopServer()
	mcp.AddTool(shop, &mcp.Tool{Name: "broken"}, func(_ context.Context, call *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, caller, error) {
		panic("no rule for " + claimsOf(call).Subject())
	})
	url := parity.HTTP(func(guard *logtoguard.Guard) http.Handler { return protect(guard, shop) }).Start(t, world.Guard) + server.Products
	_, err := connect(t, url, parity.Panics.Authorization(world.Logto)[0])
	require.Error(t, err)
	session, err := connect(t, url, parity.Admitted[0].Authorization(world.Logto)[0])
	require.NoError(t, err)
	for range 2 {
		_, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "broken"})
		var e *jsonrpc.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}, *e)
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
		require.NoError(t, err)
		require.False(t, result.IsError)
	}
}

func TestTokenInfo(t *testing.T) {
	world := parity.NewWorld(t, nil)
	claims, err := world.Guard.Verify(t.Context(), world.Logto.Mint(logtotest.Token{
		Subject: "bob", ClientID: "webshop", OrganizationID: "acme", Scopes: []string{"read:orders"}}))
	require.NoError(t, err)
	info, err := tokenInfo(logtoguard.ContextWithClaims(t.Context(), claims), "", nil)
	require.NoError(t, err)
	require.Equal(t, "bob", info.UserID)
	require.Equal(t, claims.ExpiresAt(), info.Expiration)
	require.Empty(t, info.Scopes, "nobody has accepted the organization")

	claims, err = claims.ForOrganization("acme")
	require.NoError(t, err)
	info, err = tokenInfo(logtoguard.ContextWithClaims(t.Context(), claims), "", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"read:orders"}, info.Scopes)
}

// A client that knows nothing but the address finds its way to Logto: RFC 9728.
func TestClientsFindLogto(t *testing.T) {
	world := parity.NewWorld(t, nil)
	url := server.Start(t, world.Guard)
	require.Contains(t, parity.Ask(t, url+server.Products, nil).Challenge[0],
		`resource_metadata="https://parity.example/.well-known/oauth-protected-resource/api"`)
	answer := parity.Ask(t, url+"/.well-known/oauth-protected-resource/api", nil)
	require.Equal(t, 200, answer.Status)
	require.Contains(t, answer.Body, `"authorization_servers":["`+world.Logto.Endpoint()+`/oidc"]`)
}

// Whoever forgets the guard lets nobody in.
func TestWithoutGuard(t *testing.T) {
	response := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/mcp", nil)
	r.Header.Set("Authorization", "Bearer a.b.c")
	bearer(http.NotFoundHandler()).ServeHTTP(response, r)
	require.Equal(t, 401, response.Code)
	_, err := tokenInfo(t.Context(), "", nil)
	require.ErrorIs(t, err, auth.ErrInvalidToken)

	for _, extra := range []*mcp.RequestExtra{nil, {}, {TokenInfo: &auth.TokenInfo{}}} {
		require.Error(t, claimsOf(&mcp.CallToolRequest{Extra: extra}).CheckScope("write:products"))
	}
}

func TestRuns(t *testing.T) {
	world := parity.NewWorld(t, nil)
	url := "http://" + parity.Run(t, world.Logto) + server.Products
	require.Equal(t, 401, parity.Ask(t, url, nil).Status)
	session, err := connect(t, url, parity.Admitted[0].Authorization(world.Logto)[0])
	require.NoError(t, err)
	tools, err := session.ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, tools.Tools, 2)
}
