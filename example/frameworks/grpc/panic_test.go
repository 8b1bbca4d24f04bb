package main

import (
	"context"
	"testing"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/grpc/shoppb"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func requireInternal(t *testing.T, err error) {
	t.Helper()
	require.Equal(t, codes.Internal, status.Code(err), err)
	require.Equal(t, "internal error", status.Convert(err).Message())
}

// A guard that panics ends no process.
func TestGuardMayPanic(t *testing.T) {
	world := parity.NewPanickingWorld(t)
	client, _ := start(t, world)
	for _, route := range []parity.Route{parity.Products, parity.Orders} {
		_, trailer, err := call(t, client, route, parity.Panics.Authorization(world.Logto))
		requireInternal(t, err)
		require.NotContains(t, trailer, "www-authenticate")
		_, _, err = call(t, client, parity.Products, parity.Admitted[0].Authorization(world.Logto))
		require.NoError(t, err)
	}
}

type broken struct{ shoppb.UnimplementedShopServer }

func (broken) ListProducts(ctx context.Context, _ *shoppb.ListProductsRequest) (*shoppb.Caller, error) {
	claims, _ := logtoguard.ClaimsFromContext(ctx)
	panic("no products for " + claims.Subject())
}

func (broken) WatchOrders(_ *shoppb.WatchOrdersRequest, stream grpc.ServerStreamingServer[shoppb.Caller]) error {
	claims, _ := logtoguard.ClaimsFromContext(stream.Context())
	panic("no orders for " + claims.Subject())
}

// Nor does a method.
func TestMethodsMayPanic(t *testing.T) {
	world := parity.NewWorld(t, nil)
	server, description := routes(t.Context(), world.Guard, nil), shoppb.Shop_ServiceDesc
	description.ServiceName = "broken"
	server.RegisterService(&description, broken{})
	connection := listen(t, server)
	authorization := parity.Admitted[0].Authorization(world.Logto)
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": authorization})

	requireInternal(t, connection.Invoke(ctx, "/broken/ListProducts", &shoppb.ListProductsRequest{}, &shoppb.Caller{}))
	stream, err := connection.NewStream(ctx, &description.Streams[0], "/broken/WatchOrders")
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(&shoppb.WatchOrdersRequest{}))
	require.NoError(t, stream.CloseSend())
	requireInternal(t, stream.RecvMsg(&shoppb.Caller{}))
	_, _, err = call(t, shoppb.NewShopClient(connection), parity.Products, authorization)
	require.NoError(t, err)
}
