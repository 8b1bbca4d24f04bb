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
	"github.com/logtoguard/logtoguard/internal/strict"
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

// answer is what the issuer, or a cache before it, answered.
type answer struct {
	body       []byte        // the key set as it was sent
	age        time.Duration // since the issuer gave it
	retryAfter string        // with a failure: the header
}

// fetch asks once, for at most 5 s. It makes no conditional requests: an ETag would
// save 2 KB in five minutes.
func (s *source) fetch(ctx context.Context) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	a, err := s.get(ctx)
	if err != nil {
		err = fmt.Errorf("GET %s: %w", s.shown, err)
	}
	return a, err
}

func (s *source) get(ctx context.Context) (a answer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return a, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("Cache-Control", "no-cache")
	request.Close = true // for transports that SingleUse can't set up
	response, err := s.client.Do(request)
	if err != nil {
		// A url.Error has the whole address in it, and a query may be a secret.
		if urlError := (*url.Error)(nil); errors.As(err, &urlError) {
			err = urlError.Err
		}
		return a, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		a.retryAfter = response.Header.Get("Retry-After")
		return a, fmt.Errorf("answered with status %d", response.StatusCode)
	}
	if a.age = strict.DeltaSeconds(response.Header.Get("Age")); a.age >= maxKeyAge {
		return a, fmt.Errorf("a cache answered, by what the issuer said %v ago", a.age)
	}
	a.body, err = io.ReadAll(io.LimitReader(response.Body, maxKeySetSize+1))
	if err == nil && len(a.body) > maxKeySetSize {
		err = errors.New("the answer is longer than 1 MiB")
	}
	return a, err
}
