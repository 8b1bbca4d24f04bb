//go:build !windows

// The printed lines are for a POSIX shell.

package main

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"

	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
)

// asProgram makes the test's binary run main instead of the tests: that saves building
// the command once more.
const asProgram = "LOGTOGUARD_TEST_RUNS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// environment is this machine's, without what would get in the way.
func environment(t *testing.T, vars ...string) []string {
	t.Helper()
	return append(append(os.Environ(), "NO_PROXY=*", "no_proxy=*", "CURL_HOME="+t.TempDir(), "LOGTO_PAT=", "LOGTO_APP_SECRET=", asProgram+"=1"), vars...)
}

// process starts the command as a process, returns what it prints up to its last line, and a
// function that interrupts it as Ctrl-C does and waits.
func process(t *testing.T, args ...string) (printed string, interrupt func()) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env = environment(t)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines := bufio.NewReader(stdout)
	for !strings.HasSuffix(printed, lastLine) {
		line, err := lines.ReadString('\n')
		printed += line
		if err != nil {
			t.Fatal(command.Wait(), stderr.String())
		}
	}
	return printed, func() {
		require.NoError(t, command.Process.Signal(os.Interrupt))
		rest, err := io.ReadAll(lines)
		require.NoError(t, err)
		assert.Empty(t, string(rest))
		require.NoError(t, command.Wait(), "status 0")
		assert.Empty(t, stderr.String())
	}
}

// paste gives lines to a shell, in an empty folder.
func paste(t *testing.T, lines string, vars ...string) (stdout, stderr string) {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-e")
	shell.Dir = t.TempDir()
	shell.Stdin = strings.NewReader(lines)
	shell.Env = environment(t, vars...)
	var said, complained bytes.Buffer
	shell.Stdout, shell.Stderr = &said, &complained
	require.NoError(t, shell.Run(), complained.String()+said.String())
	return said.String(), complained.String()
}

func TestPastedCommands(t *testing.T) {
	config := filepath.Join(t.TempDir(), "tenant.json")
	require.NoError(t, os.WriteFile(config, []byte(`{
		"resources": [{"indicator": "https://odd.api/it's/$(exit)/&x=", "scopes": ["read:$HOME", "läse"]}, {"indicator": "https://other.api"}],
		"roles": [{"name": "r", "scopes": {"https://odd.api/it's/$(exit)/&x=": ["read:$HOME"]}}],
		"applications": [
			{"id": "bot 'n' bot", "secret": "a b;c", "roles": ["r"]},
			{"id": "exchange", "secret": "it's", "token_exchange": true},
			{"id": "spa", "type": "SPA", "redirect_uris": ["http://localhost:1/?a='&b"]}
		],
		"users": [{"id": "u'\n1", "roles": ["r"], "personal_access_tokens": ["pat_$1"]}, {"id": "without"}],
		"organizations": [{"id": "o&o", "members": [{"application_id": "bot 'n' bot", "scopes": ["invite"]}]}, {"id": "empty"}]
	}`), 0o600))
	for name, row := range map[string]struct {
		args []string
		want []string // subject, organization or audience, scopes
	}{
		"flags": {ordersFlags, []string{
			"alice at https://orders.api: read:orders write:orders",
			"alice in acme at https://orders.api: read:orders write:orders",
			"alice at urn:logto:organization:acme: read:orders write:orders",
			"bob at https://orders.api: ",
			"machine at https://orders.api: read:orders write:orders",
			"nobody at https://orders.api: ",
		}},
		"odd names": {[]string{"-config", config}, []string{
			"u'\n1 at https://odd.api/it's/$(exit)/&x=: read:$HOME",
			"bot 'n' bot at https://odd.api/it's/$(exit)/&x=: read:$HOME",
			"bot 'n' bot in o&o at https://odd.api/it's/$(exit)/&x=: ",
			"bot 'n' bot at urn:logto:organization:o&o: invite",
		}},
		"no API": {[]string{"-config", emptyConfig(t)}, []string{"bot at urn:logto:organization:acme: "}},
	} {
		t.Run(name, func(t *testing.T) {
			printed, interrupt := process(t, append([]string{"dev", "-addr", "127.0.0.1:0"}, row.args...)...)
			defer interrupt()
			assert.Contains(t, printed, "It is for trying only: all its secrets are public")
			endpoint := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(printed)
			tokens, said := paste(t, printed+"printf '%s ' \"$LOGTO_ENDPOINT\" \"$LOGTO_AUDIENCE\"")
			list := strings.Split(tokens, "\n")
			require.Len(t, list, len(row.want)+1, said)
			assert.Equal(t, len(row.want), strings.Count(said, "expires in 59 minutes"), said)
			audience, _, _ := strings.Cut(strings.TrimPrefix(list[len(row.want)], endpoint+" "), " ")
			for i, want := range row.want {
				cfg := logtoguard.Config{Endpoint: endpoint, Audience: []string{audience}, Logger: slog.New(slog.DiscardHandler)}
				if strings.Contains(want, " at urn:logto:organization:") {
					cfg.Audience, cfg.OrganizationTokens = nil, true
				}
				assert.Equal(t, want, summaryOf(t, cfg, list[i]))
			}
		})
	}
}

