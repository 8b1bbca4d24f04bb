package logtotest

import (
	"maps"
	"slices"
	"time"
)

// maxCredentials is how many codes, refresh tokens and opaque access tokens are known: the oldest are forgotten first.
const maxCredentials = 10_000

const (
	authorizationCode = "authorization_code"
	refreshToken      = "refresh_token"
	accessToken       = "access_token" // an opaque one
)

// grant is what an application got by one sign-in of a user. All credentials that come from it end with it.
type grant struct {
	user, client string
	signedIn     time.Time
	nonce        string
	resources    []string // that were asked for
	scope        []string // that was granted
	ended        bool     // guarded by Server.mu
}

// covers reports whether tokens for a resource, or for none, may be asked for.
func (g *grant) covers(resource string) bool {
	return resource == "" || slices.Contains(g.resources, resource)
}

// credential is what an application can come back with.
type credential struct {
	*grant
	kind            string
	issued, expires time.Time
	used            time.Time // a code, or last a refresh token in whose place another came; guarded by Server.mu

	redirectURI, challenge string   // of a code
	granted                []string // scopes of an access token
}

// credentials are guarded by Server.mu.
type credentials struct {
	byValue map[string]*credential
	order   []string // oldest first; what ended before may be in it
}

// keep makes a new value for a credential.
func (c *credentials) keep(kept credential) (value string) {
	if len(c.order) == maxCredentials {
		delete(c.byValue, c.order[0])
		c.order = c.order[1:]
	}
	value = opaqueToken()
	c.byValue[value] = &kept
	c.order = append(c.order, value)
	return value
}

// find returns nil for what is not there, of another kind, over or ended.
func (c *credentials) find(kind, value string, now time.Time) *credential {
	found := c.byValue[value]
	if found == nil || found.kind != kind || found.ended || !now.Before(found.expires) {
		return nil
	}
	return found
}

// signOut ends a user's tokens. Like Logto, it leaves the codes, which can be exchanged for a minute.
func (c *credentials) signOut(user string) {
	maps.DeleteFunc(c.byValue, func(_ string, c *credential) bool { return c.user == user && c.kind != authorizationCode })
}
