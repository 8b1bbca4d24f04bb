package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/logtoguard/logtoguard"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// authorize judges each call, unary or stream. VerifyRequest gets all values of
// the metadata, so that two are refused as they are in HTTP.
func authorize(guard *logtoguard.Guard) auth.AuthFunc {
	return func(ctx context.Context) (context.Context, error) {
		r := &http.Request{Header: http.Header{"Authorization": metadata.ValueFromIncomingContext(ctx, "authorization")}}
		claims, err := guard.VerifyRequest(r.WithContext(ctx))
		if err != nil {
			return nil, refuse(ctx, err)
		}
		return logtoguard.ContextWithClaims(ctx, claims), nil
	}
}

var codeOf = map[int]codes.Code{400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 429: codes.ResourceExhausted}

// refuse answers an error of the guard or of Claims: with the challenge in the
// trailer, and the wait that clients with a retry policy obey.
func refuse(ctx context.Context, err error) error {
	var e *logtoguard.Error
	if !errors.As(err, &e) {
		return status.Error(codes.Internal, "internal error")
	}
	if challenge := e.Challenge(); challenge != "" {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("www-authenticate", challenge))
	}
	if e.RetryAfter > 0 {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10)))
	}
	return status.Error(cmp.Or(codeOf[e.Status], codes.Unavailable), e.Description)
}
