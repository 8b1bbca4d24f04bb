package docs

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mayLeadUp holds the exceptions to TestFilesDependOneWay, each with its reason.
var mayLeadUp = map[edge]string{}

const (
	mostLeadingUp = 4
	largestCircle = 3
)

// TestFilesDependOneWay: a file of the root package uses only those below it in
// CONTRIBUTING.md's table, so that it can be understood without those above.
func TestFilesDependOneWay(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, path := range goFiles(t) {
		if filepath.Dir(path) == "." && !isTest(path) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			texts[path] = string(text)
		}
	}
	order := filesOfRoot(t)
	require.ElementsMatch(t, slices.Collect(maps.Keys(texts)), order, "the table in CONTRIBUTING.md lists each file of the root package once")

	found := typed(t, module, compiled(t, "."), texts)
	require.NotEmpty(t, found)
	t.Log("who uses what:\n" + found.String())
	up := found.upward(order)
	for _, e := range up {
		if mayLeadUp[e] == "" {
			t.Errorf("%s leads up the table in CONTRIBUTING.md: %s is the first of %d uses", e, found[e][0], len(found[e]))
		}
	}
	for e := range mayLeadUp {
		assert.True(t, slices.Contains(up, e), "%s is no longer an exception", e)
	}
	assert.LessOrEqual(t, len(mayLeadUp), mostLeadingUp, "exceptions")
	for _, circle := range found.circles() {
		assert.LessOrEqual(t, len(circle), largestCircle, "files that use each other: %s", circle)
	}
}

// filesOfRoot are the root package's files in the order of CONTRIBUTING.md's table.
func filesOfRoot(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## How the house is laid out\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var files []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+\\.go)` \\| \\S").FindAllStringSubmatch(section, -1) {
		files = append(files, row[1])
	}
	return files
}
