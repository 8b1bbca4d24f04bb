package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"regexp"
	"strings"
)

// The page is for the stand-in only. It is one document without anything from
// elsewhere, and is made once, at start.

//go:embed page.html
var pageSource string

var (
	inline = regexp.MustCompile(`(?s)<(script|style)[^>]*>(.*?)</(?:script|style)>`)
	ipv6   = regexp.MustCompile(`\[.*\]`)
)

// page is the document and the policy that holds the browser to it.
type page struct {
	document []byte
	policy   string
}

func newPage(logto, resource string) (*page, error) {
	tmpl, err := template.New("").Parse(pageSource)
	if err != nil {
		return nil, err
	}
	var document bytes.Buffer
	if err := tmpl.Execute(&document, map[string]any{
		"Logto":        logto,
		"Resource":     resource,
		"Client":       pageClientID,
		"Applications": pageApplications(),
		"Groups":       pageRoutes(),
		"Steps":        checks(),
	}); err != nil {
		return nil, err
	}
	return &page{document.Bytes(), policyFor(document.Bytes(), logto)}, nil
}

// policyFor lets run what is in the document and nothing else (Content Security
// Policy Level 3, section 2.3.1), so that no data becomes a program. The
// page may ask the API and, for people's tokens, Logto.
func policyFor(document []byte, logto string) string {
	var sources []string
	for _, block := range inline.FindAllSubmatch(document, -1) {
		sum := sha256.Sum256(block[2])
		sources = append(sources, string(block[1])+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	logto = ipv6.ReplaceAllString(logto, "*") // a policy can't name one (section 2.3.1)
	return "default-src 'none'; " + strings.Join(sources, "; ") +
		"; connect-src 'self' " + logto + "; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func (p *page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store") // with a real Logto at this address there is no page
	_, _ = w.Write(p.document)         // it fails only when the client has gone
}

// pageApplication is one of the stand-in's applications, in words.
type pageApplication struct{ ID, Title, Text string }

func pageApplications() []pageApplication {
	return []pageApplication{
		{"shop-manager", "Manager", "Reads and writes products."},
		{"shop-reader", "Reader", "Reads products, and no more."},
		{"no-role", "No role", "Logto knows it, and allows it nothing."},
		{"acme-bot", "Acme’s bot", "Reads and writes acme’s orders."},
		{"acme-viewer", "Acme’s viewer", "Reads acme’s orders, and no more."},
	}
}

// pageRoute is a request that the page sends, and what its route asks for.
type pageRoute struct{ Method, Path, Body, Organization, Scope string }

// Segments are what a line may be broken between: each with the slash at its end.
func (r pageRoute) Segments() []string {
	return strings.SplitAfter(strings.TrimPrefix(r.Path, "/"), "/")
}

// pageGroup holds routes that one sentence explains.
type pageGroup struct {
	Title, Text string
	Guarded     bool
	Routes      []pageRoute
}

// pageRoutes repeats in words what newRoutes says in code. A test holds one
// against the other.
func pageRoutes() []pageGroup {
	const (
		tea   = `{"name":"Tea strainer","price_cents":450}`
		cup   = `{"name":"Cup and saucer","price_cents":1390}`
		order = `{"product_id":"p_tea","quantity":3}`
	)
	return []pageGroup{
		{"Products", "", true, []pageRoute{
			{"GET", "/products", "", "", readProducts},
			{"GET", "/products/p_tea", "", "", readProducts},
			{"POST", "/products", tea, "", writeProducts},
			{"PUT", "/products/p_cup", cup, "", writeProducts},
			{"DELETE", "/products/p_pot", "", "", writeProducts},
		}},
		{"Orders of an organization", "", true, []pageRoute{
			{"GET", "/organizations/acme/orders", "", "acme", readOrders},
			{"POST", "/organizations/acme/orders", order, "acme", writeOrders},
			{"GET", "/organizations/globex/orders", "", "globex", readOrders},
			{"POST", "/organizations/globex/orders", order, "globex", writeOrders},
		}},
		{"Who am I", "Any valid token will do.", true, []pageRoute{
			{"GET", "/me", "", "", ""},
		}},
		{"Probes", "Outside of the guard.", false, []pageRoute{
			{"GET", "/healthz", "", "", ""},
			{"GET", "/readyz", "", "", ""},
		}},
	}
}
