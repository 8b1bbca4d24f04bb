package logtotest

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	machineToMachine = "MachineToMachine"

	defaultPageSize = 20
	maxPageSize     = 100
)

var applicationTypes = []string{"Native", "SPA", "Traditional", machineToMachine, "Protected", "SAML"}

// serveApplications is the Management API's list of applications, the newest first, for holders of a token of that API.
func (s *Server) serveApplications(w http.ResponseWriter, r *http.Request) {
	if !s.authorizeManagement(w, r) {
		return
	}
	type application struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Type string `json:"type"`
	}
	query := r.URL.Query()
	offset, limit, ok := pageOf(query)
	switch {
	case !ok:
		writeError(w, r, http.StatusBadRequest, "guard.invalid_pagination")
		return
	case slices.ContainsFunc(query["types"], func(t string) bool { return !slices.Contains(applicationTypes, t) }):
		writeJSON(w, r, http.StatusBadRequest, map[string]string{"code": "guard.invalid_input", "message": "The request query is invalid."})
		return
	case slices.Contains(query["search"], "") || len(query["search"]) > 1:
		writeJSON(w, r, http.StatusInternalServerError, map[string]string{"message": "Internal server error."})
		return
	}
	list := []application{} // never null
	for _, id := range slices.Backward(s.directory.applications) {
		if isLike(id, query.Get("search")) && (!query.Has("types") || slices.Contains(query["types"], machineToMachine)) {
			list = append(list, application{ID: id, Name: id, Type: machineToMachine})
		}
	}
	if query.Get("page")+query.Get("page_size") != "" {
		list = paginate(w, r, list, offset, limit)
	}
	writeJSON(w, r, http.StatusOK, list)
}

// refuseApplication refuses every new application, as Logto does one without a name: a tenant is declared once.
func (s *Server) refuseApplication(w http.ResponseWriter, r *http.Request) {
	if s.authorizeManagement(w, r) {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
	}
}

// isLike is SQL's LIKE in any case. The empty pattern is like everything.
func isLike(text, pattern string) bool {
	pattern = strings.NewReplacer("%", "*", "_", "?").Replace(strings.ToLower(pattern))
	like, _ := path.Match(pattern, strings.ToLower(text))
	return like || pattern == ""
}

// pageOf is the part of a list that a query asks for. Where that is not whole, or too far for a database, Logto fails.
func pageOf(query url.Values) (offset, limit int, ok bool) {
	number, okNumber := positive(query["page"], 1)
	size, okSize := positive(query["page_size"], defaultPageSize)
	start := (number - 1) * size
	ok = okNumber && okSize && size <= maxPageSize && size == math.Trunc(size) && start >= 0 && start < 1<<63 && start == math.Trunc(start)
	if !ok {
		return 0, 0, false
	}
	return int(start), int(size), true
}

// positive reads a number above zero as JavaScript does: 1e1, 0x1 and 1.0 are numbers. Two values are none.
func positive(values []string, absent float64) (n float64, ok bool) {
	text := strings.Join(values, ",")
	if text == "" {
		return absent, true
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(strings.ToLower(text), "0x") {
		text += "p0" // which ParseFloat asks for
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && n > 0 && !strings.Contains(text, "_")
}

// paginate returns a part of a list, with links to others in the header (RFC 8288).
func paginate[T any](w http.ResponseWriter, r *http.Request, list []T, offset, limit int) []T {
	number, last := offset/limit+1, max(1, (len(list)+limit-1)/limit)
	h := w.Header()
	h.Set("Total-Number", strconv.Itoa(len(list)))
	h.Add("Link", pageLink(r, 1, "first"))
	h.Add("Link", pageLink(r, last, "last"))
	if number > 1 {
		h.Add("Link", pageLink(r, number-1, "prev"))
	}
	if number < last {
		h.Add("Link", pageLink(r, number+1, "next"))
	}
	start := min(offset, len(list))
	return list[start:min(start+limit, len(list))]
}

// pageLink is the request's own address with another page in it, and without /api, which Logto forgets.
func pageLink(r *http.Request, number int, relation string) string {
	page := "page=" + strconv.Itoa(number)
	pairs := strings.Split(r.URL.RawQuery, "&")
	i := slices.IndexFunc(pairs, func(pair string) bool { return strings.HasPrefix(pair, "page=") })
	if i < 0 {
		pairs = append(pairs, page)
	} else {
		pairs[i] = page
	}
	rest, _ := under(apiMount, r)
	return "<http://" + r.Host + rest + "?" + strings.Join(pairs, "&") + `>; rel="` + relation + `"`
}

// authorizeManagement reports whether a request may use the Management API, and refuses it if not.
func (s *Server) authorizeManagement(w http.ResponseWriter, r *http.Request) bool {
	header := r.Header.Get("Authorization")
	token, ok := strings.CutPrefix(header, "Bearer")    // in this case only
	claims, valid := s.open(token[min(1, len(token)):]) // Logto drops what follows Bearer, a space or not
	switch {
	case header == "":
		writeError(w, r, http.StatusUnauthorized, "auth.authorization_header_missing")
	case !ok:
		writeError(w, r, http.StatusUnauthorized, "auth.authorization_token_type_not_supported")
	case !valid || claims.Issuer != s.issuer() || claims.Audience != s.directory.managementAPI || claims.Expires <= s.now().Unix():
		writeError(w, r, http.StatusUnauthorized, "auth.unauthorized")
	case !slices.Contains(strings.Split(claims.Scope, " "), managementScope):
		writeError(w, r, http.StatusForbidden, "auth.forbidden")
	default:
		return true
	}
	return false
}

type accessClaims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Scope    string `json:"scope"`
}

// open reads an access token that one of the published keys has signed.
func (s *Server) open(token string) (claims accessClaims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims, false
	}
	var header struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid"`
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !decode(parts[0], &header) || !decode(parts[1], &claims) || header.Type != tokenType {
		return claims, false
	}
	for _, key := range s.ring().published() {
		if key.ID() == header.KeyID && key.Algorithm() == header.Algorithm {
			return claims, key.verify(parts[0]+"."+parts[1], signature)
		}
	}
	return claims, false
}

func decode(part string, v any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, v) == nil
}
