package m2m_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

func TestAnswersThatAreNotUsed(t *testing.T) {
	const notJSON, wrongType, noToken = "the answer is not a JSON object", "a member of the answer is of the wrong type", "the answer has no access_token"
	const fine = `"access_token":"a","token_type":"Bearer"`
	for _, test := range []struct {
		name   string
		answer *http.Response
		reason string
	}{
		{"HTML", answer(200, "text/html", strings.NewReader("{"+fine+"}")), notJSON},
		{"a query string", answer(200, "text/plain", strings.NewReader("access_token=a&token_type=Bearer")), notJSON},
		{"a form", answer(200, "application/x-www-form-urlencoded", strings.NewReader("access_token=a&token_type=Bearer")), notJSON},
		{"no content type", answer(200, "", strings.NewReader("{"+fine+"}")), notJSON},
		{"nothing", answer(204, "", http.NoBody), notJSON},
		{"a token, but created", jsonAnswer(201, "{"+fine+"}"), "status 201: a token is granted with status 200 only"},
		{"a part of an answer", jsonAnswer(206, "{"+fine+"}"), "status 206: a token is granted with status 200 only"},
		{"a fault, and created", jsonAnswer(201, `{"token_type":"Bearer"}`), "status 201: a token is granted with status 200 only"},
		{"an empty body", jsonAnswer(200, ""), notJSON},
		{"an array", jsonAnswer(200, "[{"+fine+"}]"), notJSON},
		{"null", jsonAnswer(200, "null"), notJSON},
		{"half an object", jsonAnswer(200, "{"+fine), notJSON},
		{"something after it", jsonAnswer(200, "{"+fine+"} {}"), notJSON},
		{"two tokens", jsonAnswer(200, `{`+fine+`,"access_token":"b"}`), notJSON},
		{"two errors", jsonAnswer(400, `{"error":"a","error":"b"}`), notJSON},
		{"invalid UTF-8", jsonAnswer(200, "{"+fine+",\"x\":\"\xff\"}"), notJSON},
		{"65,537 bytes", jsonAnswer(200, "{"+fine+"}"+strings.Repeat(" ", 64<<10+1-len(fine)-2)), "the answer is longer than 64 KiB"},
		{"an endless body", answer(200, "application/json", endless{}), "the answer is longer than 64 KiB"},
		{"an endless error", answer(500, "application/json", endless{}), "the answer is longer than 64 KiB"},
		{"200 with an error", jsonAnswer(200, "{"+fine+`,"error":"server_error"}`), "status 200 server_error"},
		{"no token", jsonAnswer(200, `{"token_type":"Bearer"}`), noToken},
		{"an empty token", jsonAnswer(200, `{"access_token":"","token_type":"Bearer"}`), noToken},
		{"a token by another name", jsonAnswer(200, `{"Access_Token":"a","token_type":"Bearer"}`), noToken},
		{"a number for a token", jsonAnswer(200, `{"access_token":1,"token_type":"Bearer"}`), wrongType},
		{"a line break in the token", jsonAnswer(200, `{"access_token":"a\r\nX: b","token_type":"Bearer"}`), "access_token can't stand in a header"},
		{"a space in the token", jsonAnswer(200, `{"access_token":"a b","token_type":"Bearer"}`), "access_token can't stand in a header"},
		{"padding for a token", jsonAnswer(200, `{"access_token":"==","token_type":"Bearer"}`), "access_token can't stand in a header"},
		{"padding before the token", jsonAnswer(200, `{"access_token":"=a","token_type":"Bearer"}`), "access_token can't stand in a header"},
		{"a token that is not ASCII", jsonAnswer(200, `{"access_token":"é","token_type":"Bearer"}`), "access_token can't stand in a header"},
		{"another type", jsonAnswer(200, `{"access_token":"a","token_type":"mac"}`), "token_type is not Bearer"},
		{"no type", jsonAnswer(200, `{"access_token":"a"}`), "token_type is not Bearer"},
		{"no lifetime left", jsonAnswer(200, "{"+fine+`,"expires_in":0}`), "expires_in is not a number of seconds above zero"},
		{"expired", jsonAnswer(200, "{"+fine+`,"expires_in":-1}`), "expires_in is not a number of seconds above zero"},
		{"a string for seconds", jsonAnswer(200, "{"+fine+`,"expires_in":"3600"}`), wrongType},
		{"half a second", jsonAnswer(200, "{"+fine+`,"expires_in":0.5}`), wrongType},
		{"more seconds than Go can count", jsonAnswer(200, "{"+fine+`,"expires_in":1e300}`), wrongType},
		{"a number for a scope", jsonAnswer(200, "{"+fine+`,"scope":1}`), wrongType},
		{"not modified", answer(304, "application/json", strings.NewReader("{"+fine+"}")), "redirects, which is not followed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := refused(t, newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) { return test.answer, nil }))))
			assert.ErrorContains(t, e, test.reason)
			assert.Equal(t, test.answer.StatusCode, e.Status)
		})
	}
}

type endless struct{ read *int }

func (e endless) Read(p []byte) (int, error) {
	if e.read != nil {
		*e.read += len(p)
	}
	return copy(p, strings.Repeat(" ", len(p))), nil
}

func TestNoMoreIsReadThanWillBeUsed(t *testing.T) {
	read := 0
	body := &closing{Reader: endless{&read}}
	e := refused(t, newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) {
		return answer(200, "application/json", body), nil
	}))))
	require.ErrorContains(t, e, "longer than 64 KiB")
	assert.LessOrEqual(t, read, 64<<10+1)
}

