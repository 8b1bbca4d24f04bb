package logtotest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	machineToMachine = "MachineToMachine"

	defaultPageSize = 20
	maxPageSize     = 100
	maxCount        = 10_000 // where a count that is capped ends

	maxManagementBody = 1 << 20
)

var declaredTypes = []string{machineToMachine, "Traditional", "SPA", "Native"}

var applicationTypes = []string{"Native", "SPA", "Traditional", machineToMachine, "Protected", "SAML"}

type application struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

func describeApplication(a Application) application {
	return application{ID: a.ID, Name: a.ID, Type: a.Type}
}

// serveApplications is the Management API's list of applications, the newest first.
func (s *Server) serveApplications(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	p, ok := readPage(w, r)
	switch {
	case !ok:
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
		a := s.directory.clients[id]
		if isLike(strings.ToLower(id), strings.ToLower(query.Get("search"))) && (!query.Has("types") || slices.Contains(query["types"], a.Type)) {
			list = append(list, describeApplication(a))
		}
	}
	if query.Get("page")+query.Get("page_size") == "" {
		writeJSON(w, r, http.StatusOK, list)
		return
	}
	writePage(w, r, list, p)
}

// refuseApplication refuses every new application, as Logto does one without a name: a tenant is declared once.
func (s *Server) refuseApplication(w http.ResponseWriter, r *http.Request) {
	writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
}

// readJSON reads what a change asks for. It answers itself, and returns false, where that is no JSON of v's form.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxManagementBody+1))
	if len(body) > maxManagementBody {
		writeText(w, http.StatusRequestEntityTooLarge)
		return false
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || json.Unmarshal(body, v) != nil {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_input")
		return false
	}
	return true
}

// isLike is SQL's LIKE. The empty pattern is like everything.
func isLike(text, pattern string) bool {
	like, _ := path.Match(strings.NewReplacer("%", "*", "_", "?").Replace(pattern), text)
	return like || pattern == ""
}

// page is the part of a list that a query asks for.
type page struct {
	number, size, offset int
	capped               bool // the list isn't counted beyond maxCount
}

// readPage refuses a query whose page is not whole, or too far for a database, as Logto does.
func readPage(w http.ResponseWriter, r *http.Request) (page, bool) {
	query := r.URL.Query()
	number, okNumber := positive(query["page"], 1)
	size, okSize := positive(query["page_size"], defaultPageSize)
	offset := (number - 1) * size
	if !okNumber || !okSize || size > maxPageSize || size != math.Trunc(size) || offset < 0 || offset >= 1<<63 || offset != math.Trunc(offset) {
		writeError(w, r, http.StatusBadRequest, "guard.invalid_pagination")
		return page{}, false
	}
	return page{number: int(offset/size) + 1, size: int(size), offset: int(offset)}, true
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

// writePage answers with a part of a list, and with links to others in the header (RFC 8288).
func writePage[T any](w http.ResponseWriter, r *http.Request, list []T, p page) {
	count := len(list)
	capped := p.capped && count > maxCount
	if capped {
		count = maxCount + 1
	}
	last := max(1, (count+p.size-1)/p.size)
	h := w.Header()
	h.Set("Total-Number", strconv.Itoa(count))
	h.Add("Link", pageLink(r, 1, "first"))
	if capped {
		h.Set("Total-Number-Is-Capped", "true") // so the last page is not known
	} else {
		h.Add("Link", pageLink(r, last, "last"))
	}
	if p.number > 1 {
		h.Add("Link", pageLink(r, p.number-1, "prev"))
	}
	if p.number < last && !capped {
		h.Add("Link", pageLink(r, p.number+1, "next"))
	}
	start := min(p.offset, len(list))
	writeJSON(w, r, http.StatusOK, list[start:min(start+p.size, len(list))])
}

// pageLink is the request's own address with another page in it, and without /api, which Logto forgets.
func pageLink(r *http.Request, number int, relation string) string {
	page := "page=" + strconv.Itoa(number)
	var pairs []string
	if r.URL.RawQuery != "" {
		pairs = strings.Split(r.URL.RawQuery, "&")
	}
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
