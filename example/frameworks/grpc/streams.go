package main

import (
	"context"
	"net/http"

	"github.com/logtoguard/logtoguard"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errExpired is how a stream ends whose token does: as a call with that token is refused.
var errExpired = &logtoguard.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: "expired", Description: "the token expired"}

// endStreams ends each stream when its token expires or the server stops: the guard judges
// a call once, at its start. It doesn't wait for the handler, which a client that doesn't
// read can hold in Send: the call's end cancels its context, and ends Send and Recv. A
// handler that does neither must end with its context.
func endStreams(stopping context.Context) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		claims, _ := logtoguard.ClaimsFromContext(stream.Context())
		// By its cause the token's end differs from a deadline that the client has set.
		ctx, cancel := context.WithDeadlineCause(stream.Context(), claims.ExpiresAt(), errExpired)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- handler(server, stream) }()
		select {
		case err := <-ended:
			return err
		case <-stopping.Done():
			return status.Error(codes.Unavailable, "the server is shutting down")
		case <-ctx.Done():
		}
		if context.Cause(ctx) == errExpired {
			return refuse(ctx, errExpired)
		}
		return status.FromContextError(ctx.Err()).Err()
	}
}
