package logtotest

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

// FromThisMachine refuses (403) what a website makes a browser on this machine send. It is for a server that people
// develop against, and for what stands beside it; tests do without. It lets through requests for localhost or a loopback
// address that have no Origin header, or their own address there, or, under /oidc, one of these origins, such as
// http://localhost:5173. It panics on what is not an origin.
func FromThisMachine(origins ...string) Fault {
	protection := http.NewCrossOriginProtection() // for browsers that send Sec-Fetch-Site and no Origin
	for _, origin := range origins {
		must(protection.AddTrustedOrigin(origin))
	}
	return func(next http.Handler) http.Handler {
		protected := protection.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			origin := r.Header.Get("Origin")
			_, oidc := under(oidcMount, r)
			switch {
			case !endpoint.IsLoopback((&url.URL{Host: r.Host}).Hostname()):
				http.Error(w, "ask for it as localhost or by a loopback address", http.StatusForbidden)
			case origin != "" && origin != "http://"+r.Host && !(oidc && slices.Contains(origins, origin)):
				http.Error(w, "this is for this machine: other sites may not ask", http.StatusForbidden)
			default:
				protected.ServeHTTP(w, r)
			}
		})
	}
}
