package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// recording is a request to a Logto 1.42.0 that was set up as demoTenant says, but with a
// web application in the place of acme-viewer, and what it answered. Tokens are taken
// apart; HOST is the address, (…) stands for a value that is another each time, and in a
// request for what an answer to another has brought. Of several headers with one name the
// last was kept.
type recording struct {
	Name    string
	Request struct {
		Method, Path string
		Headers      [][2]string
		Body         string
	}
	Response answer
}

type answer struct {
	Status  int
	Headers map[string]string
	Text    string
	JSON    any
}

// The headers that were recorded.
var recordedHeaders = []string{
	"access-control-allow-methods", "access-control-allow-origin", "access-control-expose-headers", "access-control-max-age",
	"cache-control", "content-type", "etag", "link", "location", "total-number", "www-authenticate",
}

func TestStandInAnswersAsLogto(t *testing.T) {
	data, err := os.ReadFile("testdata/logto-1.42.0.json")
	require.NoError(t, err)
	var recordings []recording
	require.NoError(t, json.Unmarshal(data, &recordings))
	require.Len(t, recordings, 99)

	logto := logtotest.NewServer(demoTenant(audience))
	defer logto.Close()
	replayed := replay{logto, map[string]recording{}}
	for _, r := range recordings {
		replayed.recordings[r.Name] = r
	}
	for _, r := range recordings {
		t.Run(r.Name, func(t *testing.T) {
			res, body := replayed.send(t, r.Name)
			want := essential(r.Response)
			if r.Name == "apps ?types=MachineToMachine" { // acme-viewer is one, web is not
				want.JSON = append([]string{"acme-viewer"}, want.JSON.([]string)...)
			}
			require.Equal(t, want, essential(replayed.record(t, res, body)))
		})
	}
}

type replay struct {
	logto      *logtotest.Server
	recordings map[string]recording
}

// send sends a recorded request, after those whose answers it needs.
func (p replay) send(t *testing.T, name string) (*http.Response, []byte) {
	t.Helper()
	r := p.recordings[name].Request
	req, err := http.NewRequestWithContext(t.Context(), r.Method, p.logto.URL()+r.Path, strings.NewReader(r.Body))
	require.NoError(t, err)
	for _, header := range r.Headers {
		req.Header.Set(header[0], p.fill(t, header[1]))
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, body
}

var (
	aToken = regexp.MustCompile(`\(token: ([^,)]+)(, its last six characters AAAAAA)?\)`)
	anETag = regexp.MustCompile(`\(the etag of ([^)]+)\)`)
)

// fill puts what other answers bring into a recorded header.
func (p replay) fill(t *testing.T, header string) string {
	t.Helper()
	if found := anETag.FindStringSubmatch(header); found != nil {
		res, _ := p.send(t, found[1])
		return res.Header.Get("ETag")
	}
	found := aToken.FindStringSubmatch(header)
	if found == nil {
		return header
	}
	_, body := p.send(t, found[1])
	var granted exchange
	require.NoError(t, json.Unmarshal(body, &granted))
	token := granted.AccessToken
	if found[2] != "" {
		token = token[:len(token)-6] + "AAAAAA"
	}
	return strings.Replace(header, found[0], token, 1)
}

// record writes an answer down as those of Logto are.
func (p replay) record(t *testing.T, res *http.Response, body []byte) answer {
	t.Helper()
	a := answer{Status: res.StatusCode, Headers: map[string]string{}}
	host := strings.NewReplacer(res.Request.Host, "HOST", strings.TrimPrefix(p.logto.URL(), "http://"), "HOST")
	for _, name := range recordedHeaders {
		if values := res.Header.Values(name); len(values) > 0 {
			a.Headers[name] = host.Replace(values[len(values)-1])
		}
	}
	if a.Headers["etag"] != "" {
		a.Headers["etag"] = "(some)"
	}
	text := host.Replace(string(body))
	if json.Unmarshal([]byte(text), &a.JSON) != nil {
		a.Text = text
		return a
	}
	if granted, ok := a.JSON.(map[string]any); ok && granted["access_token"] != nil {
		granted["access_token"] = p.takeApart(t, granted["access_token"].(string))
	}
	return a
}

func (p replay) takeApart(t *testing.T, token string) map[string]any {
	t.Helper()
	var header, claims map[string]any
	for i, part := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, part))
	}
	require.Equal(t, p.logto.Key().ID(), header["kid"])
	header["kid"] = "(kid)"
	lifetime := claims["exp"].(float64) - claims["iat"].(float64)
	require.NotEmpty(t, claims["jti"])
	claims["jti"], claims["iat"], claims["exp"] = "(str)", "(int)", "(int)"
	claims["iss"] = strings.Replace(claims["iss"].(string), strings.TrimPrefix(p.logto.URL(), "http://"), "HOST", 1)
	return map[string]any{"header": header, "claims": claims, "exp_minus_iat": lifetime}
}

// essential leaves of an answer what the stand-in has to have like Logto: an error
// without its details, of a list the names, of the metadata where things are. Logto offers
// more there, and says more of an application and of a key.
func essential(a answer) answer {
	switch body := a.JSON.(type) {
	case []any:
		var names []string
		for _, application := range body {
			name := application.(map[string]any)["name"].(string)
			if name == "web" {
				name = "acme-viewer" // in its place: lists are as long, and in the same order
			}
			names = append(names, name)
		}
		a.JSON = names
	case map[string]any:
		switch {
		case body["keys"] != nil:
			a.JSON = slices.Sorted(maps.Keys(body["keys"].([]any)[0].(map[string]any)))
		case body["issuer"] != nil:
			a.JSON = only(body, "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "id_token_signing_alg_values_supported", "subject_types_supported")
		case body["message"] != nil:
			a.JSON = only(body, "code", "message", "error", "error_description")
		}
	}
	return a
}

func only(body map[string]any, members ...string) map[string]any {
	kept := map[string]any{}
	for _, name := range members {
		if value, ok := body[name]; ok {
			kept[name] = value
		}
	}
	return kept
}
