package parity

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

// runMain in the environment makes a test's process the command that it tests.
const runMain = "LOGTOGUARD_TEST_RUN_MAIN"

// Main runs the tests, or the command itself for Run.
func Main(m *testing.M, main func()) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Run starts the tested command as a process, with more in its environment, and returns
// where it listens.
func Run(t *testing.T, logto *logtotest.Server, environment ...string) (address string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), runMain+"=1", "ADDR=127.0.0.1:0", "LOGTO_ENDPOINT="+logto.Endpoint(), "LOGTO_AUDIENCE="+Audience)
	command.Env = append(command.Env, environment...)
	output, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), "listening on "); found {
			go func() { _, _ = io.Copy(io.Discard, output) }() // or the process would wait for a reader of its log
			return address
		}
		t.Log(lines.Text())
	}
	t.Fatal("it ended without listening")
	return ""
}

// TestRuns starts the command, and asks for a path with and without a token.
func TestRuns(t *testing.T, path string) {
	world := NewWorld(t, nil)
	url := "http://" + Run(t, world.Logto) + path
	require.Equal(t, 401, Ask(t, url, nil).Status)
	require.Equal(t, 200, Ask(t, url, []string{"Bearer " + world.Logto.Mint(reader)}).Status)
}
