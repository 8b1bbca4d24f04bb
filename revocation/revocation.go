package revocation

import (
	"context"
	"errors"
	"strings"
	"time"
)

// ErrRevoked is what errors.Is finds in the error of [List.Check] for a token that was
// revoked.
var ErrRevoked = errors.New("revocation: token revoked")

// ErrLogLost is what the Follow of a [Log] returns when the record has lost entries that
// it held before. All is read again then, from the start, and what the List holds and
// the record no longer does is appended again.
var ErrLogLost = errors.New("revocation: the log has lost entries")

// A Revocation ends the tokens for which every field that is set agrees. At least one
// of the first four is set.
type Revocation struct {
	Subject        string // also matches [logtoguard.Claims.Actor]
	ClientID       string
	OrganizationID string
	TokenID        string // the token's jti. Ends its token whatever its iat

	Kind Kind

	// At orders revocations of the same fields, in milliseconds. Default: now, or the
	// newest iat that Check has let in if that is later, as Logto's clock may be ahead,
	// and in any case after what the List holds of the same fields. Revoke refuses one
	// that is more than a minute ahead.
	At time.Time

	// Expires, with TokenID, is the token's exp if it is known: the entry may go then.
	Expires time.Time

	Reason string // for the log line
}

// Kind says which of the tokens end.
type Kind uint8

const (
	// Cut ends tokens that were issued up to and in the second of At.
	Cut Kind = iota
	// Block ends all tokens, whenever issued, until a Lift of the same fields whose At
	// is later, or until Config.MaxTokenLifetime and 5 minutes have passed. With
	// Config.Events, Logto has the last word about a user: in the last quarter of that
	// time, a Block of a Subject begins again if the user is suspended, and else is lifted.
	Block
	// Lift is a Cut that also ends a Block: the client has to ask for a new token.
	Lift
)

func (k Kind) String() string {
	switch k {
	case Cut:
		return "cut"
	case Block:
		return "block"
	case Lift:
		return "lift"
	}
	return "unknown"
}

// A Log is an ordered record that replicas share. The order need not be that of
// [Revocation].At, and an entry may be there several times. Both methods must return
// soon after their ctx has ended.
//
// One that drops old entries has a method Keeps() [time.Duration] too: a
// Config.MaxTokenLifetime up to that is sound, and [New] refuses a longer one.
type Log interface {
	// Append returns nil once all of r are stored.
	Append(ctx context.Context, r ...Revocation) error

	// Follow hands over each entry after cursor ("": from the start) with its own
	// cursor, and calls caughtUp at least every few seconds while nothing is left;
	// until ctx ends or it fails. It makes these calls one at a time, and none after it
	// has returned. An entry that it
	// can't read it hands over as the zero Revocation: the List counts it, and goes on.
	Follow(ctx context.Context, cursor string, handle func(r Revocation, cursor string), caughtUp func()) error
}

// fault returns what is wrong with a revocation wherever it comes from; "": nothing.
func (r Revocation) fault() string {
	switch year := r.At.UTC().Year(); {
	case r.fields() == fields{}:
		return "none of Subject, ClientID, OrganizationID and TokenID is set"
	case r.Kind > Lift:
		return "its Kind is none of Cut, Block and Lift"
	case !r.At.IsZero() && (year < 1970 || year > 9999):
		return "its At is before 1970 or after 9999"
	case !r.Expires.IsZero() && r.TokenID == "":
		return "it has Expires, but no TokenID: only one token's end can be known"
	}
	return ""
}

func (r Revocation) fields() fields {
	return fields{r.Subject, r.ClientID, r.OrganizationID, r.TokenID}
}

// fieldNames lists the fields that are set, and not what they hold.
func (r Revocation) fieldNames() string {
	var names []string
	for i, name := range [...]string{"subject", "client_id", "organization_id", "token_id"} {
		if r.fields()[i] != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}
