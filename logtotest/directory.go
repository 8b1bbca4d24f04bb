package logtotest

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Resources that every tenant has without declaring them.
const (
	managementScope      = "all"
	organizationResource = "urn:logto:resource:organizations"
)

// directory is a checked copy of what was declared, laid out for the questions that requests ask.
type directory struct {
	managementAPI string                   // resource indicator
	audience      string                   // of tokens that name none
	lifetimes     map[string]time.Duration // of tokens, by resource indicator
	applications  []string                 // IDs, as declared
	clients       map[string]Application   // by ID

	organizationScopes []string // permissions of any organization

	// The Management API changes these: Server.mu guards them.
	users         map[string]*user
	organizations map[string]bool
	held          map[membership]scopes // there is one of each member, even if it holds nothing
	hooks         map[string]*hook
	tokens        map[string]personalToken // by value
}

// membership is where a user or an application holds scopes: by role if there is no organization, else in it.
type membership struct{ subject, organization string }

// scopes are held, by resource indicator. Those of no resource are organization permissions.
type scopes map[string][]string

// registrar fills a directory and notes what is wrong on the way.
type registrar struct {
	directory
	scopes map[string][]string // by resource indicator
	roles  map[string]Role
	faults []error
}

func newDirectory(t Tenant, now time.Time) (*directory, error) {
	reg := registrar{
		directory: directory{
			managementAPI: "https://" + cmp.Or(t.ID, "default") + ".logto.app/api",
			lifetimes:     map[string]time.Duration{},
			clients:       map[string]Application{},
			users:         map[string]*user{},
			organizations: map[string]bool{},
			held:          map[membership]scopes{},
			hooks:         map[string]*hook{},
			tokens:        map[string]personalToken{},
		},
		scopes: map[string][]string{},
		roles:  map[string]Role{},
	}
	reg.addResource(Resource{Indicator: reg.managementAPI, Scopes: []string{managementScope}})
	reg.addResource(Resource{Indicator: organizationResource})
	for _, r := range t.Resources {
		reg.addResource(r)
	}
	for _, r := range t.Roles {
		reg.addRole(r)
	}
	for _, a := range t.Applications {
		reg.addApplication(a)
	}
	for _, u := range t.Users {
		reg.addUser(u, now)
	}
	for _, o := range t.Organizations {
		reg.checkName("organization", o.ID, reg.organizations[o.ID])
		reg.organizations[o.ID] = true
		for _, m := range o.Members {
			reg.addMember(o.ID, m)
		}
	}
	for _, h := range t.Hooks {
		reg.addHook(h, now)
	}
	reg.checkEndpoint(t.Endpoint)
	reg.checkKey(t.Key, t.Algorithm)
	reg.audience = reg.managementAPI
	if len(t.Resources) > 0 {
		reg.audience = t.Resources[0].Indicator
	}
	return &reg.directory, errors.Join(reg.faults...)
}

func (reg *registrar) addResource(r Resource) {
	_, known := reg.scopes[r.Indicator]
	reg.checkName("resource", r.Indicator, known)
	for _, scope := range r.Scopes {
		reg.checkScope(fmt.Sprintf("resource %q", r.Indicator), scope)
	}
	lifetime := cmp.Or(r.TokenLifetime, defaultLifetime)
	if lifetime < time.Second {
		reg.fault("resource %q has a token lifetime of %v: give it at least a second", r.Indicator, lifetime)
	}
	reg.scopes[r.Indicator] = r.Scopes
	reg.lifetimes[r.Indicator] = lifetime
}

func (reg *registrar) addRole(r Role) {
	_, known := reg.roles[r.Name]
	reg.checkName("role", r.Name, known)
	reg.checkResourceScopes(fmt.Sprintf("role %q", r.Name), r.Scopes)
	reg.roles[r.Name] = r
}

