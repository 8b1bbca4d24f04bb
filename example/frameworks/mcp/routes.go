package main

import (
	"context"
	"log"
	"net/http"
	"runtime/debug"

	"github.com/logtoguard/logtoguard"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func routes(guard *logtoguard.Guard) http.Handler { return protect(guard, shopServer()) }

func shopServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1.0.0"}, nil)
	server.AddReceivingMiddleware(recovered)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, whoAmI)
	mcp.AddTool(server, &mcp.Tool{Name: "delete_product"}, deleteProduct)
	return server
}

func protect(guard *logtoguard.Guard, server *mcp.Server) http.Handler {
	// Stateless: each request is judged by its own token, and there is no session to take over.
	// Behind a proxy on the same machine, Host is a name: without a token, DNS rebinding gains nothing.
	tools := bearer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, DisableLocalhostProtection: true}))
	inOrganization := logtoguard.RequireOrganization(func(r *http.Request) string { return r.PathValue("organizationID") })
	mux := http.NewServeMux()
	mux.Handle("/mcp", logtoguard.RequireScope("read:products")(tools))
	mux.Handle("/organizations/{organizationID}/mcp", inOrganization(logtoguard.RequireScope("read:orders")(tools)))
	outside := http.NewServeMux()
	outside.Handle("/.well-known/", guard.MetadataHandler()) // where clients learn which Logto to ask
	outside.Handle("/", guard.Handler(mux))
	return outside
}

// recovered answers a panic as net/http can't: tools are called in goroutines of the
// SDK's, where it would end the process.
func recovered(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (result mcp.Result, err error) {
		defer func() {
			if p := recover(); p != nil {
				log.Printf("panic: %v\n%s", p, debug.Stack())
				result, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
			}
		}()
		return next(ctx, method, r)
	}
}

type caller struct {
	Subject      string `json:"subject"`
	Organization string `json:"organization"`
}

func whoAmI(_ context.Context, call *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, caller, error) {
	claims := claimsOf(call)
	return nil, caller{claims.Subject(), claims.OrganizationID()}, nil
}

func deleteProduct(_ context.Context, call *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, caller, error) {
	if err := claimsOf(call).CheckScope("write:products"); err != nil {
		return nil, caller{}, err
	}
	return nil, caller{Subject: claimsOf(call).Subject()}, nil
}
