package m2m_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

func TestErrorsOfLogto(t *testing.T) {
	logto, clock := newLogto(t)
	for _, test := range []struct {
		name        string
		edit        func(*m2m.Config)
		status      int
		code        string
		description string
		hint        string
	}{
		{"unknown resource", func(c *m2m.Config) { c.Resource = "https://other.api" }, 400, "invalid_target",
			"resource indicator is missing, or unknown", "a slash at the end counts"},
		{"a slash too many", func(c *m2m.Config) { c.Resource += "/" }, 400, "invalid_target",
			"resource indicator is missing, or unknown", "Resource ends in a slash"},
		{"another tenant's Management API", func(c *m2m.Config) { c.Resource = m2m.ManagementAPI("other") }, 400, "invalid_target",
			"resource indicator is missing, or unknown", "a self-hosted Logto's is https://default.logto.app/api"},
		{"wrong secret", func(c *m2m.Config) { c.AppSecret = "wrong" }, 401, "invalid_client",
			"client authentication failed", "AppSecret is not, or no longer, a secret of this application"},
		{"unknown application", func(c *m2m.Config) { c.AppID = "nobody" }, 400, "invalid_client",
			"invalid client nobody", "no application at this Endpoint has this AppID"},
		{"not in the organization", func(c *m2m.Config) { c.OrganizationID = "acme" }, 403, "access_denied",
			"app has not associated with the organization", "not a member of this organization"},
		{"unknown organization", func(c *m2m.Config) { c.AppID, c.OrganizationID = "bot", "other" }, 403, "access_denied",
			"app has not associated with the organization", "compare OrganizationID"},
		{"another path", func(c *m2m.Config) { c.Endpoint += "/api" }, 404, "invalid_request", "no such route, or not by this method", "is Endpoint that of Logto?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := refused(t, newClient(t, at(logto, clock), test.edit))
			assert.Equal(t, test.status, e.Status)
			assert.Equal(t, test.code, e.Code)
			assert.Equal(t, test.description, e.Description)
			assert.Contains(t, e.Hint, test.hint)
			for _, part := range []string{"m2m: no token: status ", test.code, test.description, e.Hint} {
				assert.Contains(t, e.Error(), part)
			}
		})
	}
}

func TestHints(t *testing.T) {
	missing := `{"error":"invalid_target","error_description":"both ` + "`resource` and `organization_id`" + ` are not provided"}`
	for _, test := range []struct {
		name   string
		answer *http.Response
		edit   func(*m2m.Config)
		hint   string // empty: none
	}{
		{"resource missing", jsonAnswer(400, missing), func(c *m2m.Config) { c.Resource, c.OrganizationID = "", "acme" }, "set Resource"},
		{"another type of application", jsonAnswer(400, `{"error":"unauthorized_client"}`), nil, "of the type machine-to-machine"},
		{"a console", answer(200, "text/html", strings.NewReader("<html>")), nil, "is Endpoint that of Logto?"},
		{"another API", jsonAnswer(404, `{}`), nil, "is Endpoint that of Logto?"},
		{"a redirect", answer(301, "", http.NoBody), nil, "set Endpoint to the address that it redirects to"},
		{"a proxy before a Logto that is down", answer(502, "text/html", strings.NewReader("<html>")), nil, ""},
		{"an error without a usual cause", jsonAnswer(500, `{"error":"server_error"}`), nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			edit := test.edit
			if edit == nil {
				edit = func(*m2m.Config) {}
			}
			e := refused(t, newClient(t, edit, by(roundTrip(func(*http.Request) (*http.Response, error) { return test.answer, nil }))))
			assert.Equal(t, test.answer.StatusCode, e.Status)
			assert.Contains(t, e.Hint, test.hint)
			assert.Equal(t, test.hint == "", e.Hint == "")
		})
	}
}

func TestMissingScopes(t *testing.T) {
	logto, clock := newLogto(t)
	e := refused(t, newClient(t, at(logto, clock), scopes("read:products", "write:products", "all"), func(c *m2m.Config) { c.AppID = "reader" }))
	assert.Equal(t, []string{"write:products", "all"}, e.MissingScopes)
	assert.Equal(t, 200, e.Status)
	assert.Equal(t, "m2m: no token: status 200: not granted: write:products all (in Logto, assign the application a machine-to-machine role that has them; or set AcceptFewerScopes)", e.Error())

	client := newClient(t, at(logto, clock), scopes("write:products"), func(c *m2m.Config) { c.AppID, c.OrganizationID = "bot", "acme" })
	e = refused(t, client)
	assert.Contains(t, e.Hint, "an organization role")
	for range 2 {
		e.MissingScopes[0], e.Code = "changed", "changed"
		e = refused(t, client)
		assert.Equal(t, []string{"write:products"}, e.MissingScopes, "each caller gets an error of its own")
		assert.Empty(t, e.Code)
	}
}

