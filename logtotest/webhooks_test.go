package logtotest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

// dead is where nothing listens.
const dead = "http://127.0.0.1:9"

// delivery is what a receiver got.
type delivery struct {
	header http.Header
	body   string
}

// receiver is a handler that answers with this status, and with the bytes that it got.
func receiver(t *testing.T, status int) (address string, got <-chan delivery) {
	t.Helper()
	deliveries := make(chan delivery, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(status)
		_, _ = w.Write(body)
		deliveries <- delivery{r.Header, string(body)}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/webhooks/logto", deliveries
}

// row is one of a webhook's log.
type row struct {
	ID, Key string
	Payload struct {
		Key, Result, HookID, Error string
		HookRequest                struct{ Body json.RawMessage }
		Response                   *struct {
			StatusCode int
			Body       any
		}
	}
	CreatedAt int64
}

func logOf(t *testing.T, s *logtotest.Server, hook, query string) (rows []row) {
	t.Helper()
	resp := manage(t, s, "GET", "/hooks/"+hook+"/recent-logs?"+query, "")
	require.Equal(t, 200, resp.StatusCode, resp.body)
	require.NoError(t, json.Unmarshal([]byte(resp.body), &rows), resp.body)
	require.True(t, strings.HasPrefix(resp.body, "["))
	return rows
}

// waitForRows waits for that many rows: they are written after the attempt to deliver.
func waitForRows(t *testing.T, s *logtotest.Server, hook string, n int) []row {
	t.Helper()
	var rows []row
	require.Eventually(t, func() bool {
		rows = logOf(t, s, hook, "page_size=100")
		return len(rows) >= n
	}, 10*time.Second, time.Millisecond)
	require.Len(t, rows, n)
	return rows
}

func sign(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// Whole events. What revocation reads is as Logto was seen to send it; the rest is as its source and its documents say.
func TestEvents(t *testing.T) {
	clock := logtotest.NewClock(noon)
	at := noon.Add(1234567 * time.Microsecond)
	const about = `"createdAt":"2026-11-22T12:00:01.234Z","ip":"127.0.0.1","userAgent":"the test"`
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string // empty: no event
	}{
		{"suspended", "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`, 200,
			`{"event":"User.SuspensionStatus.Updated","path":"/users/alice/is-suspended","method":"PATCH","status":200,"params":{"userId":"alice"},
			"matchedRoute":"/users/:userId/is-suspended","data":` + profile("alice", true, noon, at)},
		{"no longer suspended", "PATCH", "/users/alice/is-suspended", `{"isSuspended":false}`, 200,
			`{"event":"User.SuspensionStatus.Updated","path":"/users/alice/is-suspended","method":"PATCH","status":200,"params":{"userId":"alice"},
			"matchedRoute":"/users/:userId/is-suspended","data":` + profile("alice", false, noon, at)},
		{"deleted, though a member", "DELETE", "/users/alice", "", 204,
			`{"event":"User.Deleted","path":"/users/alice","method":"DELETE","status":204,"params":{"userId":"alice"},
			"matchedRoute":"/users/:userId","data":` + profile("alice", false, noon, noon)},
		{"organization deleted", "DELETE", "/organizations/acme", "", 204,
			`{"event":"Organization.Deleted","path":"/organizations/acme","method":"DELETE","status":204,"params":{"id":"acme"},
			"matchedRoute":"/organizations/:id"`},
		{"one added", "POST", "/organizations/acme/users", `{"userIds":["bob","alice","bob"]}`, 201,
			`{"event":"Organization.Membership.Updated","path":"/organizations/acme/users","method":"POST","status":201,"params":{"id":"acme"},
			"matchedRoute":"/organizations/:id/users","organizationId":"acme","addedUserIds":["bob"]`},
		{"nobody added", "POST", "/organizations/acme/users", `{"userIds":["alice"]}`, 201,
			`{"event":"Organization.Membership.Updated","path":"/organizations/acme/users","method":"POST","status":201,"params":{"id":"acme"},
			"matchedRoute":"/organizations/:id/users","organizationId":"acme"`},
		{"replaced", "PUT", "/organizations/acme/users", `{"userIds":["bob"]}`, 204,
			`{"event":"Organization.Membership.Updated","path":"/organizations/acme/users","method":"PUT","status":204,"params":{"id":"acme"},
			"matchedRoute":"/organizations/:id/users","organizationId":"acme","addedUserIds":["bob"],"removedUserIds":["alice"]`},
		{"removed", "DELETE", "/organizations/acme/users/alice", "", 204,
			`{"event":"Organization.Membership.Updated","path":"/organizations/acme/users/alice","method":"DELETE","status":204,"params":{"id":"acme","userId":"alice"},
			"matchedRoute":"/organizations/:id/users/:userId","organizationId":"acme","removedUserIds":["alice"]`},
		{"applications", "PUT", "/organizations/acme/applications", `{"applicationIds":["shop"]}`, 204,
			`{"event":"Organization.Membership.Updated","path":"/organizations/acme/applications","method":"PUT","status":204,"params":{"id":"acme"},
			"matchedRoute":"/organizations/:id/applications","organizationId":"acme","addedApplicationIds":["shop"],"removedApplicationIds":["no-role"]`},
		{"application removed", "DELETE", "/organizations/acme/applications/no-role", "", 204,
			`{"event":"Organization.Membership.Updated","path":"/organizations/acme/applications/no-role","method":"DELETE","status":204,
			"params":{"id":"acme","applicationId":"no-role"},"matchedRoute":"/organizations/:id/applications/:applicationId",
			"organizationId":"acme","removedApplicationIds":["no-role"]`},
		{"refused", "DELETE", "/users/nobody", "", 404, ""},
		{"a personal access token", "POST", "/users/alice/personal-access-tokens", `{"name":"x"}`, 201, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock.Set(noon)
			address, got := receiver(t, 200)
			declared := users("alice", "bob")
			declared.Now = clock.Now
			declared.Organizations[0].Members = append(declared.Organizations[0].Members, logtotest.Member{UserID: "alice"})
			declared.Hooks = []logtotest.Hook{{ID: "hook", URL: address, SigningKey: "key"}}
			s := start(t, declared)
			clock.Set(at)
			require.Equal(t, tt.status, manage(t, s, tt.method, tt.path, tt.body).StatusCode)
			if tt.want == "" {
				manage(t, s, "DELETE", "/users/bob", "")
				require.Contains(t, (<-got).body, `"User.Deleted"`, "which is the first event")
				return
			}
			event := <-got
			require.JSONEq(t, tt.want+","+about+`,"hookId":"hook"}`, event.body)
			require.Equal(t, sign("key", event.body), event.header.Get("Logto-Signature-Sha-256"))
			require.Equal(t, "application/json", event.header.Get("Content-Type"))
			require.Equal(t, "Logto (https://logto.io/)", event.header.Get("User-Agent"))

			logged := waitForRows(t, s, "hook", 1)[0]
			require.Equal(t, event.body, string(logged.Payload.HookRequest.Body), "as it was sent, byte for byte")
			require.Equal(t, clock.Now().UnixMilli(), logged.CreatedAt)
			require.Equal(t, 200, logged.Payload.Response.StatusCode)
			name := eventOf(t, event.body)
			require.Equal(t, "TriggerHook."+name, logged.Key)
			require.Equal(t, "TriggerHook."+name, logged.Payload.Key)
			require.Equal(t, "hook", logged.Payload.HookID)
			require.Equal(t, "Success", logged.Payload.Result)
			require.Len(t, logged.ID, 21)
			require.Empty(t, got, "once")
		})
	}
}

