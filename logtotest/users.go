package logtotest

import (
	"cmp"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxTokenName      = 256
	maxPersonalTokens = 10_000 // of all users
)

type user struct {
	id        string
	username  string
	email     string
	roles     []string // names
	rank      int      // as declared
	suspended bool
	created   time.Time
	updated   time.Time
}

// profile is what the Management API and webhooks say about a user. It is empty but for what revocation needs.
type profile struct {
	ID            string   `json:"id"`
	Username      *string  `json:"username"`
	PrimaryEmail  *string  `json:"primaryEmail"`
	PrimaryPhone  *string  `json:"primaryPhone"`
	Name          *string  `json:"name"`
	Avatar        *string  `json:"avatar"`
	CustomData    struct{} `json:"customData"`
	Identities    struct{} `json:"identities"`
	LastSignInAt  *int64   `json:"lastSignInAt"`
	CreatedAt     int64    `json:"createdAt"`
	UpdatedAt     int64    `json:"updatedAt"`
	Profile       struct{} `json:"profile"`
	ApplicationID *string  `json:"applicationId"`
	IsSuspended   bool     `json:"isSuspended"`
}

func (u *user) profile() profile {
	return profile{ID: u.id, Username: orNull(u.username), PrimaryEmail: orNull(u.email), CreatedAt: u.created.UnixMilli(), UpdatedAt: u.updated.UnixMilli(), IsSuspended: u.suspended}
}

