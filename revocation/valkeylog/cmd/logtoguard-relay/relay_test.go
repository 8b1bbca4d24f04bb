package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/internal/valkeytest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

const (
	secret     = "s3cret-of-the-application"
	signingKey = "s3cret-of-the-webhook"
	password   = "s3cret-of-valkey"
	key        = "logto:revocations"

	deadEnd  = "http://127.0.0.1:9"
	patience = 30 * time.Second // a busy machine may take a while
	often    = 10 * time.Millisecond
)

// asProgram makes the test's binary run main instead of the tests: that saves building
// the relay once more.
const asProgram = "RELAY_TEST_RUNS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A stage is a Logto and a Valkey.
type stage struct {
	logto  *logtotest.Server
	valkey *valkeytest.Server
}

func newStage(t *testing.T, hook logtotest.Hook) *stage {
	t.Helper()
	hook.ID, hook.SigningKey = "hook", signingKey
	s := &stage{logtotest.NewServer(logtotest.Tenant{
		Algorithm:    "ES256",
		Resources:    []logtotest.Resource{{Indicator: "https://shopping.api"}},
		Users:        []logtotest.User{{ID: "alice"}},
		Hooks:        []logtotest.Hook{hook},
		Roles:        []logtotest.Role{{Name: "relay", Scopes: map[string][]string{m2m.ManagementResource("default"): {"all"}}}},
		Applications: []logtotest.Application{{ID: "relay", Secret: secret, Roles: []string{"relay"}}},
	}), valkeytest.New(t)}
	t.Cleanup(s.logto.Close)
	s.addUser(t)
	return s
}

// addUser adds the user that valkeylog's documentation has, which may do no more than is needed.
func (s *stage) addUser(t *testing.T) {
	t.Helper()
	s.do(t, strings.Fields("ACL SETUSER revocations on >"+password+" ~"+key+" +ping +xadd +xread +xrange +xtrim")...)
}

// do runs a command that the relay's user may not.
func (s *stage) do(t *testing.T, command ...string) valkey.ValkeyResult {
	t.Helper()
	client := newClient(t, "redis://"+s.valkey.Address)
	defer client.Close()
	result := client.Do(t.Context(), client.B().Arbitrary(command...).Build())
	require.NoError(t, result.Error())
	return result
}

func newClient(t *testing.T, address string) valkey.Client {
	t.Helper()
	option, err := readValkey(address)
	require.NoError(t, err)
	client, err := valkey.NewClient(option)
	require.NoError(t, err)
	return client
}

func (s *stage) vars(more vars) vars {
	set := with(vars{
		"LOGTO_ENDPOINT": s.logto.Endpoint(), "LOGTO_APP_ID": "relay", "LOGTO_APP_SECRET": secret, "LOGTO_SIGNING_KEYS": signingKey,
		"VALKEY_URL": s.url(password), "VALKEY_KEY": key, "INTERVAL": "100ms",
	})
	for name, value := range more {
		set[name] = value
	}
	return set
}

func (s *stage) url(password string) string {
	return "redis://revocations:" + password + "@" + s.valkey.Address
}

// entries is how many the stream has.
func (s *stage) entries(t *testing.T) int64 {
	t.Helper()
	n, err := s.do(t, "XLEN", key).AsInt64()
	require.NoError(t, err)
	return n
}

// call is one request of the administrator's.
func (s *stage) call(t *testing.T, method, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.logto.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.logto.Mint(logtotest.Token{Audience: m2m.ManagementResource("default"), Scopes: []string{"all"}}))
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func (s *stage) suspend(t *testing.T) {
	t.Helper()
	s.call(t, http.MethodPatch, "/api/users/alice/is-suspended", `{"isSuspended":true}`)
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

// address waits until a relay says where it listens.
func address(t *testing.T, log fmt.Stringer) (url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		found := listening.FindStringSubmatch(log.String())
		if found != nil {
			url = "http://" + found[1]
		}
		return found != nil
	}, patience, often, log.String())
	return url
}

