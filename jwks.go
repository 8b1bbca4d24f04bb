package logtoguard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/logtoguard/logtoguard/internal/jwks"
)

// keySet holds Logto's keys, which package internal/jwks fetches and keeps. This is
// what the guard relies on:
//
//   - Loading starts in the background, and is repeated every 5 minutes (±10 %).
//     After a failure it is repeated after 1 s, 2 s, 4 s, up to 1 minute; the last good
//     keys serve on, for at most 24 hours since Logto confirmed them. While there are
//     such keys, Logto's Retry-After is obeyed for up to 5 minutes, by requests under an
//     absent kid for up to 1 minute.
//   - Age sets back when an answer confirmed the keys. One that is older than the keys
//     changes nothing, and one of 24 hours counts as a failure.
//   - A key that is gone from Logto's answer is retired at once, with all tokens that
//     it signed. Keys are compared by their material, not by their kid.
//   - No request waits while its key is known. Before the first keys, a request waits
//     for the fetch that is under way. A request under an absent kid waits for a fetch
//     that begins after it came: three such fetches are made at once, then one every
//     2 s. It waits for 5 s at most, among at most 10,000.
//   - Only the issuer's answer makes a key unknown (401). Where there is none, the
//     keys are unavailable (503).
//   - Only 200 with a key set of at most 1 MiB and at least one usable key replaces
//     keys. Unusable keys are skipped. Redirects are followed within one origin.
type keySet struct{ *jwks.Set }

func newKeySet(s settings, afterFetch func(time.Time)) keySet {
	return keySet{jwks.New(jwks.Config{
		URL: s.jwksURL, HTTPClient: s.httpClient, Now: s.policy.now, Logger: s.logger, AfterFetch: afterFetch,
	})}
}

// find returns the key with that kid.
func (ks keySet) find(ctx context.Context, kid string) (*jwks.Key, *Error) {
	key, err := ks.Find(ctx, kid)
	if err != nil {
		return nil, refusedForKeys(err)
	}
	return key, nil
}

// ready waits for usable keys.
func (ks keySet) ready(ctx context.Context) error {
	err := ks.Ready(ctx)
	if unavailable := (*jwks.UnavailableError)(nil); errors.As(err, &unavailable) {
		return fmt.Errorf("%w: %w", ErrKeysUnavailable, unavailable.Cause)
	}
	if err != nil {
		return refusedForKeys(err)
	}
	return nil
}

// refusedForKeys makes the answer to an error of the key set.
func refusedForKeys(err error) *Error {
	var unavailable *jwks.UnavailableError
	switch {
	case errors.Is(err, jwks.ErrClosed):
		return guardClosed.because(nil)
	case errors.As(err, &unavailable):
		return keysUnavailable.retryIn(unavailable.RetryAfter, unavailable.Cause)
	}
	return unknownKey.because(nil)
}