// orNull is nil for the empty text: JSON says null of what a user lacks.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// serveUsers is the list of users, the newest first, as far as they match the search.
func (s *Server) serveUsers(w http.ResponseWriter, r *http.Request) {
	p, ok := readPage(w, r)
	if !ok {
		return
	}
	matches, fault := userSearch(r.URL.Query())
	if fault != "" {
		writeJSON(w, r, http.StatusBadRequest, map[string]string{
			"code": "request.invalid_input", "message": messages["request.invalid_input"], "details": fault,
		})
		return
	}
	s.mu.Lock()
	var found []user
	for _, u := range s.directory.users {
		if matches(u) {
			found = append(found, *u)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(found, func(a, b user) int { return cmp.Compare(b.rank, a.rank) })
	list := make([]profile, len(found)) // never null
	for i := range found {
		list[i] = found[i].profile()
	}
	writePage(w, r, list, p)
}

// searchFields are those by which Logto finds users, with what a user has in them. Here there are no names and phones.
var searchFields = map[string]func(u *user) []string{
	"":             func(u *user) []string { return []string{u.id, u.username, u.email} },
	"id":           func(u *user) []string { return []string{u.id} },
	"username":     func(u *user) []string { return []string{u.username} },
	"primaryEmail": func(u *user) []string { return []string{u.email} },
	"name":         func(*user) []string { return nil },
	"primaryPhone": func(*user) []string { return nil },
}

// userSearch reads a query such as search.id=a&search.id=b&mode.id=exact: any of these IDs. Without a field, all are
// searched. Logto's modes similar_to and posix are refused.
func userSearch(query url.Values) (matches func(*user) bool, fault string) {
	fold := strings.ToLower
	if query.Get("isCaseSensitive") == "true" {
		fold = func(text string) string { return text }
	}
	var conditions []func(*user) bool
	for name, values := range query {
		field, ok := strings.CutPrefix(name, "search")
		if !ok {
			continue
		}
		field = strings.TrimPrefix(field, ".")
		mode := cmp.Or(query.Get("mode."+field), query.Get("mode"), "like")
		wanted := map[string]bool{}
		for _, value := range values {
			wanted[fold(value)] = true
		}
		texts, known := searchFields[field]
		var match func(text string) bool
		switch {
		case !known:
			return nil, "no search by the field " + field
		case wanted[""]:
			return nil, "an empty search value"
		case mode == "exact":
			match = func(text string) bool { return wanted[fold(text)] }
		case mode != "like":
			return nil, "no search by the mode " + mode
		case len(values) > 1:
			return nil, "more than one search value, and the mode is not exact"
		default:
			match = func(text string) bool { return text != "" && isLike(fold(text), fold(values[0])) }
		}
		conditions = append(conditions, func(u *user) bool { return slices.ContainsFunc(texts(u), match) })
	}
	all := cmp.Or(query.Get("joint"), query.Get("jointMode")) == "and"
	return func(u *user) bool {
		for _, condition := range conditions {
			if condition(u) != all {
				return !all
			}
		}
		return all || len(conditions) == 0
	}, ""
}

func (s *Server) serveUser(w http.ResponseWriter, r *http.Request) {
	if u, ok := s.changeUser(w, r, func(*user) {}); ok {
		writeJSON(w, r, http.StatusOK, u)
	}
}

// suspendUser ends what the user is signed in to, and sends an event even if nothing changes, as Logto does.
func (s *Server) suspendUser(w http.ResponseWriter, r *http.Request) {
	var body struct{ IsSuspended *bool }
	if !readJSON(w, r, &body) {
		return
	}
	if body.IsSuspended == nil {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
		return
	}
	now := s.now()
	u, ok := s.changeUser(w, r, func(u *user) {
		u.suspended, u.updated = *body.IsSuspended, now
		if u.suspended {
			s.credentials.signOut(u.id)
		}
	})
	if ok {
		s.emit(r, userSuspended, http.StatusOK, map[string]any{"data": u})
		writeJSON(w, r, http.StatusOK, u)
	}
}

// changeUser returns what the path's user is after a change. It answers itself, and returns false, where there is none.
func (s *Server) changeUser(w http.ResponseWriter, r *http.Request, change func(*user)) (after profile, ok bool) {
	s.mu.Lock()
	u := s.directory.users[r.PathValue("userId")]
	if u != nil {
		change(u)
		after = u.profile()
	}
	s.mu.Unlock()
	if u == nil {
		writeError(w, r, http.StatusNotFound, "entity.not_found")
	}
	return after, u != nil
}

// deleteUser ends all that the user is signed in to, and the memberships and personal access tokens, without events of
// their own.
func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request) {
	u, ok := s.changeUser(w, r, func(u *user) { s.directory.deleteUser(u.id) })
	if ok {
		s.emit(r, userDeleted, http.StatusNoContent, map[string]any{"data": u})
		w.WriteHeader(http.StatusNoContent)
	}
}

func (d *directory) deleteUser(id string) {
	delete(d.users, id) // a membership or a sign-in without its user is not one any more: see members.of

	maps.DeleteFunc(d.tokens, func(_ string, t personalToken) bool { return t.user == id })
}

// personalToken is a personal access token.
type personalToken struct {
	user    string
	expires int64 // in milliseconds; 0: never
}

func (t personalToken) expired(now time.Time) bool {
	return t.expires != 0 && t.expires <= now.UnixMilli()
}

// addPersonalToken makes a personal access token, which an application exchanges for access tokens of the user.
func (s *Server) addPersonalToken(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name      string
		ExpiresAt *int64
	}
	if !readJSON(w, r, &body) {
		return
	}
	now := s.now()
	token := personalToken{user: r.PathValue("userId")}
	if body.ExpiresAt != nil {
		token.expires = *body.ExpiresAt
	}
	if body.Name == "" || len(body.Name) > maxTokenName || token.expires < 0 || token.expired(now) {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
		return
	}
	value := "pat_" + rand.Text()
	if status, code := s.keepPersonalToken(value, token); status != http.StatusCreated {
		writeError(w, r, status, code)
		return
	}
	writeJSON(w, r, http.StatusCreated, map[string]any{
		"userId": token.user, "name": body.Name, "value": value, "createdAt": now.UnixMilli(), "expiresAt": body.ExpiresAt,
	})
}

func (s *Server) keepPersonalToken(value string, token personalToken) (status int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch tokens := s.directory.tokens; {
	case s.directory.users[token.user] == nil:
		return http.StatusUnprocessableEntity, "entity.relation_foreign_key_not_found"
	case len(tokens) == maxPersonalTokens:
		return http.StatusForbidden, "subscription.limit_exceeded"
	default:
		tokens[value] = token
		return http.StatusCreated, ""
	}
}