// A server that repeats what it was sent, in all places where something of an
// answer might get into an error.
func TestNoSecretInErrors(t *testing.T) {
	sent := basic("manager", appSecret)
	unescaped := "a b/" + appSecret
	broken := func(text string) roundTrip {
		return func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("malformed HTTP response %q", text)
		}
	}
	answers := func(status int, contentType, format string) func(string) roundTrip {
		return func(text string) roundTrip {
			return func(r *http.Request) (*http.Response, error) {
				response := answer(status, contentType, strings.NewReader(strings.ReplaceAll(format, "SECRET", text)))
				response.Status = "200 " + text
				response.Request = r
				response.Header.Set("Location", "https://evil.example/?q="+text+"%zz")
				response.Header.Set("WWW-Authenticate", text)
				return response, nil
			}
		}
	}
	const isJSON = "application/json"
	for name, server := range map[string]func(text string) roundTrip{
		"transport":         broken,
		"description":       answers(401, isJSON, `{"error":"invalid_client","error_description":"not SECRET","error_uri":"https://SECRET"}`),
		"long description":  answers(401, isJSON, `{"error":"invalid_client","error_description":"`+strings.Repeat("x", 190)+`SECRET"}`),
		"code":              answers(401, isJSON, `{"error":"SECRET"}`),
		"HTML":              answers(200, "text/html", `<html>SECRET`),
		"query string":      answers(200, "text/plain", `error=SECRET&error_description=SECRET`),
		"no JSON":           answers(200, isJSON, `SECRET`),
		"wrong type":        answers(200, isJSON, `{"access_token":"a","token_type":"Bearer","expires_in":"SECRET"}`),
		"token type":        answers(200, isJSON, `{"access_token":"a","token_type":"SECRET"}`),
		"token":             answers(200, isJSON, `{"access_token":"SECRET with a space","token_type":"Bearer"}`),
		"scope":             answers(200, isJSON, `{"access_token":"a","token_type":"Bearer","scope":"SECRET"}`),
		"redirect":          answers(307, isJSON, `SECRET`),
		"redirect as error": answers(302, isJSON, `{"error":"SECRET"}`),
		"content type":      answers(200, "text/SECRET", ``),
	} {
		for form, text := range map[string]string{
			"plain": appSecret, "cut": appSecret[:12], "upper case": strings.ToUpper(appSecret), "Basic": "Basic " + sent, "Basic, cut": sent[:len(sent)-4],
			"base64": base64.StdEncoding.EncodeToString([]byte(appSecret)), "escaped": url.QueryEscape(unescaped), "unescaped": unescaped,
		} {
			t.Run(name+", "+form, func(t *testing.T) {
				client := newClient(t, scopes("read:products"), by(server(text)))
				if strings.HasSuffix(form, "escaped") {
					client = newClient(t, scopes("read:products"), by(server(text)), func(c *m2m.Config) { c.AppSecret = unescaped })
				}
				e := refused(t, client)
				assertNoSecret(t, everything(e))
				assertNoSecret(t, strings.ReplaceAll(everything(e), strings.ToUpper(appSecret), appSecret))
			})
		}
	}
}

// A secret of which no piece is sent as it is.
func TestNoEscapedSecretInErrors(t *testing.T) {
	const odd = "V/q+8&n=T%z/3w+L&r/6K?b"
	for _, sent := range []string{url.QueryEscape(odd), basic("manager", odd)[12:], basic("manager", url.QueryEscape(odd))[12:]} {
		client := newClient(t, func(c *m2m.Config) { c.AppSecret = odd }, by(roundTrip(func(*http.Request) (*http.Response, error) {
			return jsonAnswer(401, `{"error":"invalid_client","error_description":"not `+sent+`"}`), nil
		})))
		assert.Equal(t, "withheld, because it repeats the secret", refused(t, client).Description)
	}
}

// everything prints the error and whatever it wraps, in every way.
func everything(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(&b, "%v %+v %#v %s %q\n", err, err, err, err, err)
	}
	return b.String()
}

func TestDescriptionsFitIntoALogLine(t *testing.T) {
	body := `{"error":"in valid","error_description":"a\nb\u001b[31mé` + strings.Repeat("x", 500) + `"}`
	e := refused(t, newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) { return jsonAnswer(400, body), nil }))))
	assert.Empty(t, e.Code, "not an error code")
	assert.Equal(t, "a?b?[31m?"+strings.Repeat("x", 191)+"...", e.Description)
}

func TestCausesAreFound(t *testing.T) {
	for _, cause := range []error{syscall.ECONNREFUSED, io.ErrUnexpectedEOF, context.DeadlineExceeded} {
		e := refused(t, newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) { return nil, cause }))))
		require.ErrorIs(t, e, cause)
		assert.Zero(t, e.Status)
		assert.Equal(t, `m2m: no token: Post "https://logto.example/oidc/token": `+cause.Error(), e.Error())
	}
	withSecret := fmt.Errorf("%s: %w", appSecret, context.DeadlineExceeded)
	e := refused(t, newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) { return nil, withSecret }))))
	require.ErrorIs(t, e, context.DeadlineExceeded)
}