// relay runs until the test ends. Its lines must hold no secret.
func (s *stage) relay(t *testing.T, more vars) (url string, log *guardtest.Journal) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log = &guardtest.Journal{}
	ended := guardtest.Background(func() error { return run(ctx, environment(s.vars(more)), log) })
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NotContains(t, log.String(), "s3cret")
	})
	return address(t, log), log
}

// health returns the status of /healthz, whose body must say nothing that is not for all.
func health(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url + "/healthz")
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	require.NotRegexp(t, "s3cret|hook/|relay", string(body))
	return res.StatusCode
}

func becomes(t *testing.T, status int, url string, log fmt.Stringer) {
	t.Helper()
	require.Eventually(t, func() bool { return health(t, url) == status }, patience, often, log.String())
}

// replica is a guard as the service has it.
func (s *stage) replica(t *testing.T) *logtoguard.Guard {
	t.Helper()
	client := newClient(t, s.url(password))
	t.Cleanup(client.Close)
	list, err := revocation.New(revocation.Config{Log: valkeylog.New(client, key), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = list.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, list.Ready(ctx))
	guard, err := logtoguard.New(logtoguard.Config{Endpoint: s.logto.Endpoint(), Audience: []string{"https://shopping.api"}, Check: list.Check, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = guard.Close() })
	require.NoError(t, guard.Ready(ctx))
	return guard
}

// A user is suspended at Logto, and a replica that knows neither Logto's Management API
// nor the webhook refuses the user's token.
func TestReplicasHearOfASuspension(t *testing.T) {
	for name, row := range map[string]struct {
		delivered bool
		vars      vars
	}{
		"by the webhook's log":         {false, nil},
		"by the log, no signing key":   {false, vars{"LOGTO_SIGNING_KEYS": ""}},
		"by the webhook":               {true, vars{"INTERVAL": "1h"}},
		"by both, entries live longer": {true, vars{"MAX_TOKEN_LIFETIME": "240h"}}, // than valkeylog keeps them by default
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook := logtotest.Hook{URL: deadEnd}
			var relay atomic.Pointer[url.URL]
			if row.delivered { // the Logto is there before the relay
				receiver := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(relay.Load()) }})
				t.Cleanup(receiver.Close)
				hook.URL = receiver.URL + "/webhooks/logto"
			}
			s := newStage(t, hook)
			at, log := s.relay(t, row.vars)
			target, err := url.Parse(at)
			require.NoError(t, err)
			relay.Store(target)
			becomes(t, http.StatusOK, at, log)
			guard := s.replica(t)
			token := s.logto.Mint(logtotest.Token{Subject: "alice", ClientID: "web"})
			_, err = guard.Verify(t.Context(), token)
			require.NoError(t, err)

			s.suspend(t)
			require.Eventually(t, func() bool {
				_, err := guard.Verify(t.Context(), token)
				return errors.Is(err, revocation.ErrRevoked)
			}, patience, often, log.String())
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := newStage(t, logtotest.Hook{URL: deadEnd, Disabled: true})
	s.valkey.Kill()
	at, log := s.relay(t, nil) // before Valkey
	require.Equal(t, http.StatusServiceUnavailable, health(t, at))

	s.valkey.Start(t)
	s.addUser(t)
	require.Eventually(t, func() bool { return len(log.With("following the log works again")) > 0 }, patience, often, log.String())
	require.Equal(t, http.StatusServiceUnavailable, health(t, at), "the webhook is disabled")
	require.NotEmpty(t, log.With("level=ERROR", "the webhook is disabled at Logto"))

	s.call(t, http.MethodPatch, "/api/hooks/hook", `{"enabled":true}`)
	becomes(t, http.StatusOK, at, log)

	s.valkey.Kill()
	becomes(t, http.StatusServiceUnavailable, at, log)
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := newStage(t, logtotest.Hook{URL: deadEnd})
	at, log := s.relay(t, vars{"VALKEY_URL": s.url("s3cret-but-wrong")})
	require.Equal(t, http.StatusServiceUnavailable, health(t, at))
	require.NotEmpty(t, log.With("level=WARN", "WRONGPASS"))
}

