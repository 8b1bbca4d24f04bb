package m2m_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

func TestTrailersAreSent(t *testing.T) {
	got := make(chan http.Header, 1)
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Trailer
	}))
	defer api.Close()
	logto, clock := newLogto(t)

	read, write := io.Pipe()
	request, err := http.NewRequest(http.MethodPost, api.URL, read)
	require.NoError(t, err)
	request.Trailer = http.Header{"Checksum": nil}
	go func() {
		_, _ = io.WriteString(write, "body")
		request.Trailer.Set("Checksum", "abc") // known only now
		write.Close()
	}()
	response, err := newClient(t, at(logto, clock)).HTTPClient().Do(request)
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, http.Header{"Checksum": {"abc"}}, <-got)
}

func TestOneAuthorization(t *testing.T) {
	var got http.Header
	w := newWorld(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return answer(200, "", http.NoBody), nil
	})
	client := w.client(t)
	for _, own := range []http.Header{
		nil, {}, {"authorization": {"Basic own"}}, {"AUTHORIZATION": {"Basic own"}, "Authorization": {"Basic own", "Basic other"}},
	} {
		request, err := http.NewRequest(http.MethodGet, "https://api.example/", nil)
		require.NoError(t, err)
		request.Header = own
		before := own.Clone()
		_, err = client.Do(request)
		require.NoError(t, err)
		assert.Equal(t, http.Header{"Authorization": {"Bearer token-1"}}, got)
		assert.Equal(t, before, request.Header, "the caller's stays as it is")
	}
}

// Some fakes leave out the body, or the whole answer.
func TestAnswersWithoutABody(t *testing.T) {
	var w *world
	w = newWorld(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			w.clock.Advance(2 * time.Second) // so that the token is not young
			return &http.Response{StatusCode: 401}, nil
		}
		return &http.Response{StatusCode: 200}, nil
	})
	require.Equal(t, 200, do(t, w.client(t), http.MethodGet, "https://api.example/", nil).StatusCode)

	for _, nothing := range []*http.Response{nil, {StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}}} {
		refused(t, newClient(t, by(roundTrip(func(*http.Request) (*http.Response, error) { return nothing, nil }))))
	}
	w = newWorld(func(*http.Request) (*http.Response, error) { return nil, nil })
	_, err := w.client(t).Get("https://api.example/")
	require.ErrorContains(t, err, "nil *Response with a nil error")
}

func TestOtherHeadersAreCopied(t *testing.T) {
	w := newWorld(func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, []string{"a", "b"}, r.Header["X-Own"])
		r.Header["X-Own"][0] = "changed"
		return answer(200, "", http.NoBody), nil
	})
	request := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
	request.Header["X-Own"] = []string{"a", "b"}
	_, err := w.client(t).Transport.RoundTrip(request)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, request.Header["X-Own"])
}

func TestAnUnknownWayHereIsElsewhere(t *testing.T) {
	w := newWorld(func(*http.Request) (*http.Response, error) { return answer(200, "", http.NoBody), nil })
	request := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
	request.Response = &http.Response{}
	_, err := w.client(t).Transport.RoundTrip(request)
	require.NoError(t, err)
	assert.Equal(t, []string{""}, w.seen)
}

type idle struct {
	roundTrip
	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

func TestCloseIdleConnections(t *testing.T) {
	base := &idle{}
	newClient(t, by(base)).HTTPClient().CloseIdleConnections()
	assert.Equal(t, 1, base.closed)
	newClient(t, by(base.roundTrip)).HTTPClient().CloseIdleConnections()
}

// get asks with a second to wait, and tells how long it took.
func get(t *testing.T, client *http.Client) (*http.Response, time.Duration, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example/", nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	return response, time.Since(start), err
}

func TestARequestsContextBoundsItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Minute) // the bubble's: the request to Logto goes on
		w := newWorld(accept("token-1"))
		w.logto.answer = func(_ int32, r *http.Request) (*http.Response, error) { return hang(r) }
		_, took, err := get(t, w.client(t))
		var e *m2m.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, err.(*url.Error).Timeout())
		require.Equal(t, time.Second, took)
		require.Empty(t, w.seen)
	})
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Minute)
		w := newWorld(accept())
		w.logto.answer = func(n int32, r *http.Request) (*http.Response, error) {
			if n > 1 {
				return hang(r)
			}
			return granted(n), nil
		}
		_, took, err := get(t, w.client(t))
		var e *m2m.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, took)
		require.Len(t, w.seen, 1)
	})
}

// A 401 waits for the renewal that is under way already, and doesn't count as
// having forced it.
func TestA401JoinsARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answerNow := make(chan struct{})
		w := newWorld(func(r *http.Request) (*http.Response, error) { return accept("token-2")(r) })
		w.logto.answer = func(n int32, _ *http.Request) (*http.Response, error) {
			if n == 2 {
				<-answerNow
			}
			return granted(n), nil
		}
		client := w.client(t)
		w.api = accept("token-1")
		require.Equal(t, 200, do(t, client, http.MethodGet, "https://api.example/", nil).StatusCode)
		w.clock.Advance(50 * time.Minute)
		w.api = accept("token-2")
		var caller sync.WaitGroup
		caller.Go(func() {
			response, err := client.Post("https://api.example/", "text/plain", strings.NewReader("body"))
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode)
			}
		})
		synctest.Wait()
		require.EqualValues(t, 2, w.logto.requests.Load())
		require.Len(t, w.seen, 2, "the repeat waits")
		close(answerNow)
		caller.Wait()
		require.EqualValues(t, 2, w.logto.requests.Load())

		w.api = accept("token-3")
		require.Equal(t, 200, do(t, client, http.MethodGet, "https://api.example/", nil).StatusCode)
		require.EqualValues(t, 3, w.logto.requests.Load())
	})
}
