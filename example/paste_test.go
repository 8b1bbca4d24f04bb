//go:build !windows

// The printed lines are for a POSIX shell.

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

var (
	promise = regexp.MustCompile(`(?m)^# \d+\. .*: (\d{3})\b.*$`)
	status  = regexp.MustCompile(`HTTP/1\.1 (\d{3})`)
)

func captures(re *regexp.Regexp, text string) []string {
	var found []string
	for _, match := range re.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

// paste gives the lines to a shell as they were printed, and returns what it says.
func paste(t *testing.T, lines string, vars ...string) (output string, ok bool) {
	t.Helper()
	for _, tool := range []string{"sh", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("stopped short: the printed lines were not run, there is no %s here", tool)
			return "", false
		}
	}
	shell := exec.CommandContext(t.Context(), "sh")
	shell.Stdin = strings.NewReader(lines)
	// No proxy and no .curlrc of this machine's.
	shell.Env = append(append(os.Environ(), "NO_PROXY=*", "no_proxy=*", "HOME="+t.TempDir(), "CURL_HOME="), vars...)
	said, err := shell.CombinedOutput()
	require.NoError(t, err, string(said))
	return string(said), true
}

// asProgram makes the test's binary run main instead of the tests: that saves
// building the example once more.
const asProgram = "EXAMPLE_TEST_RUNS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestProcess starts the example as a process of its own, and pastes what it prints.
func TestProcess(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), asProgram+"=1", "ADDR=127.0.0.1:0", "DEMO_LOGTO_ADDR=127.0.0.1:0",
		"LOGTO_ENDPOINT=", "LOGTO_AUDIENCE=", "LOGTO_JWKS_URL=", "LOGTO_INSECURE_HTTP=")
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	welcome, complete := readWelcome(stdout)
	if !complete {
		t.Fatal(cmd.Wait(), stderr.String())
	}
	require.Contains(t, welcome, "for trying only")

	output, pasted := paste(t, welcome)
	if pasted {
		got := captures(status, output)
		require.Equal(t, []string{"401", "200", "200", "403", "200", "201", "200", "201", "200", "403", "200", "403"}, got, output)
		require.Equal(t, captures(promise, welcome), got, "the remarks promise what happens")
		require.Contains(t, output, `"name":"Earl Grey, 100 g"`)
		require.Contains(t, output, `scope="write:products"`)
	}

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	_, err = io.Copy(io.Discard, stdout)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), "it ends well when told to")
	require.Contains(t, stderr.String(), "for trying only")
	require.NotContains(t, stderr.String(), "-secret")
	for _, token := range captures(regexp.MustCompile(`"access_token":"([^"]+)"`), output) {
		require.NotContains(t, stderr.String(), token)
	}
}

func TestLinesForARealLogto(t *testing.T) {
	logto := logtotest.NewServer(demoTenant(audience))
	defer logto.Close()
	welcome, stop := start(t, map[string]string{"LOGTO_ENDPOINT": logto.Endpoint() + "/oidc/"})
	output, pasted := paste(t, welcome, "LOGTO_APP_ID=shop-reader", "LOGTO_APP_SECRET=shop-reader-secret")
	if pasted {
		require.Equal(t, []string{"200", "200", "200"}, captures(status, output), output)
		require.Contains(t, output, `"subject":"shop-reader"`)
	}
	require.NoError(t, stop())
}

// Settings are quoted: an odd audience is sent, not run.
func TestLinesAreQuoted(t *testing.T) {
	require.Equal(t, `'a'\''b$(c)'`, shellQuote("a'b", "$(c)"))

	welcome, stop := start(t, map[string]string{"LOGTO_AUDIENCE": "https://shop.example/it's/$(exit)/`exit`/&x=+"})
	output, pasted := paste(t, welcome)
	if pasted {
		require.Equal(t, captures(promise, welcome), captures(status, output), output)
	}
	require.NoError(t, stop())
}

// Shells that take no comments by hand must not stumble over the remarks.
func TestRemarksArePlain(t *testing.T) {
	for _, lines := range []string{demoLines, logtoLines, lastLine} {
		for line := range strings.Lines(lines) {
			if strings.HasPrefix(line, "#") {
				require.Regexp(t, `^#( ([\w ,.:/-]|{{\.\w+}})+)?\n?$`, line)
			}
		}
	}
}
