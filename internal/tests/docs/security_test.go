package docs

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSecurityNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, path := range slices.DeleteFunc(goFiles(t), func(path string) bool { return !isTest(path) }) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, name := range declared.FindAllSubmatch(data, -1) {
			tests[string(name[1])] = true
		}
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(page, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		assert.True(t, tests[string(name[1])], "%s", name[1])
	}
}
