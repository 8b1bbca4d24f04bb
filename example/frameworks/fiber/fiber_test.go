package main

import (
	"net"
	"testing"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

func TestAnswersAsNetHTTP(t *testing.T) {
	server := parity.Reference // for its paths
	server.Start = start
	parity.Test(t, server)
}

func start(t *testing.T, guard *logtoguard.Guard) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	app, ended := routes(guard), make(chan error, 1)
	go func() { ended <- app.Listener(listener) }()
	t.Cleanup(func() {
		require.NoError(t, app.Shutdown())
		require.NoError(t, <-ended)
	})
	return "http://" + listener.Addr().String()
}

func TestRuns(t *testing.T) { parity.TestRuns(t, "/products") }
