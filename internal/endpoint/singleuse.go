package endpoint

import "net/http"

// SingleUse returns a copy of base that uses each connection for one request only:
// in HTTP/2, a connection that no longer answers outlives the request that gave up
// on it, and would be used for the next one too. Nil stands for
// [http.DefaultTransport]. A RoundTripper that is not an *[http.Transport] is
// returned as it is: the caller also sets Close on its requests, for those that wrap one.
func SingleUse(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	shared, ok := base.(*http.Transport)
	if !ok {
		return base
	}
	own := shared.Clone()
	own.DisableKeepAlives = true
	return own
}
