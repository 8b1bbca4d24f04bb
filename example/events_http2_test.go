//go:build go1.26

package main

// Up to Go 1.25 the channels of net/http's HTTP/2 are pooled, and those of one bubble
// panic in the next.
func init() { streamProtocols = append(streamProtocols, "HTTP/2") }
