package revocation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
	"github.com/logtoguard/logtoguard/revocation"
)

// A tenantScene has a Logto with users, a webhook whose receiver is down, and an
// application that may use the Management API.
type tenantScene struct {
	*guardtest.Scene
	guard   *logtoguard.Guard
	manager *http.Client
}

var errDead = errors.New("connection refused")

func inTenant(t *testing.T, test func(t *testing.T, s *tenantScene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		scene := guardtest.NewScene(t, "127.0.0.1:3001", func(tenant *logtotest.Tenant) {
			tenant.Roles = []logtotest.Role{{Name: "manager", Scopes: map[string][]string{m2m.ManagementResource("default"): {"all"}}}}
			tenant.Applications = []logtotest.Application{{ID: "relay", Secret: "s3cret", Roles: []string{"manager"}}}
			tenant.Users = []logtotest.User{{ID: "alice"}, {ID: "bob"}}
			for i := range 250 {
				tenant.Users = append(tenant.Users, logtotest.User{ID: fmt.Sprint("user", i)})
			}
			tenant.Organizations = []logtotest.Organization{{ID: "acme", Members: []logtotest.Member{{UserID: "alice"}, {UserID: "bob"}}}}
			tenant.Hooks = []logtotest.Hook{{ID: "hook", URL: "http://127.0.0.1:9", SigningKey: signingKey}}
			tenant.HTTPClient = &http.Client{Transport: guardtest.RoundTripper(func(*http.Request) (*http.Response, error) { return nil, errDead })}
		})
		client, err := m2m.New(m2m.Config{
			Endpoint: scene.Logto.Endpoint(), AppID: "relay", AppSecret: "s3cret",
			Resource: m2m.ManagementResource("default"), Scopes: []string{"all"},
			HTTPClient: scene.Client, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		test(t, &tenantScene{scene, scene.ReadyGuard(t), client.HTTPClient()})
	})
}

func (s *tenantScene) events(cfg *revocation.Config) {
	cfg.Events = &revocation.EventLog{Endpoint: s.Logto.Endpoint(), HookID: "hook", Client: s.manager}
}

func (s *tenantScene) claims(t *testing.T, token logtotest.Token) *logtoguard.Claims {
	t.Helper()
	claims, err := s.guard.Verify(t.Context(), s.Logto.Mint(token))
	require.NoError(t, err)
	return claims
}

// manage sends a request to the Management API.
func (s *tenantScene) manage(t *testing.T, method, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.Logto.URL()+"/api"+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.manager.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	require.Less(t, resp.StatusCode, 300, "%s %s", method, path)
	synctest.Wait()
}

func (s *tenantScene) suspend(t *testing.T, user string, suspended bool) {
	t.Helper()
	s.manage(t, "PATCH", "/users/"+user+"/is-suspended", fmt.Sprintf(`{"isSuspended":%v}`, suspended))
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// What no webhook delivers is in the webhook's log.
func TestEventLog(t *testing.T) {
	inTenant(t, func(t *testing.T, s *tenantScene) {
		var journal guardtest.Journal
		s.suspend(t, "bob", true) // before there is a List
		list := newList(t, s.events, journaled(&journal))
		require.NoError(t, list.Ready(t.Context()))
		plain := logtotest.Token{Subject: "alice", ClientID: "web"}
		before := s.claims(t, plain)
		letIn(t, list, before)
		refused(t, list, s.claims(t, logtotest.Token{Subject: "bob", ClientID: "web"}))

		s.suspend(t, "alice", true)
		letIn(t, list, before)
		pass(5 * time.Second)
		refused(t, list, before)
		refused(t, list, s.claims(t, plain))
		require.Len(t, journal.With("level=INFO", "taken", "source=events", "kind=block", "fields=subject", "reason=User.SuspensionStatus.Updated"), 2)

		pass(time.Hour)
		s.suspend(t, "alice", false)
		pass(6 * time.Second)
		later := s.claims(t, plain)
		letIn(t, list, later)

		inAcme := s.claims(t, alice)
		letIn(t, list, inAcme)
		s.manage(t, "DELETE", "/organizations/acme/users/alice", "")
		pass(5 * time.Second)
		refused(t, list, inAcme)
		letIn(t, list, later)

		token := s.claims(t, alice)
		letIn(t, list, token)
		s.manage(t, "DELETE", "/organizations/acme", "")
		s.manage(t, "DELETE", "/users/user7", "")
		pass(5 * time.Second)
		refused(t, list, token)
		refused(t, list, s.claims(t, logtotest.Token{Subject: "user7"}))
		require.Zero(t, list.Stats().Skipped)
		require.LessOrEqual(t, list.Stats().EventLag, 5*time.Second)
		require.WithinDuration(t, time.Now(), list.Stats().LastCaughtUp, 5*time.Second)
	})
}

// Suspensions of more users than a page of the log has, and of the API's users.
func TestManyEvents(t *testing.T) {
	inTenant(t, func(t *testing.T, s *tenantScene) {
		list := newList(t, s.events, func(cfg *revocation.Config) { cfg.Events.Interval, cfg.MaxStaleness = 10*time.Minute, time.Hour })
		require.NoError(t, list.Ready(t.Context()))
		for i := range 250 {
			s.suspend(t, fmt.Sprint("user", i), true)
		}
		pass(10 * time.Minute)
		require.Equal(t, 250, list.Stats().Entries)

		// A block lasts as long as the suspension does, for a personal access token still
		// buys new tokens. Nothing but Logto knows, as these events have no log.
		s.manage(t, "PATCH", "/hooks/hook", `{"enabled":false}`)
		for i := range 50 {
			s.suspend(t, fmt.Sprint("user", i), false)
		}
		s.manage(t, "DELETE", "/users/user249", "")
		s.manage(t, "PATCH", "/hooks/hook", `{"enabled":true}`)
		revoke(t, list, revocation.Revocation{Subject: "a machine of ours\x00", Kind: revocation.Block})
		users := s.Logto.Requests("/api/users")
		pass(17 * time.Hour)
		require.Equal(t, users, s.Logto.Requests("/api/users"), "it isn't asked before that matters")
		for range 5 {
			pass(6 * time.Hour)
			for i := range 250 {
				token := s.claims(t, logtotest.Token{Subject: fmt.Sprint("user", i)})
				if i < 50 || i == 249 {
					letIn(t, list, token)
				} else {
					refused(t, list, token)
				}
			}
		}
		require.Equal(t, users+3+2, s.Logto.Requests("/api/users"), "100 at once, and each once in 18 hours")
	})
}

func TestEventsAndTheLog(t *testing.T) {
	inTenant(t, func(t *testing.T, s *tenantScene) {
		log, token := &record{}, s.claims(t, alice)
		relay, replica := newList(t, s.events, logged(log)), newList(t, logged(log))
		require.NoError(t, relay.Ready(t.Context()))
		require.NoError(t, replica.Ready(t.Context()))
		log.fail(errDown)
		s.suspend(t, "alice", true)
		s.suspend(t, "bob", true)
		pass(6 * time.Second)
		refused(t, relay, token)
		letIn(t, replica, token)
		require.Equal(t, 2, relay.Stats().Unsaved)
		log.fail(nil)
		pass(5 * time.Second)
		refused(t, replica, token)
		require.Zero(t, relay.Stats().Unsaved)
		require.Len(t, log.all(), 2)
	})
}

// A webhook that can't tell everything is as bad as a Logto that is out of reach.
func TestHookFaults(t *testing.T) {
	for _, tt := range []struct{ name, method, change, undo, want string }{
		{"disabled", "PATCH", `{"enabled":false}`, `{"enabled":true}`, "the webhook is disabled at Logto"},
		{"without an event", "PATCH", `{"events":["User.SuspensionStatus.Updated","User.Deleted","Organization.Membership.Updated"]}`,
			`{"events":["User.SuspensionStatus.Updated","User.Deleted","Organization.Membership.Updated","Organization.Deleted"]}`,
			"the webhook is not set to the event Organization.Deleted at Logto"},
		{"missing", "DELETE", "", "", "there is no webhook with the ID in EventLog.HookID at Logto"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inTenant(t, func(t *testing.T, s *tenantScene) {
				var journal guardtest.Journal
				list := newList(t, s.events, journaled(&journal))
				require.NoError(t, list.Ready(t.Context()))
				s.manage(t, tt.method, "/hooks/hook", tt.change)
				pass(time.Minute + 5*time.Second)
				require.ErrorContains(t, notReady(t, list), tt.want)
				letIn(t, list, s.claims(t, alice))
				require.Greater(t, list.Stats().EventLag, 5*time.Second)

				fresh := newList(t, s.events)
				pass(time.Minute)
				require.ErrorContains(t, notReady(t, fresh), tt.want)
				unavailable(t, fresh, s.claims(t, alice))
				require.WithinRange(t, time.Now().Add(-fresh.Stats().EventLag), time.Now().Add(-61*time.Second), time.Now().Add(-time.Minute))
				require.Zero(t, fresh.Stats().LastCaughtUp)

				pass(5 * time.Minute)
				unavailable(t, list, s.claims(t, alice))
				require.Len(t, journal.With("level=ERROR", "following the webhook's log failed", tt.want), 1)
				if tt.undo != "" {
					s.manage(t, tt.method, "/hooks/hook", tt.undo)
					pass(6 * time.Second)
					require.NoError(t, list.Ready(t.Context()))
					letIn(t, list, s.claims(t, alice))
					require.Len(t, journal.With("level=WARN", "following the webhook's log works again"), 1)
				}
			})
		})
	}
}

// An api answers as a test tells it to, and keeps what it was asked.
type api struct {
	mu     sync.Mutex
	asked  []url.URL
	answer func(url.URL) (status int, body string)
}

const goodHook = `{"enabled":true,"events":["User.SuspensionStatus.Updated","User.Deleted","Organization.Membership.Updated","Organization.Deleted"]}`

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, *r.URL)
	status, body := a.answer(*r.URL)
	if status == 0 {
		return nil, errDown
	}
	header := http.Header{"Link": {`<http://elsewhere.example/hooks/h/recent-logs?page=2>; rel="next"`}}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (a *api) events(cfg *revocation.Config) {
	cfg.Events = &revocation.EventLog{Endpoint: "https://logto.example/", HookID: "a/b", Client: &http.Client{Transport: a}, Interval: time.Minute}
}

