package jwks_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

const mebibyte = 1 << 20

// padded is a key set of exactly this size. It holds keys that work.
func padded(size int, keys ...any) string {
	body, err := json.Marshal(map[string]any{"keys": keys, "padding": ""})
	if err != nil {
		panic(err)
	}
	return strings.Replace(string(body), `"padding":""`, `"padding":"`+strings.Repeat("a", size-len(body))+`"`, 1)
}

func zipped(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(body)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// An answer that brings no usable key replaces none, and is no start either.
func TestUselessAnswers(t *testing.T) {
	fresh := logtotest.NewKey("ES256").JWK() // usable, if the answer were
	valid := padded(500, fresh)
	gzipped := map[string]string{"Content-Encoding": "gzip"}
	weak := logtotest.NewKey("RS256").JWK()
	weak["e"] = "AQ"
	misfit := logtotest.NewKey("ES384").JWK()
	misfit["alg"] = "ES256"
	for name, fault := range map[string]logtotest.Fault{
		"down":                    logtotest.Down(),
		"empty set":               logtotest.EmptyKeySet(),
		"HTML":                    logtotest.Garbage(),
		"404":                     guardtest.Answer(http.StatusNotFound, nil, valid),
		"500":                     guardtest.Answer(http.StatusInternalServerError, nil, valid),
		"201":                     guardtest.Answer(http.StatusCreated, nil, valid),
		"204":                     guardtest.Answer(http.StatusNoContent, nil, ""),
		"206":                     guardtest.Answer(http.StatusPartialContent, nil, valid),
		"302 without a Location":  guardtest.Answer(http.StatusFound, nil, valid),
		"empty body":              guardtest.Answer(http.StatusOK, nil, ""),
		"empty object":            guardtest.Answer(http.StatusOK, nil, "{}"),
		"null":                    guardtest.Answer(http.StatusOK, nil, "null"),
		"empty array":             guardtest.Answer(http.StatusOK, nil, "[]"),
		"array of keys":           guardtest.Answer(http.StatusOK, nil, valid[strings.Index(valid, "["):strings.Index(valid, "]")+1]),
		"a key without a set":     guardtest.Answer(http.StatusOK, nil, valid[strings.Index(valid, "[")+1:strings.Index(valid, "]")]),
		"number":                  guardtest.Answer(http.StatusOK, nil, "1"),
		"keys null":               guardtest.Answer(http.StatusOK, nil, `{"keys":null}`),
		"keys an object":          guardtest.Answer(http.StatusOK, nil, `{"keys":{}}`),
		"keys a string":           guardtest.Answer(http.StatusOK, nil, `{"keys":"none"}`),
		"keys in capitals":        guardtest.Answer(http.StatusOK, nil, strings.Replace(valid, `"keys"`, `"KEYS"`, 1)),
		"truncated":               guardtest.Answer(http.StatusOK, nil, valid[:len(valid)-1]),
		"something after it":      guardtest.Answer(http.StatusOK, nil, valid+"{}"),
		"invalid UTF-8":           guardtest.Answer(http.StatusOK, nil, strings.Replace(valid, "aaa", "a\xffa", 1)),
		"shorter than announced":  guardtest.Answer(http.StatusOK, map[string]string{"Content-Length": "600"}, valid),
		"deeply nested":           guardtest.Answer(http.StatusOK, nil, `{"keys":`+strings.Repeat("[", mebibyte/2)),
		"one byte over a MiB":     guardtest.Answer(http.StatusOK, nil, padded(mebibyte+1, fresh)),
		"2 MiB":                   guardtest.Answer(http.StatusOK, nil, padded(2*mebibyte, fresh)),
		"gzip bomb":               guardtest.Answer(http.StatusOK, gzipped, zipped(padded(4*mebibyte, fresh))),
		"gzip that is none":       guardtest.Answer(http.StatusOK, gzipped, valid),
		"a weak key":              guardtest.KeySetOf(weak),
		"a key for no algorithm":  guardtest.KeySetOf(misfit),
		"two keys under one kid":  guardtest.KeySetOf(fresh, func() jwk { k := logtotest.NewKey("ES256").JWK(); k["kid"] = fresh["kid"]; return k }()),
		"304 that nobody asked":   guardtest.Answer(http.StatusNotModified, nil, ""),
		"only what is not a key":  guardtest.KeySetOf(nil, 1, "key", []any{}, jwk{}),
		"redirect to nowhere":     guardtest.Answer(http.StatusFound, map[string]string{"Location": "://"}, valid),
		"other origin's redirect": guardtest.Answer(http.StatusFound, map[string]string{"Location": "http://elsewhere.example/oidc/jwks"}, valid),
	} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				guard := s.ReadyGuard(t)
				s.Logto.Disturb(fault)
				time.Sleep(guardtest.LongestRefresh)
				guardtest.Accept(t, guard, s.Mint())
				require.Positive(t, guard.Stats().KeyFetchFailures)
				require.Equal(t, 1, guard.Stats().Keys)
				require.Len(t, s.Log.With("level=WARN", "fetching the keys failed"), 1)

				late := s.Guard(t)
				require.Error(t, notReady(t, late))
				guardtest.Refuse(t, late, s.Mint(), logtoguard.ErrKeysUnavailable)
				s.Logto.Disturb(nil)
				guardtest.BecomesReady(t, late)
				time.Sleep(guardtest.LongestBackOff)
				require.Len(t, s.Log.With("level=WARN", "works again"), 2)
			})
		})
	}
}

