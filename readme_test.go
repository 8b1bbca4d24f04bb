package logtoguard_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// around makes a program of one of the README's fragments, with what it takes for granted.
const around = `package main

import (
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/m2m"
)

func main() {}

var _ = httptest.NewRecorder
var _ = log.Fatal
var _ = os.Getenv
var _ logtotest.Tenant
var _ m2m.Config

func fragment(t *testing.T, mux *http.ServeMux, guard *logtoguard.Guard, cors func(http.Handler) http.Handler, list, create http.Handler) (any, error) {
	var err error
	if true {
		FRAGMENT
	}
	return guard, err
}
`

func TestReadmeCodeCompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		code := string(block[1])
		if !strings.HasPrefix(code, "package main") {
			code = strings.Replace(around, "FRAGMENT", used(code), 1)
		}
		file := filepath.Join(t.TempDir(), "main.go")
		require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
		output, err := exec.Command("go", "build", "-o", os.DevNull, file).CombinedOutput()
		require.NoError(t, err, "%s\n%s", output, code)
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