// logs are the queries for the webhook's log.
func (a *api) logs() (queries []url.Values) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, u := range a.asked {
		if u.EscapedPath() == "/api/hooks/a%2Fb/recent-logs" && u.Host == "logto.example" {
			queries = append(queries, u.Query())
		}
	}
	return queries
}

func logRow(id string, at time.Time, body string) string {
	return fmt.Sprintf(`{"id":%q,"tenantId":"default","key":"TriggerHook.x","payload":{"result":"Error","hookRequest":{"body":%s}},"createdAt":%d}`, id, body, at.UnixMilli())
}

// What exactly is asked, and when.
func TestEventLogQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, logto := time.Now(), time.Now().Add(-3*time.Second) // Logto's clock is behind
		millis := func(at time.Time) string { return fmt.Sprint(at.UnixMilli()) }
		var rows []string // the newest first
		a := &api{}
		a.answer = func(u url.URL) (int, string) {
			if u.Query().Get("page") == "" {
				return 200, goodHook
			}
			var page int
			_, _ = fmt.Sscan(u.Query().Get("page"), &page)
			return 200, "[" + strings.Join(rows[min(100*(page-1), len(rows)):min(100*page, len(rows))], ",") + "]"
		}
		only := func(n int) { // the newest n stay
			a.mu.Lock()
			defer a.mu.Unlock()
			rows = rows[:n]
		}
		set := func(more ...string) {
			a.mu.Lock()
			defer a.mu.Unlock()
			rows = append(more, rows...)
		}
		for i := range 230 {
			set(logRow(fmt.Sprint("r", i), logto, suspension(fmt.Sprint("u", i), true, logto)))
		}
		set(logRow("garbage", logto, `{"event":"User.Deleted"}`))
		list := newList(t, a.events, func(cfg *revocation.Config) { cfg.MaxTokenLifetime = 2 * time.Hour })
		require.NoError(t, list.Ready(t.Context()))
		require.Equal(t, 230, list.Stats().Entries)
		require.EqualValues(t, 1, list.Stats().Skipped)
		require.Len(t, a.logs(), 3)
		for i, query := range a.logs() {
			require.Equal(t, url.Values{
				"start_time": {millis(begin.Add(-2*time.Hour - 5*time.Minute))}, "page": {fmt.Sprint(i + 1)}, "page_size": {"100"}, "enableCap": {"true"},
			}, query)
		}

		// From then on only what may be new, and what was read is not read again.
		set(logRow("other", logto.Add(-time.Second), `{"event":"User.Created"}`), logRow("late", logto, suspension("late", true, logto)))
		pass(time.Minute)
		require.Equal(t, 231, list.Stats().Entries)
		require.EqualValues(t, 1, list.Stats().Skipped)
		require.Len(t, a.logs(), 6)
		require.Equal(t, millis(logto.Add(-15*time.Second)), a.logs()[5].Get("start_time"))

		// A row from the future doesn't hide what comes after it.
		set(logRow("future", begin.Add(25*time.Hour), suspension("future", false, begin)))
		only(50)
		pass(time.Minute)
		pass(time.Minute)
		require.Equal(t, millis(begin.Add(2*time.Minute-15*time.Second)), a.logs()[7].Get("start_time"))

		// Before Logto 1.40, start_time is ignored.
		only(0)
		for range 300 {
			set(logRow("old", begin, `{"event":"User.Created"}`))
		}
		pass(time.Minute)
		require.Len(t, a.logs(), 9)
	})
}

func TestEventLogErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		level  string
		want   string
	}{
		{"out of reach", 0, "", "WARN", errDown.Error()},
		{"401", 401, "{}", "ERROR", "401: EventLog.Client must be package m2m's"},
		{"403", 403, "{}", "ERROR", "403: EventLog.Client must be package m2m's"},
		{"500", 500, "{}", "WARN", "GET /api/hooks/a%2Fb/recent-logs: 500"},
		{"not JSON", 200, "<html>", "WARN", "the answer is not what Logto answers"},
		{"cut off", 200, `[{"id":"x"`, "WARN", "the answer is not what Logto answers"},
		{"not a list", 200, `{}`, "WARN", "the answer is not what Logto answers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var journal guardtest.Journal
				var times []time.Time
				a := &api{answer: func(u url.URL) (int, string) {
					if strings.HasSuffix(u.Path, "recent-logs") {
						times = append(times, time.Now())
						return tt.status, tt.body
					}
					return 200, goodHook
				}}
				list := newList(t, a.events, journaled(&journal))
				pass(time.Hour)
				err := notReady(t, list)
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, list.Ready(expired(t)), tt.want)
				require.NotContains(t, err.Error(), "start_time")
				require.Len(t, journal.With("level="+tt.level, "following the webhook's log failed"), 1)
				require.Len(t, journal.With("level="), 1)
				require.NoError(t, list.Close())
				for i := range times[1:] {
					gap, most := times[i+1].Sub(times[i]), min(100*time.Millisecond<<min(i, 20), time.Minute)
					assert.True(t, most/2 <= gap && gap <= most, "%d: %v, at most %v", i, gap, most)
				}
			})
		})
	}
}

