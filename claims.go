package logtoguard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/logtoguard/logtoguard/internal/jwks"
	"github.com/logtoguard/logtoguard/internal/safetext"
)

// Claims are what a verified access token says. They can't be changed:
// one value may serve many requests at once. Nil and zero Claims hold no scope
// and are no machine.
type Claims struct {
	subject      string
	clientID     string
	issuer       string
	audience     []string
	scope        string // as issued: scopes with spaces between
	organization string
	actor        string
	id           string
	issuedAt     time.Time
	expiresAt    time.Time
	payload      []byte

	// accepted: the program has said that this organization is the one being served.
	accepted bool
	// responder is that of the guard that made these claims.
	responder *responder

	// What a verified token depends on from now on: see verifier.recheck.
	key                   *jwks.Key
	validFrom, validUntil time.Time
}

// Subject returns sub: the user's ID, or the application's ID for a machine.
func (c *Claims) Subject() string { return c.get().subject }

// ClientID returns client_id: the application that asked for the token. It may
// be an https URL of up to 2,048 characters.
func (c *Claims) ClientID() string { return c.get().clientID }

// IsMachine reports whether the application acts for itself (client
// credentials) and not for a user: Logto then issues sub equal to client_id.
func (c *Claims) IsMachine() bool {
	c = c.get()
	return c.subject != "" && c.subject == c.clientID
}

// Issuer returns iss: the endpoint of Logto that issued the token, with /oidc.
func (c *Claims) Issuer() string { return c.get().issuer }

// Audience returns a copy of aud.
func (c *Claims) Audience() []string { return slices.Clone(c.get().audience) }

// Scopes returns a copy of the scopes that the token holds, as [Claims.HasScope]
// decides: none while it is bound to an organization that was not accepted, and none
// of [Config].OrganizationScopes while it is bound to no organization.
// [Claims.Decode] has what was issued.
func (c *Claims) Scopes() []string {
	if c.get().unaccepted() || c.get().scope == "" {
		return nil
	}
	// A space is the only separator: RFC 6749, section 3.3.
	scopes := strings.FieldsFunc(c.scope, func(r rune) bool { return r == ' ' })
	return slices.DeleteFunc(scopes, c.lacksOrganization)
}

// HasScope reports whether the token holds the scope. It is false while the
// token is bound to an organization that was not accepted: Logto issued its
// scopes for that organization. See [RequireOrganization] and
// [Claims.ForOrganization]. It is also false for [Config].OrganizationScopes
// while the token is bound to no organization: Logto may have issued them for any.
func (c *Claims) HasScope(scope string) bool {
	if c == nil || c.unaccepted() || c.lacksOrganization(scope) || scope == "" {
		return false
	}
	for held, rest := "", c.scope; rest != ""; {
		if held, rest, _ = strings.Cut(rest, " "); held == scope {
			return true
		}
	}
	return false
}

// CheckScope returns nil if the token holds all of the scopes, else an *[Error]
// with status 403. Asking for no scope at all is refused: an empty list is a
// mistake and not a permission.
func (c *Claims) CheckScope(scopes ...string) error {
	for _, scope := range scopes {
		if !c.HasScope(scope) {
			return c.missing(scopes)
		}
	}
	if len(scopes) == 0 {
		return c.missing(nil)
	}
	return nil
}

// CheckAnyScope is [Claims.CheckScope] for at least one of the scopes.
func (c *Claims) CheckAnyScope(scopes ...string) error {
	if slices.ContainsFunc(scopes, c.HasScope) {
		return nil
	}
	return c.missing(scopes)
}

// missing refuses for scopes that are not all held. The answer names only those that
// it helps to ask for: a user who asks again for one that counts in an organization
// only gets the same token again.
func (c *Claims) missing(scopes []string) *Error {
	useful := slices.DeleteFunc(slices.Clone(scopes), c.get().lacksOrganization)
	kind := insufficientScope
	switch {
	case c.get().unaccepted():
		kind = scopeNotAccepted
	case len(useful) < len(scopes) && !slices.ContainsFunc(useful, func(scope string) bool { return !c.HasScope(scope) }):
		kind, useful = organizationOnly, nil
	}
	e := c.refuse(kind)
	e.Scopes = useful
	return e
}

