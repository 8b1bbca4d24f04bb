package m2m

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

const maxAnswerSize = 64 << 10

var (
	errRedirect = errors.New("the token endpoint redirects, which is not followed")
	errNotOK    = errors.New("a token is granted with status 200 only")
	errNotJSON  = errors.New("the answer is not a JSON object")
	errTooLong  = fmt.Errorf("the answer is longer than %d KiB", maxAnswerSize>>10)
)

// unusable is the Error for an answer that grants a token, but not one for use.
func unusable(why string) *Error {
	return &Error{Status: http.StatusOK, cause: errors.New(why)}
}

// strictTransport lets only those answers of the token endpoint through that
// x/oauth2 reads rightly. It takes text for a query string, and of two members
// with one name the last.
type strictTransport struct{ base http.RoundTripper }

func (t *strictTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(r)
	if err != nil || response == nil {
		return nil, err
	}
	withBody(response)
	defer response.Body.Close()
	body, err := readAnswer(response)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// withBody: a RoundTripper that isn't net/http's may have left the body out.
func withBody(response *http.Response) {
	if response.Body == nil {
		response.Body = http.NoBody
	}
}

// readAnswer returns an *Error for an answer that is not to be used. A redirect is
// one: followed as 301, 302 or 303 it is no POST any more, and whatever its
// status, http.Client would put its Location, in which anything may stand, into errors.
// So is any other success than 200, such as a part (206) or what somebody on the way
// has changed (203): RFC 6749, section 5.1, grants with 200.
func readAnswer(response *http.Response) ([]byte, error) {
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode/100 == 3:
		return nil, &Error{Status: response.StatusCode, cause: errRedirect}
	case err != nil || mediaType != "application/json":
		return nil, &Error{Status: response.StatusCode, cause: errNotJSON}
	case response.StatusCode/100 == 2 && response.StatusCode != http.StatusOK:
		return nil, &Error{Status: response.StatusCode, cause: errNotOK}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAnswerSize:
		return nil, &Error{Status: response.StatusCode, cause: errTooLong}
	case jsontext.Value(body).Kind() != '{' || !jsontext.Value(body).IsValid():
		return nil, &Error{Status: response.StatusCode, cause: errNotJSON}
	}
	return body, nil
}
