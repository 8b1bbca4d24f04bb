package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/logtoguard/logtoguard/m2m"
)

const tokenHelp = `logtoguard token [flags]

It prints an access token to standard output, and all else to standard error, so that
the token can be piped on. The token is one of a machine-to-machine application, whose
secret is in the environment, in LOGTO_APP_SECRET, or comes from standard input; at a
terminal it is asked for. It is never an argument.

  logtoguard token -endpoint https://tenant-id.logto.app -app my-app -resource https://shopping.api -scope read:products
  logtoguard token … < secret | logtoguard explain …
  logtoguard token … -organization acme       without -resource: an organization token

With -pat it is one of a user, in exchange for a personal access token of that user:
-pat - takes it from the environment, from LOGTO_PAT, or else from standard input. -app
and LOGTO_APP_SECRET are then an application that may exchange tokens; at an endpoint on
this machine they default to the one that logtoguard dev declares.

  LOGTO_PAT=pat_alice logtoguard token -pat - -endpoint http://127.0.0.1:3001 -resource https://orders.api

Exit status: 0 there is a token, 1 Logto refused it, 2 wrong usage, 3 Logto gave no
usable answer.
`

func (p *program) token(ctx context.Context, args []string) error {
	var cfg m2m.Config
	var scopes words
	var pat personalToken
	flags := flag.NewFlagSet("token", flag.ContinueOnError)
	flags.StringVar(&cfg.Endpoint, "endpoint", "", "Logto's endpoint, such as https://tenant-id.logto.app: its `URL`")
	flags.StringVar(&cfg.AppID, "app", "", "the application's `ID`")
	flags.Var(&pat, "pat", "a user's personal access `token`; - reads it from LOGTO_PAT or standard input")
	flags.StringVar(&cfg.Resource, "resource", "", "the API's resource `indicator`, exactly as in Logto")
	flags.Var(&scopes, "scope", "the `scopes` to ask for; may be repeated, or hold several")
	flags.StringVar(&cfg.OrganizationID, "organization", "", "the `ID` of an organization that the application or user is in")
	flags.BoolVar(&cfg.AcceptFewerScopes, "accept-fewer-scopes", false, "take a token also if scopes were not granted")
	flags.BoolVar(&cfg.InsecureHTTP, "insecure-http", false, "allow http:// beyond loopback")
	if err := errors.Join(p.parse(flags, tokenHelp, args), noArguments(flags)); err != nil {
		return err
	}
	cfg.Scopes, cfg.Now = scopes.list, p.now
	authenticate := p.addSecret
	if pat.given {
		authenticate = func(ctx context.Context, cfg *m2m.Config) error { return p.addPersonalToken(ctx, cfg, &pat) }
	}
	if err := authenticate(ctx, &cfg); err != nil {
		return err
	}
	client, err := m2m.New(cfg)
	if err != nil {
		return misused("%s", inFlags.Replace(err.Error()))
	}
	token, err := client.Token(ctx)
	if pat.given {
		err = pat.explain(err)
	}
	if err != nil {
		return noToken(err)
	}
	granted, _ := token.Extra("scope").(string)
	if granted == "" {
		granted = "none"
	}
	fmt.Fprintf(p.stderr, "expires %s; scopes: %s\n", relative(token.Expiry, p.now()), show(granted))
	if len(cfg.Scopes) == 0 {
		fmt.Fprintln(p.stderr, "no permission without -scope: ask for some, such as -scope read:products")
	}
	return p.print(token.AccessToken + "\n")
}

// addSecret asks for the secret only where the rest of cfg is right.
func (p *program) addSecret(ctx context.Context, cfg *m2m.Config) error {
	cfg.AppSecret = p.getenv("LOGTO_APP_SECRET")
	if cfg.AppSecret != "" {
		return nil
	}
	cfg.AppSecret = "none"
	if _, err := m2m.New(*cfg); err != nil {
		return misused("%s", inFlags.Replace(err.Error()))
	}
	secret, err := p.read(ctx, "secret")
	// A file ends in a line break, which is not part of the secret.
	cfg.AppSecret = strings.TrimRight(secret, "\r\n")
	return err
}

func noToken(err error) error {
	status := undecided
	if e := (*m2m.Error)(nil); errors.As(err, &e) && (e.Status/100 == 4 && e.Code != "" || len(e.MissingScopes) > 0) {
		status = refused
	}
	return &failure{status, inFlags.Replace(err.Error())}
}
