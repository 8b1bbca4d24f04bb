package logtotest

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// Tenant declares what the stand-in knows. Each field has a default, so Tenant{} is a Logto that only mints. The JSON form
// is that of the files which the command logtoguard dev reads.
type Tenant struct {
	Resources     []Resource     `json:"resources,omitzero"`
	Roles         []Role         `json:"roles,omitzero"`
	Applications  []Application  `json:"applications,omitzero"`
	Users         []User         `json:"users,omitzero"`
	Organizations []Organization `json:"organizations,omitzero"`
	Hooks         []Hook         `json:"hooks,omitzero"`

	// SignInByHint lets a login_hint at the authorization endpoint sign in the user of that ID, username or email, without
	// the page that asks who it is. For tests only: with it, any website can sign in the browser's user.
	SignInByHint bool `json:"-"`

	// ID is the tenant's ID, "default" if empty as in every self-hosted Logto.
	// It makes the Management API's resource indicator: https://{ID}.logto.app/api.
	ID string `json:"id,omitzero"`

	// Algorithm is that of the first signing key: ES384 (default), ES256, ES512 or RS256.
	Algorithm string `json:"algorithm,omitzero"`

	// Key is the first signing key, such as one that [ParseKey] has read. Default: a new one.
	Key *Key `json:"-"`

	// Endpoint is the public one, where clients reach the server under another URL than its listener's.
	// The issuer is Endpoint + "/oidc". Default: the listener's URL.
	Endpoint string `json:"-"`

	// Listener is what the server accepts on and closes in the end. Requests have to name its address,
	// localhost, 127.0.0.1, [::1] or the host of Endpoint: if it listens on 0.0.0.0, set Endpoint to the address that
	// clients use. Default: a free port on 127.0.0.1.
	Listener net.Listener `json:"-"`

	// HTTPClient sends the webhooks, within 10 seconds as Logto does, whatever its Timeout. It is copied.
	// Its Transport must honor request contexts. Default: one of the server's own.
	HTTPClient *http.Client `json:"-"`

	// Now is the server's clock, time.Now by default.
	Now func() time.Time `json:"-"`
}

// Validate reports every contradiction in the declaration. [NewServer] panics where there is one.
func (t Tenant) Validate() error {
	if _, err := newDirectory(t, time.Time{}); err != nil {
		return fmt.Errorf("logtotest: %w", err)
	}
	return nil
}

// Resource is an API resource. The Management API, with the scope "all", is there without being declared.
type Resource struct {
	Indicator     string        `json:"indicator,omitzero"`
	Scopes        []string      `json:"scopes,omitzero"`
	TokenLifetime time.Duration `json:"token_lifetime,omitzero"` // default: an hour
}

// Role is a role for applications and users. At Logto, each role is for one of the two.
type Role struct {
	Name   string              `json:"name,omitzero"`
	Scopes map[string][]string `json:"scopes,omitzero"` // by resource indicator
}

// Application is what asks for tokens: a machine in its own name, or one of the other types in the name of the users who
// sign in to it.
type Application struct {
	ID            string   `json:"id,omitzero"`
	Type          string   `json:"type,omitzero"`           // MachineToMachine (default), Traditional, SPA or Native
	Secret        string   `json:"secret,omitzero"`         // none for SPA and Native, which can't keep one
	Roles         []string `json:"roles,omitzero"`          // names of declared roles; for MachineToMachine only
	TokenExchange bool     `json:"token_exchange,omitzero"` // it may exchange personal access tokens of users for access tokens

	// RedirectURIs are where a user who has signed in is sent, compared exactly: http or https URLs, and for Native also
	// those of a scheme with a dot in it, such as com.example.shop:/callback. Scripts of their origins may read what the
	// token endpoint and its neighbors answer. None for MachineToMachine, which has no users.
	RedirectURIs           []string `json:"redirect_uris,omitzero"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitzero"` // where a user who has signed out may be sent
}

// User is a user, who signs in without a password.
type User struct {
	ID        string   `json:"id,omitzero"`
	Username  string   `json:"username,omitzero"`  // optional
	Email     string   `json:"email,omitzero"`     // optional, and verified
	Roles     []string `json:"roles,omitzero"`     // names of declared roles
	Suspended bool     `json:"suspended,omitzero"` // can't sign in

	// PersonalAccessTokens start with pat_ and never expire. More are made by the Management API.
	PersonalAccessTokens []string `json:"personal_access_tokens,omitzero"`
}

// Organization is an organization with its members.
type Organization struct {
	ID      string   `json:"id,omitzero"`
	Members []Member `json:"members,omitzero"`
}

// Member is the place of an application or a user in an organization: one of the two IDs is set.
type Member struct {
	ApplicationID  string              `json:"application_id,omitzero"`
	UserID         string              `json:"user_id,omitzero"`
	Scopes         []string            `json:"scopes,omitzero"`          // organization permissions
	ResourceScopes map[string][]string `json:"resource_scopes,omitzero"` // scopes of API resources held in this organization, by resource indicator
}

// Hook is a webhook. It is sent each of its events at most once, as Logto 1.42 does: an event whose receiver is down, or
// hasn't answered after 10 seconds, is only in the hook's log. At most 256 events are under way at once: a change that
// causes one more waits, which it doesn't at Logto. Of the log, the latest 32 MiB are kept.
type Hook struct {
	ID         string   `json:"id,omitzero"`
	URL        string   `json:"url,omitzero"`         // of the receiver, which need not be up
	SigningKey string   `json:"signing_key,omitzero"` // of the signature that comes with each event
	Events     []string `json:"events,omitzero"`      // default: User.SuspensionStatus.Updated, User.Deleted, Organization.Deleted, Organization.Membership.Updated, which are all that there are here
	Disabled   bool     `json:"disabled,omitzero"`    // nothing is sent, and nothing gets into the log
}
