package logtoguard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// verifiedTwice makes a guard that knows the token already, and shows that it does.
func verifiedTwice(t *testing.T, guard *logtoguard.Guard, token string) {
	t.Helper()
	for range 2 {
		_, err := guard.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	stats := guard.Stats()
	require.EqualValues(t, 1, stats.Verifications)
	require.EqualValues(t, 1, stats.TokenCacheHits)
	require.EqualValues(t, 1, stats.TokenCacheMisses)
	require.Equal(t, 1, stats.TokenCacheEntries)
}

// awaitFetch has the keys fetched, and waits for that, by a token under an unknown kid.
func awaitFetch(t *testing.T, guard *logtoguard.Guard, logto *logtotest.Server) {
	t.Helper()
	stranger := logtotest.NewKey(logto.Key().Algorithm())
	_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) {
		d.Key = stranger
		d.Header["kid"] = stranger.ID()
	}))
	require.ErrorIs(t, err, logtoguard.ErrUnknownKey)
}

func TestKnownTokenIsVerifiedOnce(t *testing.T) {
	for _, algorithm := range guardtest.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			logto, clock := guardtest.NewLogto(t, algorithm)
			guard := guardtest.NewGuard(t, logto, clock)
			token := logto.Mint(logtotest.Token{Subject: "shop", Scopes: []string{"read:products"}})
			verifiedTwice(t, guard, token)
			claims, err := guard.Verify(t.Context(), token)
			require.NoError(t, err)
			assert.Equal(t, "shop", claims.Subject())
			assert.True(t, claims.HasScope("read:products"))
		})
	}
}

// TestKnownTokenThatNoLongerHolds has what a cache could overlook.
func TestKnownTokenThatNoLongerHolds(t *testing.T) {
	refresh := func(t *testing.T, guard *logtoguard.Guard, logto *logtotest.Server, clock *logtotest.Clock) {
		t.Helper()
		clock.Advance(6 * time.Minute)
		awaitFetch(t, guard, logto)
	}
	for _, test := range []struct {
		name   string
		change func(*testing.T, *logtoguard.Guard, *logtotest.Server, *logtotest.Clock)
		is     error
	}{
		{"it still holds", func(*testing.T, *logtoguard.Guard, *logtotest.Server, *logtotest.Clock) {}, nil},
		{"a refresh that changes nothing", refresh, nil},
		{"one rotation", func(t *testing.T, g *logtoguard.Guard, l *logtotest.Server, c *logtotest.Clock) {
			l.Rotate("")
			refresh(t, g, l, c)
		}, nil},
		{"its time is over", func(_ *testing.T, _ *logtoguard.Guard, _ *logtotest.Server, c *logtotest.Clock) {
			c.Advance(time.Hour + 5*time.Second)
		}, logtoguard.ErrExpired},
		{"the clock was set back before nbf", func(_ *testing.T, _ *logtoguard.Guard, _ *logtotest.Server, c *logtotest.Clock) {
			c.Advance(-30 * time.Second)
		}, logtoguard.ErrNotYetValid},
		{"the clock was set back before iat: no nbf", func(_ *testing.T, _ *logtoguard.Guard, _ *logtotest.Server, c *logtotest.Clock) {
			c.Advance(-2 * time.Minute)
		}, logtoguard.ErrNotYetValid},
		{"its key was removed", func(t *testing.T, g *logtoguard.Guard, l *logtotest.Server, c *logtotest.Clock) {
			l.Rotate("")
			l.DropPrevious()
			refresh(t, g, l, c)
		}, logtoguard.ErrUnknownKey},
		{"the guard was closed", func(t *testing.T, g *logtoguard.Guard, _ *logtotest.Server, _ *logtotest.Clock) {
			require.NoError(t, g.Close())
		}, logtoguard.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			logto, clock := guardtest.NewLogto(t, "ES256")
			guard := guardtest.NewGuard(t, logto, clock)
			token := logto.Mint(logtotest.Token{Subject: "shop"}, func(d *logtotest.Draft) {
				if !strings.HasSuffix(test.name, "no nbf") {
					d.Claims["nbf"] = guardtest.Now.Unix() - 10
				}
			})
			verifiedTwice(t, guard, token)
			test.change(t, guard, logto, clock)
			_, err := guard.Verify(t.Context(), token)
			require.ErrorIs(t, err, test.is)
			if test.is == nil {
				assert.EqualValues(t, 2, guard.Stats().TokenCacheHits)
			}
		})
	}
}

