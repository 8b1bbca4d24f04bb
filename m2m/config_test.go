package m2m_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

func TestNewReportsEveryFault(t *testing.T) {
	_, err := m2m.New(m2m.Config{Scopes: []string{"read:products", "", "a b"}})
	require.Error(t, err)
	assert.Equal(t, `m2m: Config: Endpoint is empty: set it to Logto's endpoint, such as https://tenant-id.logto.app
AppID is empty: set it to the application's ID in Logto
AppSecret is empty: set it to a secret of the application in Logto
Resource is empty: set it to the API's resource indicator in Logto, such as https://shopping.api, or set OrganizationID
Scopes[1] is empty, or has a space or a character that does not print: write each scope as an element of its own, such as read:products
Scopes[2] is empty, or has a space or a character that does not print: write each scope as an element of its own, such as read:products`, err.Error())
}

func TestNewFaults(t *testing.T) {
	for _, test := range []struct {
		name  string
		edit  func(*m2m.Config)
		fault string // empty: none
	}{
		{"a slash after the endpoint", func(c *m2m.Config) { c.Endpoint += "/" }, ""},
		{"plain http", func(c *m2m.Config) { c.Endpoint = "http://logto:3001" }, "Endpoint is not encrypted: write https://"},
		{"plain http, allowed", func(c *m2m.Config) { c.Endpoint, c.InsecureHTTP = "http://logto:3001", true }, ""},
		{"plain http on loopback", func(c *m2m.Config) { c.Endpoint = "http://localhost:3001" }, ""},
		{"a password in the endpoint", func(c *m2m.Config) { c.Endpoint = "https://a:" + appSecret + "@logto.example" }, "Endpoint holds a user name"},
		{"an organization's token", func(c *m2m.Config) { c.Resource, c.OrganizationID = "", "acme" }, ""},
		{"neither resource nor organization", func(c *m2m.Config) { c.Resource = "" }, "Resource is empty"},
		{"a line break after the ID", func(c *m2m.Config) { c.AppID += "\n" }, "AppID has white space around it"},
		{"a line break after the secret", func(c *m2m.Config) { c.AppSecret += "\n" }, "AppSecret has white space around it"},
		{"a byte order mark before the ID", func(c *m2m.Config) { c.AppID = "\ufeff" + c.AppID }, "AppID has characters that don't print"},
		{"a byte order mark before the secret", func(c *m2m.Config) { c.AppSecret = "\ufeff" + c.AppSecret }, "AppSecret has characters that don't print"},
		{"a zero-width space within the secret", func(c *m2m.Config) { c.AppSecret = "a\u200b" + c.AppSecret }, "AppSecret has characters that don't print"},
		{"a line break within the secret", func(c *m2m.Config) { c.AppSecret = "a\n" + c.AppSecret }, "AppSecret has characters that don't print"},
		{"DEL in the ID", func(c *m2m.Config) { c.AppID = "a\x7fb" }, "AppID has characters that don't print"},
		{"a secret in UTF-16", func(c *m2m.Config) { c.AppSecret = "\xff\xfea\x00" }, "AppSecret has characters that don't print"},
		{"an ID that is not ASCII", func(c *m2m.Config) { c.AppID = "é" }, "AppID has characters that don't print"},
		{"all that Logto takes", func(c *m2m.Config) { c.AppID, c.AppSecret = "!~", "! ~" }, ""},
		{"a space within the secret", func(c *m2m.Config) { c.AppSecret = "a " + appSecret }, ""},
		{"a space before the resource", func(c *m2m.Config) { c.Resource = " " + shopping }, "Resource has white space around it"},
		{"a space after the organization", func(c *m2m.Config) { c.OrganizationID = "acme " }, "OrganizationID has white space around it"},
		{"a byte order mark before the resource", func(c *m2m.Config) { c.Resource = "\ufeff" + shopping }, "Resource has a space or a character that does not print"},
		{"a zero-width space in the organization", func(c *m2m.Config) { c.OrganizationID = "ac\u200bme" }, "OrganizationID has a space or a character that does not print"},
		{"names that are not ASCII", func(c *m2m.Config) { c.Resource, c.Scopes = "https://bücher.example", []string{"読む"} }, ""},
		{"a byte order mark before a scope", scopes("\ufeffread:products"), "Scopes[0] is empty, or has a space or a character that does not print"},
		{"a zero-width space in a scope", scopes("read:\u200bproducts"), "Scopes[0] is empty, or has a space or a character that does not print"},
		{"a line break in a scope", scopes("read:products\n"), "Scopes[0] is empty, or has a space"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := m2m.Config{Endpoint: "https://logto.example", AppID: "manager", AppSecret: appSecret, Resource: shopping}
			test.edit(&cfg)
			client, err := m2m.New(cfg)
			if test.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "m2m: Config: "+test.fault)
			require.Nil(t, client)
			assert.NotContains(t, err.Error(), appSecret)
		})
	}
}

