package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

const shopping = "https://shopping.api"

// noon is a clock that stands still, for what would change while a test runs.
func noon() time.Time { return time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC) }

// session is one run of the program.
type session struct {
	env   map[string]string
	stdin string
	now   func() time.Time // default: time.Now
}

// outcome is what became of it.
type outcome struct {
	status         int
	stdout, stderr string
}

func (s session) run(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr strings.Builder
	p := &program{
		getenv: func(name string) string { return s.env[name] },
		stdin:  strings.NewReader(s.stdin),
		stdout: &stdout,
		stderr: &stderr,
		now:    time.Now,
	}
	if s.now != nil {
		p.now = s.now
	}
	status := p.run(t.Context(), args)
	return outcome{status, stdout.String(), stderr.String()}
}

// report is the documented shape of explain -json.
type report struct {
	Verdict, Reason, Description, Challenge string
	Status                                  int
	Checks                                  []result
	Header, Claims                          map[string]any
	Advice, Notes                           []string
}

func (o outcome) report(t *testing.T) (r report) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(o.stdout))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&r), o.stdout+o.stderr)
	return r
}

// failed names the check that failed.
func (r report) failed() string {
	for _, c := range r.Checks {
		if c.Result == "failed" {
			return c.Name
		}
	}
	return ""
}

// startLogto starts a stand-in with one resource, one application with the scope
// read:products, and one organization that it is in. Its clock may be given.
func startLogto(t *testing.T, clock ...func() time.Time) *logtotest.Server {
	t.Helper()
	now := time.Now
	if len(clock) > 0 {
		now = clock[0]
	}
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: shopping, Scopes: []string{"read:products", "write:products"}}},
		Roles:     []logtotest.Role{{Name: "reader", Scopes: map[string][]string{shopping: {"read:products"}}}},
		Applications: []logtotest.Application{
			{ID: "shop", Secret: "s3cret-of-shop", Roles: []string{"reader"}},
		},
		Organizations: []logtotest.Organization{{ID: "acme", Members: []logtotest.Member{{ApplicationID: "shop", Scopes: []string{"invite"}}}}},
		Now:           now,
	})
	t.Cleanup(logto.Close)
	return logto
}

// set edits a minted token's claims; a nil value deletes one.
func set(name string, value any) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) { edit(d.Claims, name, value) }
}

func setHeader(name string, value any) func(*logtotest.Draft) {
	return func(d *logtotest.Draft) { edit(d.Header, name, value) }
}

func edit(members map[string]any, name string, value any) {
	if value == nil {
		delete(members, name)
		return
	}
	members[name] = value
}

// keyFile writes the published keys into a file.
func keyFile(t testing.TB, keys ...map[string]any) string {
	t.Helper()
	data, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "keys.json")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return name
}
