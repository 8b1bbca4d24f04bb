package jwks

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
)

// source is the key set's address, and how it is asked.
type source struct {
	url    string
	shown  string // the address in errors: without its query
	client *http.Client
}

func newSource(address string, given *http.Client) *source {
	shown, _, _ := strings.Cut(address, "?")
	s := &source{url: address, shown: shown, client: &http.Client{}}
	if given != nil {
		*s.client = *given
	}
	s.client.Transport = endpoint.SingleUse(s.client.Transport)
	// The server that answers decides who may sign tokens.
	s.client.CheckRedirect = endpoint.SameOrigin(s.client.CheckRedirect)
	return s
}

// fetch asks once, for at most 5 s, and returns the key set as it was sent. It makes
// no conditional requests: an ETag would save 2 KB in five minutes.
func (s *source) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	body, err := s.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", s.shown, err)
	}
	return body, nil
}

func (s *source) get(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Close = true // for transports that SingleUse can't set up
	response, err := s.client.Do(request)
	if err != nil {
		// A url.Error has the whole address in it, and a query may be a secret.
		if urlError := (*url.Error)(nil); errors.As(err, &urlError) {
			err = urlError.Err
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxKeySetSize:
		return nil, errors.New("the answer is longer than 1 MiB")
	}
	return body, nil
}