func eventOf(t *testing.T, body string) string {
	t.Helper()
	var event struct{ Event string }
	require.NoError(t, json.Unmarshal([]byte(body), &event))
	return event.Event
}

// Each hook has its own events, key and log, and none is tried a second time.
func TestHooksThatFail(t *testing.T) {
	failing, gotByFailing := receiver(t, 503)
	fine, gotByFine := receiver(t, 204)
	declared := users("alice", "bob")
	declared.Hooks = []logtotest.Hook{
		{ID: "dead", URL: dead, SigningKey: "a"},
		{ID: "failing", URL: failing, SigningKey: "b"},
		{ID: "fine", URL: fine, SigningKey: "c", Events: []string{"User.Deleted"}},
		{ID: "disabled", URL: fine, SigningKey: "d", Disabled: true},
	}
	s := start(t, declared)
	manage(t, s, "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`)
	waitForRows(t, s, "dead", 1)
	waitForRows(t, s, "failing", 1)
	manage(t, s, "DELETE", "/users/alice", "")

	for hook, want := range map[string]struct {
		rows, status int
		result       string
	}{"dead": {2, 0, "Error"}, "failing": {2, 503, "Error"}, "fine": {1, 204, "Success"}} {
		for _, row := range waitForRows(t, s, hook, want.rows) {
			require.Equal(t, want.result, row.Payload.Result, hook)
			require.Equal(t, want.result == "Error", row.Payload.Error != "", hook)
			require.Equal(t, want.status != 0, row.Payload.Response != nil, hook)
			if want.status != 0 {
				require.Equal(t, want.status, row.Payload.Response.StatusCode)
			}
			require.Equal(t, hook, row.Payload.HookID)
			require.Contains(t, string(row.Payload.HookRequest.Body), `"hookId":"`+hook+`"`)
		}
	}
	rows := logOf(t, s, "dead", "")
	require.Equal(t, "TriggerHook.User.Deleted", rows[0].Key, "the newest first")
	require.Empty(t, logOf(t, s, "disabled", ""))
	require.Empty(t, logOf(t, s, "nobody", ""), "the log of a hook that isn't there is empty")
	for range 2 {
		event := <-gotByFailing
		require.Equal(t, sign("b", event.body), event.header.Get("Logto-Signature-Sha-256"))
	}
	event := <-gotByFine
	require.Equal(t, sign("c", event.body), event.header.Get("Logto-Signature-Sha-256"))
	require.Empty(t, gotByFailing)
	require.Empty(t, gotByFine)
}

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pipes is a listener without a network, so that a test's clock can go on.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newPipes() pipes {
	done := make(chan struct{})
	return pipes{make(chan net.Conn), done, sync.OnceFunc(func() { close(done) })}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error { p.close(); return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3001} }

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Logto gives a receiver ten seconds, and writes the row only then.
func TestAReceiverThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		listener := newPipes()
		declared := users("alice")
		declared.Listener = listener
		declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key"}}
		hung := make(chan time.Duration, 10)
		var stubborn atomic.Bool
		declared.HTTPClient = &http.Client{Timeout: time.Hour, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			if stubborn.Load() {
				time.Sleep(time.Second)
			}
			hung <- time.Since(began)
			return nil, r.Context().Err()
		})}
		s := logtotest.NewServer(declared)
		transport := &http.Transport{DialContext: listener.dial}
		client := http.Client{Transport: transport}
		ask := func(method, path, body string) string {
			token := s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}})
			resp, err := client.Do(request(t, method, s.URL()+"/api"+path, body, "Authorization", "Bearer "+token, "Content-Type", "application/json"))
			require.NoError(t, err)
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			return string(answer)
		}
		ask("PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`)
		require.Zero(t, time.Since(began), "the API doesn't wait for the receiver")
		time.Sleep(10*time.Second - time.Nanosecond)
		synctest.Wait()
		require.Equal(t, "[]", ask("GET", "/hooks/hook/recent-logs", ""))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, 10*time.Second, <-hung)
		var rows []row
		require.NoError(t, json.Unmarshal([]byte(ask("GET", "/hooks/hook/recent-logs", "")), &rows))
		require.Len(t, rows, 1)
		require.Equal(t, began.Add(10*time.Second).UnixMilli(), rows[0].CreatedAt)
		require.Contains(t, string(rows[0].Payload.HookRequest.Body), isoTime(began))
		require.Nil(t, rows[0].Payload.Response)
		time.Sleep(time.Hour)
		require.Empty(t, hung, "it isn't tried again")

		// Close gives the attempt up, and waits until it is over.
		ask("PATCH", "/users/alice/is-suspended", `{"isSuspended":false}`)
		stubborn.Store(true)
		closing := time.Now()
		transport.CloseIdleConnections()
		s.Close()
		require.Equal(t, time.Second, time.Since(closing))
		require.Len(t, hung, 1)
	})
}

func isoTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// What is under way is bounded: a change waits for its turn.
func TestDeliveriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		declared := users("alice")
		declared.Listener = listener
		declared.Algorithm = "RS256" // fast to verify
		declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key"}}
		var hanging sync.WaitGroup
		declared.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		s := logtotest.NewServer(declared)
		transport := &http.Transport{DialContext: listener.dial}
		client := http.Client{Transport: transport}
		token := "Bearer " + s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}})
		var answered sync.Map
		for i := range 300 {
			r := request(t, "PATCH", s.URL()+"/api/users/alice/is-suspended", `{"isSuspended":true}`, "Authorization", token, "Content-Type", "application/json")
			hanging.Go(func() {
				if resp, err := client.Do(r); err == nil {
					answered.Store(i, resp.StatusCode)
					_ = resp.Body.Close()
				}
			})
		}
		count := func() (n int) {
			answered.Range(func(any, any) bool { n++; return true })
			return n
		}
		synctest.Wait()
		require.Equal(t, 256, count())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, 300, count())
		hanging.Wait()
		transport.CloseIdleConnections()
		s.Close()
	})
}

func TestRecentLogs(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := users("alice")
	declared.Now = clock.Now
	declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key"}}
	s := start(t, declared)
	ms := func(after time.Duration) string { return strconv.FormatInt(noon.Add(after).UnixMilli(), 10) }
	for i, after := range []time.Duration{0, time.Second, 24 * time.Hour, 24*time.Hour + time.Millisecond, 2 * time.Second} { // the last is late
		clock.Set(noon.Add(after))
		manage(t, s, "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`)
		require.Eventually(t, func() bool { return len(logOf(t, s, "hook", "start_time=0")) == i+1 }, 10*time.Second, time.Millisecond)
	}
	clock.Set(noon.Add(24*time.Hour + time.Millisecond))
	manage(t, s, "DELETE", "/users/alice", "")
	require.Eventually(t, func() bool { return len(logOf(t, s, "hook", "start_time=0")) == 6 }, 10*time.Second, time.Millisecond)
	const day = 24 * time.Hour
	for query, want := range map[string][]time.Duration{
		"":             {day + time.Millisecond, day + time.Millisecond, day, 2 * time.Second, time.Second},
		"start_time=0": {day + time.Millisecond, day + time.Millisecond, day, 2 * time.Second, time.Second, 0},
		"end_time=" + ms(day) + "&enableCap=true":                                {2 * time.Second, time.Second, 0},
		"start_time=" + ms(day):                                                  {day + time.Millisecond, day + time.Millisecond, day},
		"start_time=" + ms(day+time.Millisecond):                                 {day + time.Millisecond, day + time.Millisecond},
		"start_time=" + ms(day+2*time.Millisecond):                               nil,
		"start_time=" + ms(time.Second) + "&end_time=" + ms(2*time.Second):       {time.Second},
		"start_time=0&page_size=4&page=1":                                        {day + time.Millisecond, day + time.Millisecond, day, 2 * time.Second},
		"start_time=0&page_size=4&page=2":                                        {time.Second, 0},
		"start_time=0&page_size=4&page=3":                                        nil,
		"logKey=TriggerHook.User.Deleted":                                        {day + time.Millisecond},
		"logKey=TriggerHook.User.SuspensionStatus.Updated&start_time=" + ms(day): {day + time.Millisecond, day},
	} {
		t.Run(query, func(t *testing.T) {
			var got []time.Duration
			ids := map[string]bool{}
			for _, row := range logOf(t, s, "hook", query) {
				got = append(got, time.UnixMilli(row.CreatedAt).Sub(noon))
				ids[row.ID] = true
			}
			require.Equal(t, want, got)
			require.Len(t, ids, len(got), "each row has an ID of its own")
		})
	}
	rows := logOf(t, s, "hook", "")
	require.Equal(t, "TriggerHook.User.Deleted", rows[0].Key, "of two rows of one moment, the newest is the first")

	resp := manage(t, s, "GET", "/hooks/hook/recent-logs?start_time=0&page_size=4&enableCap=true", "")
	require.Equal(t, "6", resp.Header.Get("Total-Number"))
	require.Empty(t, resp.Header.Get("Total-Number-Is-Capped"))
	require.Contains(t, resp.Header.Values("Link")[0], "<"+s.URL()+"/hooks/hook/recent-logs?start_time=0&page_size=4", "without /api")
	for query, code := range map[string]string{
		"page_size=101": "guard.invalid_pagination", "page=0": "guard.invalid_pagination",
		"start_time=yesterday": "guard.invalid_input", "end_time=1.5": "guard.invalid_input",
	} {
		requireError(t, manage(t, s, "GET", "/hooks/hook/recent-logs?"+query, ""), 400, code)
	}
}

// A test's receiver needs no network, and a log doesn't grow for ever.
func TestTheLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		declared := users("alice")
		declared.Listener = listener
		declared.Algorithm = "RS256" // fast to verify
		declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key"}}
		answer := strings.Repeat("x", 100<<10)
		declared.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer))}, nil
		})}
		s := logtotest.NewServer(declared)
		transport := &http.Transport{DialContext: listener.dial}
		client := http.Client{Transport: transport}
		token := "Bearer " + s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}})
		ask := func(method, path, body string) *http.Response {
			resp, err := client.Do(request(t, method, s.URL()+"/api"+path, body, "Authorization", token, "Content-Type", "application/json"))
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			return resp
		}
		for range 600 {
			ask("PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`)
		}
		synctest.Wait()
		total, err := strconv.Atoi(ask("GET", "/hooks/hook/recent-logs", "").Header.Get("Total-Number"))
		require.NoError(t, err)
		require.Greater(t, total, 400, "32 MiB, of which a row has at most 64 KiB and a little more")
		require.Less(t, total, 512)
		transport.CloseIdleConnections()
		s.Close()
	})
}

