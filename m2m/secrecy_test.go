package m2m_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

// failing is a transport that quotes what it got in its errors.
func failing(format string, args ...any) func(string) roundTrip {
	return func(text string) roundTrip {
		return func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf(format, append([]any{text}, args...)...)
		}
	}
}

// repeating is a server that answers with the text in all other places too.
func repeating(status int, contentType, format string) func(string) roundTrip {
	return func(text string) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			response := answer(status, strings.ReplaceAll(contentType, "SECRET", text), strings.NewReader(strings.ReplaceAll(format, "SECRET", text)))
			response.Status = "200 " + text
			response.Request = r
			response.Header.Set("Location", "https://evil.example/?q="+text+"%zz")
			response.Header.Set("WWW-Authenticate", text)
			return response, nil
		}
	}
}

// Wherever a server puts the secret, and however it writes it, the error is the
// same as if it had said there what is never shown.
func TestNoSecretInErrors(t *testing.T) {
	const isJSON = "application/json"
	sent := basic("manager", appSecret)
	for name, server := range map[string]func(text string) roundTrip{
		"transport":          failing("malformed HTTP response %q"),
		"around a cause":     failing("%s: %w", context.DeadlineExceeded),
		"around a network's": failing("%s: %w", &net.OpError{Op: "read", Net: "tcp", Err: syscall.EIO}),
		"around a time-out":  failing("%s: %w", &net.DNSError{Err: "time-out", Name: "logto.example", IsTimeout: true}),
		"within a network's": func(text string) roundTrip {
			return failing("%s: %w", &net.OpError{Op: "read", Err: errors.New(text)})(text)
		},
		"description":         repeating(401, isJSON, `{"error":"invalid_client","error_description":"not SECRET","error_uri":"https://SECRET"}`),
		"only description":    repeating(401, isJSON, `{"error":"invalid_client","error_description":"SECRET"}`),
		"another application": repeating(400, isJSON, `{"error":"invalid_client","error_description":"invalid client SECRET"}`),
		"code":                repeating(401, isJSON, `{"error":"SECRET"}`),
		"HTML":                repeating(200, "text/html", `<html>SECRET`),
		"query string":        repeating(200, "text/plain", `error=SECRET&error_description=SECRET`),
		"no JSON":             repeating(200, isJSON, `SECRET`),
		"wrong type":          repeating(200, isJSON, `{"access_token":"a","token_type":"Bearer","expires_in":"SECRET"}`),
		"token type":          repeating(200, isJSON, `{"access_token":"a","token_type":"SECRET"}`),
		"token":               repeating(200, isJSON, `{"access_token":"SECRET with a space","token_type":"Bearer"}`),
		"scope":               repeating(200, isJSON, `{"access_token":"a","token_type":"Bearer","scope":"SECRET"}`),
		"redirect":            repeating(307, isJSON, `SECRET`),
		"redirect as error":   repeating(302, isJSON, `{"error":"SECRET"}`),
		"content type":        repeating(200, "text/SECRET", ``),
	} {
		t.Run(name, func(t *testing.T) {
			says := func(text string) []string {
				e := refused(t, newClient(t, scopes("read:products"), by(server(text))))
				assertNoSecret(t, everything(e))
				return told(e)
			}
			want := says("é")
			for _, text := range []string{
				appSecret, strings.ToUpper(appSecret), strings.Join(strings.Split(appSecret, ""), " "),
				"Basic " + sent, sent, base64.StdEncoding.EncodeToString([]byte(appSecret)), hex.EncodeToString([]byte(appSecret)),
				url.QueryEscape("a b/" + appSecret), "&" + appSecret + ";", strings.Repeat("long ", 38) + appSecret, strings.Repeat("long ", 50) + appSecret,
			} {
				assert.Equal(t, want, says(text), text)
			}
		})
	}
}

