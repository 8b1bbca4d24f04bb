package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/logtoguard/logtoguard/internal/valkeytest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

const (
	patience   = 30 * time.Second // nothing here is timed: what matters is who is refused in the end
	often      = 10 * time.Millisecond
	signingKey = "the key of the webhook"
	crowd      = 200
)

// A fleet is three replicas, the database that they share, and a Logto whose webhook calls
// the first of them.
type fleet struct {
	logto    *logtotest.Server
	database *valkeytest.Server
	link     *valkeytest.Proxy // of the third replica to the database
	replicas []string          // addresses
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	tenant := logtotest.Tenant{
		Resources:    []logtotest.Resource{{Indicator: parity.Audience}},
		Applications: []logtotest.Application{{ID: "web", Secret: "s3cret", TokenExchange: true}},
		Users:        []logtotest.User{{ID: "alice"}, {ID: "bob"}, {ID: "carol"}, {ID: "dave"}},
		Hooks:        []logtotest.Hook{{ID: "hook", URL: "http://127.0.0.1:9", SigningKey: signingKey}},
	}
	for i := range crowd {
		tenant.Users = append(tenant.Users, logtotest.User{ID: fmt.Sprint("user", i)})
	}
	f := &fleet{logto: logtotest.NewServer(tenant), database: valkeytest.New(t, "--appendonly", "yes")}
	t.Cleanup(f.logto.Close)
	f.link = valkeytest.NewProxy(t, f.database)
	for _, database := range []string{f.database.Address, f.database.Address, f.link.Address} {
		f.start(t, database)
	}
	f.manage(t, "PATCH", "/hooks/hook", fmt.Sprintf(`{"config":{"url":"http://%s/webhooks/logto"}}`, f.replicas[0]), nil)
	return f
}

// start adds a replica, and waits until it is ready.
func (f *fleet) start(t *testing.T, database string) {
	t.Helper()
	address := parity.Run(t, f.logto, "VALKEY_URL=redis://"+database, "LOGTO_SIGNING_KEY="+signingKey)
	f.replicas = append(f.replicas, address)
	require.Eventually(t, func() bool { return get(t, address, "/ready", "") == http.StatusNoContent }, patience, often)
}

// manage sends a request to the Management API.
func (f *fleet) manage(t *testing.T, method, path, body string, answer any) {
	t.Helper()
	token := f.logto.Mint(logtotest.Token{Audience: m2m.ManagementResource("default"), Scopes: []string{"all"}})
	r, err := http.NewRequestWithContext(t.Context(), method, f.logto.URL()+"/api"+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, "%s", text)
	if answer != nil {
		require.NoError(t, json.Unmarshal(text, answer))
	}
}

func (f *fleet) suspend(t *testing.T, user string, suspended bool) {
	t.Helper()
	f.manage(t, "PATCH", "/users/"+user+"/is-suspended", fmt.Sprintf(`{"isSuspended":%v}`, suspended), nil)
}

// token is a new one of a user's.
func (f *fleet) token(user string) string {
	return f.logto.Mint(logtotest.Token{Audience: parity.Audience, Subject: user, ClientID: "web"})
}

// get returns the status of an answer.
func get(t *testing.T, address, path, token string) int {
	return ask(t, http.MethodGet, address, path, token)
}