// A clock that jumps ahead for some minutes must not make a List forget.
func TestClockThatIsAheadForAWhile(t *testing.T) {
	inTenant(t, func(t *testing.T, s *tenantScene) {
		var off atomic.Int64
		list := newList(t, logged(&record{}), func(cfg *revocation.Config) {
			cfg.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		})
		require.NoError(t, list.Ready(t.Context()))
		revoke(t, list, revocation.Revocation{Subject: "alice", Kind: revocation.Block})
		off.Store(int64(48 * time.Hour))
		pass(3 * time.Minute)
		off.Store(0)
		pass(3 * time.Minute)
		refused(t, list, s.claims(t, alice))
	})
}

// A relay that was down while a block was to be renewed.
func TestRelayThatWasDownForSomeHours(t *testing.T) {
	inTenant(t, func(t *testing.T, s *tenantScene) {
		log := &record{}
		rarely := func(cfg *revocation.Config) { cfg.Events.Interval, cfg.MaxStaleness = 10*time.Minute, time.Hour }
		relay, replica := newList(t, s.events, rarely, logged(log)), newList(t, logged(log))
		require.NoError(t, relay.Ready(t.Context()))
		s.suspend(t, "alice", true)
		pass(17 * time.Hour)
		require.NoError(t, relay.Close())
		pass(8 * time.Hour)
		relay = newList(t, s.events, rarely, logged(log))
		require.NoError(t, relay.Ready(t.Context()))
		pass(5 * time.Minute)
		refused(t, replica, s.claims(t, alice))
	})
}

