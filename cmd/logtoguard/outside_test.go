package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// answeredAt has Logto answer with these headers.
func answeredAt(name, value string) logtotest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "Mon, 01 Jan 2024 00:00:00 GMT")
			w.Header().Set(name, value)
			next.ServeHTTP(w, r)
		})
	}
}

func TestClocksAreCompared(t *testing.T) {
	logto := startLogto(t)
	ours := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return ours.Add(d).Format(http.TimeFormat) }
	expired := []func(*logtotest.Draft){set("exp", ours.Add(-3*time.Minute).Unix())}
	later := []func(*logtotest.Draft){set("exp", ours.Add(time.Hour).Unix()), set("iat", ours.Add(3*time.Minute).Unix())}
	for _, row := range []struct {
		name         string
		edits        []func(*logtotest.Draft)
		header, date string
		advice       string
	}{
		{"ours is behind", expired, "Date", at(20 * time.Second), "expired 3 minutes ago: get a new one; your clock is 20 s behind Logto's: set it"},
		{"ours is ahead", expired, "Date", at(-10 * time.Minute), "expired 3 minutes ago: get a new one; your clock is 9 minutes ahead of Logto's: set it"},
		{"a little", expired, "Date", at(4 * time.Second), "expired 3 minutes ago: get a new one"},
		{"from a cache", expired, "Age", "7", "expired 3 minutes ago: get a new one"},
		{"no date", expired, "Date", "now", "expired 3 minutes ago: get a new one"},
		{"issued later", later, "Date", at(3 * time.Minute), "its iat is in 3 minutes; your clock is 3 minutes behind Logto's: set it"},
		{"issued later, clocks agree", later, "Date", at(0), "its iat is in 3 minutes: set the clock of this machine, or of whatever issued it"},
		{"issued later, no date", later, "Date", "now", "its iat is in 3 minutes: set the clock of this machine, or of whatever issued it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			logto.Disturb(answeredAt(row.header, row.date))
			s := session{stdin: logto.Mint(logtotest.Token{}, row.edits...), now: func() time.Time { return ours }}
			out := s.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json")
			assert.Equal(t, []string{row.advice}, out.report(t).Advice)
		})
	}
}

func TestWithoutKeys(t *testing.T) {
	logto := startLogto(t)
	token := logto.Mint(logtotest.Token{})
	logto.Disturb(logtotest.Status(404))
	flags := []string{"explain", "-endpoint", logto.Endpoint(), "-audience", shopping}
	out := session{stdin: token}.run(t, append(flags, "-json")...)
	assert.Equal(t, undecided, out.status)
	got := out.report(t)
	assert.Equal(t, []any{"not_judged", 503, "key", ""}, []any{got.Verdict, got.Status, got.failed(), got.Challenge})
	assert.Equal(t, "no keys: GET "+logto.Endpoint()+"/oidc/jwks: answered with status 404", got.Advice[0])
	assert.Contains(t, session{stdin: token}.run(t, flags...).stdout, "It could not be judged: 503")
}

func TestOffline(t *testing.T) {
	logto, other := startLogto(t), startLogto(t)
	token := logto.Mint(logtotest.Token{})
	explain := func(file string) outcome {
		return session{stdin: token}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json", "-keys", file)
	}
	private := logto.Key().JWK()
	private["d"] = "AAAA"
	garbage := keyFile(t)
	require.NoError(t, os.WriteFile(garbage, []byte("<html>"), 0o600))
	array := keyFile(t)
	require.NoError(t, os.WriteFile(array, []byte("[]"), 0o600))
	long := keyFile(t)
	require.NoError(t, os.WriteFile(long, []byte(strings.Repeat(" ", maxFile+1)), 0o600))
	for _, row := range []struct {
		name, file string
		status     int
		words      string
	}{
		{"its key", keyFile(t, logto.Key().JWK()), fine, ""},
		{"another's", keyFile(t, other.Key().JWK()), refused, "published are: " + other.Key().ID()},
		{"another's, and its key with what is secret", keyFile(t, other.Key().JWK(), private), refused, "but logtoguard can't use it"},
		{"no keys", keyFile(t), undecided, "keys.json: no usable key"},
		{"no key set", garbage, undecided, "keys.json: not a key set"},
		{"an array", array, undecided, "keys.json: not a key set: no JSON object with an array of keys"},
		{"its key with what is secret", keyFile(t, private), undecided, "logtoguard keys -keys "},
		{"too long", long, wrongUsage, "longer than 1 MiB"},
		{"no file", long + ".gone", wrongUsage, "no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := explain(row.file)
			assert.Equal(t, row.status, out.status)
			assert.Contains(t, out.stdout+out.stderr, row.words)
			assert.NotContains(t, out.stdout+out.stderr, "GET ")
			assert.Equal(t, strings.HasPrefix(row.words, "logtoguard keys"), strings.Contains(out.stdout, "says what is in the file"))
		})
	}
	assert.Zero(t, logto.Requests("/oidc/jwks")+other.Requests("/oidc/jwks"))
}