func (reg *registrar) addApplication(a Application) {
	_, known := reg.clients[a.ID]
	reg.checkName("application", a.ID, known)
	a.Type = cmp.Or(a.Type, machineToMachine)
	switch {
	case !slices.Contains(declaredTypes, a.Type):
		reg.fault("application %q has the type %q: choose from %q", a.ID, a.Type, declaredTypes)
	case a.public() && a.Secret != "":
		reg.fault("application %q has a secret, which its type %s can't keep: drop it, or make the type Traditional", a.ID, a.Type)
	case !a.public() && a.Secret == "":
		reg.fault("application %q has no secret: give it one, or the type SPA or Native", a.ID)
	}
	if a.Type != machineToMachine && len(a.Roles) > 0 {
		reg.fault("application %q has roles, which are for the type MachineToMachine: give them to users", a.ID)
	}
	a.RedirectURIs = slices.Clone(a.RedirectURIs)
	a.PostLogoutRedirectURIs = slices.Clone(a.PostLogoutRedirectURIs)
	for _, uri := range slices.Concat(a.RedirectURIs, a.PostLogoutRedirectURIs) {
		reg.checkRedirect(a, uri)
	}
	reg.applications = append(reg.applications, a.ID)
	reg.clients[a.ID] = a
	reg.giveRoles("application", a.ID, a.Roles)
}

// public reports whether an application's secret would be none, as its users hold all of it (RFC 6749 section 2.1).
func (a Application) public() bool { return a.Type == "SPA" || a.Type == "Native" }

func (reg *registrar) checkRedirect(a Application, uri string) {
	u, err := url.Parse(uri)
	// A native application's own scheme is a domain name backwards (RFC 8252 section 7.1). What runs scripts has no dot.
	own := err == nil && a.Type == "Native" && strings.Contains(u.Scheme, ".")
	switch {
	case a.Type == machineToMachine:
		reg.fault("application %q has the redirect URI %q, but users don't sign in to a machine: drop it, or change the type", a.ID, uri)
	case !isWebURL(uri) && !own || strings.Contains(uri, "#"):
		reg.fault("application %q has the redirect URI %q: write it like http://localhost:3000/callback", a.ID, uri)
	}
}

func (reg *registrar) addUser(u User, now time.Time) {
	_, application := reg.clients[u.ID]
	reg.checkName("user", u.ID, application || reg.users[u.ID] != nil)
	for _, other := range reg.users {
		if u.Username != "" && u.Username == other.username || u.Email != "" && u.Email == other.email {
			reg.fault("user %q has the username or email of user %q: give each its own", u.ID, other.id)
		}
	}
	reg.users[u.ID] = &user{
		id: u.ID, username: u.Username, email: u.Email, roles: append([]string{}, u.Roles...), // never null
		rank: len(reg.users), suspended: u.Suspended, created: now, updated: now,
	}
	reg.giveRoles("user", u.ID, u.Roles)
	for _, value := range u.PersonalAccessTokens {
		if _, known := reg.tokens[value]; known || !strings.HasPrefix(value, "pat_") {
			reg.fault("user %q has a personal access token without pat_ at its start, or another's: make it like %q", u.ID, "pat_"+rand.Text())
		}
		reg.tokens[value] = personalToken{user: u.ID}
	}
}

func (reg *registrar) giveRoles(kind, subject string, roles []string) {
	for _, name := range roles {
		role, ok := reg.roles[name]
		if !ok {
			reg.fault("%s %q has the role %q, which is not declared: add it to Tenant.Roles", kind, subject, name)
		}
		reg.hold(membership{subject, ""}, role.Scopes)
	}
}

