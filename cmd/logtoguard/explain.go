package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"slices"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/endpoint"
)

const explainHelp = `logtoguard explain [flags] [TOKEN|-]

It takes an access token apart, never showing its signature, lets the library's own
Verify judge it, and says which check refused it and what to do. Without TOKEN, or
with -, it reads the token from standard input, which keeps it out of the shell's
history; at a terminal it asks for it.

  logtoguard explain -endpoint https://tenant-id.logto.app -audience https://shopping.api < token
  logtoguard token … | logtoguard explain … -scope "read:products write:products"
  logtoguard explain … -organization acme -scope read:orders < token
  logtoguard explain … -organization-scope read:orders -scope read:orders < token
  logtoguard explain … -keys keys.json -json < token      offline, for machines

The file is what Logto answers at /oidc/jwks.

Exit status: 0 the token would be let in, 1 it would be refused, 2 wrong usage,
3 it could not be judged, because there are no keys.

-json prints one object, with all of these members: verdict (let_in, refused or
not_judged); reason, status, description and challenge of the guard's answer, empty
or 0 for a token that is let in; checks, each with name, result (passed, failed or
not_reached), expected and found; header and claims of the token, null where they
can't be read; advice and notes, texts that may change.

NO_COLOR in the environment turns colours off.
`

// inquiry is a token, what is expected of it, and what became of it.
type inquiry struct {
	keys         keyFlags
	cfg          logtoguard.Config
	issuers      []string
	organization string
	scopes       []string

	at     time.Time // when it was judged
	token  reading
	watch  *watcher
	claims *logtoguard.Claims // those of a token that was verified
	err    error              // the verdict
	notes  []string
}

func (p *program) explain(ctx context.Context, args []string) error {
	q := &inquiry{watch: newWatcher(ctx, p.now)}
	flags, asJSON, err := p.explainFlags(ctx, q, args)
	if err != nil {
		return err
	}
	guard, err := newGuard(q.cfg)
	if err != nil {
		return err
	}
	defer guard.Close()
	token, err := p.readToken(ctx, flags.Args(), q)
	if err != nil {
		return err
	}
	q.token, q.at = read(token), p.now().UTC()
	q.judge(ctx, guard, token)
	if q.comparesWithLogto() {
		q.watch.await(ctx)
	}
	report, err := p.report(q, asJSON)
	if err != nil {
		return err
	}
	if err := p.print(report); err != nil {
		return err
	}
	return q.exit()
}

func (p *program) explainFlags(ctx context.Context, q *inquiry, args []string) (flags *flag.FlagSet, asJSON bool, err error) {
	var cfg logtoguard.Config
	var scopes, organizationScopes words
	flags = flag.NewFlagSet("explain", flag.ContinueOnError)
	q.keys.define(flags)
	flags.Var((*list)(&cfg.Audience), "audience", "the API's resource `indicator`, exactly as in Logto; may be repeated")
	flags.Var((*list)(&cfg.CustomDomains), "custom-domain", "a further endpoint of the same tenant: its `URL`; may be repeated")
	flags.BoolVar(&cfg.OrganizationTokens, "organization-tokens", false, "accept organization tokens, instead of -audience")
	flags.Var(&organizationScopes, "organization-scope", "the `scopes` that count in an organization only, as in the API's OrganizationScopes; may be repeated, or hold several")
	flags.StringVar(&q.organization, "organization", "", "the `ID` of the organization that is served")
	flags.Var(&scopes, "scope", "the `scopes` that the route asks for; may be repeated, or hold several")
	flags.DurationVar(&cfg.ClockSkew, "clock-skew", 5*time.Second, "by how much the API's clock may differ from Logto's")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	if err := p.parse(flags, explainHelp, args); err != nil {
		return nil, false, err
	}
	if flags.NArg() > 1 {
		return nil, false, misused("it takes one token, and the flags come before it")
	}
	if cfg.ClockSkew == 0 {
		cfg.ClockSkew = -1 // Config's way to say none
	}
	q.cfg = q.keys.config(q.watch)
	q.cfg.Audience, q.cfg.CustomDomains, q.cfg.OrganizationTokens, q.cfg.ClockSkew = cfg.Audience, cfg.CustomDomains, cfg.OrganizationTokens, cfg.ClockSkew
	q.cfg.OrganizationScopes = organizationScopes.list
	q.scopes = scopes.list
	for _, address := range append([]string{q.cfg.Endpoint}, q.cfg.CustomDomains...) {
		// A fault is for New to tell.
		normal, _ := endpoint.Normalize("", address, q.cfg.InsecureHTTP)
		q.issuers = append(q.issuers, normal+"/oidc")
	}
	return flags, asJSON, q.keys.load(ctx, q.watch)
}

// judge asks the library, as a guarded route would.
func (q *inquiry) judge(ctx context.Context, guard *logtoguard.Guard, token string) {
	if q.claims, q.err = guard.Verify(ctx, token); q.err != nil {
		return
	}
	accepted := q.claims
	if q.organization != "" {
		accepted, q.err = q.claims.ForOrganization(q.organization)
	}
	if q.err == nil && len(q.scopes) > 0 {
		q.err = accepted.CheckScope(q.scopes...)
	}
}

// comparesWithLogto: the advice needs an answer of Logto, for which the guard had no
// need to wait.
func (q *inquiry) comparesWithLogto() bool {
	return slices.ContainsFunc([]error{logtoguard.ErrWrongIssuer, logtoguard.ErrExpired, logtoguard.ErrNotYetValid},
		func(refusal error) bool { return errors.Is(q.err, refusal) })
}

// refusal is the guard's answer; a zero one if there is none.
func (q *inquiry) refusal() *logtoguard.Error {
	refusal := &logtoguard.Error{}
	errors.As(q.err, &refusal)
	return refusal
}

func (q *inquiry) verdict() string {
	switch {
	case q.err == nil:
		return "let_in"
	case q.refusal().Status == http.StatusServiceUnavailable:
		return "not_judged"
	}
	return "refused"
}

func (q *inquiry) exit() error {
	status := map[string]int{"let_in": fine, "refused": refused, "not_judged": undecided}[q.verdict()]
	if status == fine {
		return nil
	}
	return &failure{status: status}
}

// audience is what is expected of aud.
func (q *inquiry) audience() []string {
	if q.cfg.OrganizationTokens {
		return []string{"urn:logto:organization:{id}"}
	}
	return q.cfg.Audience
}

func (q *inquiry) skew() time.Duration { return max(q.cfg.ClockSkew, 0) }

// issueSkew is how far ahead iat may be.
func (q *inquiry) issueSkew() time.Duration { return max(q.cfg.ClockSkew, time.Minute) }