func TestHookByAPI(t *testing.T) {
	address, got := receiver(t, 200)
	declared := users("alice")
	declared.Now = logtotest.NewClock(noon).Now
	declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key"}}
	s := start(t, declared)
	want := func(address, events string, enabled bool) string {
		return fmt.Sprintf(`{"id":"hook","name":"hook","event":null,"events":[%s],"config":{"url":%q},"signingKey":"key","enabled":%v,"createdAt":%d}`,
			events, address, enabled, noon.UnixMilli())
	}
	const all = `"User.SuspensionStatus.Updated","User.Deleted","Organization.Deleted","Organization.Membership.Updated"`
	for _, tt := range []struct {
		name, method, body, want string
	}{
		{"as declared", "GET", "", want(dead, all, true)},
		{"disabled", "PATCH", `{"enabled":false}`, want(dead, all, false)},
		{"fewer events", "PATCH", `{"events":["User.Deleted"]}`, want(dead, `"User.Deleted"`, false)},
		{"elsewhere", "PATCH", `{"config":{"url":"` + address + `"}}`, want(address, `"User.Deleted"`, false)},
		{"enabled", "PATCH", `{"enabled":true}`, want(address, `"User.Deleted"`, true)},
		{"seen again", "GET", "", want(address, `"User.Deleted"`, true)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := manage(t, s, tt.method, "/hooks/hook", tt.body)
			require.Equal(t, 200, resp.StatusCode, resp.body)
			require.JSONEq(t, tt.want, resp.body)
		})
	}
	for _, body := range []string{"", "[]", `{"events":[]}`, `{"events":["User.Eaten"]}`, `{"config":{}}`, `{"config":{"url":"x"}}`, `{"enabled":1}`} {
		requireError(t, manage(t, s, "PATCH", "/hooks/hook", body), 400, "guard.invalid_input")
	}
	manage(t, s, "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`)
	manage(t, s, "DELETE", "/users/alice", "")
	require.Contains(t, (<-got).body, `"event":"User.Deleted"`)
	waitForRows(t, s, "hook", 1)

	require.Equal(t, 204, manage(t, s, "DELETE", "/hooks/hook", "").StatusCode)
	requireError(t, manage(t, s, "GET", "/hooks/hook", ""), 404, "entity.not_exists_with_id")
	requireError(t, manage(t, s, "PATCH", "/hooks/hook", `{"enabled":true}`), 404, "entity.not_exists_with_id")
	requireError(t, manage(t, s, "DELETE", "/hooks/hook", ""), 404, "entity.not_found")
	require.Len(t, logOf(t, s, "hook", ""), 1, "its log stays")
}

