package m2m_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/logtoguard/logtoguard/logtotest"
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
		{"another tenant's Management API", func(c *m2m.Config) { c.Resource = m2m.ManagementResource("other") }, 400, "invalid_target",
			"resource indicator is missing, or unknown", "a self-hosted Logto's is https://default.logto.app/api"},
		{"wrong secret", func(c *m2m.Config) { c.AppSecret = "wrong" }, 401, "invalid_client",
			"client authentication failed", "AppSecret is not, or no longer, a secret of this application"},
		{"unknown application", func(c *m2m.Config) { c.AppID = "nobody" }, 400, "invalid_client",
			"invalid client nobody", "no application at this Endpoint has this AppID"},
		{"not in the organization", func(c *m2m.Config) { c.OrganizationID = "acme" }, 403, "access_denied",
			"app has not associated with the organization", "not a member of this organization"},
		{"unknown organization", func(c *m2m.Config) { c.AppID, c.OrganizationID = "bot", "other" }, 403, "access_denied",
			"app has not associated with the organization", "compare OrganizationID"},
		{"another path", func(c *m2m.Config) { c.Endpoint += "/api" }, 404, "", "", "is Endpoint that of Logto?"},
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

// Each of Logto's refusals that a secret, an application or a tenant comes to has its own hint.
func TestRefusalsOfLogto(t *testing.T) {
	for _, test := range []struct {
		name              string
		fault             logtotest.Fault
		status            int
		code, description string
		hint              string
	}{
		{"expired secret", logtotest.SecretExpired(), 400, "invalid_request", "client secret has expired", "AppSecret has expired"},
		{"another type of application", logtotest.WrongApplicationType(), 400, "invalid_request",
			"requested grant type is not allowed for this client", "must be of the type machine-to-machine"},
		{"denied by the tenant's script", logtotest.DeniedByScript("closed on Sundays"), 400, "access_denied", "closed on Sundays", "custom-claims script"},
		{"tokens used up", logtotest.TokensUsedUp(), 429, "auth.exceed_token_limit", "Token limit exceeded. Please contact your administrator.",
			"asking less often doesn't help"},
	} {
		t.Run(test.name, func(t *testing.T) {
			logto, clock := newLogto(t)
			logto.Disturb(test.fault)
			for _, organization := range []string{"", "acme"} {
				e := refused(t, newClient(t, at(logto, clock), func(c *m2m.Config) { c.AppID, c.OrganizationID = "bot", organization }))
				assert.Equal(t, []any{test.status, test.code, test.description}, []any{e.Status, e.Code, e.Description})
				assert.Contains(t, e.Hint, test.hint)
				assert.NotContains(t, e.Hint, "member")
			}
		})
	}
}

// What Logto has never said before is for the person who reads the error, too.
func TestAnswersErrors(t *testing.T) {
	limit, tooLong := strings.Repeat("x", 200), strings.Repeat("y", 64)
	for _, test := range []struct {
		name, body        string
		code, description string
	}{
		{"a new sentence", `{"error":"invalid_request","error_description":"client secret has expired"}`, "invalid_request", "client secret has expired"},
		{"a new code", `{"error":"use_dpop_nonce"}`, "use_dpop_nonce", ""},
		{"all that a code may hold", `{"error":" !#[]~"}`, " !#[]~", ""},
		{"all that a description may hold", `{"error":"a","error_description":" !\"\\~"}`, "a", ` !"\~`},
		{"at the limits", `{"error":"` + tooLong + `","error_description":"` + limit + `"}`, tooLong, limit},
		{"above the limits", `{"error":"` + tooLong + `y","error_description":"` + limit + `y"}`, "", limit},
		{"a code with a quote", `{"error":"a\"b","error_description":"text"}`, "", "text"},
		{"a code with a backslash", `{"error":"a\\b"}`, "", ""},
		{"a code with a line break", `{"error":"invalid_client\n"}`, "", ""},
		{"a code that is not ASCII", `{"error":"é"}`, "", ""},
		{"a line break", `{"error":"a","error_description":"one\ntwo"}`, "a", ""},
		{"a line break at the end", `{"error":"a","error_description":"one\n"}`, "a", ""},
		{"an escape sequence", `{"error":"a","error_description":"\u001b[31mred"}`, "a", ""},
		{"DEL", `{"error":"a","error_description":"a\u007fb"}`, "a", ""},
		{"not ASCII", `{"error":"a","error_description":"café"}`, "a", ""},
		{"a description of the wrong type", `{"error":"a","error_description":5}`, "a", ""},
		{"other members of the wrong type", `{"error":"a","error_description":"text","access_token":1,"expires_in":"x","scope":[]}`, "a", "text"},
		{"an error of the wrong type", `{"error":5,"error_description":"text"}`, "", "text"},
		{"Logto's own", `{"code":"auth.unauthorized","message":"Unauthorized."}`, "auth.unauthorized", "Unauthorized."},
		{"OAuth's before Logto's own", `{"code":"oidc.a","message":"A.","error":"a","error_description":"text"}`, "a", "text"},
		{"a message alone", `{"message":"Internal server error."}`, "", "Internal server error."},
		{"a control character after the limit", `{"error":"a","error_description":"` + limit + `\u0000"}`, "a", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := refused(t, newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) { return jsonAnswer(400, test.body), nil }))))
			assert.Equal(t, []string{test.code, test.description}, []string{e.Code, e.Description})
			assert.Contains(t, e.Error(), test.code)
			assert.Contains(t, e.Error(), test.description)
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
		{"another method's address", answer(405, "", http.NoBody), nil, "is Endpoint that of Logto?"},
		{"a firewall", answer(403, "text/html", strings.NewReader("<html>")), nil, ""},
		{"too many requests", answer(429, "text/html", strings.NewReader("<html>")), nil, "Logto limits the rate: ask less often"},
		{"too many requests, in JSON", jsonAnswer(429, `{"error":"access_denied"}`), nil, "Logto limits the rate: ask less often"},
		{"a new sentence", jsonAnswer(400, `{"error":"invalid_request","error_description":"no client authentication mechanism provided"}`), nil, ""},
		{"a text that is not shown", jsonAnswer(400, `{"error":"invalid_request","error_description":"client secret has expired"}`), func(c *m2m.Config) { c.AppSecret = "client-secret" }, "AppSecret has expired"},
		{"denied without an organization", jsonAnswer(403, `{"error":"access_denied"}`), nil, ""},
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
	e := refused(t, newClient(t, at(logto, clock), scopes("read:products", "write:products", "all", "write:products"), func(c *m2m.Config) { c.AppID = "reader" }))
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