func TestKnownTokenAndKeysThatGrowTooOld(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	token := logto.Mint(logtotest.Token{Subject: "shop", Lifetime: 48 * time.Hour})
	verifiedTwice(t, guard, token)
	logto.Disturb(logtotest.Status(500))
	clock.Advance(24 * time.Hour)
	_, err := guard.Verify(t.Context(), token)
	require.NoError(t, err)
	clock.Advance(time.Second)
	_, err = guard.Verify(t.Context(), token)
	require.ErrorIs(t, err, logtoguard.ErrKeysUnavailable)
	logto.Disturb(nil)
	clock.Advance(time.Minute)
	_, err = guard.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestReusedKidWithAnotherKey(t *testing.T) {
	first, second := logtotest.NewKey("ES384"), logtotest.NewKey("ES384")
	issuer := guardtest.NewKeyServer(t)
	issuer.Serve(guardtest.JWKUnder("same", first))
	clock := logtotest.NewClock(guardtest.Now)
	guard, err := logtoguard.New(logtoguard.Config{Endpoint: issuer.URL, Audience: []string{guardtest.Shopping}, Now: clock.Now})
	require.NoError(t, err)
	defer guard.Close()
	sign := func(k *logtotest.Key, kid string) string {
		header := fmt.Sprintf(`{"alg":"ES384","typ":"at+jwt","kid":"%s"}`, kid)
		payload := fmt.Sprintf(`{"iss":"%s/oidc","aud":"%s","sub":"s","client_id":"s","iat":%d,"exp":%d}`, issuer.URL, guardtest.Shopping, guardtest.Now.Unix(), guardtest.Now.Unix()+3600)
		return k.Sign([]byte(header), []byte(payload))
	}
	old := sign(first, "same")
	verifiedTwice(t, guard, old)
	issuer.Serve(guardtest.JWKUnder("same", second))
	// A token under an unknown kid has the keys fetched, and waits for that.
	_, err = guard.Verify(t.Context(), sign(first, "unknown"))
	require.ErrorIs(t, err, logtoguard.ErrUnknownKey)
	_, err = guard.Verify(t.Context(), old)
	require.ErrorIs(t, err, logtoguard.ErrWrongSignature)
	_, err = guard.Verify(t.Context(), sign(second, "same"))
	require.NoError(t, err)
}

func TestRefusalsAreNotRemembered(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	early := logto.Mint(logtotest.Token{Subject: "shop"}, func(d *logtotest.Draft) { d.Claims["nbf"] = guardtest.Now.Unix() + 60 })
	_, err := guard.Verify(t.Context(), early)
	require.ErrorIs(t, err, logtoguard.ErrNotYetValid)
	clock.Advance(time.Minute)
	_, err = guard.Verify(t.Context(), early)
	require.NoError(t, err)
}

// TestCacheKeyIsTheWholeToken: tokens that share all but a byte share no verdict.
func TestCacheKeyIsTheWholeToken(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		token := s.Mint()
		verifiedTwice(t, guard, token)
		for i := range len(token) {
			changed := []byte(token)
			changed[i] ^= 1
			_, err := guard.Verify(t.Context(), string(changed))
			require.Error(t, err, "byte %d", i)
		}
		for _, longer := range []string{token + "A", "A" + token, token + ".", token + "=", " " + token} {
			_, err := guard.Verify(t.Context(), longer)
			require.Error(t, err)
		}
		assert.Equal(t, 1, guard.Stats().TokenCacheEntries)
	})
}

func TestHeaderIsCheckedForKnownTokensToo(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	token := logto.Mint(logtotest.Token{Subject: "shop"})
	verifiedTwice(t, guard, token)
	handler := guard.Handler(guardtest.NoContent)
	for _, authorization := range [][]string{
		{"Bearer " + token, "Bearer " + token},
		{"Bearer\t" + token},
		{"Bearer " + token + " " + token},
		{"Bearer " + token + ","},
	} {
		assert.Equal(t, http.StatusBadRequest, guardtest.Serve(handler, authorization...).Code)
	}
	assert.Equal(t, http.StatusNoContent, guardtest.Serve(handler, "bearer  "+token).Code)
}

