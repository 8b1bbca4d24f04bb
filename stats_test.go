package logtoguard_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// A Check that makes up its reasons can't fill the memory, nor push out the guard's own.
func TestReasonsAreBounded(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	n := 0
	var plain error
	guard := guardtest.NewGuard(t, logto, clock, func(cfg *logtoguard.Config) {
		cfg.Check = func(context.Context, *logtoguard.Claims) error {
			if plain != nil {
				return plain
			}
			n++
			return &logtoguard.Error{Status: http.StatusForbidden, Reason: fmt.Sprint("reason ", n)}
		}
	})
	token := logto.Mint(logtotest.Token{})
	for range 1000 {
		guardtest.Refuse(t, guard, token, logtoguard.ErrRefusedByCheck)
	}
	guardtest.Refuse(t, guard, "", logtoguard.ErrNoToken)
	guardtest.Refuse(t, guard, "opaque", logtoguard.ErrOpaqueToken)
	for _, plain = range []error{errors.New("locked out"), context.Canceled} {
		guardtest.Refuse(t, guard, token, logtoguard.ErrRefusedByCheck)
	}
	refused := guard.Stats().Refused
	require.EqualValues(t, 2, refused["check"])
	require.LessOrEqual(t, len(refused), 64)
	require.EqualValues(t, 1, refused["reason 1"])
	require.EqualValues(t, 1, refused["no_token"])
	require.EqualValues(t, 1, refused["opaque"])
	var sum uint64
	for _, count := range refused {
		sum += count
	}
	require.EqualValues(t, 1004, sum)
	require.Greater(t, refused["other"], uint64(900))
}

func TestStatsOfThoseWhoWaitForKeys(t *testing.T) {
	guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
		guard := s.ReadyGuard(t)
		var results []<-chan error
		for range 30 {
			results = append(results, guardtest.Background(func() error {
				_, err := guard.Verify(t.Context(), s.Mint(guardtest.Kid(rand.Text())))
				return err
			}))
			synctest.Wait()
		}
		require.Equal(t, 27, guard.Stats().WaitingForKeys, "three had their fetch")
		require.Zero(t, guard.Stats().Waiting)
		for _, result := range results {
			require.ErrorIs(t, <-result, logtoguard.ErrUnknownKey)
		}
		require.Zero(t, guard.Stats().WaitingForKeys)
	})
}
