package logtoguard_test

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
func fragment%d(t *testing.T, mux *http.ServeMux, guard *logtoguard.Guard, cors func(http.Handler) http.Handler, list, create http.Handler) {
	{
%s
	}
}
`

// TestCodeInDocumentsCompiles vets what stands behind ```go alone on its line; code of
// other libraries stands behind ```go before.
func TestCodeInDocumentsCompiles(t *testing.T) {
	programs := []string{fragments}
	for _, document := range []string{"README.md", "docs/migration.md"} {
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
	for _, program := range programs {
		file := filepath.Join(t.TempDir(), "main.go")
		require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
		output, err := exec.Command("go", "vet", file).CombinedOutput()
		require.NoError(t, err, "%s\n%s", output, program)
	}
}

// used keeps the compiler from minding the variables that a fragment is there to show.
func used(code string) string {
	for _, name := range []string{"guard", "response"} {
		if strings.Contains(code, name+", err :=") {
			code += "\n_, _ = " + name + ", err\n"
		}
	}
	return code
}
