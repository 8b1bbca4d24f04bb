package main

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type vars = map[string]string

// nobody listens there. Not a port that was free just now: another process may take it.
const nobody = "127.0.0.1:1"

// asProgram makes the test's binary run main instead of the tests: that saves
// building the client once more.
const asProgram = "CLIENT_TEST_RUNS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// buildExample compiles the shopping API and returns the program.
func buildExample(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "example")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	said, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "..").CombinedOutput()
	require.NoError(t, err, string(said))
	return program
}

// environ is this process's environment with the programs' settings as given and
// otherwise unset.
func environ(set vars) []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "LOGTO_") || strings.HasPrefix(variable, "DEMO_LOGTO_ADDR=") ||
			strings.HasPrefix(variable, "ADDR=") || strings.HasPrefix(variable, "API_URL=")
	})
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	return env
}

// startExample runs the shopping API with its stand-in until the test ends, and
// returns where both listen.
func startExample(t *testing.T) (api, logto string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), buildExample(t))
	cmd.Env = environ(vars{"ADDR": "127.0.0.1:0", "DEMO_LOGTO_ADDR": "127.0.0.1:0"})
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context has ended by then, and the process with it

	address := regexp.MustCompile(`^# (The shopping API|A stand-in for Logto) listens on http://(127\.0\.0\.1:\d+)$`)
	lines := bufio.NewScanner(stdout)
	for (api == "" || logto == "") && lines.Scan() {
		switch found := address.FindStringSubmatch(lines.Text()); {
		case found == nil:
		case found[1] == "The shopping API":
			api = found[2]
		default:
			logto = found[2]
		}
	}
	if api == "" || logto == "" {
		t.Fatal(cmd.Wait(), stderr.String())
	}
	return api, logto
}

// runProcess runs the client, and returns what it prints and its exit status. Nothing
// secret may be in it, ever.
func runProcess(t *testing.T, set vars) (stdout, stderr string, status int) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	set = maps.Clone(set)
	set[asProgram] = "1"
	var out, diagnosis bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env, cmd.Stdout, cmd.Stderr = environ(set), &out, &diagnosis
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
		status = exit.ExitCode()
	}
	for _, text := range []string{out.String(), diagnosis.String()} {
		require.NotContains(t, text, "-secret")
		require.NotContains(t, text, "eyJ", "a token")
	}
	return out.String(), diagnosis.String(), status
}

// outline is what the client prints, a step on a line, less the widths of columns,
// the IDs of what was added, and the API's address in challenges.
func outline(stdout string) []string {
	id := regexp.MustCompile(`\b[po]_[a-z2-7]{26}\b`)
	metadata := regexp.MustCompile(`resource_metadata="http://127\.0\.0\.1:\d+/\.well-known/oauth-protected-resource"`)
	var steps []string
	for _, line := range strings.Split(strings.TrimSpace(stdout), "\n")[2:] {
		if line != "" {
			line = metadata.ReplaceAllString(strings.Join(strings.Fields(line), " "), "METADATA")
			steps = append(steps, id.ReplaceAllString(line, "ID"))
		}
	}
	return steps
}

