package main

import (
	"fmt"
	"slices"
	"strings"
)

// Advice on what a token is for: its audience, its organization and its scopes.

const organizationPrefix = "urn:logto:organization:"

func adviseAudience(q *inquiry) []string {
	if n := len(elements(q.token.claims.get("aud"))); n > maxAudiences {
		return one("aud holds %d elements, and no more than %d are taken: Logto's tokens are for one API", n, maxAudiences)
	}
	found, ok := q.token.claims.texts("aud")
	if !ok || len(found) == 0 {
		return one("aud has to be a string or an array of strings, as Logto writes it")
	}
	isExpected := func(s string) bool { return slices.Contains(q.cfg.Audience, s) }
	isOrganization := func(s string) bool { return strings.HasPrefix(s, organizationPrefix) && s != organizationPrefix }
	switch {
	case q.cfg.OrganizationTokens && !slices.ContainsFunc(found, isOrganization):
		return one("this is no organization token: ask Logto for it with organization_id and without resource; or judge it with -audience instead of -organization-tokens")
	case q.cfg.OrganizationTokens, slices.ContainsFunc(found, isExpected):
		return one("one token, one organization: Logto names no more than one")
	case slices.ContainsFunc(found, isOrganization):
		return one("this is an organization token, without an API resource: send the access token for %s; "+
			"or, if the API serves organization permissions, judge it with -organization-tokens instead of -audience", showAny(q.cfg.Audience))
	case slices.Contains(found, q.token.claims.text("client_id")):
		return one("its audience is the application itself: send the access token for %s", showAny(q.cfg.Audience))
	}
	for _, audience := range found {
		for _, expected := range q.cfg.Audience {
			if how := nearMiss(audience, expected); how != "" {
				return one("audience is %s, %s: the resource indicator in Logto, what the client asks for, and -audience must match exactly",
					show(audience), how)
			}
		}
	}
	return one("it is for another API: ask Logto for a token with resource=%s", show(q.cfg.Audience[0]))
}

// nearMiss says how two addresses differ that were meant to be the same, or "".
func nearMiss(found, expected string) string {
	f, e := strings.TrimRight(found, "/"), strings.TrimRight(expected, "/")
	_, afterFound, _ := strings.Cut(f, "://")
	_, afterExpected, _ := strings.Cut(e, "://")
	switch {
	case found == expected || f == "" || e == "":
		return ""
	case f == e && len(found) > len(expected):
		return "with a slash too many"
	case f == e:
		return "with a slash too few"
	case strings.EqualFold(f, e):
		return "which differs in upper and lower case"
	case strings.EqualFold(afterFound, afterExpected) && afterFound != "":
		return "which differs in http and https"
	}
	return ""
}

func adviseOrganization(q *inquiry) []string {
	if q.claims.OrganizationID() == "" {
		return one("it is bound to no organization: ask Logto for it with organization_id=%s", show(q.organization))
	}
	return one("it is bound to the organization %s and works for that one only: ask Logto for one with organization_id=%s",
		show(q.claims.OrganizationID()), show(q.organization))
}

func adviseScope(q *inquiry) []string {
	if id := q.claims.OrganizationID(); id != "" && q.organization == "" {
		return one("it is bound to the organization %s, and its scopes count only where that one is served: behind RequireOrganization, here with -organization %[1]s", show(id))
	}
	if q.lacksOrganization() {
		return one("it is bound to no organization, and %s counts in one only: a user's plain token holds what the user holds in any organization. "+
			"Ask Logto for a token with organization_id=…, and serve it behind RequireOrganization, here with -organization", showAll(q.organizationScopes()))
	}
	held := issuedScopes(q.claims)
	missing := slices.DeleteFunc(slices.Clone(q.scopes), func(scope string) bool { return slices.Contains(held, scope) })
	who := "the user a role that has them"
	if q.claims.IsMachine() {
		who = "the application a machine-to-machine role that has them"
	}
	if q.claims.OrganizationID() != "" {
		who = "the member an organization role that has them"
	}
	return one("missing: %s. In Logto, give %s; and have the client ask for them: scope=%s",
		showAll(missing), who, fmt.Sprintf("%q", strings.Join(q.scopes, " ")))
}
