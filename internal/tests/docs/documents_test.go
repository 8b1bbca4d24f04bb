package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// documents are all Markdown files of the repository, by their paths.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (entry.Name()[0] == '.' || entry.Name() == "node_modules"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	require.NoError(t, err)
	return texts
}

var (
	codeBlock  = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	codeSpan   = regexp.MustCompile("`[^`\n]+`")
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)|(?m:^\[[^\]]+\]:\s*(\S+))|(?:src|href|srcset)="([^"]+)"`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?)[ #]*$`)
	linkText   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	noAnchor   = regexp.MustCompile(`[^\p{L}\p{N}\p{M}_\- ]`)
)

// anchors are the names that GitHub gives to the headings of a document.
func anchors(text string) map[string]bool {
	names, seen := map[string]bool{}, map[string]int{}
	for _, found := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		title := linkText.ReplaceAllString(found[1], "$1")
		name := strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		seen[name]++
		if n := seen[name]; n > 1 {
			name = fmt.Sprint(name, "-", n-1)
		}
		names[name] = true
	}
	return names
}

// targets are where a document's links lead, those into the web excepted.
func targets(text string) []string {
	var found []string
	text = codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "`")
	for _, match := range linkTarget.FindAllStringSubmatch(text, -1) {
		if target := match[1] + match[2] + match[3]; !regexp.MustCompile(`^[a-z]+:`).MatchString(target) {
			found = append(found, target)
		}
	}
	return found
}

func TestLinksOfDocuments(t *testing.T) {
	t.Parallel()
	texts := documents(t)
	for _, name := range []string{"README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/migration.md", "docs/operating.md", "bench/README.md"} {
		require.Contains(t, texts, name)
	}
	count := 0
	for name, text := range texts {
		for _, target := range targets(text) {
			count++
			path, anchor, hasAnchor := strings.Cut(target, "#")
			if path = filepath.Join(filepath.Dir(name), path); target[0] == '#' {
				path = name
			}
			if !assert.True(t, filepath.IsLocal(path), "%s: %s leads out of the repository", name, target) {
				continue
			}
			_, err := os.Stat(path)
			assert.NoError(t, err, "%s: %s", name, target)
			if hasAnchor {
				assert.Contains(t, anchors(texts[path]), anchor, "%s: %s", name, target)
			}
		}
	}
	require.Greater(t, count, 10)
}

func TestAnchors(t *testing.T) {
	const text = "# One, two & `Three_four`\n## [Five](six) – seven\n```sh\n# no heading\n```\n## Übung\n## Übung\n## 1.2: A/B\n"
	want := []string{"one-two--three_four", "five--seven", "übung", "übung-1", "12-ab"}
	names := anchors(text)
	require.Len(t, names, len(want))
	for _, name := range want {
		assert.Contains(t, names, name)
	}
}

func TestTargets(t *testing.T) {
	const text = "[a](b.md#c) `[no](code)` [web](https://example.com) ![i](p.svg)\n<img src=\"q.png\">\n[ref]: r.md\n```\n[no](block)\n```\n[`d`](e)"
	require.Equal(t, []string{"b.md#c", "p.svg", "q.png", "r.md", "e"}, targets(text))
}