// A wrong secret is a 401 of Logto's, and waiting doesn't help.
func TestWrongSecretIsAnError(t *testing.T) {
	inTenant(t, func(t *testing.T, s *tenantScene) {
		var journal guardtest.Journal
		client, err := m2m.New(m2m.Config{
			Endpoint: s.Logto.Endpoint(), AppID: "relay", AppSecret: "wrong", Resource: m2m.ManagementResource("default"),
			Scopes: []string{"all"}, HTTPClient: s.Client, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		newList(t, journaled(&journal), func(cfg *revocation.Config) {
			cfg.Events = &revocation.EventLog{Endpoint: s.Logto.Endpoint(), HookID: "hook", Client: client.HTTPClient()}
		})
		pass(time.Hour)
		require.Len(t, journal.With("level=ERROR"), 1, journal.String())
	})
}

// Of several servers of Logto, one is down.
func TestDeniedNowAndThenIsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var journal guardtest.Journal
		n := 0
		a := &api{answer: func(url.URL) (int, string) {
			n++
			return []int{403, 500}[n%2], ""
		}}
		newList(t, a.events, journaled(&journal))
		pass(time.Hour)
		require.Len(t, journal.With("level=ERROR"), 1)
	})
}

// A row that can't be read counts once, though the page after it can't be had.
func TestSkippedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := []string{logRow("garbage", time.Now(), `{"event":"User.Deleted"}`)}
		for i := range 99 {
			rows = append(rows, logRow(fmt.Sprint("r", i), time.Now(), `{"event":"User.Created"}`))
		}
		failures := 0
		a := &api{answer: func(u url.URL) (int, string) {
			switch u.Query().Get("page") {
			case "":
				return 200, goodHook
			case "1":
				return 200, "[" + strings.Join(rows, ",") + "]"
			}
			if failures++; failures > 10 {
				return 200, "[]"
			}
			return 500, ""
		}}
		list := newList(t, a.events)
		pass(time.Hour)
		require.EqualValues(t, 1, list.Stats().Skipped)
	})
}

func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// A Logto that swallows requests is given up after 10 s.
func TestEventLogHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := &http.Client{Transport: guardtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		list := newList(t, func(cfg *revocation.Config) {
			cfg.Events = &revocation.EventLog{Endpoint: "https://logto.example", HookID: "hook", Client: hangs}
		})
		pass(9 * time.Second)
		require.Equal(t, context.DeadlineExceeded.Error(), errors.Unwrap(notReady(t, list)).Error(), "no cause yet")
		pass(2 * time.Second)
		require.ErrorContains(t, notReady(t, list), "GET /api/hooks/hook/recent-logs: context deadline exceeded")
		begin := time.Now()
		require.NoError(t, list.Close())
		require.Equal(t, begin, time.Now())
	})
}

func TestEventLogFaults(t *testing.T) {
	_, err := revocation.New(revocation.Config{Events: &revocation.EventLog{Interval: -1}})
	require.EqualError(t, err, `revocation: Config: Events.Endpoint is empty: set it to Logto's endpoint, such as https://tenant-id.logto.app
Events.HookID is empty: set it to the ID of the webhook in Logto
Events.Client is nil: set it to the HTTPClient of package m2m's Client, for ManagementResource
Events.Interval is negative: set it to the pause between two readings, such as 5 s`)

	given := &revocation.EventLog{Endpoint: "https://logto.example/oidc", HookID: "hook", Client: http.DefaultClient}
	_, err = revocation.New(revocation.Config{Events: given, MaxStaleness: 20*time.Second - 1})
	require.EqualError(t, err, "revocation: Config: MaxStaleness of 19.999999999s would refuse all requests on every hiccup: give at least 20s")
	given.Interval = 10 * time.Minute
	_, err = revocation.New(revocation.Config{Events: given})
	require.EqualError(t, err, "revocation: Config: MaxStaleness of 5m0s would refuse all requests on every hiccup: give at least 20m10s")
	require.Equal(t, "https://logto.example/oidc", given.Endpoint, "what is given is not changed")

	_, err = revocation.New(revocation.Config{Log: limited{&record{}}, MaxTokenLifetime: time.Hour + 1})
	require.ErrorContains(t, err, "MaxTokenLifetime of 1h0m0.000000001s is longer than Log keeps an entry, which is 1h0m0s")
	_, err = revocation.New(revocation.Config{Log: limited{&record{}}})
	require.ErrorContains(t, err, "MaxTokenLifetime of 24h0m0s is longer than Log keeps")
	list, err := revocation.New(revocation.Config{Log: limited{&record{}}, MaxTokenLifetime: time.Hour})
	require.NoError(t, err)
	require.NoError(t, list.Close())
}