func TestAnswersAreClosed(t *testing.T) {
	for contentType, content := range map[string]string{"application/json": `{"access_token":"a","token_type":"Bearer"}`, "application/jsonp": "", "text/html": "<html>"} {
		body := &closing{Reader: strings.NewReader(content)}
		client := newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {contentType}}, Body: body}, nil
		})))
		_, _ = client.Token(t.Context())
		assert.True(t, body.closed, contentType)
	}
}

func TestAnswersThatAreUsed(t *testing.T) {
	const fine = `"access_token":"aZ0-._~+/==","token_type":"Bearer"`
	for _, test := range []struct {
		name     string
		body     string
		lifetime time.Duration
	}{
		{"an hour", "{" + fine + `,"expires_in":3600}`, time.Hour},
		{"a second", "{" + fine + `,"expires_in":1}`, time.Second},
		{"unknown lifetime", "{" + fine + "}", time.Minute},
		{"null for a lifetime", "{" + fine + `,"expires_in":null}`, time.Minute},
		{"a day", "{" + fine + `,"expires_in":86400}`, 24 * time.Hour},
		{"more than a day", "{" + fine + `,"expires_in":86401}`, 24 * time.Hour},
		{"a very long lifetime", "{" + fine + `,"expires_in":9223372036854775807}`, 24 * time.Hour},
		{"lower case", `{"access_token":"aZ0-._~+/==","token_type":"bearer","expires_in":3600}`, time.Hour},
		{"members that are not known", "{" + fine + `,"expires_in":3600,"Access_Token":"b","refresh_token":"r","x":{}}`, time.Hour},
		{"65,536 bytes", "{" + fine + "}" + strings.Repeat(" ", 64<<10-len(fine)-2), time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			clock := logtotest.NewClock(noon)
			logto := &tokenEndpoint{answer: func(int32, *http.Request) (*http.Response, error) {
				clock.Advance(time.Second) // the answer's way must not lengthen the token's life
				return jsonAnswer(200, test.body), nil
			}}
			got, err := newClient(t, by(logto), func(c *m2m.Config) { c.Now = clock.Now }).Token(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "aZ0-._~+/==", got.AccessToken)
			assert.Equal(t, "Bearer", got.TokenType)
			assert.Equal(t, noon.Add(test.lifetime), got.Expiry)
			assert.Equal(t, "", got.Extra("scope"))
			assert.Empty(t, got.RefreshToken)
		})
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var followed atomic.Int32
			count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) })
			elsewhere := httptest.NewServer(count)
			defer elsewhere.Close()
			for _, target := range []string{elsewhere.URL + "/oidc/token", "/here"} {
				mux := http.NewServeMux()
				mux.Handle("/here", count)
				mux.Handle("/oidc/token", http.RedirectHandler(target, status))
				logto := httptest.NewServer(mux)
				e := refused(t, newClient(t, func(c *m2m.Config) { c.Endpoint = logto.URL }))
				logto.Close()
				assert.Equal(t, status, e.Status)
				assert.Zero(t, followed.Load())
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	drip := func(r *http.Request) (*http.Response, error) {
		read, write := io.Pipe()
		context.AfterFunc(r.Context(), func() { write.CloseWithError(r.Context().Err()) })
		return answer(200, "application/json", read), nil
	}
	for _, test := range []struct {
		name    string
		server  roundTrip
		timeout time.Duration
		after   time.Duration
	}{
		{"no answer", hang, 0, 10 * time.Second},
		{"no end of the answer", drip, 0, 10 * time.Second},
		{"the caller's client has more time", hang, time.Minute, 10 * time.Second},
		{"the caller's client has less time", hang, time.Second, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, func(c *m2m.Config) {
					c.HTTPClient = &http.Client{Transport: test.server, Timeout: test.timeout}
				})
				start := time.Now()
				e := refused(t, client)
				assert.Equal(t, test.after, time.Since(start))
				assert.ErrorIs(t, e, context.DeadlineExceeded)
			})
		})
	}
}

// Logto waits for a script that hangs, and then grants the token.
func TestAScriptThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logto := logtotest.ScriptHangs()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"a","token_type":"Bearer","expires_in":3600}`)
		}))
		require.Equal(t, "a", token(t, newClient(t, by(roundTrip(func(r *http.Request) (response *http.Response, err error) {
			defer func() {
				if recover() != nil { // as net/http does, where the client has left
					err = r.Context().Err()
				}
			}()
			w := httptest.NewRecorder()
			logto.ServeHTTP(w, r)
			return w.Result(), nil
		})))))
	})
}

func TestLogtoIsDown(t *testing.T) {
	logto, clock := newLogto(t)
	client := newClient(t, at(logto, clock))
	logto.Disturb(logtotest.Down())
	var cause *url.Error // end of file or a reset, as the system likes
	assert.ErrorAs(t, refused(t, client), &cause)
	logto.Disturb(logtotest.Status(503))
	clock.Advance(time.Minute)
	assert.Equal(t, 503, refused(t, client).Status)
	logto.Disturb(logtotest.Garbage())
	clock.Advance(time.Minute)
	assert.Contains(t, refused(t, client).Hint, "is Endpoint that of Logto?")
	logto.Disturb(nil)
	clock.Advance(time.Minute)
	assert.NotEmpty(t, token(t, client))
}
