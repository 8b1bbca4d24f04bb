package endpoint

import "net/http"

// SingleUse returns a transport whose requests each have a connection of their own:
// in HTTP/2 one that answers no more outlives the request that gave up on it, and
// would get the next one too. Nil stands for http.DefaultTransport. A transport that
// isn't net/http's is only asked for it, by the request's Close.
func SingleUse(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if shared, ok := base.(*http.Transport); ok {
		// What others do over its connections in HTTP/2 would be shared all the same.
		base = shared.Clone()
	}
	return singleUse{base}
}

type singleUse struct{ base http.RoundTripper }

func (t singleUse) RoundTrip(r *http.Request) (*http.Response, error) {
	alone := r.WithContext(r.Context())
	alone.Close = true
	return t.base.RoundTrip(alone)
}
