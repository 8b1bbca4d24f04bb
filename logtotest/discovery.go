package logtotest

import "net/http"

// serveDiscovery answers as Logto does: the URLs follow the request's Host header, the issuer doesn't. It lists only
// what the stand-in has.
func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	host := "http://" + r.Host
	writeJSON(w, r, http.StatusOK, map[string]any{
		"issuer":                                s.issuer(),
		"authorization_endpoint":                host + oidcMount + "/auth",
		"token_endpoint":                        host + tokenPath,
		"revocation_endpoint":                   host + tokenPath + "/revocation",
		"userinfo_endpoint":                     host + oidcMount + "/me",
		"end_session_endpoint":                  host + oidcMount + "/session/end",
		"jwks_uri":                              host + jwksPath,
		"grant_types_supported":                 []string{authorizationCode, refreshToken, clientCredentials, tokenExchange},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"code_challenge_methods_supported":      []string{"S256"},
		"scopes_supported":                      openIDScopes,
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{s.Key().Algorithm()},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
		"claims_supported": []string{
			"sub", "name", "picture", "updated_at", "username", "created_at", "email", "email_verified", "roles", "organizations", "auth_time", "iss",
		},
		"authorization_response_iss_parameter_supported": true, // RFC 9207
	})
}
