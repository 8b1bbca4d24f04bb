package logtoguard_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSecurityNamesTestsThatExist(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, folder := range []string{".", "m2m", "internal/endpoint"} {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), "_test.go") {
				data, err := os.ReadFile(folder + "/" + entry.Name())
				require.NoError(t, err)
				for _, name := range declared.FindAllSubmatch(data, -1) {
					tests[string(name[1])] = true
				}
			}
		}
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(page, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		assert.True(t, tests[string(name[1])], "%s", name[1])
	}
}
