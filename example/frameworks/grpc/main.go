// Command grpc guards a gRPC service. Package shop lists its settings.
package main

import (
	"context"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/shop"
	"google.golang.org/grpc"
)

// shutdownGrace is how long calls may go on after the signal to stop.
const shutdownGrace = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	// Give it a Check, such as that of package revocation, and streams go on asking it.
	config := logtoguard.Config{}
	shop.Run(config, func(guard *logtoguard.Guard, listener net.Listener) error {
		return serveUntil(ctx, routes(ctx, guard, config.Check), listener)
	})
}

// serveUntil answers calls until ctx ends, then lets those under way finish. GracefulStop
// waits for streams, too: they end because routes was given ctx.
func serveUntil(ctx context.Context, server *grpc.Server, listener net.Listener) error {
	defer context.AfterFunc(ctx, func() {
		defer time.AfterFunc(shutdownGrace, server.Stop).Stop()
		server.GracefulStop()
	})()
	return server.Serve(listener)
}
