package valkeylog_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/internal/valkeytest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

var (
	soakTime = flag.Duration("soak", 5*time.Second, "how long TestSoak takes")
	soakSeed = flag.Uint64("soak.seed", 0, "what TestSoak draws its numbers from; 0: a new one")
)

func newList(t testing.TB, log revocation.Log) *revocation.List {
	t.Helper()
	list, err := revocation.New(revocation.Config{Log: log, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = list.Close() })
	return list
}

func ready(t testing.TB, list *revocation.List) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	require.NoError(t, list.Ready(ctx))
}

// A crowd has a token of each of its users.
type crowd []*logtoguard.Claims

func newCrowd(t testing.TB, n int) (c crowd) {
	t.Helper()
	logto := logtotest.NewServer(logtotest.Tenant{Resources: []logtotest.Resource{{Indicator: "https://shopping.api"}}})
	t.Cleanup(logto.Close)
	guard, err := logtoguard.New(logtoguard.Config{Endpoint: logto.Endpoint(), Audience: []string{"https://shopping.api"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = guard.Close() })
	for i := range n {
		claims, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Subject: name(i)}))
		require.NoError(t, err)
		c = append(c, claims)
	}
	return c
}

func name(i int) string { return fmt.Sprint("user-", i) }

// refused waits until the list refuses the tokens of exactly these users.
func (c crowd) refused(t testing.TB, list *revocation.List, users map[int]bool) {
	t.Helper()
	var wrong string
	if !assert.Eventually(t, func() bool {
		wrong = ""
		for i, claims := range c {
			if got := list.Check(context.Background(), claims) != nil; got != users[i] {
				wrong += fmt.Sprintf(" %s: refused is %t", name(i), got)
			}
		}
		return wrong == ""
	}, patient, often) {
		require.Fail(t, "the list is wrong about:"+wrong, "%+v", list.Stats())
	}
}

// subjects are the users that the stream says something about.
func (s *server) subjects(t testing.TB) map[string]bool {
	t.Helper()
	subjects := make(map[string]bool)
	f := follow(t, newLog(t, s.Address), "")
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.caughtUp) > 0
	}, patient, often)
	for _, subject := range f.subjects() {
		subjects[subject] = true
	}
	return subjects
}

// What one List takes, the others know; a later one knows all before it is ready; and
// what the server loses, they give back to it.
func TestLists(t *testing.T) {
	s := newServer(t)
	a, b := newList(t, newLog(t, s.Address)), newList(t, newLog(t, s.Address))
	ready(t, a)
	ready(t, b)
	const n = 2500
	users, everyone := newCrowd(t, 20), make(map[int]bool)
	for i := range len(users) {
		everyone[i] = true
	}
	for i, list := range []*revocation.List{a, b} {
		var revocations []revocation.Revocation
		for j := i; j < n; j += 2 {
			revocations = append(revocations, revocation.Revocation{Subject: name(j), Kind: revocation.Kind(j % 2)})
		}
		require.NoError(t, list.Revoke(t.Context(), revocations...))
		require.NoError(t, list.Revoke(t.Context(), revocations...), "again, at a later time")
	}
	users.refused(t, a, everyone)
	users.refused(t, b, everyone)
	require.Len(t, s.entries(t), 2*n)

	c := newList(t, newLog(t, s.Address))
	ready(t, c)
	require.Equal(t, n, c.Stats().Entries)
	users.refused(t, c, everyone)

	require.Eventually(t, func() bool { return a.Stats().Entries == n && b.Stats().Entries == n }, patient, often)
	s.do(t, "FLUSHALL")
	require.Eventually(t, func() bool {
		return len(s.entries(t)) >= n && a.Stats().Unsaved+b.Stats().Unsaved+c.Stats().Unsaved == 0
	}, patient, 100*time.Millisecond)
	require.Len(t, s.subjects(t), n)
	d := newList(t, newLog(t, s.Address))
	ready(t, d)
	require.Equal(t, n, d.Stats().Entries)
	users.refused(t, d, everyone)
	for _, list := range []*revocation.List{a, b, c, d} {
		require.Zero(t, list.Stats().Skipped)
	}
}

// A client and a List that are made while the server is down work once it is there.
func TestListWithoutAServer(t *testing.T) {
	s := newServer(t)
	s.Kill()
	client, err := valkey.NewClient(valkey.ClientOption{InitAddress: []string{s.Address}, ForceSingleClient: true, DisableCache: true})
	require.Error(t, err)
	require.NotNil(t, client)
	t.Cleanup(client.Close)
	list, users := newList(t, valkeylog.New(client, key)), newCrowd(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.Error(t, list.Ready(ctx))
	require.Error(t, list.Revoke(ctx, revocation.Revocation{Subject: name(1)}))
	s.Start(t)
	ready(t, list)
	users.refused(t, list, map[int]bool{1: true})
	require.Eventually(t, func() bool { return list.Stats().Unsaved == 0 && len(s.entries(t)) == 1 }, patient, often)
}

// Lists revoke while the server and the links fail in every way. In the end each List
// and the stream know all that was revoked.
func TestSoak(t *testing.T) {
	guardtest.NoLeaks(t)
	seed := cmp.Or(*soakSeed, rand.Uint64())
	t.Logf("-soak.seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newServer(t)
	var lists []*revocation.List
	var links []*valkeytest.Proxy
	for range 3 {
		link := valkeytest.NewProxy(t, s.Server)
		links = append(links, link)
		lists = append(lists, newList(t, newLog(t, link.Address)))
	}
	for _, list := range lists {
		ready(t, list)
	}
	users, revoked := newCrowd(t, 200), make(map[int]bool)
	var did []string
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for begin := time.Now(); time.Since(begin) < *soakTime; <-ticker.C {
		i := random.IntN(len(lists))
		switch random.IntN(20) {
		case 0:
			did = append(did, "kill")
			s.Kill()
			for range random.IntN(20) {
				<-ticker.C
			}
			s.Start(t)
		case 1:
			did = append(did, "delete")
			s.do(t, "DEL", key)
		case 2:
			n := random.IntN(20)
			did = append(did, fmt.Sprintf("lose %d", n))
			s.loseLast(t, n)
		case 3:
			did = append(did, "reset")
			links[i].Reset()
		case 4:
			did = append(did, "swallow")
			links[i].Swallow(true)
		case 5, 6, 7:
			links[i].Swallow(false)
		default:
			user := random.IntN(len(users))
			did = append(did, fmt.Sprintf("%d revokes %d", i, user))
			revoked[user] = true
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20))*time.Millisecond)
			_ = lists[i].Revoke(ctx, revocation.Revocation{Subject: name(user)})
			cancel()
		}
	}
	for _, link := range links {
		link.Swallow(false)
	}
	for _, list := range lists {
		users.refused(t, list, revoked)
	}
	want := make(map[string]bool)
	for user := range revoked {
		want[name(user)] = true
	}
	if !assert.Eventually(t, func() bool {
		for _, list := range lists {
			if list.Stats().Unsaved > 0 {
				return false
			}
		}
		return maps.Equal(s.subjects(t), want)
	}, patient, 100*time.Millisecond) {
		require.Equal(t, want, s.subjects(t), "%v", did)
	}
	t.Logf("%d steps, %d users revoked", len(did), len(revoked))
}