// refuse answers for the guard that made the claims.
func (c *Claims) refuse(kind refusal) *Error {
	e := kind.because(nil)
	c.get().responder.own(e)
	return e
}

func (c *Claims) unaccepted() bool { return c.organization != "" && !c.accepted }

// lacksOrganization reports whether the scope counts in an organization only, and the
// token is bound to none.
func (c *Claims) lacksOrganization(scope string) bool {
	return c.organization == "" && c.responder != nil && slices.Contains(c.responder.organizationScopes, scope)
}

// OrganizationID returns the organization that the token is bound to: by its
// organization_id claim, or by its audience urn:logto:organization:{id}; else "".
func (c *Claims) OrganizationID() string { return c.get().organization }

// ForOrganization returns a copy that counts as accepted for the organization,
// so that its scopes count. A token of another organization, or of none, and an
// empty id are refused with an *[Error] of status 403.
func (c *Claims) ForOrganization(id string) (*Claims, error) {
	if id == "" || c.get().organization != id {
		return nil, c.refuse(otherOrganization)
	}
	accepted := *c
	accepted.accepted = true
	return &accepted, nil
}

// Actor returns act.sub: who acts for the subject, after impersonation by an
// actor token (RFC 8693, section 4.1); else "".
func (c *Claims) Actor() string { return c.get().actor }

// ID returns jti.
func (c *Claims) ID() string { return c.get().id }

// IssuedAt returns iat.
func (c *Claims) IssuedAt() time.Time { return c.get().issuedAt }

// ExpiresAt returns exp. The guard lets a token pass until Config.ClockSkew after it.
func (c *Claims) ExpiresAt() time.Time { return c.get().expiresAt }

// Decode stores the token's payload in the value that v points to, for claims
// that the tenant's custom-claims script adds. v may keep and change what it is given:
// it is a copy. Unlike encoding/json it matches
// member names exactly: Roles is not roles. Numbers become float64 in an any; for
// the digits as they were sent use a json.RawMessage.
func (c *Claims) Decode(v any) error {
	if c.get().payload == nil {
		return errors.New("logtoguard: decode claims: there are none")
	}
	if err := json.Unmarshal(slices.Clone(c.payload), v); err != nil {
		return fmt.Errorf("logtoguard: decode claims: %w", err)
	}
	return nil
}

// String shows subject, client and organization.
func (c *Claims) String() string {
	c = c.get()
	return fmt.Sprintf("subject=%q client_id=%q organization_id=%q", c.subject, c.clientID, c.organization)
}

// GoString is String: the payload may hold what no log should.
func (c *Claims) GoString() string { return c.String() }

// LogValue shows subject, client and organization, quoted unless they are plain
// words: not every handler escapes all that a terminal obeys.
func (c *Claims) LogValue() slog.Value {
	c = c.get()
	return slog.GroupValue(
		slog.String("subject", safetext.Quote(c.subject)),
		slog.String("client_id", safetext.Quote(c.clientID)),
		slog.String("organization_id", safetext.Quote(c.organization)),
	)
}

var noClaims Claims

func (c *Claims) get() *Claims {
	if c == nil {
		return &noClaims
	}
	return c
}

type (
	claimsKey struct{}
	// optionalKey leads to the responder of a guard whose Optional let a request pass.
	optionalKey struct{}
)

// ClaimsFromContext returns the claims of the request's token. It finds none
// where the guard did not run, or where [Guard.Optional] let a request without a
// token through.
func ClaimsFromContext(ctx context.Context) (*Claims, bool) {
	c, _ := ctx.Value(claimsKey{}).(*Claims)
	return c, c != nil
}

// ContextWithClaims puts claims into a context, for adapters to other
// frameworks. Claims that mean something come only from [Guard.Verify].
func ContextWithClaims(ctx context.Context, c *Claims) context.Context {
	return context.WithValue(ctx, claimsKey{}, c)
}