func TestRoutes(t *testing.T) {
	list, err := revocation.New(revocation.Config{})
	require.NoError(t, err)
	defer list.Close()
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/healthz", 200}, // a List without a source is ready
		{"POST", "/healthz", 405},
		{"GET", "/webhooks/logto", 405},
		{"POST", "/webhooks/logto", 401}, // there is no signing key
		{"GET", "/", 404},
	} {
		w := httptest.NewRecorder()
		routes(list).ServeHTTP(w, httptest.NewRequest(row.method, row.path, nil))
		require.Equal(t, row.status, w.Code, "%s %s", row.method, row.path)
	}
}

// A process that gets SIGTERM while Valkey takes nothing stores what it knows if it
// can, and otherwise says how much is lost.
func TestSIGTERM(t *testing.T) {
	for name, row := range map[string]struct {
		back   bool
		status int
	}{
		"Valkey is back in time": {true, 0},
		"Valkey is not":          {false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, logtotest.Hook{URL: deadEnd})
			process, log := s.process(t, vars{"INTERVAL": "1h"})
			ended := guardtest.Background(process.Wait)
			at := address(t, log)
			becomes(t, http.StatusOK, at, log)

			s.do(t, "CLIENT", "PAUSE", "600000", "WRITE")
			post(t, at+"/webhooks/logto", fmt.Sprintf(`{"event":"User.Deleted","createdAt":%q,"data":{"id":"alice"}}`, time.Now().UTC().Format(time.RFC3339Nano)))
			require.Zero(t, s.entries(t))
			require.Equal(t, http.StatusServiceUnavailable, health(t, at))
			require.NoError(t, process.Process.Signal(syscall.SIGTERM))
			require.Eventually(t, func() bool { // it has stopped listening, and stores what it has left
				conn, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
				return err != nil || conn.Close() != nil
			}, patience, often)
			if row.back {
				s.do(t, "CLIENT", "UNPAUSE")
			}
			err := <-ended
			require.Equal(t, row.status, process.ProcessState.ExitCode(), "%v: %s", err, log)
			require.NotContains(t, log.String(), "s3cret")
			if row.back {
				require.Positive(t, s.entries(t))
			} else {
				require.NotEmpty(t, log.With("logtoguard-relay: revocation: 1 revocations are not in the log, and lost"), log)
			}
		})
	}
}

// What a relay had read at Logto when it was killed, the next one reads again.
func TestKill(t *testing.T) {
	t.Parallel()
	s := newStage(t, logtotest.Hook{URL: deadEnd})
	process, log := s.process(t, nil)
	at := address(t, log)
	becomes(t, http.StatusOK, at, log)
	s.do(t, "CLIENT", "PAUSE", "600000", "WRITE")
	s.suspend(t)
	require.Eventually(t, func() bool { return len(log.With("revocation: taken", "source=events")) > 0 }, patience, often, log.String())
	require.NoError(t, process.Process.Kill())
	require.Error(t, process.Wait())
	s.do(t, "CLIENT", "UNPAUSE")
	require.Zero(t, s.entries(t))

	s.relay(t, nil)
	require.Eventually(t, func() bool { return s.entries(t) == 1 }, patience, often)
}

// process starts a relay that is a process of its own.
func (s *stage) process(t *testing.T, more vars) (*exec.Cmd, *guardtest.Journal) {
	t.Helper()
	process, log := exec.Command(os.Args[0]), &guardtest.Journal{}
	process.Env, process.Stderr = append(os.Environ(), asProgram+"=1"), log
	for name, value := range s.vars(more) {
		process.Env = append(process.Env, name+"="+value)
	}
	require.NoError(t, process.Start())
	t.Cleanup(func() { _ = process.Process.Kill() })
	return process, log
}

// post sends an event as Logto does.
func post(t *testing.T, address, event string) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write([]byte(event))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader([]byte(event)))
	require.NoError(t, err)
	r.Header.Set("logto-signature-sha-256", fmt.Sprintf("%x", mac.Sum(nil)))
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusNoContent, res.StatusCode)
}