func (reg *registrar) addMember(organization string, m Member) {
	subject := cmp.Or(m.ApplicationID, m.UserID)
	who := fmt.Sprintf("member %q of organization %q", subject, organization)
	application, known := reg.clients[m.ApplicationID]
	switch {
	case m.ApplicationID != "" && m.UserID != "":
		reg.fault("%s has a UserID too: give each a member of its own", who)
	case m.UserID != "" && reg.users[m.UserID] == nil:
		reg.fault("%s is no declared user: add it to Tenant.Users", who)
	case m.UserID == "" && !known:
		reg.fault("%s is no declared application: add it to Tenant.Applications", who)
	case m.UserID == "" && application.Type != machineToMachine:
		reg.fault("%s has the type %s, and only MachineToMachine can be a member: make its users members", who, application.Type)
	}
	place := membership{subject, organization}
	if reg.held[place] != nil {
		reg.fault("%s is declared twice: leave one", who)
	}
	for _, scope := range m.Scopes {
		reg.checkScope(who, scope)
	}
	reg.checkResourceScopes(who, m.ResourceScopes)
	reg.organizationScopes = append(reg.organizationScopes, m.Scopes...)
	reg.hold(place, scopes{"": m.Scopes})
	reg.hold(place, m.ResourceScopes)
}

func (reg *registrar) addHook(h Hook, now time.Time) {
	reg.checkName("hook", h.ID, reg.hooks[h.ID] != nil)
	if h.SigningKey == "" {
		reg.fault("hook %q has no signing key: give it one", h.ID)
	}
	if !isWebURL(h.URL) {
		reg.fault("hook %q has the URL %q: write it like http://127.0.0.1:8080/webhooks/logto", h.ID, h.URL)
	}
	for _, name := range h.Events {
		if !slices.Contains(allEvents, name) {
			reg.fault("hook %q has the event %q, which is never sent here: choose from %q", h.ID, name, allEvents)
		}
	}
	if h.Events == nil {
		h.Events = allEvents
	}
	if len(h.Events) == 0 {
		reg.fault("hook %q has no events: name some, or leave Events nil for all", h.ID)
	}
	h.Events = slices.Clone(h.Events)
	reg.hooks[h.ID] = &hook{Hook: h, created: now}
}

func (reg *registrar) hold(place membership, more scopes) {
	if reg.held[place] == nil {
		reg.held[place] = scopes{}
	}
	for resource, names := range more {
		reg.held[place][resource] = append(reg.held[place][resource], names...)
	}
}

func (reg *registrar) checkName(kind, name string, known bool) {
	switch {
	case name == "":
		reg.fault("one %s has an empty name or ID: fill it in", kind)
	case known:
		reg.fault("%s %q is declared twice, or built in: leave one", kind, name)
	}
}

// checkScope keeps out what would fall apart in a space-separated list (RFC 6749 section 3.3).
func (reg *registrar) checkScope(who, scope string) {
	if scope == "" || strings.ContainsAny(scope, " \t\r\n") {
		reg.fault("%s has the scope %q: write it without spaces, one to a string", who, scope)
	}
}

func (reg *registrar) checkResourceScopes(who string, scopes map[string][]string) {
	for resource, names := range scopes {
		declared, ok := reg.scopes[resource]
		if !ok {
			reg.fault("%s has scopes of the resource %q, which is not declared: add it to Tenant.Resources", who, resource)
			continue
		}
		for _, name := range names {
			if !slices.Contains(declared, name) {
				reg.fault("%s has the scope %q, which resource %q does not: add it to the resource's Scopes", who, name, resource)
			}
		}
	}
}

func (reg *registrar) checkEndpoint(endpoint string) {
	if endpoint == "" {
		return
	}
	if !isWebURL(endpoint) || strings.ContainsAny(endpoint, "?#") {
		reg.fault("endpoint %q is no http or https URL: write it like https://auth.example.com", endpoint)
	}
}

func (reg *registrar) checkKey(key *Key, algorithm string) {
	if algorithm == "" {
		return
	}
	if err := checkAlgorithm(algorithm); err != nil {
		reg.faults = append(reg.faults, err)
	} else if key != nil && key.Algorithm() != algorithm {
		reg.fault("the algorithm is %s, and the key is for %s: leave one", algorithm, key.Algorithm())
	}
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (reg *registrar) fault(format string, args ...any) {
	reg.faults = append(reg.faults, fmt.Errorf(format, args...))
}
