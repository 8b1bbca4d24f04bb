package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/logtoguard/logtoguard"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errExpired is how a stream ends whose token does: as a call with that token is refused. So
// is errRefused, for an error of the check that is no answer itself.
var (
	errExpired = &logtoguard.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: "expired", Description: "the token expired"}
	errRefused = &logtoguard.Error{Status: http.StatusUnauthorized, Code: "invalid_token", Reason: "check", Description: "the token was refused"}
)

// check is a guard's Config.Check, or nil.
type check func(context.Context, *logtoguard.Claims) error

// checkAgain is how often a stream asks whether its token was revoked.
const checkAgain = 5 * time.Second

// endStreams ends each stream when its token expires or is revoked, or the server stops: the
// guard judges a call once, at its start. Whatever error the check has ends the stream, and
// is answered as the guard would. The handler is not waited for, as a client that doesn't
// read can hold it in Send: the call's end cancels its context, and ends Send and Recv. A
// handler that does neither must end with its context.
func endStreams(stopping context.Context, check check) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		claims, _ := logtoguard.ClaimsFromContext(stream.Context())
		// By its cause the token's end differs from a deadline that the client has set.
		ctx, cancel := context.WithDeadlineCause(stream.Context(), claims.ExpiresAt(), errExpired)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- handler(server, stream) }()
		var again <-chan time.Time // never, where there is no check
		if check != nil {
			ticker := time.NewTicker(checkAgain)
			defer ticker.Stop()
			again = ticker.C
		}
		for {
			select {
			case err := <-ended:
				return err
			case <-stopping.Done():
				return status.Error(codes.Unavailable, "the server is shutting down")
			case <-ctx.Done():
				if context.Cause(ctx) == errExpired {
					return refuse(ctx, errExpired)
				}
				return status.FromContextError(ctx.Err()).Err()
			case <-again:
				if err := check(ctx, claims); err != nil && ctx.Err() == nil {
					return refuse(ctx, errors.Join(err, errRefused)) // the first that is an answer
				}
			}
		}
	}
}