// Signed, but made up: no user must be refused for them.
func TestHookTest(t *testing.T) {
	address, got := receiver(t, 200)
	failing, _ := receiver(t, 500)
	declared := users("alice")
	declared.Now = logtotest.NewClock(noon).Now
	declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key", Disabled: true}}
	s := start(t, declared)
	try := func(hook, events, address string) reply {
		return manage(t, s, "POST", "/hooks/"+hook+"/test", `{"events":[`+events+`],"config":{"url":"`+address+`"}}`)
	}
	require.Equal(t, 204, try("hook", `"User.Deleted","Organization.Deleted","User.Deleted"`, address).StatusCode)
	var names []string
	for range 2 {
		event := <-got
		name := eventOf(t, event.body)
		names = append(names, name)
		require.JSONEq(t, `{"event":"`+name+`","hookId":"hook","createdAt":"2026-11-22T12:00:00.000Z","userAgent":"fake-user-agent",
			"path":"/fake-path/:id","method":"POST","status":200,"params":{"id":"fake-id"},"data":{"result":"success"}}`, event.body)
		require.Equal(t, sign("key", event.body), event.header.Get("Logto-Signature-Sha-256"))
	}
	require.ElementsMatch(t, []string{"User.Deleted", "Organization.Deleted"}, names)
	require.Empty(t, got)
	requireError(t, try("hook", `"User.Deleted"`, dead), 422, "hook.send_test_payload_failed")
	requireError(t, try("hook", `"User.Deleted"`, failing), 422, "hook.endpoint_responded_with_error")
	requireError(t, try("nobody", `"User.Deleted"`, address), 404, "entity.not_exists_with_id")
	requireError(t, try("hook", "", address), 400, "guard.invalid_input")
	requireError(t, try("hook", `"User.Deleted"`, ""), 400, "guard.invalid_input")
	requireError(t, manage(t, s, "POST", "/hooks/hook/test", ""), 400, "guard.invalid_input")
	require.Empty(t, logOf(t, s, "hook", ""))
}

// The path of many rows, as revocation reads them.
func TestPagesOfALongLog(t *testing.T) {
	declared := users("alice")
	declared.Algorithm = "RS256"
	declared.Hooks = []logtotest.Hook{{ID: "hook", URL: dead, SigningKey: "key"}}
	s := start(t, declared)
	for range 250 {
		manage(t, s, "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`)
	}
	ids := map[string]bool{}
	require.Eventually(t, func() bool {
		for page, rows := 1, []row{{}}; len(rows) > 0; page++ {
			query := url.Values{"start_time": {"0"}, "page_size": {"100"}, "page": {strconv.Itoa(page)}, "enableCap": {"true"}}
			rows = logOf(t, s, "hook", query.Encode())
			for _, row := range rows {
				ids[row.ID] = true
			}
		}
		return len(ids) == 250
	}, 10*time.Second, 10*time.Millisecond)
}
