package m2m

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

// transport adds the token to requests. It decides where a token may go, because an
// http.Client's CheckRedirect is the caller's to set.
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
		return nil, fmt.Errorf("m2m: %s is not encrypted, so the token is not sent there: use https, or set InsecureHTTP if no one else can reach that network", endpoint.Origin(r.URL))
	}
	used, err := t.tokens.get(r.Context())
	if err != nil {
		closeBody(r.Body)
		return nil, err
	}
	response, err := t.send(r, r.Body, used)
	// Twice: the token after a revoked one may be of the revocation's second, too.
	for range 2 {
		if err != nil || response == nil || response.StatusCode != http.StatusUnauthorized {
			break
		}
		if response, used, err = t.repeat(r, response, used); used == nil {
			break
		}
	}
	return response, err
}

// repeat sends a refused request again, with another token, which it returns. If it
// can't, it returns the refusal.
func (t *transport) repeat(r *http.Request, refusal *http.Response, refused *grant) (*http.Response, *grant, error) {
	empty := r.Body == nil || r.Body == http.NoBody
	if !empty && r.GetBody == nil {
		return refusal, nil, nil
	}
	next, err := t.tokens.replace(r.Context(), refused)
	if err != nil {
		closeBody(refusal.Body)
		return nil, nil, err
	}
	if next == nil {
		return refusal, nil, nil
	}
	body := r.Body
	if !empty {
		if body, err = r.GetBody(); err != nil {
			return refusal, nil, nil
		}
	}
	closeBody(refusal.Body) // unread: what is left of it may never come
	response, err := t.send(r, body, next)
	return response, next, err
}

// send works on a copy: a RoundTripper must not modify the caller's request, and the
// answer's Request, which may be logged, need not hold the token. The copy shares the
// Trailer, which the caller fills in while the body is being sent.
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

// CloseIdleConnections is called by [http.Client.CloseIdleConnections].
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// ledElsewhere reports whether a redirect to another origin led to this request.
// A redirect back changes nothing: the other origin chose this address.
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
