package logtoguard

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

const wellKnownPath = "/.well-known/oauth-protected-resource"

// Metadata tells clients that have never heard of this API where its tokens come
// from: OAuth 2.0 Protected Resource Metadata (RFC 9728). Challenges then carry its
// address, and [Guard.MetadataHandler] serves it.
//
// Its resource is Config.Audience[0], which has to be an https URL then (RFC 9728,
// section 1.2). A strict client refuses metadata whose resource is neither the URL
// that it calls nor the beginning of it (RFC 9728, section 3.3): name the resource
// indicator in Logto by the API's own URL, and give it a path: many clients write an
// origin with a slash after it, and Logto does not know that resource.
type Metadata struct {
	// URL is where the metadata is found from outside: the API's origin, followed by
	// /.well-known/oauth-protected-resource, and by the path of the API if it has one.
	// Default: made of Audience[0] by that rule (RFC 9728, section 3.1). It is never
	// made of a request, whose Host anybody can choose.
	URL string
	// Name is the API's name for people. Default: none.
	Name string
	// Documentation is the URL of a page for developers. Default: none.
	Documentation string
	// Scopes are those that a client may ask for. Default: not said.
	Scopes []string
}

// metadata is a Metadata without faults. Its zero value is none.
type metadata struct {
	url      string
	path     string
	document []byte
}

func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != m.path {
		http.NotFound(w, r)
		return
	}
	// Nothing in it is secret, and no cookie is minded: any page may read it.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Content-Type", "application/json")
		// An error means that the client is gone.
		_, _ = w.Write(m.document)
	case http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Methods", "GET")
		w.Header().Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	}
}

// metadataURL is where RFC 9728, section 3.1, has clients look, in front of the
// resource's path; and the path of that.
func metadataURL(resource url.URL) (address, at string) {
	if resource.Path == "/" {
		resource.Path = ""
	}
	address = endpoint.Origin(&resource) + wellKnownPath + resource.EscapedPath()
	if resource.RawQuery != "" {
		address += "?" + resource.RawQuery
	}
	return address, wellKnownPath + resource.Path
}

func (m Metadata) document(resource string, issuers []string) []byte {
	// Strings can always be marshalled.
	document, _ := json.Marshal(struct {
		Resource      string   `json:"resource"`
		Issuers       []string `json:"authorization_servers"`
		Scopes        []string `json:"scopes_supported,omitempty"`
		Methods       []string `json:"bearer_methods_supported"`
		Name          string   `json:"resource_name,omitempty"`
		Documentation string   `json:"resource_documentation,omitempty"`
	}{resource, issuers, m.Scopes, []string{"header"}, m.Name, m.Documentation})
	return document
}
