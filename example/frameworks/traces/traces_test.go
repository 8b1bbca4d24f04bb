package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	apitrace "go.opentelemetry.io/otel/trace"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

// fetch makes a guard that fetches its keys, within a request that is traced too,
// and returns the span of the fetch.
func fetch(t *testing.T, logto *logtotest.Server) trace.ReadOnlySpan {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: logto.Endpoint(), Audience: []string{parity.Audience}, HTTPClient: tracedClient(provider),
		Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ctx, request := provider.Tracer("test").Start(ctx, "request")
	_, _ = guard.Verify(ctx, logto.Mint(logtotest.Token{})) // waits for the fetch, whatever it brings
	require.NoError(t, guard.Close())
	request.End()
	require.NotEmpty(t, spans.Ended())
	return spans.Ended()[0]
}

func TestFetchIsTraced(t *testing.T) {
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: parity.Audience}}})
	defer logto.Close()
	span := fetch(t, logto)
	require.Equal(t, "logtoguard fetch keys", span.Name())
	require.Equal(t, apitrace.SpanKindClient, span.SpanKind())
	require.False(t, span.Parent().IsValid(), "no request's child")
	require.Equal(t, codes.Unset, span.Status().Code)
	attributes := map[string]any{}
	for _, a := range span.Attributes() {
		attributes[string(a.Key)] = a.Value.AsInterface()
	}
	require.Equal(t, logto.Endpoint()+"/oidc/jwks", attributes["url.full"])
	require.Equal(t, "GET", attributes["http.request.method"])
	require.Equal(t, int64(200), attributes["http.response.status_code"])
}

func TestFailedFetchIsTraced(t *testing.T) {
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: parity.Audience}}})
	defer logto.Close()
	logto.Disturb(logtotest.Down())
	span := fetch(t, logto)
	require.Equal(t, "logtoguard fetch keys", span.Name())
	require.Equal(t, codes.Error, span.Status().Code)
}

func TestRuns(t *testing.T) { parity.TestRuns(t, "/") }
