package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/logtoguard/logtoguard/internal/endpoint"
	"github.com/logtoguard/logtoguard/internal/strict"
	"github.com/logtoguard/logtoguard/m2m"
)

// The application that logtoguard dev declares for the exchange of personal access tokens.
const (
	exchangeApp    = "cli"
	exchangeSecret = "cli-secret"
)

// personalToken is the flag -pat.
type personalToken struct {
	given bool
	value string
}

func (t *personalToken) String() string { return "" }

func (t *personalToken) Set(value string) error {
	t.given, t.value = true, value
	return nil
}

// addPersonalToken makes cfg one that gets a token of a user.
func (p *program) addPersonalToken(ctx context.Context, cfg *m2m.Config, t *personalToken) error {
	cfg.AppSecret = p.getenv("LOGTO_APP_SECRET")
	if u, err := url.Parse(cfg.Endpoint); cfg.AppID == "" && err == nil && endpoint.IsLoopback(u.Hostname()) {
		cfg.AppID, cfg.AppSecret = exchangeApp, exchangeSecret
	}
	if _, err := m2m.New(*cfg); err != nil { // before anything is asked for
		return misused("%s", inFlags.Replace(err.Error()))
	}
	switch value := p.getenv("LOGTO_PAT"); {
	case t.value != "-":
		fmt.Fprintln(p.stderr, "ps shows the personal access token to others, and the shell's history keeps it: -pat - takes it from LOGTO_PAT or from standard input")
	case value != "":
		t.value = value
	default:
		var err error
		if t.value, err = p.read(ctx, "personal access token"); err != nil {
			return err
		}
	}
	t.value = strings.TrimSpace(t.value)
	if !strict.IsName(t.value) {
		return misused("-pat: there is no personal access token, or one with spaces in it")
	}
	cfg.HTTPClient = &http.Client{Transport: t}
	return nil
}

// RoundTrip turns m2m's request by client credentials into one by token exchange (RFC
// 8693), as Logto takes it. All else about the two is the same.
func (t *personalToken) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	form.Set("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
	form.Set("subject_token_type", "urn:logto:token-type:personal_access_token")
	form.Set("subject_token", t.value)
	exchange, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	exchange.Header, exchange.Close = r.Header.Clone(), true
	return http.DefaultTransport.RoundTrip(exchange)
}

// explain puts a hint about users in the place of m2m's, which is about machines.
func (t *personalToken) explain(err error) error {
	e := (*m2m.Error)(nil)
	if !errors.As(err, &e) {
		return err
	}
	if strings.Contains(e.Description, t.value) {
		e.Description = ""
	}
	switch {
	case e.Code == "invalid_grant":
		e.Hint = "the personal access token is unknown, or it has expired"
	case len(e.MissingScopes) > 0:
		e.Hint = "in Logto, assign the user a role that has them; or set AcceptFewerScopes"
	case e.Code == "unauthorized_client", e.Code == "invalid_request" && strings.Contains(e.Description, "grant type is not allowed"):
		e.Hint = "in Logto, allow token exchange for the application: it is among its settings"
	case e.Code == "access_denied" && e.Status == http.StatusForbidden:
		e.Hint = "the user is not a member of this organization: add the user in Logto, and compare OrganizationID"
	}
	return e
}
