package logtotest

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
)

// authenticate finds out which application asks (RFC 6749 section 2.3).
func (s *Server) authenticate(r *http.Request, form url.Values) (application string, refusal *oauthError) {
	id, secret, refusal := credentials(r, form)
	if refusal != nil {
		return "", refusal
	}
	want, known := s.directory.secrets[id]
	if !known {
		return "", &oauthError{http.StatusBadRequest, "invalid_client", "invalid client " + id}
	}
	if !equal(secret, want) {
		return "", &oauthError{http.StatusUnauthorized, "invalid_client", "client authentication failed"}
	}
	return id, nil
}

func credentials(r *http.Request, form url.Values) (id, secret string, refusal *oauthError) {
	id, secret = form.Get("client_id"), form.Get("client_secret")
	if r.Header.Get("Authorization") == "" {
		if id == "" {
			return "", "", invalidRequest("no client authentication mechanism provided")
		}
		return id, secret, nil
	}
	if secret != "" {
		return "", "", invalidRequest("client authentication must only be provided using one mechanism")
	}
	basicID, basicSecret, ok := basicCredentials(r)
	if !ok {
		return "", "", invalidRequest("invalid authorization header value format")
	}
	if id != "" && id != basicID {
		return "", "", invalidRequest("mismatch in body and authorization client ids")
	}
	return basicID, basicSecret, nil
}

// basicCredentials undoes the form encoding that RFC 6749 section 2.3.1 puts inside of Basic.
func basicCredentials(r *http.Request) (id, secret string, ok bool) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, errID := url.QueryUnescape(user)
	secret, errSecret := url.QueryUnescape(password)
	return id, secret, errID == nil && errSecret == nil
}

// equal takes the same time for any two secrets; hashing hides their lengths too.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
