package logtotest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCredentialsAreBounded(t *testing.T) {
	c := credentials{byValue: map[string]*credential{}}
	now := time.Now()
	keep := func(user string) string {
		return c.keep(credential{grant: &grant{user: user}, kind: refreshToken, issued: now, expires: now.Add(time.Hour)})
	}
	first, second := keep("alice"), keep("bob")
	c.signOut("alice")
	require.Nil(t, c.find(refreshToken, first, now))
	for i := range maxCredentials - 2 {
		keep(fmt.Sprint(i))
	}
	require.NotNil(t, c.find(refreshToken, second, now))
	keep("carol")
	require.NotNil(t, c.find(refreshToken, second, now), "what has ended has left its place")
	last := keep("dave")
	require.Nil(t, c.find(refreshToken, second, now), "the oldest is forgotten")
	require.NotNil(t, c.find(refreshToken, last, now))
	require.Nil(t, c.find(authorizationCode, last, now))
	require.Nil(t, c.find(refreshToken, last, now.Add(time.Hour)))
	require.LessOrEqual(t, len(c.byValue), maxCredentials)
	require.Len(t, c.order, maxCredentials)
}
