package logtotest

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"
	"time"
)

const (
	tokenType            = "at+jwt" // RFC 9068 section 2.1
	defaultLifetime      = time.Hour
	organizationAudience = "urn:logto:organization:"
)

// Token says what a minted access token holds. The comment on a field says what holds where it is empty.
//
// At Logto, a user's plain token also holds the scopes that the user has in some organization: mint it with those
// scopes and without OrganizationID, to test that your routes refuse it. A machine's holds those of its roles only.
type Token struct {
	Subject        string         // same as ClientID, which makes the token a machine's; "machine" if that is empty too
	ClientID       string         // same as Subject: a user's token needs both
	Audience       string         // the first declared resource, the Management API if there is none
	Scopes         []string       // no scope claim; an empty one in an organization token
	OrganizationID string         // no organization_id claim. An organization token has it in its Audience: urn:logto:organization:{id}
	Lifetime       time.Duration  // an hour; negative: expired already
	Claims         map[string]any // nothing. As at Logto, custom claims can't set iss, sub, aud, exp, client_id, jti or scope
}

// Draft is a token before it is signed. Its maps may be changed at will; a value that Go's types can't say,
// such as a number beyond their range, is a json.RawMessage.
type Draft struct {
	Header map[string]any // alg, typ and kid, as the server's key has them
	Claims map[string]any
	Key    *Key // signs whatever Header says; nil: the signature is empty
}

// Mint signs an access token without asking whether the tenant would grant it. The edits run in order on the finished
// draft, and are the way to every token that Logto would never issue:
//
//	s.Mint(token, func(d *logtotest.Draft) { delete(d.Claims, "exp") })
//
// It panics on a custom claim that Logto refuses, and where an edit leaves what JSON can't express.
func (s *Server) Mint(t Token, edits ...func(*Draft)) string {
	key := s.Key()
	draft := Draft{
		Header: map[string]any{"alg": key.Algorithm(), "typ": tokenType, "kid": key.ID()},
		Claims: s.claims(t),
		Key:    key,
	}
	for _, edit := range edits {
		edit(&draft)
	}
	header, payload := marshal(draft.Header), marshal(draft.Claims)
	if draft.Key == nil {
		return signingInput(header, payload) + "."
	}
	return draft.Key.Sign(header, payload)
}

func (s *Server) claims(t Token) map[string]any {
	for _, name := range []string{"iss", "sub", "aud", "exp", "client_id", "jti", "scope"} {
		if _, ok := t.Claims[name]; ok {
			panic(fmt.Sprintf("logtotest: no custom claim can set %q: use the other fields of Token, or an edit", name))
		}
	}
	subject := cmp.Or(t.Subject, t.ClientID, "machine")
	lifetime := cmp.Or(t.Lifetime, defaultLifetime)
	now := s.now().Unix()
	claims := map[string]any{
		"jti":       rand.Text(),
		"sub":       subject,
		"iat":       now,
		"exp":       now + int64(lifetime/time.Second),
		"client_id": cmp.Or(t.ClientID, subject),
		"iss":       s.issuer(),
		"aud":       cmp.Or(t.Audience, s.directory.audience),
	}
	if len(t.Scopes) > 0 || strings.HasPrefix(t.Audience, organizationAudience) {
		claims["scope"] = strings.Join(t.Scopes, " ")
	}
	if t.OrganizationID != "" {
		claims["organization_id"] = t.OrganizationID
	}
	maps.Copy(claims, t.Claims)
	return claims
}
