// Package logtotest is a Logto in the process: an OpenID provider on loopback that answers as a real one was seen to,
// for tests and for trying things out. It needs no network, no database and no set-up.
//
//	logto := logtotest.NewServer(logtotest.Tenant{
//		Resources: []logtotest.Resource{
//			{Indicator: "https://shopping.api", Scopes: []string{"read:products"}},
//		},
//		Roles: []logtotest.Role{
//			{Name: "reader", Scopes: map[string][]string{"https://shopping.api": {"read:products"}}},
//		},
//		Applications: []logtotest.Application{
//			{ID: "shop", Secret: "s3cret", Roles: []string{"reader"}},
//		},
//	})
//	defer logto.Close()
//
// An API under test is configured with [Server.Endpoint]. Its tokens come from the token endpoint, or straight from
// [Server.Mint], which signs any token: also what no Logto would issue, after an edit.
// The server's keys rotate with [Server.Rotate], it fails or refuses on request with [Server.Disturb], and [Clock] is a
// time that it shares with what is tested.
//
// Users sign in to applications of the types Traditional, SPA and Native, by authorization code with PKCE: a page lists
// the users, and one click signs in. There are no passwords and no sessions: each sign-in asks who it is, unless
// [Tenant].SignInByHint lets a test say so. What an application gets is what Logto gives: an opaque access token where it
// names no resource, a refresh token for offline_access with prompt=consent only, and tokens for a resource that hold what
// the user holds in any organization.
//
// Users are suspended and deleted, and members join and leave, by the Management API: there are no methods for it, so a
// test does what its administrator would do at Logto. Each [Hook] gets the events of that, signed with its key, and its
// log can be read. A token of that API comes from an application that holds its scope "all", or from Mint.
//
// It serves
//
//	GET  /oidc/jwks
//	GET  /oidc/.well-known/openid-configuration, and oauth-authorization-server beside it
//	GET  /oidc/auth          the page, and POST its click
//	POST /oidc/token         codes, refresh tokens, client credentials, and the exchange of personal access tokens
//	POST /oidc/token/revocation
//	GET  /oidc/me            and POST
//	GET  /oidc/session/end   back to an address that is registered
//
// and of the Management API, with its pages,
//
//	GET                /api/applications
//	GET                /api/users                  search by ID
//	GET, DELETE        /api/users/{userId}
//	PATCH              /api/users/{userId}/is-suspended
//	POST               /api/users/{userId}/personal-access-tokens
//	DELETE             /api/organizations/{id}
//	GET, POST, PUT     /api/organizations/{id}/users, and applications
//	DELETE             /api/organizations/{id}/users/{userId}, and applications/{applicationId}
//	GET, PATCH, DELETE /api/hooks/{id}
//	POST               /api/hooks/{id}/test
//	GET                /api/hooks/{id}/recent-logs
//
// and answers whatever is asked there as Logto 1.42 was seen to, or, where that was not tried, as its source says. It
// knows the latest 10,000 codes, refresh tokens and opaque access tokens. There is no introspection.
//
// Nothing of it is meant to be safe: don't let it listen where strangers come by. What a browser on this machine is made
// to ask by a website is refused (403) if the website let its own name point here: a request's Host has to be the
// listener's address, 127.0.0.1, [::1] or localhost with its port, or the host of [Tenant].Endpoint.
package logtotest
