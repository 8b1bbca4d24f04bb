package logtotest

import (
	"cmp"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const (
	oidcMount = "/oidc"
	apiMount  = "/api"

	jwksPath         = oidcMount + "/jwks"
	tokenPath        = oidcMount + "/token"
	applicationsPath = apiMount + "/applications"
)

// routes are the handlers by path, in lower case, and method. That of GET serves HEAD too.
var routes = map[string]map[string]func(*Server, http.ResponseWriter, *http.Request){
	jwksPath: {"GET": (*Server).serveKeySet},
	oidcMount + "/.well-known/openid-configuration":       {"GET": (*Server).serveDiscovery},
	oidcMount + "/.well-known/oauth-authorization-server": {"GET": (*Server).serveDiscovery},
	tokenPath:        {"POST": (*Server).serveToken},
	applicationsPath: {"GET": (*Server).serveApplications, "POST": (*Server).refuseApplication},
	"/":              {"GET": (*Server).serveRoot},
}

// routeOf is where a request leads in routes. Like Logto, it ignores a slash at the end of a path, and the case of all
// but its first part.
func routeOf(r *http.Request) (path, method string) {
	path, method = r.URL.EscapedPath(), r.Method
	for _, mount := range []string{oidcMount, apiMount} {
		if rest, ok := under(mount, r); ok {
			path = mount + strings.ToLower(strings.TrimSuffix(rest, "/"))
		}
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return path, method
}

// under is the rest of a request's path after a mount.
func under(mount string, r *http.Request) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(r.URL.EscapedPath(), mount)
	return cmp.Or(rest, "/"), ok && (rest == "" || rest[0] == '/')
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path, method := routeOf(r)
	methods, known := routes[path]
	_, oidc := under(oidcMount, r)
	switch handler := methods[method]; {
	case handler != nil:
		handler(s, w, r)
	case known && oidc && method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
		servePreflight(w, r, strings.Join(slices.Collect(maps.Keys(methods)), ","))
	case path == applicationsPath:
		w.Header().Set("Allow", "HEAD, GET, POST")
		writeText(w, http.StatusMethodNotAllowed)
	default:
		serveNotFound(w, r)
	}
}

// serveNotFound answers where there is nothing, or not by this method.
func serveNotFound(w http.ResponseWriter, r *http.Request) {
	path, oidc := under(oidcMount, r)
	if !oidc {
		writeText(w, http.StatusNotFound)
		return
	}
	description := "unrecognized route or not allowed method (" + r.Method + " on " + path + ")"
	writeOAuthError(w, r, &oauthError{http.StatusNotFound, "invalid_request", description})
}

// serveRoot sends a browser to the page for people without a session.
func (s *Server) serveRoot(w http.ResponseWriter, r *http.Request) {
	target := s.endpoint + "/unknown-session"
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	http.Redirect(w, r, target, http.StatusFound)
	_, _ = io.WriteString(w, "Redirecting to "+target+".")
}

// allowOrigin lets scripts of any website read the answer.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Origin")
	w.Header().Set("Access-Control-Allow-Origin", cmp.Or(r.Header.Get("Origin"), "*"))
}

func servePreflight(w http.ResponseWriter, r *http.Request, methods string) {
	allowOrigin(w, r)
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", "3600")
	if headers := r.Header.Get("Access-Control-Request-Headers"); headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	w.WriteHeader(http.StatusNoContent)
}
