package logtotest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// serveApplications is the Management API's list of applications, for whoever holds a token of that API.
func (s *Server) serveApplications(w http.ResponseWriter, r *http.Request) {
	if status, code := s.authorizeManagement(r); status != http.StatusOK {
		writeJSON(w, status, map[string]string{"code": code, "message": http.StatusText(status)})
		return
	}
	type application struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Type string `json:"type"`
	}
	list := make([]application, 0, len(s.directory.applications))
	for _, id := range s.directory.applications {
		list = append(list, application{ID: id, Name: id, Type: "MachineToMachine"})
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) authorizeManagement(r *http.Request) (status int, code string) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return http.StatusUnauthorized, "auth.authorization_header_missing"
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return http.StatusUnauthorized, "auth.authorization_token_type_not_supported"
	}
	claims, ok := s.open(token)
	if !ok || claims.Issuer != s.issuer() || claims.Audience != s.directory.managementAPI || claims.Expires <= s.now().Unix() {
		return http.StatusUnauthorized, "auth.unauthorized"
	}
	if !slices.Contains(strings.Fields(claims.Scope), managementScope) {
		return http.StatusForbidden, "auth.forbidden"
	}
	return http.StatusOK, ""
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
