package logtotest_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

const (
	shoppingAPI   = "https://shopping.api"
	managementAPI = "https://default.logto.app/api"
	ordersAPI     = "https://orders.api"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// tenant is made anew for each test, which may change it.
func tenant() logtotest.Tenant {
	return logtotest.Tenant{
		Resources: []logtotest.Resource{
			{Indicator: shoppingAPI, Scopes: []string{"read:products", "write:products"}},
			{Indicator: ordersAPI, Scopes: []string{"read:orders"}, TokenLifetime: 10 * time.Minute},
		},
		Roles: []logtotest.Role{
			{Name: "reader", Scopes: map[string][]string{shoppingAPI: {"read:products"}}},
			{Name: "writer", Scopes: map[string][]string{shoppingAPI: {"read:products", "write:products"}}},
			{Name: "admin", Scopes: map[string][]string{managementAPI: {"all"}}},
		},
		Applications: []logtotest.Application{
			{ID: "shop", Secret: "shop secret+/%:~", Roles: []string{"reader", "writer"}},
			{ID: "reader", Secret: "reader-secret", Roles: []string{"reader"}},
			{ID: "console", Secret: "console-secret", Roles: []string{"admin"}},
			{ID: "no-role", Secret: "no-role-secret"},
		},
		Organizations: []logtotest.Organization{{ID: "acme", Members: []logtotest.Member{{
			ApplicationID:  "no-role",
			Scopes:         []string{"invite:member"},
			ResourceScopes: map[string][]string{shoppingAPI: {"read:products"}},
		}}}},
	}
}

func start(t *testing.T, declared logtotest.Tenant) *logtotest.Server {
	t.Helper()
	s := logtotest.NewServer(declared)
	t.Cleanup(s.Close)
	return s
}

// reply is an answer whose body has been read.
type reply struct {
	*http.Response
	body string
}

func (r reply) decode(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &m), r.body)
	return m
}

func do(t *testing.T, r *http.Request) reply {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return reply{resp, string(body)}
}

// request makes a request with headers that are given as name, value, name, value.
func request(t *testing.T, method, target, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func get(t *testing.T, target string, headers ...string) reply {
	t.Helper()
	return do(t, request(t, http.MethodGet, target, "", headers...))
}

// askToken sends the token request of Logto's guide; form is in URL encoding.
func askToken(t *testing.T, s *logtotest.Server, id, secret, form string) reply {
	t.Helper()
	r := request(t, http.MethodPost, s.URL()+"/oidc/token", form, "Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return do(t, r)
}

// publishedIDs are the kids in the key set, in order.
func publishedIDs(t *testing.T, s *logtotest.Server) []string {
	t.Helper()
	var ids []string
	for _, key := range get(t, s.URL()+"/oidc/jwks").decode(t)["keys"].([]any) {
		ids = append(ids, key.(map[string]any)["kid"].(string))
	}
	return ids
}

// verify checks a token by the key set that the server publishes, with another implementation than the one that signed.
func verify(t *testing.T, s *logtotest.Server, token string) (payload []byte, err error) {
	t.Helper()
	set, err := jwk.Parse([]byte(get(t, s.URL()+"/oidc/jwks").body))
	require.NoError(t, err)
	header := part(t, token, 0)
	key, ok := set.LookupKeyID(header["kid"].(string))
	if !ok {
		return nil, errors.New("no key of that kid is published")
	}
	return jws.Verify([]byte(token), jws.WithKey(jwa.SignatureAlgorithm(header["alg"].(string)), key))
}

// claims are those of a token that verifies.
func claims(t *testing.T, s *logtotest.Server, token string) map[string]any {
	t.Helper()
	payload, err := verify(t, s, token)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(payload, &m))
	return m
}

// part decodes the header (0) or the payload (1) of a token without looking at its signature.
func part(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	return m
}
