package valkeylog

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json" // as in the webhook: names match exactly, and none comes twice
	"github.com/go-json-experiment/json/jsontext"

	"github.com/logtoguard/logtoguard/revocation"
)

// An entry is what the stream holds of a revocation, in one field. Members that are
// not known here are ignored. So a later version that means less than the same entry
// without its new members needs a new kind: entries of a kind that is not known are
// skipped, and counted.
type entry struct {
	Version        int    `json:"v"`
	Kind           string `json:"kind"`
	Subject        string `json:"sub,omitempty"`
	ClientID       string `json:"client_id,omitempty"`
	OrganizationID string `json:"organization_id,omitempty"`
	TokenID        string `json:"jti,omitempty"`
	At             int64  `json:"at"`           // in milliseconds
	Expires        int64  `json:"exp,omitzero"` // in milliseconds
	Reason         string `json:"reason,omitempty"`
}

const version = 1

var errNotWhole = errors.New("it has no At, or its Kind is none of Cut, Block and Lift")

func encode(r revocation.Revocation) (string, error) {
	if r.At.IsZero() || r.Kind > revocation.Lift {
		return "", errNotWhole
	}
	e := entry{
		Version: version, Kind: r.Kind.String(),
		Subject: r.Subject, ClientID: r.ClientID, OrganizationID: r.OrganizationID, TokenID: r.TokenID,
		At: r.At.UnixMilli(), Reason: r.Reason,
	}
	if !r.Expires.IsZero() {
		e.Expires = r.Expires.UnixMilli()
	}
	// No text may keep the others of its batch from being stored, such as a Reason
	// that was cut within a character.
	text, err := json.Marshal(e, jsontext.AllowInvalidUTF8(true))
	return string(text), err
}

// decode returns the zero Revocation for what can't be read.
func decode(text string) revocation.Revocation {
	var e entry
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.At == 0 {
		return revocation.Revocation{}
	}
	r := revocation.Revocation{
		Subject: e.Subject, ClientID: e.ClientID, OrganizationID: e.OrganizationID, TokenID: e.TokenID,
		At: time.UnixMilli(e.At).UTC(), Reason: e.Reason,
	}
	if e.Expires != 0 {
		r.Expires = time.UnixMilli(e.Expires).UTC()
	}
	for r.Kind.String() != e.Kind {
		if r.Kind++; r.Kind > revocation.Lift {
			return revocation.Revocation{}
		}
	}
	if r.Subject == "" && r.ClientID == "" && r.OrganizationID == "" && r.TokenID == "" {
		return revocation.Revocation{}
	}
	return r
}
