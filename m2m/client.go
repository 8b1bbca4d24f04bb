package m2m

import (
	"context"
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

// New makes a Client. It reports all faults of the Config in one error, and talks
// to nobody: the first call of [Client.Token], or of the HTTP client, does.
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
	tokens := &keeper{fetch: fetcher.fetch, now: now}
	given.Transport = &transport{tokens: tokens, base: given.Transport, insecureHTTP: cfg.InsecureHTTP}
	return &Client{tokens: tokens, api: &given}, nil
}

// Token returns an access token that works for 10 s or more (less, if its whole
// lifetime is shorter than 200 s). It waits for Logto only where there is none, and
// then at most 5 s or until ctx ends; a request to Logto goes on without its callers.
//
// The token is the caller's own copy. Its Expiry goes by [Config].Now, and is a day
// ahead at most, and a minute where Logto doesn't say. Its Extra("scope") is a
// string with the granted scopes, also those that were not asked for; it is empty
// if there are none.
//
// Every error is an *[Error]. Whoever calls soon after a failed request gets that
// request's error, and only later calls cause another one: after a second, and
// after twice as long each time that the next one fails too, up to a minute.
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

// HTTPClient returns a client for APIs. Its requests carry the token, in place of
// an Authorization header of their own; the context of a request also bounds the
// wait for a token. The client has the settings of [Config].HTTPClient, thus no
// time-out by default.
//
// The token goes to the origin (scheme, host and port) of the request that the
// caller makes, and not in plain text: an http:// address that is not loopback is
// an error, unless [Config].InsecureHTTP is set. Redirects are followed as
// Config.HTTPClient says, but from the first other origin on without the token.
//
// When an API answers 401, the token is renewed and the request repeated, once, if
// it has no body or a GetBody (as [http.NewRequest] sets it for readers of bytes,
// buffers and strings). If no other token is to be had, the 401 stays. A Client
// renews at most once in 10 s for that reason.
func (c *Client) HTTPClient() *http.Client {
	own := *c.api
	return &own
}
