package revocation_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

// Each revocation that changes something has one line, which names no token, user or client.
func TestLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var journal guardtest.Journal
		log := &record{}
		list := newList(t, journaled(&journal), logged(log), signedWith(signingKey))
		require.NoError(t, list.Ready(t.Context()))
		at := time.Now().Add(-1500 * time.Millisecond)
		r := revocation.Revocation{Subject: "s3cret", TokenID: "s3cret", At: at, Reason: "lost phone"}
		revoke(t, list, r, r)
		revoke(t, list, r)
		require.Equal(t, "level=INFO msg=\"revocation: taken\" source=code kind=cut fields=\"subject token_id\" at=1999-12-31T23:59:58.500Z reason=\"\\\"lost phone\\\"\" delay=1.5s\n", journal.String())

		journal.Reset()
		require.Equal(t, 204, send(list, suspension("s3cret", true, at)))
		require.Equal(t, 204, send(list, suspension("s3cret", true, at)))
		require.Equal(t, "level=INFO msg=\"revocation: taken\" source=webhook kind=block fields=subject at=1999-12-31T23:59:58.500Z reason=User.SuspensionStatus.Updated delay=1.5s\n", journal.String())

		journal.Reset()
		log.change(func() {
			log.entries = append(log.entries, revocation.Revocation{ClientID: "s3cret", OrganizationID: "s3cret", Kind: revocation.Lift, At: at, Reason: guardtest.HostileWords})
		})
		synctest.Wait()
		require.Len(t, journal.With("source=log kind=lift", `fields="client_id organization_id"`), 1)
		require.NotContains(t, journal.String(), "s3cret")
		for _, line := range journal.With("") {
			guardtest.RequirePrintable(t, line[:len(line)-1])
		}
	})
}

// A mass of revocations has 100 lines a second, and then a count.
func TestLogLinesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var journal guardtest.Journal
		list := newList(t, journaled(&journal))
		mass := func(n int) {
			for i := range n {
				revoke(t, list, revocation.Revocation{Subject: fmt.Sprint(time.Now().UnixNano(), i)})
			}
		}
		mass(100)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, journal.With(""), 100)
		mass(350)
		require.Len(t, journal.With("taken"), 200)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, journal.With("level=INFO", "revocation: more were taken than are logged", "count=250"), 1)
		mass(101)
		require.NoError(t, list.Close())
		require.Len(t, journal.With("count=1\n"), 1, "none is forgotten at the end")
		time.Sleep(time.Minute)
		require.Len(t, journal.With(""), 302)
	})
}

func TestLifetimeIsLoggedOnceAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, claims func(logtotest.Token) *logtoguard.Claims) {
		var journal guardtest.Journal
		list := newList(t, journaled(&journal), func(cfg *revocation.Config) { cfg.MaxTokenLifetime = time.Minute })
		token := claims(alice)
		for range 61 {
			require.Error(t, list.Check(t.Context(), token))
			time.Sleep(time.Second)
		}
		lines := journal.With("level=ERROR")
		require.Len(t, lines, 2)
		require.Contains(t, lines[0], "MaxTokenLifetime=1m0s")
		require.Contains(t, lines[0], "set it to the longest lifetime of the tenant's access tokens")
	})
}
