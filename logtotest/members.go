package logtotest

import (
	"encoding/json"
	"net/http"
	"slices"
)

// maxListedMembers is where Logto cuts the lists of an event, without a mark.
const maxListedMembers = 5000

// members is one of the two kinds of members of an organization, with the names that Logto has for it.
type members struct {
	id, ids        string                            // in a path, and in a body
	added, removed string                            // in an event
	described      func(d *directory, id string) any // nil for what is not of this kind
}

var (
	userMembers = members{"userId", "userIds", "addedUserIds", "removedUserIds", func(d *directory, id string) any {
		if u := d.users[id]; u != nil {
			return u.profile()
		}
		return nil
	}}
	applicationMembers = members{"applicationId", "applicationIds", "addedApplicationIds", "removedApplicationIds", func(d *directory, id string) any {
		if a := d.clients[id]; a.Type == machineToMachine {
			return describeApplication(a)
		}
		return nil
	}}
)

func (m members) routes() map[string]handler {
	return map[string]handler{"GET": m.list, "POST": m.add, "PUT": m.replace}
}

func (m members) list(s *Server, w http.ResponseWriter, r *http.Request) {
	p, ok := readPage(w, r)
	if !ok {
		return
	}
	organization := r.PathValue("id")
	s.mu.Lock()
	known := s.directory.organizations[organization]
	list := []any{} // never null
	for _, id := range m.of(s.directory, organization) {
		list = append(list, m.described(s.directory, id))
	}
	s.mu.Unlock()
	if !known {
		writeError(w, r, http.StatusNotFound, "entity.not_found")
		return
	}
	writePage(w, r, list, p)
}

// of are the IDs of an organization's members of this kind.
func (m members) of(d *directory, organization string) []string {
	var ids []string
	for place := range d.held {
		if place.organization == organization && m.described(d, place.subject) != nil {
			ids = append(ids, place.subject)
		}
	}
	slices.Sort(ids)
	return ids
}

func (m members) add(s *Server, w http.ResponseWriter, r *http.Request) {
	ids, ok := m.read(w, r)
	if !ok {
		return
	}
	if len(ids) == 0 {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
		return
	}
	if m.change(s, w, r, http.StatusCreated, ids, func() []string { return nil }) {
		writeJSON(w, r, http.StatusCreated, map[string]any{m.ids: ids})
	}
}

func (m members) replace(s *Server, w http.ResponseWriter, r *http.Request) {
	ids, ok := m.read(w, r)
	if !ok {
		return
	}
	stays := map[string]bool{}
	for _, id := range ids {
		stays[id] = true
	}
	others := func() []string {
		return slices.DeleteFunc(m.of(s.directory, r.PathValue("id")), func(id string) bool { return stays[id] })
	}
	if m.change(s, w, r, http.StatusNoContent, ids, others) {
		w.WriteHeader(http.StatusNoContent)
	}
}

func (m members) remove(s *Server, w http.ResponseWriter, r *http.Request) {
	id := r.PathValue(m.id)
	one := func() []string {
		if m.described(s.directory, id) == nil || s.directory.held[membership{id, r.PathValue("id")}] == nil {
			return nil
		}
		return []string{id}
	}
	if m.change(s, w, r, http.StatusNoContent, nil, one) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// read takes the IDs that a body names. It answers itself, and returns false, where there are none.
func (m members) read(w http.ResponseWriter, r *http.Request) (ids []string, ok bool) {
	var body map[string]json.RawMessage
	if !readJSON(w, r, &body) {
		return nil, false
	}
	if json.Unmarshal(body[m.ids], &ids) != nil || ids == nil || slices.Contains(ids, "") {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
		return nil, false
	}
	return ids, true
}

// change makes ids members of the path's organization, ends the memberships of those who leave, and sends the event. It
// answers itself, and returns false, where an ID is not there. A new member holds nothing in the organization, nor does
// one who comes back.
func (m members) change(s *Server, w http.ResponseWriter, r *http.Request, status int, ids []string, leaving func() []string) bool {
	added, removed, known := m.move(s, r.PathValue("id"), ids, leaving)
	switch {
	case ids == nil && len(removed) == 0:
		writeError(w, r, http.StatusNotFound, "entity.not_found")
		return false
	case !known:
		writeError(w, r, http.StatusUnprocessableEntity, "entity.relation_foreign_key_not_found")
		return false
	}
	event := map[string]any{"organizationId": r.PathValue("id")}
	for name, list := range map[string][]string{m.added: added, m.removed: removed} {
		if len(list) > 0 {
			event[name] = list[:min(len(list), maxListedMembers)]
		}
	}
	s.emit(r, membershipUpdated, status, event)
	return true
}

func (m members) move(s *Server, organization string, ids []string, leaving func() []string) (added, removed []string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.directory
	unknown := func(id string) bool { return m.described(d, id) == nil }
	if !d.organizations[organization] || slices.ContainsFunc(ids, unknown) {
		return nil, nil, false
	}
	removed = leaving()
	for _, id := range removed {
		delete(d.held, membership{id, organization})
	}
	for _, id := range ids {
		if place := (membership{id, organization}); d.held[place] == nil {
			d.held[place] = scopes{}
			added = append(added, id)
		}
	}
	return added, removed, true
}

// deleteOrganization ends all memberships in it. The event says nothing of them.
func (s *Server) deleteOrganization(w http.ResponseWriter, r *http.Request) {
	organization := r.PathValue("id")
	s.mu.Lock()
	d := s.directory
	known := d.organizations[organization]
	delete(d.organizations, organization)
	for _, kind := range []members{userMembers, applicationMembers} {
		for _, id := range kind.of(d, organization) {
			delete(d.held, membership{id, organization})
		}
	}
	s.mu.Unlock()
	if !known {
		writeError(w, r, http.StatusNotFound, "entity.not_found")
		return
	}
	s.emit(r, organizationDeleted, http.StatusNoContent, nil)
	w.WriteHeader(http.StatusNoContent)
}