func TestNewCopiesTheConfig(t *testing.T) {
	logto := &tokenEndpoint{answer: func(_ int32, r *http.Request) (*http.Response, error) {
		require.NoError(t, r.ParseForm())
		assert.Equal(t, "read:products", r.PostForm.Get("scope"))
		return jsonAnswer(200, `{"access_token":"a","token_type":"Bearer","scope":"read:products"}`), nil
	}}
	given := &http.Client{Transport: logto}
	wanted := []string{"read:products"}
	client := newClient(t, scopes(wanted...), func(c *m2m.Config) { c.Scopes, c.HTTPClient = wanted, given })
	require.Zero(t, logto.requests.Load(), "New talks to nobody")

	wanted[0] = "write:products"
	given.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("changed") })
	require.Equal(t, "a", token(t, client))
	require.IsType(t, roundTrip(nil), given.Transport, "the given client is left as it is")

	client.HTTPClient().Transport = nil
	require.NotNil(t, client.HTTPClient().Transport, "each caller gets a client of its own")
}

func TestConfigHidesTheSecret(t *testing.T) {
	cfg := m2m.Config{Endpoint: "https://logto.example", AppID: "manager", AppSecret: appSecret, Resource: shopping, Scopes: []string{"read:products"}, OrganizationID: "acme"}
	client, err := m2m.New(cfg)
	require.NoError(t, err)

	var out bytes.Buffer
	for _, v := range []any{cfg, &cfg, client, *client, client.HTTPClient(), client.HTTPClient().Transport, client.TokenSource(t.Context()), struct{ C m2m.Config }{cfg}} {
		fmt.Fprintf(&out, "%v %+v %#v\n", v, v, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v)
	}
	for _, v := range []any{cfg, &cfg, []m2m.Config{cfg}, map[string]m2m.Config{"a": cfg}} {
		for verb := 'A'; verb <= 'z'; verb++ {
			if verb == 'p' || verb == 'w' { // no verbs for such a value: fmt leaves its methods alone
				continue
			}
			for _, flags := range []string{"", "+", "#", "0", "9.9"} {
				text := fmt.Sprintf("%"+flags+string(verb), v)
				require.NotContains(t, text, appSecret, "%s%c", flags, verb)
			}
		}
		fmt.Fprintln(&out, fmt.Sprint(v))
	}
	assertNoSecret(t, out.String())
	for _, shown := range []string{"https://logto.example", "manager", shopping, "read:products", "acme", `"app_id":"manager"`} {
		assert.Contains(t, out.String(), shown)
	}
}

// assertNoSecret looks for the secret in all the forms in which it goes around.
func assertNoSecret(t testing.TB, text string) {
	t.Helper()
	for _, form := range []string{appSecret, base64.StdEncoding.EncodeToString([]byte(appSecret)), basic("manager", appSecret)} {
		assert.NotContains(t, text, form)
		assert.NotContains(t, text, form[:12], "a piece of it")
	}
}

func basic(id, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
}

func TestManagementResource(t *testing.T) {
	assert.Equal(t, "https://default.logto.app/api", m2m.ManagementResource("default"))
	assert.Equal(t, "https://abc123.logto.app/api", m2m.ManagementResource("abc123"))
}
