//go:build !windows

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The first steps with this library, in a module of its own beside a clone: what is pasted
// ends in a 200 for alice and a 403 for bob.
func TestNewcomer(t *testing.T) {
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("stopped short: there is no %s here", tool)
			return
		}
	}
	clone, err := filepath.Abs("../..")
	require.NoError(t, err)
	lines, err := os.ReadFile("testdata/orders/try.sh")
	require.NoError(t, err)
	require.LessOrEqual(t, bytes.Count(lines, []byte("\n")), 10)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "```sh\n"+string(lines)+"```\n", "the README shows these lines")

	// Other processes may have the usual ports.
	logto, api := freeAddress(t), freeAddress(t)
	elsewhere := strings.NewReplacer(
		"../logtoguard", clone,
		"logtoguard dev", "logtoguard dev -addr "+logto, "127.0.0.1:3001", logto,
		"&& go mod tidy", "&& sed -i.old 's/127.0.0.1:8080/"+api+"/' main.go && go mod tidy", "127.0.0.1:8080", api,
	).Replace(string(lines))
	shell := exec.CommandContext(t.Context(), "sh", "-e")
	shell.Dir = t.TempDir()
	shell.Stdin = strings.NewReader(elsewhere)
	// What go.sum would ask the network about is in the clone's go.sum.
	shell.Env = append(environment(t), "GOSUMDB=off", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	shell.Cancel = func() error { return syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) }
	output, err := os.Create(filepath.Join(t.TempDir(), "output")) // not a pipe, which the servers would hold open
	require.NoError(t, err)
	defer output.Close()
	shell.Stdout, shell.Stderr = output, output
	err = shell.Run()
	_ = shell.Cancel() // the servers
	said, readErr := os.ReadFile(output.Name())
	require.NoError(t, readErr)
	require.NoError(t, err, string(said))
	answers := regexp.MustCompile(`HTTP/1\.1 (\d+ \w+)`).FindAllString(string(said), -1)
	require.Equal(t, []string{"HTTP/1.1 200 OK", "HTTP/1.1 403 Forbidden"}, answers, string(said))
	require.Contains(t, string(said), "the orders of alice\n")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
