package m2m

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

// transport adds the token to requests. It keeps the rules of where a token may go
// by itself: an http.Client's CheckRedirect is the caller's to set.
type transport struct {
	tokens       *keeper
	base         http.RoundTripper
	insecureHTTP bool
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if ledElsewhere(r) {
		return t.base.RoundTrip(r)
	}
	if !t.insecureHTTP && !endpoint.IsConfidential(r.URL) {
		closeBody(r.Body)
		return nil, fmt.Errorf("m2m: %s is not encrypted, so the token is not sent there: use https, or set InsecureHTTP if nobody else can reach that network", endpoint.Origin(r.URL))
	}
	used, err := t.tokens.get(r.Context())
	if err != nil {
		closeBody(r.Body)
		return nil, err
	}
	response, err := t.send(r, r.Body, used)
	if err != nil || response == nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	return t.repeat(r, response, used)
}

// repeat sends a refused request once more, with another token. Where that can't
// be done, the refusal is the answer.
func (t *transport) repeat(r *http.Request, refusal *http.Response, refused *grant) (*http.Response, error) {
	empty := r.Body == nil || r.Body == http.NoBody
	if !empty && r.GetBody == nil {
		return refusal, nil
	}
	next := t.tokens.replace(r.Context(), refused)
	if next == nil {
		return refusal, nil
	}
	body := r.Body
	if !empty {
		var err error
		if body, err = r.GetBody(); err != nil {
			return refusal, nil
		}
	}
	closeBody(refusal.Body) // unread: what is left of it may never come
	return t.send(r, body, next)
}

// send works on a copy: a RoundTripper leaves the caller's request as it is, and
// the answer's Request, which gets logged, need not hold the token. The copy shares
// the Trailer, which the caller fills in while the body is being sent.
func (t *transport) send(r *http.Request, body io.ReadCloser, with *grant) (*http.Response, error) {
	authorized := r.WithContext(r.Context())
	authorized.Body = body
	authorized.Header = r.Header.Clone()
	maps.DeleteFunc(authorized.Header, func(name string, _ []string) bool { return strings.EqualFold(name, "Authorization") })
	with.token.SetAuthHeader(authorized)
	response, err := t.base.RoundTrip(authorized)
	if response != nil {
		response.Request = r
	}
	return response, err
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] looks for.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// ledElsewhere reports whether a redirect to another origin led to this request.
// That the way came back changes nothing: who was asked there chose this address.
func ledElsewhere(r *http.Request) bool {
	for hop := r; hop.Response != nil; hop = hop.Response.Request {
		before := hop.Response.Request
		if before == nil || endpoint.Origin(before.URL) != endpoint.Origin(r.URL) {
			return true
		}
	}
	return false
}

func closeBody(body io.Closer) {
	if body != nil {
		body.Close()
	}
}
