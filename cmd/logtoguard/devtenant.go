package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/logtoguard/logtoguard/internal/endpoint"
	"github.com/logtoguard/logtoguard/logtotest"
)

// devTenant is what the flags declare. Its secrets are the same at every start, because
// they get into .env files, and hide nothing: only this machine can reach the server.
func devTenant(audience string, scopes, redirects []string) logtotest.Tenant {
	roles := []string{"everything"}
	var home []string // where those who sign out are sent
	for _, uri := range redirects {
		if u, err := url.Parse(uri); err == nil && !slices.Contains(home, endpoint.Origin(u)) {
			home = append(home, endpoint.Origin(u), endpoint.Origin(u)+"/")
		}
	}
	return logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: audience, Scopes: scopes, TokenLifetime: time.Hour}},
		Roles:     []logtotest.Role{{Name: roles[0], Scopes: map[string][]string{audience: scopes}}},
		Applications: []logtotest.Application{
			{ID: "machine", Secret: "machine-secret", Roles: roles},
			{ID: "nobody", Secret: "nobody-secret"},
			{ID: exchangeApp, Secret: exchangeSecret, TokenExchange: true},
			{ID: "spa", Type: "SPA", RedirectURIs: redirects, PostLogoutRedirectURIs: home},
			{ID: "web", Type: "Traditional", Secret: "web-secret", RedirectURIs: redirects, PostLogoutRedirectURIs: home},
		},
		Users: []logtotest.User{
			{ID: "alice", Username: "alice", Email: "alice@example.com", Roles: roles, PersonalAccessTokens: []string{"pat_alice"}},
			{ID: "bob", Username: "bob", Email: "bob@example.com", PersonalAccessTokens: []string{"pat_bob"}},
		},
		// In an organization, users hold what their roles give them too. Scopes are those of
		// organization tokens, which roles don't count for.
		Organizations: []logtotest.Organization{{ID: "acme", Members: []logtotest.Member{{UserID: "alice", Scopes: scopes}}}},
	}
}

// durations are written like 1h or 1m30s.
var durations = json.JoinOptions(
	json.WithMarshalers(json.MarshalFunc(func(d time.Duration) ([]byte, error) {
		text := d.String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return json.Marshal(text)
	})),
	json.WithUnmarshalers(json.UnmarshalFunc(func(b []byte, d *time.Duration) (err error) {
		var text string
		if json.Unmarshal(b, &text) == nil {
			*d, err = time.ParseDuration(text)
		}
		if text == "" || err != nil {
			return errors.New(`a duration is written like "1h" or "90s"`)
		}
		return nil
	})),
)

// formatTenant is a file for parseTenant.
func formatTenant(t logtotest.Tenant) (string, error) {
	data, err := json.Marshal(t, durations, json.Deterministic(true), jsontext.WithIndent("  "))
	return string(data) + "\n", err
}

func parseTenant(text string) (t logtotest.Tenant, err error) {
	err = json.Unmarshal([]byte(text), &t, durations, json.RejectUnknownMembers(true))
	place := func(p jsontext.Pointer) string { return show(cmp.Or(string(p), "the whole")) }
	var syntax *jsontext.SyntacticError
	var unfit *json.SemanticError
	switch {
	case errors.As(err, &syntax):
		line := 1 + strings.Count(text[:syntax.ByteOffset], "\n")
		return t, fmt.Errorf("line %d, in %s: %w", line, place(syntax.JSONPointer), syntax.Err)
	case !errors.As(err, &unfit):
		return t, err
	case errors.Is(unfit, json.ErrUnknownName):
		return t, fmt.Errorf("%s is unknown", place(unfit.JSONPointer))
	case unfit.Err != nil:
		return t, fmt.Errorf("%s: %w", place(unfit.JSONPointer), unfit.Err)
	}
	kinds := map[jsontext.Kind]string{'{': "an object", '[': "an array", '"': "a string", '0': "a number"}
	return t, fmt.Errorf("%s is %s, which is not what belongs there", place(unfit.JSONPointer), cmp.Or(kinds[unfit.JSONKind], unfit.JSONKind.String()))
}

// inConfig turns the names that a tenant has in Go into those of the file.
var inConfig = strings.NewReplacer("logtotest: ", "",
	"Tenant.Resources", "resources", "Tenant.Roles", "roles", "Tenant.Applications", "applications", "Tenant.Users", "users",
	"UserID", "user_id", "resource's Scopes", "resource's scopes", "leave Events nil for all", "leave events out for all")

// checkTenant reports what is wrong with a tenant, and what would lead off this machine.
func checkTenant(t logtotest.Tenant) error {
	var faults []error
	for _, r := range t.Resources {
		if u, err := url.Parse(r.Indicator); err != nil || !u.IsAbs() || strings.Contains(r.Indicator, "#") {
			faults = append(faults, fmt.Errorf("resource %q is not an absolute URI, or has a fragment: write it like https://orders.api", r.Indicator))
		}
	}
	for _, a := range t.Applications {
		for _, uri := range slices.Concat(a.RedirectURIs, a.PostLogoutRedirectURIs) {
			if u, isWeb := webURL(uri); isWeb && !endpoint.IsLoopback(u.Hostname()) {
				faults = append(faults, fmt.Errorf("application %q has the redirect URI %q, which leads off this machine: write one of localhost", a.ID, uri))
			}
		}
	}
	if err := t.Validate(); err != nil {
		faults = append(faults, errors.New(inConfig.Replace(err.Error())))
	}
	return errors.Join(faults...)
}

// origins are those of the pages that people come from to sign in.
func origins(t logtotest.Tenant) (list []string) {
	for _, a := range t.Applications {
		for _, uri := range a.RedirectURIs {
			if u, isWeb := webURL(uri); isWeb {
				list = append(list, endpoint.Origin(u))
			}
		}
	}
	return list
}

func webURL(text string) (u *url.URL, ok bool) {
	u, err := url.Parse(text)
	return u, err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
