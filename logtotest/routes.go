package logtotest

import (
	"cmp"
	"io"
	"maps"
	"net/http"
	"net/url"
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

type handler func(*Server, http.ResponseWriter, *http.Request)

// routes are the handlers by path and method. That of GET serves HEAD too. A path is in lower case but for its names in
// braces, which stand for one segment each; these are Logto's names, because webhooks show them.
var routes = map[string]map[string]handler{
	jwksPath: {"GET": (*Server).serveKeySet},
	oidcMount + "/.well-known/openid-configuration":       {"GET": (*Server).serveDiscovery},
	oidcMount + "/.well-known/oauth-authorization-server": {"GET": (*Server).serveDiscovery},
	tokenPath:                  {"POST": (*Server).serveToken},
	tokenPath + "/revocation":  {"POST": (*Server).serveRevocation},
	oidcMount + "/auth":        {"GET": (*Server).authorize, "POST": (*Server).chooseUser},
	oidcMount + "/me":          {"GET": (*Server).serveMe, "POST": (*Server).serveMe},
	oidcMount + "/session/end": {"GET": (*Server).endSession},

	applicationsPath: {"GET": (*Server).serveApplications, "POST": (*Server).refuseApplication},
	"/":              {"GET": (*Server).serveRoot},

	apiMount + "/users":                                 {"GET": (*Server).serveUsers},
	apiMount + "/users/{userId}":                        {"GET": (*Server).serveUser, "DELETE": (*Server).deleteUser},
	apiMount + "/users/{userId}/is-suspended":           {"PATCH": (*Server).suspendUser},
	apiMount + "/users/{userId}/personal-access-tokens": {"POST": (*Server).addPersonalToken},

	apiMount + "/organizations/{id}":                              {"DELETE": (*Server).deleteOrganization},
	apiMount + "/organizations/{id}/users":                        userMembers.routes(),
	apiMount + "/organizations/{id}/users/{userId}":               {"DELETE": userMembers.remove},
	apiMount + "/organizations/{id}/applications":                 applicationMembers.routes(),
	apiMount + "/organizations/{id}/applications/{applicationId}": {"DELETE": applicationMembers.remove},

	apiMount + "/hooks/{id}":             {"GET": (*Server).serveHook, "PATCH": (*Server).changeHook, "DELETE": (*Server).deleteHook},
	apiMount + "/hooks/{id}/test":        {"POST": (*Server).testHook},
	apiMount + "/hooks/{id}/recent-logs": {"GET": (*Server).serveRecentLogs},
}

// routeOf is where a request leads in routes; what the names in braces stand for is then among its path values. Like
// Logto, it ignores a slash at the end of a path, and the case of all but its first part and these values.
func routeOf(r *http.Request) (path, method string) {
	path, method = r.URL.EscapedPath(), r.Method
	for _, mount := range []string{oidcMount, apiMount} {
		if rest, ok := under(mount, r); ok {
			path = patternOf(r, mount+strings.TrimSuffix(rest, "/"))
		}
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return path, method
}

func patternOf(r *http.Request, path string) string {
	if lower := strings.ToLower(path); routes[lower] != nil {
		return lower
	}
	segments := strings.Split(path, "/")
	for pattern := range routes {
		names := strings.Split(pattern, "/")
		if slices.EqualFunc(names, segments, fits) {
			for i, name := range names {
				if name, ok := inBraces(name); ok {
					value, _ := url.PathUnescape(segments[i]) // net/http has parsed it
					r.SetPathValue(name, value)
				}
			}
			r.Pattern = pattern
			return pattern
		}
	}
	return path
}

func fits(name, segment string) bool {
	_, ok := inBraces(name)
	return ok && segment != "" || strings.EqualFold(name, segment)
}

func inBraces(text string) (name string, ok bool) {
	name, ok = strings.CutPrefix(text, "{")
	return strings.TrimSuffix(name, "}"), ok
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
	_, api := under(apiMount, r)
	switch handler := methods[method]; {
	case handler != nil:
		if !api || s.authorizeManagement(w, r) {
			handler(s, w, r)
		}
	case known && oidc && method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
		servePreflight(w, r, strings.Join(slices.Collect(maps.Keys(methods)), ","))
	case known && api:
		w.Header().Set("Allow", allowed(methods))
		writeText(w, http.StatusMethodNotAllowed)
	default:
		serveNotFound(w, r)
	}
}

func allowed(methods map[string]handler) string {
	list := slices.Sorted(maps.Keys(methods))
	if methods[http.MethodGet] != nil {
		list = slices.Insert(list, 0, http.MethodHead)
	}
	return strings.Join(list, ", ")
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

// allowOrigin lets scripts of any website read the answer, but none of a document that belongs to no website.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "null" {
		w.Header().Set("Access-Control-Allow-Origin", cmp.Or(origin, "*"))
	}
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
