package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

const challenge = `Bearer error="insufficient_scope", scope="write:products"`

// reply answers with fixed words.
func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// surroundings are a stand-in for a real Logto with an application that may read
// products, place orders in globex, and nothing else, and an API that answers it
// rightly, but for what a test puts in its place.
type surroundings struct {
	logto *logtotest.Server
	mux   map[string]http.Handler
	vars  vars
}

func newSurroundings(t *testing.T) *surroundings {
	const audience = "https://shopping.api"
	s := &surroundings{
		logto: logtotest.NewServer(logtotest.Tenant{
			Resources:    []logtotest.Resource{{Indicator: audience, Scopes: []string{readProducts, writeProducts, readOrders, writeOrders}}},
			Roles:        []logtotest.Role{{Name: "reader", Scopes: map[string][]string{audience: {readProducts}}}},
			Applications: []logtotest.Application{{ID: "app", Secret: "app-secret", Roles: []string{"reader"}}},
			Organizations: []logtotest.Organization{{ID: "globex", Members: []logtotest.Member{
				{ApplicationID: "app", ResourceScopes: map[string][]string{audience: {writeOrders}}},
			}}},
		}),
		mux: map[string]http.Handler{
			"GET /products":                     reply(200, `{"products":[{"id":"p_tea"}],"next":null}`),
			"POST /products":                    reply(403, `{"error":"insufficient_scope"}`, "WWW-Authenticate", challenge),
			"POST /organizations/globex/orders": reply(201, `{"id":"o_1"}`),
			"GET /organizations/globex/orders":  reply(403, ``, "WWW-Authenticate", `Bearer error="insufficient_scope", scope="read:orders"`),
			"GET /organizations/acme/orders":    reply(403, ``, "WWW-Authenticate", `Bearer error="insufficient_scope"`),
		},
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler := s.mux[r.Method+" "+r.URL.Path]; handler != nil {
			handler.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(s.logto.Close)
	t.Cleanup(api.Close)
	s.vars = vars{
		"LOGTO_ENDPOINT": s.logto.Endpoint(), "LOGTO_APP_ID": "app", "LOGTO_APP_SECRET": "app-secret",
		"LOGTO_ORGANIZATION_ID": "globex", "API_URL": api.URL,
	}
	return s
}

func (s *surroundings) run(t *testing.T, ctx context.Context) (string, error) {
	t.Helper()
	var out strings.Builder
	err := run(ctx, func(name string) string { return s.vars[name] }, &out)
	require.NotContains(t, out.String(), "app-secret")
	require.NotContains(t, out.String(), "eyJ", "a token")
	if err != nil {
		require.NotContains(t, err.Error(), "app-secret")
	}
	return out.String(), err
}

// TestJudgement has a row for each way in which an API can answer wrongly.
func TestJudgement(t *testing.T) {
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer realm="+r.Header.Get("Authorization"))
			w.WriteHeader(status)
		}
	}
	const mayRead, mayNotWrite = "GET /products", "POST /products"
	for name, row := range map[string]struct {
		request string
		answer  http.Handler
		text    string // empty: it is as it should be
	}{
		"right":                        {mayRead, reply(200, `{"products":[]}`), ""},
		"more than one challenge":      {mayNotWrite, reply(403, "", "WWW-Authenticate", "Basic", "WWW-Authenticate", challenge), ""},
		"served without the scope":     {mayNotWrite, reply(201, `{"id":"p_1"}`), "201  WRONG: should be 403 insufficient_scope: Created"},
		"served in another's name":     {"GET /organizations/acme/orders", reply(200, `{"orders":["private"]}`), "200  WRONG: should be 403 insufficient_scope: OK"},
		"refused in vain":              {mayRead, reply(403, "", "WWW-Authenticate", challenge), "403  WRONG: should be 200: " + challenge},
		"refused without a challenge":  {mayNotWrite, reply(403, `<html>`), "403  WRONG: should be 403 insufficient_scope: Forbidden"},
		"refused for another reason":   {mayNotWrite, reply(403, "", "WWW-Authenticate", `Bearer error="invalid_token"`), `insufficient_scope: Bearer error="invalid_token"`},
		"token not accepted":           {mayNotWrite, reply(401, "", "WWW-Authenticate", "Bearer"), "401  WRONG: should be 403 insufficient_scope: Bearer"},
		"found wrong before the scope": {mayNotWrite, reply(422, `{"error":"unprocessable_entity","error_description":"name is taken"}`), "422  WRONG: should be 403 insufficient_scope: unprocessable_entity: name is taken"},
		"broken":                       {mayRead, reply(500, `{"error":"server_error"}`), "500  WRONG: should be 200: server_error ("},
		"another success":              {"POST /organizations/globex/orders", reply(200, `{"id":"o_1"}`), "200  WRONG: should be 201: OK"},
		"no ID":                        {"POST /organizations/globex/orders", reply(201, `{}`), "201  WRONG: the answer is not a new order"},
		"no JSON":                      {mayRead, reply(200, `<html>`), "200  WRONG: the answer is not a list of products"},
		"no list":                      {mayRead, reply(200, `{"products":null}`), "WRONG: the answer is not a list of products"},
		"another list":                 {mayRead, reply(200, `{"orders":[]}`), "WRONG: the answer is not a list of products"},
		"redirected":                   {mayRead, http.RedirectHandler("/healthz", http.StatusTemporaryRedirect), "307  WRONG: should be 200: Temporary Redirect"},
		"too long":                     {mayRead, reply(200, strings.Repeat(" ", maxAnswerBytes+1)), "-    WRONG: no answer: it is longer than 4 MiB"},
		"cut off":                      {mayRead, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "-    WRONG: no answer: Get "},
		"repeats the token":            {mayRead, echo(403), "WRONG: should be 200: Bearer realm=Bearer [a token] ("},
		"repeats the renewed token":    {mayRead, echo(401), "WRONG: should be 200: Bearer realm=Bearer [a token] ("},
		"odd characters":               {mayRead, reply(500, `{"error":"a\u001b[31m\nb\u00e9"}`), "WRONG: should be 200: a?[31m?b? ("},
		"each text twice":              {mayRead, reply(500, `{"code":"oidc.server_error","message":"Oops.","error":"server_error","error_description":"oops"}`), "WRONG: should be 200: server_error: oops ("},
		"long text":                    {mayRead, reply(500, `{"error":"`+strings.Repeat("x", 9999)+`"}`), "xxx... ("},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSurroundings(t)
			s.mux[row.request] = row.answer
			out, err := s.run(t, t.Context())
			if row.text == "" {
				require.NoError(t, err, out)
				require.Contains(t, out, "All 6 steps went as they should.")
				return
			}
			require.EqualError(t, err, "1 of 6 steps did not go as they should", out)
			require.Contains(t, out, row.text)
			require.NotContains(t, out, "private")
			require.NotContains(t, out, "went as they should")
		})
	}
}

