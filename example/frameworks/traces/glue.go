package main

import (
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/trace"
)

// tracedClient, as Config.HTTPClient, makes a span of each fetch of the keys. A
// fetch serves all requests that wait for it, so its span is the child of none.
func tracedClient(provider trace.TracerProvider) *http.Client {
	name := func(string, *http.Request) string { return "logtoguard fetch keys" }
	return &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport,
		otelhttp.WithTracerProvider(provider), otelhttp.WithSpanNameFormatter(name))}
}
