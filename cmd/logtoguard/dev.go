package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"

	"github.com/logtoguard/logtoguard/internal/endpoint"
	"github.com/logtoguard/logtoguard/logtotest"
)

const devHelp = `logtoguard dev [flags]

It starts a Logto to develop an API against: package logtotest's, which needs no
database and no set-up. It knows the API that is named by -audience, and

  alice    a user with all the scopes, in the organization acme
  bob      a user without any
  machine  a machine-to-machine application with all the scopes
  nobody   a machine-to-machine application without any
  cli      exchanges personal access tokens: logtoguard token -pat
  spa, web applications that people sign in to, at the addresses of -redirect

It prints what to configure the API with, and commands that get tokens.

  logtoguard dev -audience https://orders.api -scope read:orders -scope write:orders
  logtoguard dev … -state .logto-key          tokens survive a restart
  logtoguard dev … -init > logto.json         for a tenant of your own: change it, and then
  logtoguard dev -config logto.json

It is for trying only: all secrets and personal access tokens are public. They are the
same at every start, so they can stand in an .env file. Access tokens are good until it
ends, as each start has a new signing key, unless -state keeps that in a file; the
address has to stay the same too. Nothing else is kept.

Only this machine can use it, under the names localhost, 127.0.0.1 and [::1]; websites
can't, but for those of the redirect URIs. Ctrl-C ends it.

-json prints one line instead, an object with all of these members: endpoint; audience,
the first resource's; users, each with id, username and personal_access_token;
applications, each with id, secret and type; organizations, each with id. What is absent
is empty.

The file of -config is a JSON object; what is left out is absent. Its members are
  resources      each with indicator, scopes, token_lifetime such as "1h"
  roles          each with name, scopes by resource indicator
  applications   each with id, type (MachineToMachine, SPA, Native, Traditional), secret,
                 roles, token_exchange, redirect_uris, post_logout_redirect_uris
  users          each with id, username, email, roles, suspended, personal_access_tokens
  organizations  each with id, members; these with user_id or application_id, scopes of
                 organization tokens, resource_scopes by resource indicator
  hooks          each with id, url, signing_key, events, disabled
  id, algorithm  of the tenant and its signing key: default, ES384

Exit status: 0 it was ended, 2 wrong usage, 3 it can't listen or can't write.
`

// devOptions are the flags of logtoguard dev.
type devOptions struct {
	addr, audience   string
	scopes           words
	redirects        list
	config, state    string
	asConfig, asJSON bool
}

func (p *program) dev(ctx context.Context, args []string) error {
	var o devOptions
	flags := flag.NewFlagSet("dev", flag.ContinueOnError)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:3001", "the loopback `address` to listen on")
	flags.StringVar(&o.audience, "audience", "", "the API's resource `indicator`, such as https://orders.api")
	flags.Var(&o.scopes, "scope", "the `scopes` that the API has; may be repeated, or hold several")
	flags.Var(&o.redirects, "redirect", "a `URI` of this machine that people are sent to after signing in; may be repeated\n(default http://localhost:5173/callback and http://localhost:3000/callback)")
	flags.StringVar(&o.config, "config", "", "declare the tenant in this JSON `FILE`, in place of -audience, -scope and -redirect")
	flags.BoolVar(&o.asConfig, "init", false, "print such a file for the other flags, and end")
	flags.StringVar(&o.state, "state", "", "keep the signing key in this `FILE`")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON")
	if err := errors.Join(p.parse(flags, devHelp, args), noArguments(flags)); err != nil {
		return err
	}
	tenant, err := o.tenant()
	if err != nil {
		return err
	}
	if o.asConfig {
		text, err := formatTenant(tenant)
		if err != nil {
			return err
		}
		return p.print(text)
	}
	server, err := o.start(tenant)
	if err != nil {
		return err
	}
	defer server.Close()
	text := welcome(server.Endpoint(), ownName(), tenant)
	if o.asJSON {
		fmt.Fprintln(p.stderr, "logtoguard dev: for trying only, as all its secrets are public")
		if text, err = devJSON(server.Endpoint(), tenant); err != nil {
			return err
		}
	}
	if err := p.print(text); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// tenant is the one that the flags declare.
func (o *devOptions) tenant() (t logtotest.Tenant, err error) {
	switch {
	case o.config == "" && o.audience == "":
		return t, misused("-audience is empty: name your API, such as https://orders.api, or declare a tenant with -config")
	case o.config == "":
		t = devTenant(o.audience, o.scopes.list, o.redirectURIs())
	case o.audience != "" || len(o.scopes.list)+len(o.redirects) > 0 || o.asConfig:
		return t, misused("-config declares all that -audience, -scope, -redirect and -init are about: leave those out")
	default:
		text, err := readFile("-config", o.config)
		if err != nil {
			return t, err
		}
		if t, err = parseTenant(text); err != nil {
			return t, misused("-config: %s: %v", o.config, err)
		}
	}
	if err := checkTenant(t); err != nil {
		return t, misused("%v", err)
	}
	return t, nil
}

func (o *devOptions) redirectURIs() []string {
	if len(o.redirects) == 0 {
		return []string{"http://localhost:5173/callback", "http://localhost:3000/callback"}
	}
	return o.redirects
}

func (o *devOptions) start(tenant logtotest.Tenant) (server *logtotest.Server, err error) {
	host, _, err := net.SplitHostPort(o.addr)
	switch {
	case err != nil:
		return nil, misused("-addr is %q: write host:port, such as 127.0.0.1:3001", o.addr)
	case !endpoint.IsLoopback(host):
		return nil, misused("-addr is %q, which others may reach, and all secrets here are public: write a loopback address, such as 127.0.0.1:3001", o.addr)
	}
	if o.state != "" {
		if tenant.Key, err = loadKey(o.state); err != nil {
			return nil, err
		}
		if err := tenant.Validate(); err != nil {
			return nil, misused("-state: %s: %s", o.state, inConfig.Replace(err.Error()))
		}
	}
	if tenant.Listener, err = net.Listen("tcp", o.addr); err != nil {
		return nil, &failure{undecided, err.Error() + ": choose another address with -addr, such as 127.0.0.1:3002, or 127.0.0.1:0 for any free port"}
	}
	server = logtotest.NewServer(tenant)
	server.Disturb(logtotest.FromThisMachine(origins(tenant)...))
	if o.state != "" && tenant.Key == nil {
		if err := saveKey(o.state, server.Key()); err != nil {
			server.Close()
			return nil, err
		}
	}
	return server, nil
}