func TestUnknownKeyIsComparedWithThePublishedOnes(t *testing.T) {
	logto := startLogto(t)
	token := logto.Mint(logtotest.Token{})
	logto.Rotate("")
	logto.Rotate("")
	out := session{stdin: token}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json")
	advice := out.report(t).Advice
	require.Len(t, advice, 2)
	assert.Regexp(t, "^published are: "+logto.Key().ID()+` \S{43}$`, advice[1])
}

func TestKeysElsewhere(t *testing.T) {
	logto := startLogto(t)
	token := logto.Mint(logtotest.Token{}, set("iss", "https://auth.example.com/oidc"))
	out := session{stdin: token}.run(t, "explain", "-endpoint", "https://auth.example.com/", "-audience", shopping, "-jwks-url", logto.URL()+"/oidc/jwks?key=s3cret", "-json")
	assert.Equal(t, fine, out.status, out.stdout)
	assert.NotContains(t, out.stdout, "s3cret")
}

// answers are given one after the other.
type answers []*http.Response

func (list *answers) RoundTrip(*http.Request) (*http.Response, error) {
	first := (*list)[0]
	*list = (*list)[1:]
	return first, nil
}

func TestAnUnchangedKeySetIsRemembered(t *testing.T) {
	set, err := keySet(`{"keys":[{"kid":"a"}]}`).RoundTrip(nil)
	require.NoError(t, err)
	w := newWatcher(t.Context(), time.Now)
	w.base = &answers{set, {StatusCode: http.StatusNotModified, Body: http.NoBody}}
	for range 2 {
		response, err := w.RoundTrip(nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	assert.Len(t, w.published(), 1)
}

func TestWhatAServerSaysIsTame(t *testing.T) {
	w := newWatcher(t.Context(), time.Now)
	assert.Equal(t, "no answer in time", w.whyNoKeys())
	w.logger().Warn("logtoguard: fetching the keys failed", "error", errors.New("malformed answer "+hostile))
	assert.Contains(t, w.whyNoKeys(), "malformed answer")
	isTame(t, w.whyNoKeys())
	assert.Empty(t, w.warned())
}

// brokenPipe is where nobody reads.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestReportThatNobodyGets(t *testing.T) {
	logto := startLogto(t)
	for _, args := range [][]string{
		{"explain", "-endpoint", logto.Endpoint(), "-audience", shopping},
		{"keys", "-endpoint", logto.Endpoint()},
		{"token", "-endpoint", logto.Endpoint(), "-app", "shop", "-resource", shopping},
		{"help"},
		{"explain", "-h"},
	} {
		var stderr strings.Builder
		p := &program{
			getenv: func(string) string { return "s3cret-of-shop" }, stdin: strings.NewReader(logto.Mint(logtotest.Token{})),
			stdout: brokenPipe{}, stderr: &stderr, now: time.Now,
		}
		assert.Equal(t, undecided, p.run(t.Context(), args), args[0])
		assert.Contains(t, stderr.String(), "can't be written", args[0])
	}
}