type limited struct{ *record }

func (limited) Keeps() time.Duration { return time.Hour }

func TestConfigHidesItsKeys(t *testing.T) {
	cfg := revocation.Config{SigningKeys: []string{"whsec-1"}, Events: &revocation.EventLog{HookID: "hook"}}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("started", "config", cfg, "pointer", &cfg)
	marshalled, err := json.Marshal(map[string]any{"text": fmt.Sprint(cfg)})
	require.NoError(t, err)
	for _, text := range []string{log.String(), string(marshalled), fmt.Sprintf("%v %+v %#v %s %q %d", cfg, cfg, cfg, &cfg, cfg, cfg)} {
		require.NotContains(t, text, "whsec")
		require.Contains(t, text, "hook")
	}
}

// A webhook that lacks several events is one fault, and one line.
func TestHookWithoutSeveralEventsIsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var journal guardtest.Journal
		a := &api{answer: func(u url.URL) (int, string) {
			if strings.HasSuffix(u.Path, "recent-logs") {
				return 200, "[]"
			}
			return 200, `{"enabled":true,"events":["User.Deleted"]}`
		}}
		newList(t, a.events, journaled(&journal))
		pass(time.Hour)
		require.Len(t, journal.With("level=ERROR"), 1)
	})
}

// A webhook that lacks an event still logs the others.
func TestHookWithoutAnEventIsReadOn(t *testing.T) {
	inTenant(t, func(t *testing.T, s *tenantScene) {
		list := newList(t, s.events)
		require.NoError(t, list.Ready(t.Context()))
		s.manage(t, "PATCH", "/hooks/hook", `{"events":["User.SuspensionStatus.Updated","User.Deleted","Organization.Membership.Updated"]}`)
		pass(2 * time.Minute)
		token := s.claims(t, alice)
		s.suspend(t, "alice", true)
		pass(10 * time.Second)
		refused(t, list, token)
		require.ErrorContains(t, notReady(t, list), "Organization.Deleted")
	})
}

// Logto's clock was ahead for a while: what happens in an outage after that is read.
func TestEventsOfAnOutageAfterLogtosClockWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rows []string
		down := false
		a := &api{}
		a.answer = func(u url.URL) (int, string) {
			switch {
			case down:
				return 0, ""
			case u.Query().Get("page") == "":
				return 200, goodHook
			}
			var start int64
			_, _ = fmt.Sscan(u.Query().Get("start_time"), &start)
			var got []string
			for _, r := range rows {
				var at int64
				_, _ = fmt.Sscan(r[strings.LastIndex(r, ":")+1:len(r)-1], &at)
				if at >= start {
					got = append(got, r)
				}
			}
			return 200, "[" + strings.Join(got, ",") + "]"
		}
		ahead := time.Now().Add(time.Hour)
		rows = []string{logRow("r1", ahead, suspension("u1", true, ahead))}
		list := newList(t, a.events)
		require.NoError(t, list.Ready(t.Context()))
		pass(3 * time.Minute)
		change := func(f func()) {
			a.mu.Lock()
			defer a.mu.Unlock()
			f()
		}
		change(func() { down = true })
		pass(2 * time.Minute)
		// Logto's clock is right again, and it can't be reached.
		change(func() {
			rows = append([]string{logRow("r2", time.Now(), suspension("u2", true, time.Now()))}, rows...)
		})
		pass(2 * time.Minute)
		change(func() { down = false })
		pass(2 * time.Minute)
		require.NoError(t, list.Ready(t.Context()))
		require.Equal(t, 2, list.Stats().Entries)
	})
}

// However rarely the events are read, a block doesn't end between two readings.
func TestBlocksAreRenewedInTime(t *testing.T) {
	inTenant(t, func(t *testing.T, s *tenantScene) {
		list := newList(t, s.events, func(cfg *revocation.Config) {
			cfg.MaxTokenLifetime, cfg.Events.Interval, cfg.MaxStaleness = time.Hour, 30*time.Minute, 2*time.Hour
		})
		require.NoError(t, list.Ready(t.Context()))
		pass(11 * time.Minute)
		s.suspend(t, "alice", true)
		pass(80 * time.Minute)
		refused(t, list, s.claims(t, alice))
	})
}
