package docs

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
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
	t.Parallel()
	count, external := 0, map[string][]*comment.DocLink{}
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
						external[text.ImportPath] = append(external[text.ImportPath], text)
					}
				}
			})
		}
	}
	require.Greater(t, count, 40)
	require.NotEmpty(t, external)
	packages := compiled(t, slices.Collect(maps.Keys(external))...)
	for path, links := range external {
		pkg, err := packages.Import(path)
		require.NoError(t, err)
		for _, link := range links {
			assert.True(t, declares(pkg, link.Recv, link.Name), "%s: a doc link leads nowhere", path+" "+strings.TrimPrefix(link.Recv+"."+link.Name, "."))
		}
	}
}

// declares reports whether a package exports the name, or recv's type has a method or
// field of it. Without a name the link is to the package itself.
func declares(pkg *types.Package, recv, name string) bool {
	if recv == "" {
		return name == "" || token.IsExported(name) && pkg.Scope().Lookup(name) != nil
	}
	typ, ok := pkg.Scope().Lookup(recv).(*types.TypeName)
	if !ok || !token.IsExported(name) {
		return false
	}
	object, _, _ := types.LookupFieldOrMethod(typ.Type(), true, pkg, name)
	return object != nil
}

func TestDeclares(t *testing.T) {
	t.Parallel()
	pkg, err := compiled(t, "net/http").Import("net/http")
	require.NoError(t, err)
	for _, there := range [][2]string{{"", ""}, {"", "Get"}, {"", "ErrUseLastResponse"}, {"Request", "Context"}, {"Request", "Body"}, {"Handler", "ServeHTTP"}} {
		assert.True(t, declares(pkg, there[0], there[1]), "%s", there)
	}
	for _, absent := range [][2]string{{"", "Got"}, {"", "send"}, {"Request", "Got"}, {"Request", "ctx"}, {"Absent", "Body"}, {"Get", "Body"}} {
		assert.False(t, declares(pkg, absent[0], absent[1]), "%s", absent)
	}
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
