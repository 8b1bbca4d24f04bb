package m2m

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/logtoguard/logtoguard/internal/clock"
)

// A Client holds the access token of one application for one resource, and renews
// it in time. Any number of goroutines may use it at once.
type Client struct {
	tokens *keeper
	api    *http.Client
}

// New returns a Client, or all faults of the Config in one error. It sends no
// request: the first call of [Client.Token] or of the HTTP client does.
func New(cfg Config) (*Client, error) {
	address, err := cfg.check()
	if err != nil {
		return nil, err
	}
	given := http.Client{}
	if cfg.HTTPClient != nil {
		given = *cfg.HTTPClient
	}
	if given.Transport == nil {
		given.Transport = http.DefaultTransport
	}
	now := clock.Wall(cfg.Now)
	fetcher := newFetcher(cfg, address+"/oidc/token", given, now)
	logger := cmp.Or(cfg.Logger, slog.Default()).With("config", cfg)
	tokens := &keeper{fetch: fetcher.fetch, now: now, logger: logger}
	given.Transport = &transport{tokens: tokens, base: given.Transport, insecureHTTP: cfg.InsecureHTTP}
	return &Client{tokens: tokens, api: &given}, nil
}

// Token returns an access token that is valid for at least 10 s (less, if its whole
// lifetime is shorter than 200 s). It waits for Logto only if there is no such
// token, and then at most 10 s or until ctx ends; a request to Logto goes on when its
// callers give up.
//
// The token is the caller's own copy. Its Expiry goes by [Config].Now. It is at most
// a day ahead, or a minute if the answer doesn't say. Its Extra("scope") is a string
// with the granted scopes, including those that were not asked for; it is empty if
// there are none.
//
// Every error is an *[Error]. After a failed request that they waited for, calls return
// its error without asking Logto again for 1 s, and after each further failure for
// twice as long, up to 1 min, or for as long as [Error].RetryAfter says.
func (c *Client) Token(ctx context.Context) (*oauth2.Token, error) {
	kept, err := c.tokens.get(ctx)
	if err != nil {
		return nil, err
	}
	own := *kept.token
	return &own, nil
}

// TokenSource returns an [oauth2.TokenSource] whose Token method calls Token with
// ctx. It is for libraries that take a TokenSource. [oauth2.NewClient] keeps a token
// until shortly before it expires: unlike [Client.HTTPClient], it neither renews in
// the background nor after a 401.
func (c *Client) TokenSource(ctx context.Context) oauth2.TokenSource {
	return tokenSource{c, ctx}
}

type tokenSource struct {
	client *Client
	ctx    context.Context
}

func (s tokenSource) Token() (*oauth2.Token, error) { return s.client.Token(s.ctx) }

// HTTPClient returns a client for APIs. Its requests carry the token in place of any
// Authorization header of their own; a request's context also bounds the wait for a
// token. The client has the settings of [Config].HTTPClient, so by default it has no
// timeout.
//
// The token is sent to the origin (scheme, host and port) of the caller's request,
// and not in plain text: an http:// address that is not loopback is an error, unless
// [Config].InsecureHTTP is set. Redirects are followed as Config.HTTPClient says,
// without the token from the first other origin on.
//
// If an API answers 401, the token is renewed and the request is sent again, if it has
// no body or a GetBody (which [http.NewRequest] sets for readers of bytes, buffers and
// strings). If there is no other token, the 401 is returned. A Client renews for this
// reason at most once in 10 s.
//
// A token that is refused less than 2 s after it arrived may be of the second in which
// tokens were revoked: then the next one is asked for 1.1 s later, also at most once in
// 10 s. So a request is sent at most three times: with a token that was revoked, with
// one that came too soon, and with one that counts.
func (c *Client) HTTPClient() *http.Client {
	own := *c.api
	return &own
}