func TestCheckRunsOnKnownTokens(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	var locked bool
	guard := guardtest.NewGuard(t, logto, clock, func(cfg *logtoguard.Config) {
		cfg.Check = func(context.Context, *logtoguard.Claims) error {
			if locked {
				return errors.New("locked out")
			}
			return nil
		}
	})
	token := logto.Mint(logtotest.Token{Subject: "shop"})
	verifiedTwice(t, guard, token)
	locked = true
	_, err := guard.Verify(t.Context(), token)
	require.ErrorIs(t, err, logtoguard.ErrRefusedByCheck)
	assert.EqualValues(t, 2, guard.Stats().Accepted)
}

// Requests with the same new token at once look into the cache when it is their turn.
func TestSameNewTokenIsVerifiedOncePerProcessor(t *testing.T) {
	for _, size := range []int{0, -1} {
		guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
			s.Logto.Rotate("ES384") // slow enough to be met by the others
			guard := s.ReadyGuard(t, func(cfg *logtoguard.Config) { cfg.TokenCacheSize = size })
			token := s.Mint()
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					_, err := guard.Verify(t.Context(), token)
					assert.NoError(t, err)
				})
			}
			wg.Wait()
			stats := guard.Stats()
			assert.EqualValues(t, 200, stats.Accepted)
			if size == 0 {
				assert.LessOrEqual(t, stats.Verifications, uint64(runtime.GOMAXPROCS(0)))
			} else {
				assert.Zero(t, stats.TokenCacheEntries)
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock, func(cfg *logtoguard.Config) { cfg.TokenCacheSize = 16 })
	for i := range 200 {
		_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Subject: fmt.Sprint(i)}))
		require.NoError(t, err)
		require.LessOrEqual(t, guard.Stats().TokenCacheEntries, 16)
	}
}

func TestLongTokensCountForWhatTheyWeigh(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock, func(cfg *logtoguard.Config) { cfg.TokenCacheSize = 16 })
	long := logtotest.Token{Subject: "long", Claims: map[string]any{"pad": strings.Repeat("x", 11<<10)}}
	for range 50 {
		_, err := guard.Verify(t.Context(), logto.Mint(long))
		require.NoError(t, err)
		require.LessOrEqual(t, guard.Stats().TokenCacheEntries, 2, "a token of 15 KiB weighs as much as eight")
	}
	assert.NotZero(t, guard.Stats().TokenCacheEntries)
}

func TestCacheForgetsWhatIsOver(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	for i := range 10 {
		_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Subject: fmt.Sprint(i), Lifetime: time.Minute}))
		require.NoError(t, err)
	}
	require.Equal(t, 10, guard.Stats().TokenCacheEntries)
	clock.Advance(6 * time.Minute)
	_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Subject: "new"}))
	require.NoError(t, err)
	// What is over is forgotten after a fetch, so before the next one begins.
	awaitFetch(t, guard, logto)
	awaitFetch(t, guard, logto)
	require.Equal(t, 1, guard.Stats().TokenCacheEntries)
}

// The bound on signature checks is for floods: what 64 connections bring waits its
// turn, and is let in.
func TestManyNewTokensWaitTheirTurn(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		tokens := make(chan string, 1000)
		for range cap(tokens) {
			tokens <- s.Mint()
		}
		close(tokens)
		handler := guard.Handler(guardtest.NoContent)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for token := range tokens {
					assert.Equal(t, http.StatusNoContent, guardtest.Serve(handler, "Bearer "+token).Code)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1000, guard.Stats().Verifications)
	})
}

// Refusals of one token share no error: a handler may write into its own.
func TestConcurrentRefusalsAreFresh(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		s.Logto.Rotate("ES384")
		guard := s.ReadyGuard(t, func(cfg *logtoguard.Config) {
			cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, e *logtoguard.Error) {
				w.WriteHeader(e.Status)
				e.Status, e.Description = http.StatusTeapot, "mine"
			}
		})
		handler := guard.Handler(guardtest.NoContent)
		stranger := logtotest.NewKey("ES384")
		for range 20 {
			forged := s.Mint(func(d *logtotest.Draft) { d.Key = stranger })
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { assert.Equal(t, http.StatusUnauthorized, guardtest.Serve(handler, "Bearer "+forged).Code) })
			}
			wg.Wait()
		}
	})
}
