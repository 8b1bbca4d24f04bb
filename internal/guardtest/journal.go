package guardtest

import (
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Everything is a level below all that is logged.
const Everything = slog.LevelDebug - 100

// A Journal is an io.Writer that keeps log lines. The zero value is ready to use,
// by several goroutines at a time.
type Journal struct {
	mu    sync.Mutex
	lines []string
}

// Write keeps one line: slog's handlers write each with one call.
func (j *Journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(line))
	return len(line), nil
}

// Reset forgets all lines.
func (j *Journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = nil
}

// String returns all that was written.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "")
}

// With returns the lines that hold all of these parts.
func (j *Journal) With(parts ...string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []string
next:
	for _, line := range j.lines {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// Refusals returns the lines of refused requests, without their line breaks.
func (j *Journal) Refusals() []string {
	var lines []string
	for line := range strings.Lines(j.String()) {
		if strings.Contains(line, "logtoguard: refused") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// Logger returns a logger that writes to j. It drops the time, so that lines can be
// compared.
func (j *Journal) Logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// HostileWords are what no log line may hold as it is: line breaks, escapes of
// terminals in seven bits and in eight, and what turns the direction of text.
const HostileWords = "x\nlevel=INFO msg=forged\r\n\x1b[31mred\x1b]0;owned\x07\u009b31m\u2028\u202egnp.exe\x7f\x00"

// RequirePrintable fails the test if text holds anything but printable ASCII.
func RequirePrintable(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		require.True(t, ' ' <= r && r <= '~', "%q in %q", r, text)
	}
}