// A secret with special characters comes back in other ways too.
func TestNoSecretInDescriptions(t *testing.T) {
	for _, secret := range []string{"p%+ |:/Z&q9x'W2<~", "p%+:Z&q'W2<~", "a%41b", "s3", "!&!"} {
		escaped := url.QueryEscape(secret)
		quoted, err := json.Marshal(secret)
		require.NoError(t, err)
		for _, form := range []string{
			secret, escaped, strings.ToLower(escaped), url.PathEscape(secret), strings.ReplaceAll(escaped, "%27", "'"),
			basic("manager", escaped), basic("manager", secret), strings.TrimRight(basic("manager", escaped), "="), url.QueryEscape(basic("manager", escaped)),
			base64.URLEncoding.EncodeToString([]byte("manager:" + escaped)), base64.StdEncoding.EncodeToString([]byte(secret)),
			string(quoted), strconv.QuoteToASCII(secret), html.EscapeString(secret), hex.EncodeToString([]byte(secret)), fmt.Sprintf("% X", secret),
		} {
			body, err := json.Marshal(map[string]string{"error": "invalid_client", "error_description": "not one of ours: " + form})
			require.NoError(t, err)
			client := newClient(t, func(c *m2m.Config) { c.AppSecret = secret }, by(roundTrip(func(*http.Request) (*http.Response, error) {
				return jsonAnswer(401, string(body)), nil
			})))
			assert.Empty(t, refused(t, client).Description, "%s as %s", secret, form)
		}
	}
}

// told is all that can be read from the error and whatever it wraps.
func told(e *m2m.Error) []string {
	texts := []string{fmt.Sprint(e.Status), e.Code, e.Description, e.Hint, fmt.Sprint(e.MissingScopes)}
	for err := error(e); err != nil; err = errors.Unwrap(err) {
		texts = append(texts, err.Error())
	}
	return texts
}

// everything prints the error and whatever it wraps, in every way.
func everything(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(&b, "%v %+v %#v %s %q\n", err, err, err, err, err)
	}
	return b.String()
}

// What is known not to be the server's own words is shown, and can be looked for.
func TestCausesAreFound(t *testing.T) {
	refusedDial := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: os.NewSyscallError("connect", syscall.EACCES)}
	untrusted := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	notFound := &net.DNSError{Err: "no such host", Name: "logto.example", IsNotFound: true}
	for _, test := range []struct {
		cause error
		found error
		text  string
	}{
		{syscall.EACCES, syscall.EACCES, "permission denied"},
		{refusedDial, syscall.EACCES, "dial tcp 192.0.2.1:443: permission denied"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: notFound}, notFound, "dial tcp: lookup logto.example: no such host"},
		{notFound, notFound, "lookup logto.example: no such host"},
		{untrusted, x509.UnknownAuthorityError{}, "tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(40)}, tls.AlertError(40), "remote error: tls: handshake failure"},
		{&net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}, os.ErrDeadlineExceeded, "read tcp: i/o timeout"},
		{io.EOF, io.EOF, "EOF"},
		{io.ErrUnexpectedEOF, io.ErrUnexpectedEOF, "unexpected EOF"},
		{context.DeadlineExceeded, context.DeadlineExceeded, "context deadline exceeded"},
		{&http.MaxBytesError{Limit: 1}, nil, "no answer that can be read as HTTP"},
		{patience{}, os.ErrDeadlineExceeded, "i/o timeout"},
		{http.ErrSchemeMismatch, http.ErrSchemeMismatch, "http: server gave HTTP response to HTTPS client"},
	} {
		e := refused(t, newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) { return nil, test.cause }))))
		if test.found != nil {
			require.ErrorIs(t, e, test.found)
		}
		assert.Zero(t, e.Status)
		assert.Equal(t, `m2m: no token: Post "https://logto.example/oidc/token": `+test.text, e.Error())
	}
}

// patience is a time-out with a text of its own.
type patience struct{}

func (patience) Error() string   { return "it took too long" }
func (patience) Timeout() bool   { return true }
func (patience) Temporary() bool { return true }

func TestTimeoutIsTold(t *testing.T) {
	for _, test := range []struct {
		cause error
		want  bool
	}{{context.DeadlineExceeded, true}, {patience{}, true}, {os.ErrDeadlineExceeded, true}, {syscall.ETIMEDOUT, true}, {syscall.EACCES, false}, {io.EOF, false}} {
		w := newWorld(nil)
		w.logto.answer = func(int32, *http.Request) (*http.Response, error) { return nil, test.cause }
		_, err := w.client(t).Get("https://api.example/")
		var outer *url.Error
		require.ErrorAs(t, err, &outer)
		assert.Equal(t, test.want, outer.Timeout(), "%v", test.cause)
	}
	assert.False(t, new(m2m.Error).Timeout())
}
