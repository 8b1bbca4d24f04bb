package logtoguard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/logtoguard/logtoguard/internal/endpoint"
)

const (
	fetchTimeout  = 5 * time.Second
	patience      = 2 * time.Second // with a transport that doesn't mind its context
	maxKeySetSize = 1 << 20
	maxETag       = 256
)

var (
	errDeaf     = errors.New("the transport doesn't mind the end of its context")
	errNoAnswer = errors.New("the transport ended the goroutine")
)

// keySource is the key set's address, and how it is asked.
type keySource struct {
	url    string
	shown  string // the address in errors: without its query
	client *http.Client
}

func newKeySource(address string, given *http.Client) *keySource {
	shown, _, _ := strings.Cut(address, "?")
	source := &keySource{url: address, shown: shown, client: &http.Client{}}
	if given != nil {
		*source.client = *given
	}
	source.client.Transport = endpoint.SingleUse(source.client.Transport)
	// Whoever answers there decides who may sign tokens.
	source.client.CheckRedirect = endpoint.SameOrigin(source.client.CheckRedirect)
	return source
}

// keyAnswer is a key set as it was sent.
type keyAnswer struct {
	unchanged bool // since the answer with the ETag that was asked about
	body      []byte
	etag      string
}

// fetch asks once. It ends with ctx, and after 5 s at the latest, or little later
// where a caller's transport doesn't mind its context: what still hangs in it then
// lingers there, and its outcome is not used. The same goes for one that ends the
// goroutine.
func (s *keySource) fetch(ctx context.Context, etag string) (keyAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	ended := make(chan fetched, 1)
	go func() {
		result := fetched{err: errNoAnswer}
		defer func() { ended <- result }()
		result.answer, result.err = s.get(ctx, etag)
	}()
	result := fetched{err: errDeaf}
	select {
	case result = <-ended:
	case <-ctx.Done():
		select {
		case result = <-ended:
		case <-time.After(patience):
		}
	}
	if result.err != nil {
		return keyAnswer{}, fmt.Errorf("GET %s: %w", s.shown, result.err)
	}
	return result.answer, nil
}

type fetched struct {
	answer keyAnswer
	err    error
}

func (s *keySource) get(ctx context.Context, etag string) (keyAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return keyAnswer{}, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := s.client.Do(request)
	if err != nil {
		// A url.Error has the whole address in it, and a query may be a secret.
		if urlError := (*url.Error)(nil); errors.As(err, &urlError) {
			err = urlError.Err
		}
		return keyAnswer{}, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		return keyAnswer{unchanged: true}, nil
	case response.StatusCode != http.StatusOK:
		return keyAnswer{}, fmt.Errorf("answered with status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetSize+1))
	switch {
	case err != nil:
		return keyAnswer{}, err
	case len(body) > maxKeySetSize:
		return keyAnswer{}, errors.New("the answer is longer than 1 MiB")
	}
	return keyAnswer{body: body, etag: keepable(response.Header.Get("ETag"))}, nil
}

// keepable: a header that is too long to be sent back spares nothing.
func keepable(etag string) string {
	if len(etag) > maxETag {
		return ""
	}
	return etag
}