func TestLongestAnswers(t *testing.T) {
	for name, fault := range map[string]func(keys ...any) logtotest.Fault{
		"1 MiB": func(keys ...any) logtotest.Fault {
			return guardtest.Answer(http.StatusOK, nil, padded(mebibyte, keys...))
		},
		"1 MiB, compressed": func(keys ...any) logtotest.Fault {
			return guardtest.Answer(http.StatusOK, map[string]string{"Content-Encoding": "gzip"}, zipped(padded(mebibyte, keys...)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				s.Logto.Disturb(fault(s.Logto.Key().JWK()))
				guardtest.Accept(t, s.ReadyGuard(t), s.Mint())
			})
		})
	}
}

// redirect sends requests for the key set there, where the key set is.
func redirect(location string) logtotest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == guardtest.JWKSPath {
				http.Redirect(w, r, location, http.StatusTemporaryRedirect)
				return
			}
			r.URL.Path = guardtest.JWKSPath
			next.ServeHTTP(w, r)
		})
	}
}

func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		location string
		followed bool
	}{
		{"/elsewhere", true},
		{"http://127.0.0.1:3001/elsewhere", true},
		{"//127.0.0.1:3001/elsewhere", true},
		{"https://127.0.0.1:3001/elsewhere", false},
		{"http://127.0.0.1:3002/elsewhere", false},
		{"http://127.0.0.1/elsewhere", false},
		{"http://localhost:3001/elsewhere", false},
		{"http://127.0.0.1.example:3001/elsewhere", false},
		{"http://127.0.0.1:3001@elsewhere.example:3001/elsewhere", false},
		{"//elsewhere.example/elsewhere", false},
		{"ftp://127.0.0.1:3001/elsewhere", false},
		{guardtest.JWKSPath, false}, // forever
	} {
		t.Run(c.location, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				s.Logto.Disturb(redirect(c.location))
				guard := s.Guard(t)
				if c.followed {
					guardtest.BecomesReady(t, guard)
					guardtest.Accept(t, guard, s.Mint())
					return
				}
				synctest.Wait()
				require.LessOrEqual(t, s.Fetches(), 10)
				notReady(t, guard)
				require.Zero(t, s.Logto.Requests("/elsewhere"))
				guardtest.Refuse(t, guard, s.Mint(), logtoguard.ErrKeysUnavailable)
			})
		})
	}
}

// The default port is the same origin, whether it is written or not.
func TestRedirectToTheDefaultPort(t *testing.T) {
	for _, address := range []string{"https://auth.example", "https://AUTH.example:443", "http://auth.example", "http://auth.example:80"} {
		for _, location := range []string{"https://auth.example/elsewhere", "https://auth.example:443/elsewhere"} {
			t.Run(address+" to "+location, func(t *testing.T) {
				guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
					s.Logto.Disturb(redirect(location))
					network := s.Client.Transport
					s.Client.Transport = guardtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
						r = r.Clone(r.Context())
						r.Host = "127.0.0.1:3001" // the stand-in answers under no other name
						return network.RoundTrip(r)
					})
					guard := s.Guard(t, func(cfg *logtoguard.Config) { cfg.JWKSURL, cfg.InsecureHTTP = address+guardtest.JWKSPath, true })
					if strings.HasPrefix(address, "https") {
						guardtest.BecomesReady(t, guard)
						return
					}
					notReady(t, guard)
					require.Zero(t, s.Logto.Requests("/elsewhere"))
				})
			})
		}
	}
}

// A client's own rules for redirects hold as well, and the client stays as it was.
func TestClientOfTheCaller(t *testing.T) {
	for name, c := range map[string]struct {
		location string
		rule     error
		ready    bool
		asked    bool
	}{
		"allows what is restricted": {"http://elsewhere.example/elsewhere", nil, false, false},
		"allows what is allowed":    {"/elsewhere", nil, true, true},
		"forbids what is allowed":   {"/elsewhere", errors.New("no redirects here"), false, true},
		"wants to see the redirect": {"/elsewhere", http.ErrUseLastResponse, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			guardtest.InBubble(t, func(t *testing.T, s *guardtest.Scene) {
				s.Logto.Disturb(redirect(c.location))
				asked := make(chan struct{}, 100)
				s.Client.CheckRedirect = func(*http.Request, []*http.Request) error {
					asked <- struct{}{}
					return c.rule
				}
				guard := s.Guard(t)
				if synctest.Wait(); c.ready {
					guardtest.BecomesReady(t, guard)
				} else {
					notReady(t, guard)
				}
				require.Equal(t, c.asked, len(asked) > 0)
				require.Equal(t, c.ready, s.Logto.Requests("/elsewhere") > 0)

				require.Zero(t, s.Client.Timeout)
				seen := len(asked)
				require.Equal(t, c.rule, s.Client.CheckRedirect(nil, nil))
				require.Len(t, asked, seen+1, "the caller's own function is still in its place")
			})
		})
	}
}

// Through the client that the library makes for itself, over a socket.
func TestDefaultClient(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	elsewhere, _ := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	guardtest.Ready(t, guard)
	guardtest.Accept(t, guard, logto.Mint(logtotest.Token{}))

	fresh := logtotest.NewKey("ES256").JWK()
	for _, fault := range []logtotest.Fault{
		redirect(elsewhere.URL() + guardtest.JWKSPath),
		guardtest.Answer(http.StatusOK, map[string]string{"Content-Encoding": "gzip"}, zipped(padded(2*mebibyte, fresh))),
	} {
		logto.Disturb(fault)
		guardtest.Refuse(t, guard, logto.Mint(logtotest.Token{}, guardtest.Kid("absent")), logtoguard.ErrKeysUnavailable)
		guardtest.Accept(t, guard, logto.Mint(logtotest.Token{}))
	}
	require.Zero(t, elsewhere.Requests(guardtest.JWKSPath))
}