// TestProcess plays against the example as a user does who has two shells.
func TestProcess(t *testing.T) {
	api, logto := startExample(t)

	// In this order: each run adds to the shop.
	t.Run("demo", func(t *testing.T) {
		stdout, stderr, status := runProcess(t, vars{"ADDR": api, "DEMO_LOGTO_ADDR": logto})
		require.Zero(t, status, "%s\n%s", stdout, stderr)
		require.Empty(t, stderr)
		require.Equal(t, []string{
			`shop-reader GET /products 200 3 products (its token holds read:products)`,
			`shop-reader POST /products 403 Bearer error="insufficient_scope", scope="write:products", METADATA (its token lacks write:products)`,
			`shop-manager POST /products 201 product ID (its token holds write:products)`,
			`acme-bot POST /organizations/acme/orders 201 order ID (its token holds write:orders)`,
			`acme-bot GET /organizations/acme/orders 200 1 order (its token holds read:orders)`,
			`acme-bot GET /organizations/globex/orders 403 Bearer error="insufficient_scope", METADATA (its token is for another organization)`,
			`acme-viewer POST /organizations/acme/orders 403 Bearer error="insufficient_scope", scope="write:orders", METADATA (its token lacks write:orders)`,
			`acme-viewer GET /organizations/acme/orders 200 1 order (its token holds read:orders)`,
			`acme-viewer GET /organizations/globex/orders 403 Bearer error="insufficient_scope", METADATA (its token is for another organization)`,
			`shop-manager GET /api/applications 200 6 applications (its token holds all)`,
			`All 10 steps went as they should.`,
		}, outline(stdout))
	})

	const (
		mayNotRead  = ` GET /products 403 Bearer error="insufficient_scope", scope="read:products", METADATA (its token lacks read:products)`
		mayNotWrite = ` POST /products 403 Bearer error="insufficient_scope", scope="write:products", METADATA (its token lacks write:products)`
		mayNotAll   = ` GET /api/applications 403 auth.forbidden: Forbidden. Please check your user roles and permissions. (its token lacks all)`
		skipped     = ` - skipped: set LOGTO_ORGANIZATION_ID to an organization that the application is in`
	)
	realLogto := func(application string, more vars) vars {
		set := vars{
			"LOGTO_ENDPOINT":   "http://" + logto + "/",
			"LOGTO_APP_ID":     application,
			"LOGTO_APP_SECRET": application + "-secret",
			"API_URL":          "http://" + api + "/",
		}
		maps.Copy(set, more)
		return set
	}
	for _, row := range []struct {
		application string
		more        vars
		want        []string // each after the application's name
	}{
		{"shop-manager", nil, []string{
			` GET /products 200 4 products (its token holds read:products)`,
			` POST /products 201 product ID (its token holds write:products)`,
			` POST /organizations/{id}/orders` + skipped,
			` GET /organizations/{id}/orders` + skipped,
			` GET /organizations/globex/orders` + skipped,
			` GET /api/applications 200 6 applications (its token holds all)`,
			`All 3 steps went as they should, 3 were skipped.`,
		}},
		{"shop-reader", nil, []string{
			` GET /products 200 5 products (its token holds read:products)`,
			mayNotWrite,
			` POST /organizations/{id}/orders` + skipped,
			` GET /organizations/{id}/orders` + skipped,
			` GET /organizations/globex/orders` + skipped,
			mayNotAll,
			`All 3 steps went as they should, 3 were skipped.`,
		}},
		{"no-role", vars{"API_URL": "", "ADDR": api}, []string{
			mayNotRead,
			mayNotWrite,
			` POST /organizations/{id}/orders` + skipped,
			` GET /organizations/{id}/orders` + skipped,
			` GET /organizations/globex/orders` + skipped,
			mayNotAll,
			`All 3 steps went as they should, 3 were skipped.`,
		}},
		{"acme-bot", vars{"LOGTO_ORGANIZATION_ID": "acme", "LOGTO_ENDPOINT": "http://" + logto + "/oidc", "LOGTO_TENANT_ID": "default"}, []string{
			mayNotRead,
			mayNotWrite,
			` POST /organizations/acme/orders 201 order ID (its token holds write:orders)`,
			` GET /organizations/acme/orders 200 2 orders (its token holds read:orders)`,
			` GET /organizations/globex/orders 403 Bearer error="insufficient_scope", METADATA (its token is for another organization)`,
			mayNotAll,
			`All 6 steps went as they should.`,
		}},
	} {
		t.Run("real, "+row.application, func(t *testing.T) {
			stdout, stderr, status := runProcess(t, realLogto(row.application, row.more))
			require.Zero(t, status, "%s\n%s", stdout, stderr)
			require.Empty(t, stderr)
			for i := range row.want[:len(row.want)-1] {
				row.want[i] = row.application + row.want[i]
			}
			require.Equal(t, row.want, outline(stdout))
		})
	}

	for name, row := range map[string]struct {
		set    vars
		text   string
		counts string
	}{
		"wrong secret":            {vars{"LOGTO_APP_SECRET": "wrong-secret"}, "AppSecret is not, or no longer, a secret of this application", "3 of 3 steps did not"},
		"another's organization":  {vars{"LOGTO_ORGANIZATION_ID": "acme"}, "not a member of this organization", "3 of 6 steps did not"},
		"another tenant":          {vars{"LOGTO_TENANT_ID": "abc123"}, "none for https://abc123.logto.app/api, and 1 step not tried", "1 of 3 steps did not"},
		"an API of another Logto": {vars{"LOGTO_AUDIENCE": "https://other.api"}, "Resource must match the API's resource indicator", "2 of 3 steps did not"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, status := runProcess(t, realLogto("shop-reader", row.set))
			require.Equal(t, 1, status, stdout)
			require.Contains(t, stdout, "WRONG: ")
			require.Contains(t, stdout, row.text)
			require.Equal(t, "client: "+row.counts+" go as they should\n", stderr)
		})
	}

	t.Run("no API", func(t *testing.T) {
		_, stderr, status := runProcess(t, vars{"ADDR": nobody, "DEMO_LOGTO_ADDR": logto})
		require.Equal(t, 1, status)
		require.Contains(t, stderr, "go run ./example")
		_, stderr, status = runProcess(t, realLogto("shop-reader", vars{"API_URL": "http://" + nobody}))
		require.Equal(t, 1, status)
		require.Contains(t, stderr, "go run ./example")
		require.Contains(t, stderr, "API_URL")
	})
	t.Run("no stand-in", func(t *testing.T) {
		_, stderr, status := runProcess(t, vars{"ADDR": api, "DEMO_LOGTO_ADDR": nobody})
		require.Equal(t, 1, status)
		require.Contains(t, stderr, "no stand-in for Logto at http://127.0.0.1:")
		require.Contains(t, stderr, "set DEMO_LOGTO_ADDR")
	})
}
