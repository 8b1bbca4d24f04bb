package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/grpc/shoppb"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

var bob = logtotest.Token{Subject: "bob", ClientID: "webshop", OrganizationID: "acme", Scopes: []string{"read:orders"}}

// bubble is a server in a synctest bubble, and a call's stream.
type bubble struct {
	expires time.Time // when the token of the call does
	stream  grpc.ClientStream
	list    *revocation.List
	leave   context.CancelFunc // as a client does it
	stop    context.CancelFunc // as a signal does it
	stopped chan error
}

// inBubble calls WatchOrders of a service beside the usual one, or of that. The guard stays
// outside of the bubble, because the keys come over a real network.
func inBubble(t *testing.T, beside shoppb.ShopServer, test func(*testing.T, *bubble)) {
	world := parity.NewWorld(t, nil)
	token := world.Logto.Mint(bob)
	claims, err := world.Guard.Verify(t.Context(), token) // known from now on: nothing in the bubble waits for the guard
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(claims.IssuedAt())) // a bubble's clock starts in the year 2000
		stopping, stop := context.WithCancel(t.Context())
		list, err := revocation.New(revocation.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, list.Close()) })
		server, listener := routes(stopping, world.Guard, list.Check), bufconn.Listen(1<<10)
		description := shoppb.Shop_ServiceDesc
		if beside != nil {
			description.ServiceName = "beside"
			server.RegisterService(&description, beside)
		}
		b := &bubble{expires: claims.ExpiresAt().UTC(), list: list, stop: stop, stopped: make(chan error, 1)}
		go func() { b.stopped <- serveUntil(stopping, server, listener) }()
		connection, err := grpc.NewClient("passthrough:shop", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, connection.Close())
			stop()
			server.Stop()
		})
		ctx, leave := context.WithDeadline(metadata.NewOutgoingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+token)),
			b.expires.Add(time.Minute)) // for a stream that doesn't end
		b.leave = leave
		t.Cleanup(leave)
		b.stream, err = connection.NewStream(ctx, &description.Streams[0], "/"+description.ServiceName+"/WatchOrders")
		require.NoError(t, err)
		require.NoError(t, b.stream.SendMsg(&shoppb.WatchOrdersRequest{OrganizationId: "acme"}))
		require.NoError(t, b.stream.CloseSend())
		test(t, b)
	})
}

func (b *bubble) receive() (*shoppb.Caller, error) {
	caller := &shoppb.Caller{}
	return caller, b.stream.RecvMsg(caller)
}

func (b *bubble) requireBegun(t *testing.T) {
	caller, err := b.receive()
	require.NoError(t, err)
	require.Equal(t, "bob", caller.GetSubject())
}

func TestStreamEndsWithItsToken(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bubble) {
		b.requireBegun(t)
		_, err := b.receive()
		require.Equal(t, codes.Unauthenticated, status.Code(err))
		require.Equal(t, "the token expired", status.Convert(err).Message())
		require.Equal(t, []string{`Bearer error="invalid_token", error_description="the token expired"`}, b.stream.Trailer().Get("www-authenticate"))
		require.Equal(t, b.expires, time.Now().UTC())
	})
}

func TestStreamEndsWhenItsTokenIsRevoked(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bubble) {
		begin := time.Now()
		b.requireBegun(t)
		time.Sleep(checkAgain + time.Second)
		require.NoError(t, b.list.Revoke(t.Context(), revocation.Revocation{Subject: "bob"}))
		_, err := b.receive()
		require.Equal(t, codes.Unauthenticated, status.Code(err))
		require.Equal(t, "the token was revoked", status.Convert(err).Message())
		require.Equal(t, []string{`Bearer error="invalid_token", error_description="the token was revoked"`}, b.stream.Trailer().Get("www-authenticate"))
		require.Equal(t, begin.Add(2*checkAgain), time.Now())
	})
}

