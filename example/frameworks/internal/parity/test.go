package parity

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

// Test compares a server with net/http in all that matters.
func Test(t *testing.T, server Server) {
	t.Run("refused", func(t *testing.T) { Refuses(t, server) })
	t.Run("keys", func(t *testing.T) { RefusesWithoutKeys(t, server) })
	t.Run("admitted", func(t *testing.T) { admits(t, server) })
	t.Run("panics", func(t *testing.T) { recovers(t, server) })
	t.Run("at once", func(t *testing.T) { tellsCallersApart(t, server) })
}

// Refuses asks for everything that has to be refused, and for what isn't there.
func Refuses(t *testing.T, server Server) {
	world := NewWorld(t, nil)
	want, got := Reference.Start(t, world.Guard), server.Start(t, world.Guard)
	for _, row := range Refused {
		t.Run(row.Name, func(t *testing.T) {
			authorization := row.Authorization(world.Logto)
			answer := Ask(t, want+Reference.Path(row.Route), authorization)
			require.Equal(t, row.Status, answer.Status)
			before := world.Guard.Stats().Refused
			require.Equal(t, answer, Ask(t, got+server.Path(row.Route), authorization))
			require.NotEqual(t, before, world.Guard.Stats().Refused, "it is counted")
		})
	}
	for _, path := range []string{"/nowhere", server.Products + "/", server.Products + "%2F", server.Orders + "/"} {
		require.Equal(t, Ask(t, want+path, nil), Ask(t, got+path, nil), "strangers can't learn which paths exist: %s", path)
	}
}

// RefusesWithoutKeys asks while Logto is down.
func RefusesWithoutKeys(t *testing.T, server Server) {
	world := NewWorld(t, logtotest.Down())
	want, got := Reference.Start(t, world.Guard), server.Start(t, world.Guard)
	authorization := []string{"Bearer " + world.Logto.Mint(reader)}
	before := Ask(t, want+Reference.Products, authorization)
	require.Equal(t, 503, before.Status)
	require.NotEmpty(t, before.RetryAfter)
	answer := Ask(t, got+server.Products, authorization)
	// The guard goes on trying, and waits longer each time.
	after := Ask(t, want+Reference.Products, authorization)
	require.LessOrEqual(t, before.seconds(t), answer.seconds(t))
	require.LessOrEqual(t, answer.seconds(t), after.seconds(t))
	answer.RetryAfter = before.RetryAfter
	require.Equal(t, before, answer)
}

func admits(t *testing.T, server Server) {
	world := NewWorld(t, nil)
	want, got := Reference.Start(t, world.Guard), server.Start(t, world.Guard)
	for _, row := range Admitted {
		t.Run(row.Name, func(t *testing.T) {
			authorization := row.Authorization(world.Logto)
			answer := Ask(t, want+Reference.Path(row.Route), authorization)
			require.Equal(t, row.Status, answer.Status)
			other := Ask(t, got+server.Path(row.Route), authorization)
			require.Equal(t, row.Status, other.Status, other.Body)
			require.JSONEq(t, answer.Body, other.Body)
		})
	}
}

// recovers has the guard panic for one caller, and serve the next one.
func recovers(t *testing.T, server Server) {
	world := NewPanickingWorld(t)
	url := server.Start(t, world.Guard) + server.Path(Panics.Route)
	authorization := Panics.Authorization(world.Logto)
	for range 2 {
		answer, err := ask(t, url, authorization)
		if err == nil {
			require.Equal(t, Panics.Status, answer.Status)
		}
		everything := fmt.Sprint(answer)
		require.NotContains(t, everything, Mallory)
		require.NotContains(t, everything, strings.TrimPrefix(authorization[0], "Bearer "))
		require.Equal(t, 200, Ask(t, url, Admitted[0].Authorization(world.Logto)).Status)
	}
}

// tellsCallersApart has many callers at once, so that memory which is shared
// between requests shows.
func tellsCallersApart(t *testing.T, server Server) {
	world := NewWorld(t, nil)
	url := server.Start(t, world.Guard) + server.Products
	var callers sync.WaitGroup
	for i := range 8 {
		subject := fmt.Sprintf("caller-%d", i)
		token := world.Logto.Mint(logtotest.Token{Subject: subject, Scopes: []string{"read:products"}})
		require.Equal(t, 200, Ask(t, url, []string{"Bearer " + token}).Status)
		callers.Go(func() {
			for range 20 {
				answer := Ask(t, url, []string{"Bearer " + token})
				var who struct{ Subject string }
				if err := json.Unmarshal([]byte(answer.Body), &who); err != nil || who.Subject != subject {
					t.Errorf("%s is answered %q", subject, answer.Body)
				}
			}
		})
	}
	callers.Wait()
	require.Equal(t, uint64(8), world.Guard.Stats().Verifications, "each token is verified once")
}
