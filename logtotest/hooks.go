package logtotest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

type hook struct {
	Hook
	created time.Time
}

func (h *hook) describe() map[string]any {
	return map[string]any{
		"id":         h.ID,
		"name":       h.ID,
		"event":      nil,
		"events":     h.Events,
		"config":     map[string]string{"url": h.URL},
		"signingKey": h.SigningKey,
		"enabled":    !h.Disabled,
		"createdAt":  h.created.UnixMilli(),
	}
}

func (s *Server) serveHook(w http.ResponseWriter, r *http.Request) {
	s.answerHook(w, r, func(*hook) {})
}

// changeHook changes whether a hook is enabled, its events and its receiver.
func (s *Server) changeHook(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Enabled *bool
		Events  []string
		Config  *hookConfig
	}
	if !readJSON(w, r, &body) {
		return
	}
	if body.Events != nil && !areEvents(body.Events) || body.Config != nil && !isWebURL(body.Config.URL) {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
		return
	}
	s.answerHook(w, r, func(h *hook) {
		if body.Enabled != nil {
			h.Disabled = !*body.Enabled
		}
		if body.Events != nil {
			h.Events = body.Events
		}
		if body.Config != nil {
			h.URL = body.Config.URL
		}
	})
}

type hookConfig struct{ URL string }

func areEvents(names []string) bool {
	unknown := func(name string) bool { return !slices.Contains(allEvents, name) }
	return len(names) > 0 && !slices.ContainsFunc(names, unknown)
}

// answerHook shows the path's hook after a change.
func (s *Server) answerHook(w http.ResponseWriter, r *http.Request, change func(*hook)) {
	s.mu.Lock()
	h := s.directory.hooks[r.PathValue("id")]
	var shown map[string]any
	if h != nil {
		change(h)
		shown = h.describe()
	}
	s.mu.Unlock()
	if h == nil {
		writeError(w, r, http.StatusNotFound, "entity.not_exists_with_id")
		return
	}
	writeJSON(w, r, http.StatusOK, shown)
}

// deleteHook leaves the hook's log, as Logto does.
func (s *Server) deleteHook(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	known := s.directory.hooks[id] != nil
	delete(s.directory.hooks, id)
	s.mu.Unlock()
	if !known {
		writeError(w, r, http.StatusNotFound, "entity.not_found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// testHook sends made-up events to an address, signed with the hook's key. They get into no log.
func (s *Server) testHook(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Events []string
		Config hookConfig
	}
	if !readJSON(w, r, &body) {
		return
	}
	if !areEvents(body.Events) || !isWebURL(body.Config.URL) {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
		return
	}
	id := r.PathValue("id")
	s.mu.Lock()
	h := s.directory.hooks[id]
	var key string
	if h != nil {
		key = h.SigningKey
	}
	s.mu.Unlock()
	if h == nil {
		writeError(w, r, http.StatusNotFound, "entity.not_exists_with_id")
		return
	}
	for _, event := range slices.Compact(slices.Sorted(slices.Values(body.Events))) {
		status, _, err := s.post(r.Context(), body.Config.URL, key, marshal(map[string]any{
			"event": event, "hookId": id, "createdAt": isoTime(s.now()), "userAgent": "fake-user-agent",
			"path": "/fake-path/:id", "method": "POST", "status": 200,
			"params": map[string]string{"id": "fake-id"}, "data": map[string]string{"result": "success"},
		}))
		switch {
		case err != nil:
			writeError(w, r, http.StatusUnprocessableEntity, "hook.send_test_payload_failed")
			return
		case status < 200 || status > 299:
			writeError(w, r, http.StatusUnprocessableEntity, "hook.endpoint_responded_with_error")
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveRecentLogs shows the rows of a hook's log, the newest first: those of the last 24 hours unless the query has a
// start_time or an end_time. A hook that isn't there has none.
func (s *Server) serveRecentLogs(w http.ResponseWriter, r *http.Request) {
	p, ok := readPage(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	start, okStart := milliseconds(query, "start_time")
	end, okEnd := milliseconds(query, "end_time")
	if !okStart || !okEnd {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
		return
	}
	if start == nil && end == nil {
		day := s.now().Add(-24 * time.Hour).UnixMilli()
		start = &day
	}
	id, key := r.PathValue("id"), query.Get("logKey")
	rows := []logRow{} // never null
	s.mu.Lock()
	for _, row := range slices.Backward(s.webhooks.log) {
		if row.hook == id && (key == "" || row.Key == key) &&
			(start == nil || row.CreatedAt >= *start) && (end == nil || row.CreatedAt < *end) {
			rows = append(rows, row)
		}
	}
	s.mu.Unlock()
	// A clock that was set back has written them in another order.
	slices.SortStableFunc(rows, func(a, b logRow) int { return cmp.Compare(b.CreatedAt, a.CreatedAt) })
	p.capped = query.Get("enableCap") == "true"
	writePage(w, r, rows, p)
}

// milliseconds reads a time of a query, or nil if it has none.
func milliseconds(query url.Values, name string) (ms *int64, ok bool) {
	text := query.Get(name)
	if text == "" {
		return nil, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return &n, err == nil
}