// The application has no scope of the Management API.
func TestJudgementOfTheManagementAPI(t *testing.T) {
	for name, row := range map[string]struct {
		answer http.Handler
		text   string
		ok     bool
	}{
		"forbidden":    {reply(403, `{"code":"auth.forbidden","message":"Forbidden."}`), "403  auth.forbidden: Forbidden. (its token lacks all)", true},
		"unauthorized": {reply(401, `{"code":"auth.unauthorized"}`), "401  WRONG: should be 403: auth.unauthorized (its token lacks all)", false},
		"served":       {reply(200, `[{"id":"app","secret":"app-secret"}]`), "200  WRONG: should be 403: OK", false},
		"broken":       {reply(500, ``), "500  WRONG: should be 403: Internal Server Error", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSurroundings(t)
			s.logto.Disturb(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/api/applications" {
						row.answer.ServeHTTP(w, r)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			out, err := s.run(t, t.Context())
			require.Contains(t, out, row.text)
			if row.ok {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, "1 of 6 steps did not go as they should")
			}
		})
	}
}

// What the demo applications should be allowed is known beforehand: that a token
// holds a scope doesn't make it right.
func TestDemoKnowsWhoHoldsWhat(t *testing.T) {
	s := newSurroundings(t)
	var out strings.Builder
	list := []session{{
		config: m2m.Config{
			Endpoint: s.logto.Endpoint(), AppID: "app", AppSecret: "app-secret",
			Resource: "https://shopping.api", Scopes: []string{readProducts},
		},
		holds: []string{writeProducts},
		steps: []step{settings{api: s.vars["API_URL"]}.listProducts()},
	}}
	require.EqualError(t, play(t.Context(), &out, list), "1 of 1 steps did not go as they should")
	require.Contains(t, out.String(), "200  WRONG: should be 403 insufficient_scope: OK (its token holds read:products)")
}

func TestInterrupt(t *testing.T) {
	s := newSurroundings(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.mux["GET /products"] = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	out, err := s.run(t, ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "stopped before the end")
	require.NotContains(t, out, "orders")
}

// full is a disk on which there is room for so many more writes.
type full int

func (room *full) Write(p []byte) (int, error) {
	if *room--; *room < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

func TestAReportThatCannotBeWritten(t *testing.T) {
	s := newSurroundings(t)
	for lines := range 8 { // a heading, six steps, a summary
		room := full(lines)
		err := run(t.Context(), func(name string) string { return s.vars[name] }, &room)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, "the report can't be written")
	}
}
