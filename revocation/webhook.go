package revocation

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	signatureHeader = "Logto-Signature-Sha-256"
	maxBody         = 1 << 20
	maxID           = 256
	webhookPatience = 2 * time.Second // Logto hangs up after 10 s
	// Logto cuts lists at this length, without a mark.
	maxListed = 5000
)

const (
	noSignature = "the request must have one signature of 64 hex digits, and this server a signing key"
	tooLong     = "the body is longer than 1 MiB"
)

// ServeHTTP takes the events of a Logto webhook, signed with one of
// Config.SigningKeys, and answers 204; Logto shows other answers in the webhook's log. It
// waits up to 2 s for Config.Log, so that 204 mostly means that the revocation is stored.
//
//	User.SuspensionStatus.Updated     blocks the user, or lifts that
//	User.Deleted                      blocks the user
//	Organization.Membership.Updated   cuts the tokens of those removed, in that organization
//	Organization.Deleted              blocks the organization's tokens
//
// Other events have no effect, nor have those that Logto sends to test the webhook.
// An event that comes again has none either.
func (l *List) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, text := l.receive(w, r)
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	http.Error(w, text, status)
}

func (l *List) receive(w http.ResponseWriter, r *http.Request) (status int, text string) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, "webhooks come by POST"
	}
	// What is not signed is not read.
	signatures := r.Header.Values(signatureHeader)
	if len(l.cfg.SigningKeys) == 0 || len(signatures) != 1 {
		return http.StatusUnauthorized, noSignature
	}
	signature, err := hex.DecodeString(signatures[0])
	if err != nil || len(signature) != sha256.Size {
		return http.StatusUnauthorized, noSignature
	}
	if r.ContentLength > maxBody {
		return http.StatusRequestEntityTooLarge, tooLong
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge, tooLong
	}
	if err != nil {
		return http.StatusBadRequest, "the body could not be read"
	}
	if !l.signed(body, signature) {
		return http.StatusUnauthorized, "the signature is wrong: is the signing key that of this webhook?"
	}
	revocations, err := revocationsOf(body)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	ctx, cancel := context.WithTimeout(r.Context(), webhookPatience)
	defer cancel()
	if err := l.take(ctx, sourceWebhook, l.timely(revocations)...); errors.Is(err, errClosed) {
		return http.StatusServiceUnavailable, "this server is shutting down"
	}
	// They are in force here. What is not in Log yet will be tried again, and Stats tells.
	return http.StatusNoContent, ""
}

// timely returns an event's revocations, or nil for one that is too old to matter: the
// tokens that it ended have expired, and what it said of a user may have been taken back.
func (l *List) timely(revocations []Revocation) []Revocation {
	if len(revocations) > 0 && revocations[0].At.Before(l.now().Add(-l.cfg.MaxTokenLifetime)) { // all have the same At
		return nil
	}
	return revocations
}

// signed reports whether one of the keys made this signature.
func (l *List) signed(body, signature []byte) (ok bool) {
	for _, key := range l.cfg.SigningKeys {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(body)
		ok = hmac.Equal(mac.Sum(nil), signature) || ok
	}
	return ok
}

// An event is what Logto sends. The form of most members depends on the event.
type event struct {
	Name      string         `json:"event"`
	Path      jsontext.Value `json:"path"`
	CreatedAt jsontext.Value `json:"createdAt"`
	Params    jsontext.Value `json:"params"`
	Data      jsontext.Value `json:"data"`

	OrganizationID        jsontext.Value `json:"organizationId"`
	RemovedUserIDs        jsontext.Value `json:"removedUserIds"`
	RemovedApplicationIDs jsontext.Value `json:"removedApplicationIds"`
}

var parsers = map[string]func(*event) ([]Revocation, error){
	"User.SuspensionStatus.Updated":   (*event).suspension,
	"User.Deleted":                    (*event).userDeleted,
	"Organization.Membership.Updated": (*event).membership,
	"Organization.Deleted":            (*event).organizationDeleted,
}

