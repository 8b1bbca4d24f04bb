package logtotest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

// basicAuth is what an Authorization header holds, or what is wrong with it.
type basicAuth struct{ id, secret, fault string }

// readBasic undoes the form encoding that RFC 6749 section 2.3.1 puts inside of Basic. It is not ok where that fails.
func readBasic(r *http.Request) (basic basicAuth, ok bool) {
	parts := strings.Split(r.Header.Get("Authorization"), " ")
	if len(parts) != 2 || !strings.EqualFold(parts[0], "Basic") {
		return basicAuth{fault: "invalid authorization header value format"}, true
	}
	user, password, found := strings.Cut(decodeBase64(parts[1]), ":")
	if !found {
		return basicAuth{fault: "invalid authorization header value format"}, true
	}
	id, errID := url.QueryUnescape(user)
	secret, errSecret := url.QueryUnescape(password)
	if errID != nil || errSecret != nil || !utf8.ValidString(id+secret) {
		return basicAuth{}, false
	}
	// RFC 6749 appendix A
	if strings.ContainsFunc(id+secret, func(c rune) bool { return c < ' ' || c > '~' }) {
		return basicAuth{fault: "client_id and client_secret in the authorization header are not properly encoded"}, true
	}
	return basicAuth{id: id, secret: secret}, true
}

// decodeBase64 takes both alphabets, with padding or without, and returns nothing for what is in neither.
func decodeBase64(text string) string {
	b, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(text))
	if err != nil {
		return ""
	}
	return string(b)
}

// authenticate finds out which application asks (RFC 6749 section 2.3).
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, basic basicAuth, form url.Values) (client Application, refusal *oauthError) {
	id, secret, refusal := clientCredential(r, basic, form)
	if refusal != nil {
		return Application{}, refusal
	}
	if client, refusal = s.client(id); refusal != nil {
		return Application{}, refusal
	}
	if refusal := client.checkOrigin(w, r); refusal != nil {
		return Application{}, refusal
	}
	if !equal(secret, client.Secret) { // both are empty where an application can't keep one
		return Application{}, &oauthError{http.StatusUnauthorized, "invalid_client", "client authentication failed"}
	}
	return client, nil
}

func (s *Server) client(id string) (Application, *oauthError) {
	client, known := s.directory.clients[id]
	if !known {
		return Application{}, &oauthError{http.StatusBadRequest, "invalid_client", "invalid client " + id}
	}
	return client, nil
}

// checkOrigin lets the scripts of an application's own websites read the answer. No website belongs to a
// machine-to-machine application.
func (a Application) checkOrigin(w http.ResponseWriter, r *http.Request) *oauthError {
	origin := r.Header.Get("Origin")
	own := func(uri string) bool {
		u, err := url.Parse(uri)
		return err == nil && strings.EqualFold(origin, endpoint.Origin(u))
	}
	if origin == "" || origin == "http://"+r.Host || slices.ContainsFunc(a.RedirectURIs, own) {
		return nil
	}
	w.Header().Del("Access-Control-Allow-Origin")
	return invalidRequest("origin " + origin + " not allowed for client: " + a.ID)
}

// clientCredential comes from the header, or else from the body.
func clientCredential(r *http.Request, basic basicAuth, form url.Values) (id, secret string, refusal *oauthError) {
	if refusal := twice(form, "client_id", "client_secret"); refusal != nil {
		return "", "", refusal
	}
	id, secret = form.Get("client_id"), form.Get("client_secret")
	if r.Header.Get("Authorization") != "" {
		switch {
		case secret != "":
			return "", "", invalidRequest("client authentication must only be provided using one mechanism")
		case basic.fault != "":
			return "", "", invalidRequest(basic.fault)
		case id != "" && id != basic.id:
			return "", "", invalidRequest("client_id mismatch")
		case basic.secret == "":
			return "", "", invalidRequest("client_secret must be provided in the Authorization header")
		}
		id, secret = basic.id, basic.secret
	}
	if id == "" {
		return "", "", invalidRequest("no client authentication mechanism provided")
	}
	return id, secret, nil
}

// equal takes the same time for any two secrets; hashing hides their lengths too.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
