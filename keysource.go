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
	maxKeySetSize = 1 << 20
	maxETag       = 256
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

// fetch asks once, for at most 5 s.
func (s *keySource) fetch(ctx context.Context, etag string) (keyAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	answer, err := s.get(ctx, etag)
	if err != nil {
		return keyAnswer{}, fmt.Errorf("GET %s: %w", s.shown, err)
	}
	return answer, nil
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