func emptyConfig(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tenant.json")
	require.NoError(t, os.WriteFile(name, []byte(`{
		"applications": [{"id": "bot", "secret": "x"}],
		"users": [{"id": "a", "personal_access_tokens": ["pat_a"]}],
		"organizations": [{"id": "acme", "members": [{"application_id": "bot"}]}]
	}`), 0o600))
	return name
}

// summaryOf says whose token it is, what for, and what it holds.
func summaryOf(t *testing.T, cfg logtoguard.Config, token string) string {
	t.Helper()
	guard, err := logtoguard.New(cfg)
	require.NoError(t, err)
	defer guard.Close()
	claims, err := guard.Verify(t.Context(), token)
	require.NoError(t, err)
	var payload struct {
		Audience     string `json:"aud"`
		Organization string `json:"organization_id"`
		Scope        string `json:"scope"`
	}
	require.NoError(t, claims.Decode(&payload))
	where := " at "
	if payload.Organization != "" {
		where = " in " + payload.Organization + " at "
	}
	return claims.Subject() + where + payload.Audience + ": " + payload.Scope
}

// Shells that take no comments by hand must not stumble over the remarks.
func TestRemarksArePlain(t *testing.T) {
	tenant := devTenant("https://a.b/'$(x)&", []string{"a'b"}, []string{"http://localhost:1/?'&$(x)=*"})
	tenant.Users[0].ID = "a\n'b"
	tenant.Applications[4].Secret = "p+w$d=!"
	remarks := ""
	for line := range strings.Lines(welcome("http://[::1]:1", "logtoguard", tenant)) {
		if strings.HasPrefix(line, "#") {
			words, complained := paste(t, "set -fu; printf '%s ' "+strings.TrimPrefix(line, "# "))
			assert.Empty(t, complained)
			remarks += words + "\n"
		}
	}
	for _, whole := range []string{"http://[::1]:1", "type Traditional with the secret p+w$d=!,", "http://localhost:1/?'&$(x)=*", "the user a__b"} {
		assert.Contains(t, remarks, whole)
	}
}

// A named pipe is no place for a key, and waiting for its other end would last for ever.
func TestDevStateIsNoPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	out := session{}.run(t, "dev", "-audience", orders, "-addr", "127.0.0.1:0", "-state", pipe)
	assert.Equal(t, wrongUsage, out.status)
	assert.Contains(t, out.stderr, "is not a file")
}

// A program that is on the path is called by its name.
func TestOwnName(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	assert.Equal(t, shellWord(program), ownName())

	folder := t.TempDir()
	require.NoError(t, os.Symlink(program, filepath.Join(folder, "logtoguard")))
	t.Setenv("PATH", folder)
	assert.Equal(t, "logtoguard", ownName())
}

// Killed by the other signal that asks for it, it ends well too.
func TestDevEndsWhenTerminated(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), program, "dev", "-audience", orders, "-addr", "127.0.0.1:0", "-json")
	command.Env = environment(t)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	_, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, command.Wait())
}
