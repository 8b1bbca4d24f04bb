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
	var source []byte
	for _, folder := range []string{".", "m2m"} {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), "_test.go") {
				data, err := os.ReadFile(folder + "/" + entry.Name())
				require.NoError(t, err)
				source = append(source, data...)
			}
		}
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(page, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		assert.Regexp(t, `(?m)^func `+string(name[1])+`\(`, string(source))
	}
}