// Whatever the error, the stream ends as the guard would answer it.
func TestErrorsOfTheCheck(t *testing.T) {
	world := parity.NewWorld(t, nil)
	claims, err := world.Guard.Verify(t.Context(), world.Logto.Mint(bob))
	require.NoError(t, err)
	answer := func(err error) check {
		return func(_ context.Context, got *logtoguard.Claims) error {
			require.Same(t, claims, got)
			return err
		}
	}
	for name, row := range map[string]struct {
		check check
		want  codes.Code
		says  string
		after time.Duration
	}{
		"none":      {nil, codes.Unauthenticated, "the token expired", 0},
		"no error":  {answer(nil), codes.Unauthenticated, "the token expired", 0},
		"revoked":   {answer(&logtoguard.Error{Status: 401, Description: "the token was revoked"}), codes.Unauthenticated, "the token was revoked", checkAgain},
		"not known": {answer(&logtoguard.Error{Status: 503, Description: "not known"}), codes.Unavailable, "not known", checkAgain},
		"no answer": {answer(errors.New("locked out on Monday")), codes.Unauthenticated, "the token was refused", checkAgain},
		"the token ends meanwhile": {func(ctx context.Context, _ *logtoguard.Claims) error {
			<-ctx.Done()
			return ctx.Err()
		}, codes.Unauthenticated, "the token expired", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(claims.IssuedAt()))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				begin := time.Now()
				err := endStreams(t.Context(), row.check)(nil, served{ctx: logtoguard.ContextWithClaims(ctx, claims)}, nil, func(any, grpc.ServerStream) error {
					<-ctx.Done()
					return nil
				})
				require.Equal(t, row.want, status.Code(err))
				require.Equal(t, row.says, status.Convert(err).Message())
				if row.after == 0 {
					row.after = claims.ExpiresAt().Sub(begin)
				}
				require.Equal(t, row.after, time.Since(begin))
			})
		})
	}
}

// A bubble fails its test where a goroutine is left.
func TestStreamEndsWhenTheClientLeaves(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bubble) {
		b.requireBegun(t)
		b.leave()
		_, err := b.receive()
		require.Equal(t, codes.Canceled, status.Code(err))
		require.True(t, time.Now().Before(b.expires))
	})
}

func TestStreamEndsWhenTheServerStops(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bubble) {
		b.requireBegun(t)
		begin := time.Now()
		b.stop()
		_, err := b.receive()
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.Equal(t, "the server is shutting down", status.Convert(err).Message())
		require.NoError(t, <-b.stopped)
		require.Equal(t, begin, time.Now())
	})
}

// flood sends until it can't.
type flood struct {
	shoppb.UnimplementedShopServer
	ended atomic.Int64 // Unix time in nanoseconds
}

func (f *flood) WatchOrders(_ *shoppb.WatchOrdersRequest, stream grpc.ServerStreamingServer[shoppb.Caller]) error {
	for stream.Send(&shoppb.Caller{Subject: "bob"}) == nil {
	}
	f.ended.Store(time.Now().UnixNano())
	return nil
}

// A client that stays, and reads nothing, keeps no handler beyond its token's end.
func TestStreamEndsWhenTheClientReadsNothing(t *testing.T) {
	f := &flood{}
	inBubble(t, f, func(t *testing.T, b *bubble) {
		time.Sleep(time.Until(b.expires) - time.Nanosecond)
		synctest.Wait()
		require.Zero(t, f.ended.Load(), "it waits for the client")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, b.expires.UnixNano(), f.ended.Load())
	})
}

// served is a call as an interceptor sees it.
type served struct {
	grpc.ServerStream
	ctx context.Context
}

func (s served) Context() context.Context { return s.ctx }

// A deadline that the client has set is no reason to get a new token.
func TestClientsDeadline(t *testing.T) {
	world := parity.NewWorld(t, nil)
	claims, err := world.Guard.Verify(t.Context(), world.Logto.Mint(bob))
	require.NoError(t, err)
	for name, row := range map[string]struct {
		claims   *logtoguard.Claims
		deadline time.Duration // after the token's end
		want     codes.Code
	}{
		"before the token's end": {claims, -time.Second, codes.DeadlineExceeded},
		"after it":               {claims, time.Second, codes.Unauthenticated},
		"no guard before it":     {nil, time.Second, codes.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithDeadline(t.Context(), claims.ExpiresAt().Add(row.deadline))
				defer cancel()
				call := served{ctx: logtoguard.ContextWithClaims(ctx, row.claims)}
				err := endStreams(t.Context(), nil)(nil, call, nil, func(any, grpc.ServerStream) error {
					<-ctx.Done()
					return nil
				})
				require.Equal(t, row.want, status.Code(err))
			})
		})
	}
}