func ask(t *testing.T, method, address, path, token string) int {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func letIn(t *testing.T, token string, replicas ...string) {
	t.Helper()
	for _, address := range replicas {
		require.Equal(t, http.StatusOK, get(t, address, "/me", token), address)
	}
}

// refuse waits until all replicas refuse the token.
func refuse(t *testing.T, token string, replicas ...string) {
	t.Helper()
	for _, address := range replicas {
		require.Eventually(t, func() bool { return get(t, address, "/me", token) == http.StatusUnauthorized }, patience, often, address)
	}
}

// Three processes, a real database and webhooks.
func TestReplicas(t *testing.T) {
	f := newFleet(t)

	t.Run("what one replica learns reaches all", func(t *testing.T) {
		token, other := f.token("alice"), f.token("bob")
		letIn(t, token, f.replicas...)
		f.suspend(t, "alice", true)
		refuse(t, token, f.replicas...)
		letIn(t, other, f.replicas...)
	})

	t.Run("signing out is for all replicas", func(t *testing.T) {
		token, other := f.token("dave"), f.token("bob")
		letIn(t, token, f.replicas...)
		require.Equal(t, http.StatusNoContent, ask(t, http.MethodPost, f.replicas[1], "/sign-out", token))
		refuse(t, token, f.replicas...)
		letIn(t, other, f.replicas...)
	})

	for name, cut := range map[string]func(bool){"resets": f.link.Refuse, "swallows": f.link.Swallow} {
		t.Run("a replica whose link "+name, func(t *testing.T) {
			f.suspend(t, "bob", false)
			var token string
			require.Eventually(t, func() bool { // a lift is of its second
				token = f.token("bob")
				return get(t, f.replicas[0], "/me", token) == 200 && get(t, f.replicas[1], "/me", token) == 200 && get(t, f.replicas[2], "/me", token) == 200
			}, patience, often)
			cut(true)
			f.suspend(t, "bob", true)
			refuse(t, token, f.replicas[:2]...)
			letIn(t, token, f.replicas[2]) // it can't know
			cut(false)
			begin := time.Now()
			refuse(t, token, f.replicas[2])
			t.Logf("it took %v from the link's return", time.Since(begin).Round(time.Millisecond))
		})
	}

	t.Run("the database dies while webhooks come", func(t *testing.T) {
		tokens := make([]string, crowd)
		for i := range crowd {
			tokens[i] = f.token(fmt.Sprint("user", i))
		}
		for i := range crowd {
			f.suspend(t, fmt.Sprint("user", i), true)
			switch i {
			case crowd / 3:
				f.database.Kill()
			case 2 * crowd / 3:
				f.database.Start(t)
			}
		}
		for _, token := range tokens {
			refuse(t, token, f.replicas...)
		}

		// One that starts later knows all of it before it is ready.
		f.start(t, f.database.Address)
		t.Cleanup(func() { f.replicas = f.replicas[:3] })
		for _, token := range tokens {
			require.Equal(t, http.StatusUnauthorized, get(t, f.replicas[3], "/me", token))
		}
	})

	t.Run("a suspended user buys a new token", func(t *testing.T) {
		var created struct{ Value string }
		f.manage(t, "POST", "/users/carol/personal-access-tokens", `{"name":"laptop"}`, &created)
		buy := func() string {
			token, err := f.exchange(t.Context(), created.Value)
			require.NoError(t, err)
			return token
		}
		letIn(t, buy(), f.replicas...)
		f.suspend(t, "carol", true)
		for _, address := range f.replicas {
			require.Eventually(t, func() bool { return get(t, address, "/me", buy()) == http.StatusUnauthorized }, patience, often)
		}
		token := buy()
		refuse(t, token, f.replicas...)

		f.suspend(t, "carol", false)
		for _, address := range f.replicas {
			require.Eventually(t, func() bool { return get(t, address, "/me", f.token("carol")) == http.StatusOK }, patience, often)
		}
		refuse(t, token, f.replicas...)
	})
}

// exchange gives a personal access token for an access token (RFC 8693).
func (f *fleet) exchange(ctx context.Context, personal string) (string, error) {
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {personal},
		"subject_token_type": {"urn:logto:token-type:personal_access_token"},
		"resource":           {parity.Audience},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.logto.URL()+"/oidc/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.SetBasicAuth("web", "s3cret")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err = json.NewDecoder(resp.Body).Decode(&answer); err == nil && answer.AccessToken == "" {
		err = errors.New(resp.Status)
	}
	return answer.AccessToken, err
}
