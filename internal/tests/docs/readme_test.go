package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fragments are the start of a program made of the documents' fragments, with what
// they take for granted.
const fragments = `package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
	"github.com/logtoguard/logtoguard/revocation"
)

func main() {}

var (
	_ context.Context
	_ = errors.New
	_ = fmt.Print
	_ = log.Fatal
	_ = slog.Default
	_ = os.Getenv
	_ time.Time
	_ = httptest.NewRecorder
	_ logtotest.Tenant
	_ m2m.Config
)
`

const fragment = `
func fragment%d(t *testing.T, mux *http.ServeMux, guard *logtoguard.Guard, cors func(http.Handler) http.Handler, list, create http.Handler, shared revocation.Log) {
	{
%s
	}
}
`

// TestCodeInDocumentsCompiles vets what stands behind ```go alone on its line; code of
// other libraries stands behind ```go before.
func TestCodeInDocumentsCompiles(t *testing.T) {
	t.Parallel()
	programs := []string{fragments}
	for _, document := range []string{"README.md", "docs/migration.md", "docs/operating.md"} {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllSubmatch(text, -1)
		require.NotEmpty(t, blocks, document)
		for _, block := range blocks {
			code := string(block[1])
			if strings.HasPrefix(code, "package main") {
				programs = append(programs, code)
			} else {
				programs[0] += fmt.Sprintf(fragment, strings.Count(programs[0], "func fragment"), used(code))
			}
		}
	}
	vet(t, programs)
}

// vet compiles and vets all programs at once, in a module of their own that shares a
// workspace with this one. go test does both, without a test to run, and finds what it
// learned of the standard library in the build cache; go vet would take 10 s to learn
// it once more, for it has a cache entry of its own.
func vet(t *testing.T, programs []string) {
	t.Helper()
	root, err := os.Getwd()
	require.NoError(t, err)
	gomod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go .*$`).Find(gomod)
	dir := t.TempDir()
	write := func(name, format string, args ...any) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600))
	}
	write("go.mod", "module programs\n%s\n", version)
	write("go.work", "%s\nuse (\n\t.\n\t%q\n)\n", version, root)
	for i, program := range programs {
		write(fmt.Sprintf("program%d/main.go", i), "%s", program)
	}
	cmd := exec.Command("go", "test", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PWD="+dir, "GOWORK="+filepath.Join(dir, "go.work"))
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", output, strings.Join(programs, "\n\n"))
}

// used uses the variables that a fragment only declares, so that it compiles.
func used(code string) string {
	for _, name := range []string{"guard", "response"} {
		if strings.Contains(code, name+", err :=") {
			code += "\n_, _ = " + name + ", err\n"
		}
	}
	return code
}