// lenient: what an event says besides is not for us to judge. If it were, a user's odd
// profile could keep the user from being suspended.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

var (
	errNoEvent = errors.New("the body is not an event")
	errNoID    = errors.New("an id is missing, empty, too long or not a string")
	errNoTime  = errors.New("createdAt or updatedAt is not a time")
)

// revocationsOf returns what an event revokes. All that it returns has the same At.
func revocationsOf(body []byte) ([]Revocation, error) {
	var e event
	if err := json.Unmarshal(body, &e, lenient); err != nil || e.Name == "" {
		return nil, errNoEvent
	}
	var path string
	if _ = json.Unmarshal(e.Path, &path); strings.HasPrefix(path, "/fake-path") {
		return nil, nil // Logto tests the webhook, with ids that it has made up
	}
	read := parsers[e.Name]
	if read == nil {
		return nil, nil
	}
	at, err := instant(e.CreatedAt)
	if err != nil {
		return nil, err
	}
	revocations, err := read(&e)
	for i := range revocations {
		r := &revocations[i]
		r.Reason = e.Name
		if r.At.IsZero() {
			r.At = at
		}
	}
	return revocations, err
}

func (e *event) suspension() ([]Revocation, error) {
	var data struct {
		ID          jsontext.Value `json:"id"`
		IsSuspended *bool          `json:"isSuspended"`
		UpdatedAt   jsontext.Value `json:"updatedAt"`
	}
	if err := json.Unmarshal(e.Data, &data, lenient); err != nil || data.IsSuspended == nil {
		return nil, errNoEvent
	}
	r := Revocation{Kind: Lift}
	if *data.IsSuspended {
		r.Kind = Block
	}
	var err error
	if r.Subject, err = id(data.ID); err != nil {
		return nil, err
	}
	if data.UpdatedAt != nil && data.UpdatedAt.Kind() != 'n' {
		r.At, err = instant(data.UpdatedAt)
	}
	return []Revocation{r}, err
}

func (e *event) userDeleted() ([]Revocation, error) {
	user, err := member(e.Data, "id")
	if err != nil {
		user, err = member(e.Params, "userId")
	}
	return []Revocation{{Subject: user, Kind: Block}}, err
}

func (e *event) organizationDeleted() ([]Revocation, error) {
	organization, err := member(e.Params, "id")
	return []Revocation{{OrganizationID: organization, Kind: Block}}, err
}

func (e *event) membership() ([]Revocation, error) {
	organization, err := id(e.OrganizationID)
	if err != nil {
		return nil, err
	}
	var removed []Revocation
	for _, list := range []jsontext.Value{e.RemovedUserIDs, e.RemovedApplicationIDs} {
		var members []jsontext.Value
		if list != nil && json.Unmarshal(list, &members) != nil {
			return nil, errNoID
		}
		if len(members) >= maxListed {
			return []Revocation{{OrganizationID: organization}}, nil
		}
		for _, member := range members {
			subject, err := id(member)
			if err != nil {
				return nil, err
			}
			removed = append(removed, Revocation{Subject: subject, OrganizationID: organization})
		}
	}
	return removed, nil
}

// member reads an id that is a member of an object.
func member(object jsontext.Value, name string) (string, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(object, &members, lenient); err != nil {
		return "", errNoID
	}
	return id(members[name])
}

func id(value jsontext.Value) (s string, err error) {
	if err := json.Unmarshal(value, &s); err != nil || s == "" || len(s) > maxID {
		return "", errNoID
	}
	return s, nil
}

// instant reads a time, which is a text, as in events, or a number of milliseconds, as
// in Logto's users.
func instant(value jsontext.Value) (t time.Time, err error) {
	if value.Kind() == '0' {
		var ms int64
		err = json.Unmarshal(value, &ms)
		t = fromMillis(ms)
	} else {
		var text string
		if err = json.Unmarshal(value, &text); err == nil {
			t, err = time.Parse(time.RFC3339, text)
		}
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, errNoTime
	}
	return t, nil
}
