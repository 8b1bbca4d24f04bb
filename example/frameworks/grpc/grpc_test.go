package main

import (
	"context"
	"encoding/json"
	"net"
	"testing"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/grpc/shoppb"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

// start serves gRPC with the world's guard, and returns a client and the reference's address.
func start(t *testing.T, world *parity.World) (shoppb.ShopClient, string) {
	return shoppb.NewShopClient(serve(t, world)), parity.Reference.Start(t, world.Guard)
}

func serve(t *testing.T, world *parity.World) *grpc.ClientConn {
	return listen(t, routes(t.Context(), world.Guard, nil))
}

func listen(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-ended)
	})
	return dial(t, listener.Addr().String())
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// call asks by the unary method for products, and by the stream for orders.
func call(t *testing.T, client shoppb.ShopClient, route parity.Route, authorization []string) (*shoppb.Caller, metadata.MD, error) {
	ctx, leave := context.WithCancel(metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": authorization}))
	defer leave()
	if route == parity.Products {
		var trailer metadata.MD
		caller, err := client.ListProducts(ctx, &shoppb.ListProductsRequest{}, grpc.Trailer(&trailer))
		return caller, trailer, err
	}
	organization := map[parity.Route]string{parity.Orders: "acme", parity.OtherOrders: "globex"}[route]
	stream, err := client.WatchOrders(ctx, &shoppb.WatchOrdersRequest{OrganizationId: organization})
	require.NoError(t, err)
	caller, err := stream.Recv()
	if err == nil {
		leave()
		_, end := stream.Recv()
		require.Equal(t, codes.Canceled, status.Code(end))
	}
	return caller, stream.Trailer(), err
}

var statusCodes = map[int]codes.Code{
	400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 503: codes.Unavailable,
}

func requireSame(t *testing.T, want parity.Answer, trailer metadata.MD, err error) {
	t.Helper()
	var body struct {
		Description string `json:"error_description"`
	}
	require.NoError(t, json.Unmarshal([]byte(want.Body), &body))
	require.Equal(t, statusCodes[want.Status], status.Code(err), err)
	require.Equal(t, body.Description, status.Convert(err).Message())
	require.Equal(t, want.Challenge, trailer.Get("www-authenticate"))
}

func TestRefusesAsNetHTTP(t *testing.T) {
	world := parity.NewWorld(t, nil)
	client, reference := start(t, world)
	for _, row := range parity.Refused {
		t.Run(row.Name, func(t *testing.T) {
			authorization := row.Authorization(world.Logto)
			want := parity.Ask(t, reference+parity.Reference.Path(row.Route), authorization)
			require.Equal(t, row.Status, want.Status)
			_, trailer, err := call(t, client, row.Route, authorization)
			requireSame(t, want, trailer, err)
			// The other kind of call asks the same of the token, if not of the scope.
			if row.Status != 403 {
				_, trailer, err = call(t, client, parity.Orders-row.Route, authorization)
				requireSame(t, want, trailer, err)
			}
		})
	}
}

func TestAdmits(t *testing.T) {
	world := parity.NewWorld(t, nil)
	client, reference := start(t, world)
	for _, row := range parity.Admitted {
		t.Run(row.Name, func(t *testing.T) {
			authorization := row.Authorization(world.Logto)
			want := parity.Ask(t, reference+parity.Reference.Path(row.Route), authorization)
			require.Equal(t, row.Status, want.Status)
			caller, trailer, err := call(t, client, row.Route, authorization)
			require.NoError(t, err)
			require.Empty(t, trailer)
			var expected shoppb.Caller
			require.NoError(t, json.Unmarshal([]byte(want.Body), &expected))
			require.Equal(t, expected.GetSubject(), caller.GetSubject())
			require.Equal(t, expected.GetOrganization(), caller.GetOrganization())
		})
	}
}

// Strangers are asked for a token by methods that aren't there, too.
func TestUnknownMethods(t *testing.T) {
	world := parity.NewWorld(t, nil)
	connection, reference := serve(t, world), parity.Reference.Start(t, world.Guard)
	for _, method := range []string{"/shop.v1.Shop/Unknown", "/shop.v1.Unknown/ListProducts"} {
		ask := func(authorization []string) (trailer metadata.MD, err error) {
			ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": authorization})
			err = connection.Invoke(ctx, method, &shoppb.ListProductsRequest{}, &shoppb.Caller{}, grpc.Trailer(&trailer))
			return trailer, err
		}
		trailer, err := ask(nil)
		requireSame(t, parity.Ask(t, reference+"/nowhere", nil), trailer, err)
		_, err = ask(parity.Admitted[0].Authorization(world.Logto))
		require.Equal(t, codes.Unimplemented, status.Code(err))
	}
}

func TestRefusesWithoutKeys(t *testing.T) {
	world := parity.NewWorld(t, logtotest.Down())
	client, reference := start(t, world)
	authorization := parity.Admitted[0].Authorization(world.Logto)
	for _, route := range []parity.Route{parity.Products, parity.Orders} {
		want := parity.Ask(t, reference+parity.Reference.Path(route), authorization)
		require.Equal(t, 503, want.Status)
		_, trailer, err := call(t, client, route, authorization)
		requireSame(t, want, trailer, err)
		require.Len(t, trailer.Get("grpc-retry-pushback-ms"), 1)
		require.Regexp(t, `^[1-9]\d{3,4}$`, trailer.Get("grpc-retry-pushback-ms")[0])
	}
}

// What a Check may answer besides, and what is no answer of ours: none of it is a success.
func TestOtherErrors(t *testing.T) {
	for code, err := range map[codes.Code]error{
		codes.ResourceExhausted: &logtoguard.Error{Status: 429},
		codes.Unavailable:       &logtoguard.Error{Status: 418},
		codes.Internal:          context.Canceled,
	} {
		require.Equal(t, code, status.Code(refuse(t.Context(), err)))
	}
}

func TestRuns(t *testing.T) {
	world := parity.NewWorld(t, nil)
	client := shoppb.NewShopClient(dial(t, parity.Run(t, world.Logto)))
	_, _, err := call(t, client, parity.Products, nil)
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	_, _, err = call(t, client, parity.Products, parity.Admitted[0].Authorization(world.Logto))
	require.NoError(t, err)
}
