package logtotest

import (
	"encoding/json"
	"net/http"
)

// serveDiscovery answers as Logto does: the URLs follow the request's Host header, the issuer doesn't.
func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	base := "http://" + r.Host + "/oidc"
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.issuer(),
		"authorization_endpoint":                base + "/auth", // required by discovery, though nobody can sign in here
		"token_endpoint":                        base + "/token",
		"jwks_uri":                              "http://" + r.Host + jwksPath,
		"grant_types_supported":                 []string{grantType},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{s.Key().Algorithm()},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"claims_supported":                      []string{"iss", "sub", "aud", "exp", "iat"},
	})
}

func serveNotFound(w http.ResponseWriter, _ *http.Request) {
	writeOAuthError(w, &oauthError{http.StatusNotFound, "invalid_request", "no such route, or not by this method"})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only if the client is gone
}
