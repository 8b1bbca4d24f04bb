package main

import (
	"context"
	"net/http"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// bearer tells the SDK whose token the guard before it let in. By itself it would
// take the first of two Authorization headers, refuse without an error code in the
// challenge, and turn 503 into 500. The time has been judged: no second opinion.
var bearer = auth.RequireBearerToken(tokenInfo, &auth.RequireBearerTokenOptions{ClockSkew: 5 * time.Minute})

func tokenInfo(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	claims, ok := logtoguard.ClaimsFromContext(ctx)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	extra := map[string]any{"claims": claims}
	return &auth.TokenInfo{Scopes: claims.Scopes(), Expiration: claims.ExpiresAt(), UserID: claims.Subject(), Extra: extra}, nil
}

// claimsOf returns the claims for a tool's call: nil, which hold no scope, where no guard ran.
func claimsOf(call *mcp.CallToolRequest) *logtoguard.Claims {
	if call.Extra == nil || call.Extra.TokenInfo == nil {
		return nil
	}
	claims, _ := call.Extra.TokenInfo.Extra["claims"].(*logtoguard.Claims)
	return claims
}
