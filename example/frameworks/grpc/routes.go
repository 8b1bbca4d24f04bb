package main

import (
	"context"
	"log"
	"runtime/debug"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/grpc/shoppb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// routes serves until stopping ends, which ends the streams. The check is the guard's:
// streams go on asking it.
func routes(stopping context.Context, guard *logtoguard.Guard, check check) *grpc.Server {
	recovered := recovery.WithRecoveryHandler(fail)
	server := grpc.NewServer( // recovery goes first, as Config.Check may panic, too, and again into the goroutine of endStreams
		grpc.ChainUnaryInterceptor(recovery.UnaryServerInterceptor(recovered), auth.UnaryServerInterceptor(authorize(guard))),
		grpc.ChainStreamInterceptor(recovery.StreamServerInterceptor(recovered), auth.StreamServerInterceptor(authorize(guard)),
			endStreams(stopping, check), recovery.StreamServerInterceptor(recovered)),
		grpc.UnknownServiceHandler(unknown))
	shoppb.RegisterShopServer(server, service{})
	return server
}

// fail answers a panic, which would end the process, and logs it as net/http does.
// By itself the interceptor answers with the panic's text and the stack.
func fail(p any) error {
	log.Printf("panic: %v\n%s", p, debug.Stack())
	return status.Error(codes.Internal, "internal error")
}

// unknown has the interceptor judge calls of methods that don't exist, too.
func unknown(any, grpc.ServerStream) error {
	return status.Error(codes.Unimplemented, "unknown method")
}

type service struct{ shoppb.UnimplementedShopServer }

func (service) ListProducts(ctx context.Context, _ *shoppb.ListProductsRequest) (*shoppb.Caller, error) {
	claims, _ := logtoguard.ClaimsFromContext(ctx)
	if err := claims.CheckScope("read:products"); err != nil {
		return nil, refuse(ctx, err)
	}
	return &shoppb.Caller{Subject: claims.Subject(), Organization: claims.OrganizationID()}, nil
}

func (service) WatchOrders(in *shoppb.WatchOrdersRequest, stream grpc.ServerStreamingServer[shoppb.Caller]) error {
	claims, _ := logtoguard.ClaimsFromContext(stream.Context())
	claims, err := claims.ForOrganization(in.GetOrganizationId())
	if err == nil {
		err = claims.CheckScope("read:orders")
	}
	if err != nil {
		return refuse(stream.Context(), err)
	}
	if err := stream.Send(&shoppb.Caller{Subject: claims.Subject(), Organization: claims.OrganizationID()}); err != nil {
		return err
	}
	<-stream.Context().Done() // a shop would send orders here, until endStreams ends the call
	return stream.Context().Err()
}
