package m2m

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/oauth2"

	"github.com/logtoguard/logtoguard/internal/endpoint"
	"github.com/logtoguard/logtoguard/internal/strict"
)

const (
	requestTimeout = 10 * time.Second // a script of the tenant that hangs delays Logto by 5.7 s
	maxRetryAfter  = 5 * time.Minute
	maxAnswerSize  = 64 << 10

	defaultLifetime = 60 // seconds, as in answers
	maxLifetime     = 24 * 60 * 60
)

var (
	errRedirect = errors.New("the token endpoint redirects, which is not followed")
	errNotOK    = errors.New("a token is granted with status 200 only")
	errNotJSON  = errors.New("the answer is not a JSON object")
	errType     = errors.New("a member of the answer is of the wrong type")
	errTooLong  = fmt.Errorf("the answer is longer than %d KiB", maxAnswerSize>>10)
)

// A fetcher asks Logto for tokens, once per call. clientcredentials isn't strict
// enough with the answer: it follows redirects, takes text for a query string, and
// of two members with one name the last.
type fetcher struct {
	cfg    Config
	url    string
	form   string
	client *http.Client
	now    func() time.Time
}

func newFetcher(cfg Config, tokenURL string, client http.Client, now func() time.Time) *fetcher {
	var scopes []string
	for _, scope := range cfg.Scopes {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	cfg.Scopes = scopes
	client.Transport = endpoint.SingleUse(client.Transport)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil // it is for APIs
	form := url.Values{"grant_type": {"client_credentials"}}
	for name, value := range map[string]string{
		"resource": cfg.Resource, "organization_id": cfg.OrganizationID, "scope": strings.Join(scopes, " "),
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
	return &fetcher{cfg, tokenURL, form.Encode(), &client, now}
}

// fetch asks on a context of its own: the request is for all who wait for a token,
// and must not end when the caller that happened to come first gives up.
func (f *fetcher) fetch() (*grant, *Error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	asked := f.now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, strings.NewReader(f.form))
	if err != nil {
		return nil, f.noAnswer(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(f.cfg.AppID), url.QueryEscape(f.cfg.AppSecret)) // RFC 6749, section 2.3.1
	request.Close = true                                                                 // for transports that SingleUse can't set up
	response, err := f.client.Do(request)
	if err != nil {
		return nil, f.noAnswer(err)
	}
	defer response.Body.Close()
	granted, failure := f.read(response, asked)
	if failure != nil {
		failure.RetryAfter = retryAfter(response, f.now())
	}
	return granted, failure
}

// read makes a grant of an answer, or says why there is none.
func (f *fetcher) read(response *http.Response, asked time.Time) (*grant, *Error) {
	if fault := headFault(response); fault != nil {
		return nil, f.failed(response.StatusCode, fault)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerSize+1))
	if err != nil {
		return nil, f.noAnswer(err)
	}
	return f.judge(response.StatusCode, body, asked)
}

// noAnswer is the Error for a request that came to nothing.
func (f *fetcher) noAnswer(err error) *Error {
	return &Error{cause: &url.Error{Op: "Post", URL: f.url, Err: knownCause(err)}}
}

func (f *fetcher) failed(status int, cause error) *Error {
	return (&Error{Status: status, cause: cause}).hinted(f.cfg)
}

// headFault returns what makes an answer's body not worth reading. A redirect is
// not followed: with 301, 302 or 303 the next request would not be a POST. RFC 6749,
// section 5.1, grants tokens with 200: 206 is a part of an answer, and 203 one that
// was changed on the way.
func headFault(response *http.Response) error {
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode/100 == 3:
		return errRedirect
	case err != nil || mediaType != "application/json":
		return errNotJSON
	case response.StatusCode/100 == 2 && response.StatusCode != http.StatusOK:
		return errNotOK
	}
	return nil
}

// retryAfter returns for how long the answer asks to be left alone, within bounds: one
// odd answer must not stop a program for a day.
func retryAfter(response *http.Response, now time.Time) time.Duration {
	if response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	return min(strict.RetryAfter(response.Header.Get("Retry-After"), now), maxRetryAfter)
}

// judge makes a grant of the answer's body.
func (f *fetcher) judge(status int, body []byte, asked time.Time) (*grant, *Error) {
	// Code and Message are Logto's own, which its refusals outside of OAuth have alone.
	var refusal struct {
		Error       jsontext.Value `json:"error"`
		Description jsontext.Value `json:"error_description"`
		Code        jsontext.Value `json:"code"`
		Message     jsontext.Value `json:"message"`
	}
	err := strict.UnmarshalObject(body, &refusal)
	switch {
	case len(body) > maxAnswerSize:
		return nil, f.failed(status, errTooLong)
	case err != nil:
		return nil, f.failed(status, errNotJSON)
	case status != http.StatusOK || text(refusal.Error) != "":
		e := (&Error{
			Status:      status,
			Code:        cmp.Or(text(refusal.Error), text(refusal.Code)),
			Description: cmp.Or(text(refusal.Description), text(refusal.Message)),
		}).hinted(f.cfg) // by the whole text, of which not all may be shown
		e.Code = f.cfg.shown(e.Code, codeSyntax)
		e.Description = f.cfg.shown(e.Description, printable)
		e.Description = e.Description[:min(len(e.Description), maxDescription)]
		return nil, e
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   *int64 `json:"expires_in"`
		Scope       string `json:"scope"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if strict.UnmarshalObject(body, &answer) != nil {
		return nil, f.failed(status, errType)
	}
	seconds := int64(defaultLifetime)
	if answer.ExpiresIn != nil {
		seconds = min(*answer.ExpiresIn, maxLifetime)
	}
	switch {
	case answer.AccessToken == "":
		return nil, f.failed(status, errors.New("the answer has no access_token"))
	case !strict.IsToken68(answer.AccessToken):
		return nil, f.failed(status, errors.New("the answer's access_token can't stand in a header"))
	case !strings.EqualFold(answer.TokenType, "Bearer"):
		return nil, f.failed(status, errors.New("the answer's token_type is not Bearer"))
	case seconds <= 0:
		return nil, f.failed(status, errors.New("the answer's expires_in is not a number of seconds above zero"))
	}
	// RFC 6749, section 5.1, takes an answer without scope to grant all that were
	// asked for; a token of Logto's then has none.
	granted := strings.Fields(answer.Scope)
	missing := slices.DeleteFunc(slices.Clone(f.cfg.Scopes), func(scope string) bool { return slices.Contains(granted, scope) })
	if len(missing) > 0 && !f.cfg.AcceptFewerScopes {
		return nil, (&Error{Status: status, MissingScopes: missing, cause: errors.New("not granted: " + strings.Join(missing, " "))}).hinted(f.cfg)
	}
	lifetime := time.Duration(seconds) * time.Second
	token := &oauth2.Token{AccessToken: answer.AccessToken, TokenType: "Bearer", Expiry: asked.Add(lifetime)}
	return &grant{token.WithExtra(map[string]any{"scope": answer.Scope}), lifetime, f.now()}, nil
}

// text is empty if value is not a string. One such member must not cost the others.
func text(value jsontext.Value) string {
	var s string
	_ = json.Unmarshal(value, &s)
	return s
}
