package logtoguard_test

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// looksLikeALink is what a doc link that leads nowhere leaves in the text.
var looksLikeALink = regexp.MustCompile(`\[\*?([a-z]\w*(/\w+)*\.)?[A-Z]\w*(\.\w+)*\]`)

// TestDocLinks follows the links in comments, those of fields included: pkg.go.dev
// shows one that leads nowhere in its brackets.
func TestDocLinks(t *testing.T) {
	count := 0
	for _, folder := range packages {
		links := documentation(t, folder).Parser()
		for _, group := range comments(t, folder) {
			walk(links.Parse(group.Text()).Content, func(text comment.Text) {
				switch text := text.(type) {
				case comment.Plain:
					assert.Empty(t, looksLikeALink.FindString(string(text)), "%s: a doc link leads nowhere", folder)
				case *comment.DocLink:
					count++
					if text.ImportPath != "" {
						name := strings.TrimPrefix(text.Recv+"."+text.Name, ".")
						output, err := exec.Command("go", "doc", text.ImportPath, name).CombinedOutput()
						assert.NoError(t, err, "%s", output)
					}
				}
			})
		}
	}
	require.Greater(t, count, 40)
}

// comments are those of a package's files, tests excepted.
func comments(t *testing.T, folder string) []*ast.CommentGroup {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	var groups []*ast.CommentGroup
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		require.NoError(t, err)
		groups = append(groups, file.Comments...)
	}
	return groups
}

// walk visits all text of a comment but its code.
func walk(blocks []comment.Block, visit func(comment.Text)) {
	for _, block := range blocks {
		switch block := block.(type) {
		case *comment.Paragraph:
			walkText(block.Text, visit)
		case *comment.Heading:
			walkText(block.Text, visit)
		case *comment.List:
			for _, item := range block.Items {
				walk(item.Content, visit)
			}
		}
	}
}

func walkText(texts []comment.Text, visit func(comment.Text)) {
	for _, text := range texts {
		visit(text)
		if link, ok := text.(*comment.Link); ok {
			walkText(link.Text, visit)
		}
	}
}
