package main

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

// What stands behind the page: it asks for the tokens of machines, whose secrets
// don't belong in a browser, and says what became of a request. The tokens of people
// the page asks for itself. None of it is there with a real Logto.

// A request with wantSteps gets stepsHeader in its answer. Without being asked,
// the API answers as it always does.
const (
	wantSteps   = "Demo-Want-Steps"
	stepsHeader = "Demo-Steps"
)

// tryout is the page and its helpers, over the API that they are about.
type tryout struct {
	logto  *logtotest.Server
	tenant logtotest.Tenant
	list   *revocation.List
	client *http.Client
}

// newTryout puts the page before an API whose guard has explainRefusal for its
// ErrorHandler, and asks the list. Only this machine may use them.
func newTryout(logto *logtotest.Server, resource string, list *revocation.List, guard *logtoguard.Guard, api http.Handler, log *slog.Logger) (http.Handler, error) {
	page, err := newPage(logto.Endpoint(), resource)
	if err != nil {
		return nil, err
	}
	t := &tryout{logto, demoTenant(resource), list, &http.Client{Timeout: 5 * time.Second}}
	mux := http.NewServeMux()
	handleLogged := func(pattern string, h http.Handler) {
		mux.Handle(pattern, logRequests(log, noteRoute(h)))
	}
	handleLogged("GET /{$}", page)
	handleLogged("POST /demo/token", handle(t.token))
	handleLogged("POST /demo/expired", guard.Handler(t.variant(expire)))
	handleLogged("POST /demo/id-token", guard.Handler(t.variant(makeIDToken)))
	handleLogged("POST /demo/revoke", guard.Handler(handle(t.revoke)))
	mux.Handle("GET /healthz", api)
	mux.Handle("GET /readyz", api)
	mux.Handle("/.well-known/", api)
	mux.Handle("/", explainPass(api))
	return logtotest.FromThisMachine()(mux), nil
}

// explainPass says that all checks were passed, unless explainRefusal knows better.
func explainPass(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tellSteps(w, r, nil)
		next.ServeHTTP(w, r)
	})
}

// explainRefusal is for Config.ErrorHandler: it gets the refusals of the guard and
// of the route checks alike.
func explainRefusal(w http.ResponseWriter, r *http.Request, err *logtoguard.Error) {
	tellSteps(w, r, err)
	logtoguard.WriteError(w, r, err)
}

func tellSteps(w http.ResponseWriter, r *http.Request, err error) {
	if r.Header.Get(wantSteps) != "" {
		w.Header().Set(stepsHeader, summary(stepsOf(err)))
	}
}

// exchange is a request for a token and its answer, as they went over the wire.
type exchange struct {
	Request     string `json:"request"`
	Answer      string `json:"answer"`
	AccessToken string `json:"access_token"`
}

// token asks the stand-in for a token in the name of one of its applications.
func (t *tryout) token(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Application string `json:"application"`
	}
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	i := slices.IndexFunc(t.tenant.Applications, func(a logtotest.Application) bool { return a.ID == asked.Application })
	if i < 0 {
		return &problem{http.StatusUnprocessableEntity, "application names none of the stand-in's"}
	}
	req, err := t.tokenRequest(r, t.tenant.Applications[i])
	if err != nil {
		return err
	}
	got, err := t.send(req)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusOK, got)
}

// tokenRequest is the one of Logto's guide. It asks for every scope there is:
// Logto leaves out those that the application doesn't hold.
func (t *tryout) tokenRequest(r *http.Request, application logtotest.Application) (*http.Request, error) {
	shop := t.tenant.Resources[0]
	form := url.Values{
		"grant_type": {"client_credentials"},
		"resource":   {shop.Indicator},
		"scope":      {strings.Join(shop.Scopes, " ")},
	}
	for _, organization := range t.tenant.Organizations {
		if slices.ContainsFunc(organization.Members, func(m logtotest.Member) bool { return m.ApplicationID == application.ID }) {
			form.Set("organization_id", organization.ID)
		}
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, t.logto.URL()+"/oidc/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(application.ID, application.Secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

func (t *tryout) send(req *http.Request) (got exchange, err error) {
	request, err := httputil.DumpRequestOut(req, true)
	if err != nil {
		return got, err
	}
	res, err := t.client.Do(req)
	if err != nil {
		return got, err
	}
	defer res.Body.Close()
	answer, err := httputil.DumpResponse(res, true)
	if err != nil {
		return got, err
	}
	err = json.UnmarshalRead(res.Body, &got)
	got.Request, got.Answer = string(request), string(answer)
	return got, err
}

// variant signs a token like the one that the request carries, but changed.
func (t *tryout) variant(change func(*logtotest.Draft)) handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		claims, err := caller(r)
		if err != nil {
			return err
		}
		var payload map[string]any
		if err := claims.Decode(&payload); err != nil {
			return err
		}
		token := t.logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) {
			d.Claims = payload
			change(d)
		})
		w.Header().Set("Cache-Control", "no-store")
		return writeJSON(w, http.StatusOK, map[string]string{"token": token})
	}
}

// revoke ends the tokens of the machine whose token the request carries, or those of
// the person, whatever application they were issued to.
func (t *tryout) revoke(w http.ResponseWriter, r *http.Request) error {
	claims, err := caller(r)
	if err != nil {
		return err
	}
	ended := revocation.Revocation{Subject: claims.Subject()}
	if claims.IsMachine() {
		ended = revocation.Revocation{ClientID: claims.ClientID()}
	}
	if err := t.list.Revoke(r.Context(), ended); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]string{"revoked": claims.Subject()})
}

// expire makes the token one of two hours ago.
func expire(d *logtotest.Draft) {
	ago := time.Now().Add(-2 * time.Hour).Unix()
	lifetime := time.Hour
	d.Claims["iat"], d.Claims["exp"] = ago, ago+int64(lifetime/time.Second)
}

// makeIDToken makes of it what a person's application learns who signed in by: it
// is for that application, and says no typ.
func makeIDToken(d *logtotest.Draft) {
	delete(d.Header, "typ")
	d.Claims["aud"] = d.Claims["client_id"]
	delete(d.Claims, "client_id")
	delete(d.Claims, "scope")
}
