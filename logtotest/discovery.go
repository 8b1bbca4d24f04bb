package logtotest

import "net/http"

// serveDiscovery answers as Logto does: the URLs follow the request's Host header, the issuer doesn't. It lists only
// what the stand-in has.
func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	host := "http://" + r.Host
	writeJSON(w, r, http.StatusOK, map[string]any{
		"issuer":                                s.issuer(),
		"authorization_endpoint":                host + oidcMount + "/auth", // required by discovery, though users can't sign in here
		"token_endpoint":                        host + tokenPath,
		"jwks_uri":                              host + jwksPath,
		"grant_types_supported":                 []string{clientCredentials, tokenExchange},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{s.Key().Algorithm()},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"claims_supported":                      []string{"iss", "sub"},
	})
}
