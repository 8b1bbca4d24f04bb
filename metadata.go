package logtoguard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

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
// indicator in Logto by the API's own URL.
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

// MetadataHandler serves Config.Metadata at the path of its URL, and answers 404 at
// every other. It stands beside the guarded routes, as it is for clients without a
// token, those in browsers included:
//
//	mux.Handle("/.well-known/", guard.MetadataHandler())
//
// It panics where Config.Metadata is nil.
func (g *Guard) MetadataHandler() http.Handler {
	if g.metadata.url == "" {
		panic("logtoguard: MetadataHandler: Config.Metadata is nil")
	}
	return &g.metadata
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
		// The connection may be gone: there is nobody left to tell.
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

// metadata makes the document once: it is the same for everybody.
func (f *faults) metadata(cfg Config, issuers []string) metadata {
	if cfg.Metadata == nil {
		return metadata{}
	}
	if len(cfg.Audience) == 0 {
		f.add("Metadata needs a resource indicator, the first of Audience: set one, or leave Metadata out, as with OrganizationTokens")
		return metadata{}
	}
	m, resource := *cfg.Metadata, cfg.Audience[0]
	identifier := f.address("Audience[0], as the resource of Metadata,", resource, "https://shopping.api", cfg.InsecureHTTP)
	var at string
	switch {
	case m.URL != "":
		at = f.metadataPath(m.URL, cfg.InsecureHTTP)
	case identifier != nil:
		m.URL, at = metadataURL(*identifier)
	}
	if m.Documentation != "" {
		page, _, _ := strings.Cut(m.Documentation, "#")
		f.address("Metadata.Documentation", page, "https://shopping.api/docs", true)
	}
	for i, scope := range m.Scopes {
		if !isOneScope(scope) {
			f.add("Metadata.Scopes[%d] is empty or has a space: give each scope as a string of its own", i)
		}
	}
	return metadata{url: m.URL, path: at, document: m.document(resource, issuers)}
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

func (f *faults) metadataPath(address string, insecureHTTP bool) string {
	const example = "https://shopping.api" + wellKnownPath
	u := f.address("Metadata.URL", address, example, insecureHTTP)
	if u == nil {
		return ""
	}
	if u.Path != wellKnownPath && !strings.HasPrefix(u.Path, wellKnownPath+"/") {
		f.add("Metadata.URL is not where clients look (RFC 9728, section 3.1): write it like %s", example)
	}
	return u.Path
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
