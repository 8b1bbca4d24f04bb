package logtotest

import (
	"net"
	"time"
)

// Tenant declares what the stand-in knows. Each field has a default, so Tenant{} is a Logto that only mints.
type Tenant struct {
	Resources     []Resource
	Roles         []Role
	Applications  []Application
	Organizations []Organization

	// ID is the tenant's ID, "default" if empty as in every self-hosted Logto.
	// It makes the Management API's resource indicator: https://{ID}.logto.app/api.
	ID string

	// Algorithm is that of the first signing key: ES384 (default), ES256, ES512 or RS256.
	Algorithm string

	// Endpoint is the public one, where clients reach the server under another URL than its listener's.
	// The issuer is Endpoint + "/oidc". Default: the listener's URL.
	Endpoint string

	// Listener is what the server accepts on and closes in the end. Requests have to name its address,
	// localhost, 127.0.0.1, [::1] or the host of Endpoint: if it listens on 0.0.0.0, set Endpoint to the address that
	// clients use. Default: a free port on 127.0.0.1.
	Listener net.Listener

	// Now is the server's clock, time.Now by default.
	Now func() time.Time
}

// Resource is an API resource. The Management API, with the scope "all", is there without being declared.
type Resource struct {
	Indicator     string
	Scopes        []string
	TokenLifetime time.Duration // default: an hour
}

// Role is a machine-to-machine role.
type Role struct {
	Name   string
	Scopes map[string][]string // by resource indicator
}

// Application is a machine-to-machine application.
type Application struct {
	ID     string
	Secret string
	Roles  []string // names of declared roles
}

// Organization is an organization and the applications in it.
type Organization struct {
	ID      string
	Members []Member
}

// Member is an application's place in an organization.
type Member struct {
	ApplicationID  string
	Scopes         []string            // organization permissions
	ResourceScopes map[string][]string // scopes of API resources held in this organization, by resource indicator
}
