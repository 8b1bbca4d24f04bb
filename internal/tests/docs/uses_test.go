package docs

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An edge leads from a file to another one of its package that declares what it uses.
type edge struct{ from, to string }

func (e edge) String() string { return e.from + " → " + e.to }

// A use is where a file names what another one declares.
type use struct {
	name string
	at   token.Position
}

func (u use) String() string {
	return fmt.Sprintf("%s at %s:%d", u.name, filepath.Base(u.at.Filename), u.at.Line)
}

// edges are the uses between a package's files, in the order in which they are written.
type edges map[edge][]use

// usesOf finds the edges between files that info was filled for. A method or a field
// belongs to the file that declares it, wherever its type is.
func usesOf(fset *token.FileSet, files []*ast.File, pkg *types.Package, info *types.Info) edges {
	found := edges{}
	name := func(pos token.Pos) string { return filepath.Base(fset.Position(pos).Filename) }
	for _, file := range files {
		from := name(file.Pos())
		add := func(object types.Object, at token.Pos) {
			if object.Pkg() == pkg && name(object.Pos()) != from {
				e := edge{from, name(object.Pos())}
				found[e] = append(found[e], use{label(object, pkg), fset.Position(at)})
			}
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.Ident:
				if object := info.Uses[node]; object != nil {
					add(object, node.Pos())
				}
			case *ast.SelectorExpr:
				for _, field := range embedded(info.Selections[node]) {
					add(field, node.Sel.Pos())
				}
			}
			return true
		})
	}
	return found
}

// embedded lists the fields that a selection passes through without naming them.
func embedded(selection *types.Selection) (fields []*types.Var) {
	if selection == nil {
		return nil
	}
	typ, path := selection.Recv(), selection.Index()
	for _, i := range path[:len(path)-1] {
		if pointer, ok := typ.Underlying().(*types.Pointer); ok {
			typ = pointer.Elem()
		}
		field := typ.Underlying().(*types.Struct).Field(i)
		fields, typ = append(fields, field), field.Type()
	}
	return fields
}

// label is an object's name, and what it is a method of.
func label(object types.Object, pkg *types.Package) string {
	if field, ok := object.(*types.Var); ok && field.IsField() {
		return "field " + object.Name()
	}
	function, ok := object.(*types.Func)
	if !ok || function.Signature().Recv() == nil {
		return object.Name()
	}
	receiver := types.TypeString(function.Signature().Recv().Type(), types.RelativeTo(pkg))
	return fmt.Sprintf("(%s).%s", receiver, object.Name())
}

// String has a line for each edge, with the names that are used.
func (found edges) String() string {
	var lines strings.Builder
	for _, e := range slices.SortedFunc(maps.Keys(found), compareEdges) {
		var names []string
		for _, use := range found[e] {
			if !slices.Contains(names, use.name) {
				names = append(names, use.name)
			}
		}
		fmt.Fprintf(&lines, "%s: %s\n", e, strings.Join(names, ", "))
	}
	return lines.String()
}

// upward lists the edges that lead to a file before their own.
func (found edges) upward(order []string) []edge {
	return slices.DeleteFunc(slices.SortedFunc(maps.Keys(found), compareEdges), func(e edge) bool {
		return slices.Index(order, e.to) > slices.Index(order, e.from)
	})
}

func compareEdges(a, b edge) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) }

// circles lists the sets of files in which each can be reached from each other one.
func (found edges) circles() [][]string {
	reached := map[string]map[string]bool{}
	for e := range found {
		if reached[e.from] == nil {
			reached[e.from] = found.reachable(e.from)
		}
	}
	var circles [][]string
	done := map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(reached)) {
		if done[file] || !reached[file][file] {
			continue
		}
		var circle []string
		for other := range reached[file] {
			if reached[other][file] {
				circle = append(circle, other)
				done[other] = true
			}
		}
		slices.Sort(circle)
		circles = append(circles, circle)
	}
	return circles
}

// reachable are the files that one uses, directly or not.
func (found edges) reachable(file string) map[string]bool {
	seen := map[string]bool{}
	for next := []string{file}; len(next) > 0; next = next[1:] {
		for e := range found {
			if e.from == next[0] && !seen[e.to] {
				seen[e.to] = true
				next = append(next, e.to)
			}
		}
	}
	return seen
}

// typed type-checks files, given by their names and texts, as one package.
func typed(t *testing.T, path string, packages types.Importer, texts map[string]string) edges {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		file, err := parser.ParseFile(fset, name, texts[name], parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	pkg, err := (&types.Config{Importer: packages}).Check(path, fset, files, info)
	require.NoError(t, err)
	return usesOf(fset, files, pkg, info)
}

func TestUsesOf(t *testing.T) {
	t.Parallel()
	found := typed(t, "example", nil, map[string]string{
		"a.go": "package example\n\ntype A struct{ inner }\n\nfunc top(a *A) int {\n\treturn a.b() + a.deep\n}\n",
		"b.go": "package example\n\nfunc (a *A) b() int { return middle }\n\ntype inner struct{ *innermost }\n",
		"c.go": "package example\n\nconst middle = low\n\ntype innermost struct{ deep int }\n\nvar _ = innermost{deep: top(nil)}\n",
		"d.go": "package example\n\nconst low = 1\n\nvar alone, low2 = low, func(low int) int { return low }\n",
	})
	names := map[string][]string{}
	for e, uses := range found {
		for _, use := range uses {
			names[e.String()] = append(names[e.String()], use.String())
		}
	}
	assert.Equal(t, map[string][]string{
		"a.go → b.go": {"inner at a.go:3", "(*A).b at a.go:6", "field innermost at a.go:6"},
		"a.go → c.go": {"field deep at a.go:6"},
		"b.go → a.go": {"A at b.go:3"},
		"b.go → c.go": {"middle at b.go:3", "innermost at b.go:5"},
		"c.go → a.go": {"top at c.go:7"},
		"c.go → d.go": {"low at c.go:3"},
	}, names)
	assert.Equal(t, []edge{{"b.go", "a.go"}, {"c.go", "a.go"}}, found.upward([]string{"a.go", "b.go", "c.go", "d.go"}))
	assert.Equal(t, [][]string{{"a.go", "b.go", "c.go"}}, found.circles())
}

// Each kind of use makes an edge that leads up.
func TestUsesThatLeadUp(t *testing.T) {
	t.Parallel()
	const (
		upper  = "package example\n\ntype Up struct{ field int }\n\nfunc (Up) method() {}\n\nfunc function() {}\n\nvar variable int\n\nconst constant = 1\n"
		lowest = "package example\n\nvar held Up\n\ntype alias = Up\n"
	)
	for text, want := range map[string]string{
		"func _() { function() }":      "function at low.go:2",
		"type _ Up":                    "Up at low.go:2",
		"func (Up) low() {}":           "Up at low.go:2",
		"var _ = variable":             "variable at low.go:2",
		"const _ = constant":           "constant at low.go:2",
		"var _ = held.method":          "(Up).method at low.go:2",
		"var _ = alias.method":         "(Up).method at low.go:2",
		"var _ = held.field":           "field field at low.go:2",
		"var _ = alias{field: 1}":      "field field at low.go:2",
		"type _ interface{ method() }": "",
	} {
		found := typed(t, "example", nil, map[string]string{"up.go": upper, "low.go": "package example\n" + text, "lowest.go": lowest})
		up := edge{"low.go", "up.go"}
		if want == "" {
			assert.NotContains(t, found, up, text)
			continue
		}
		assert.Contains(t, found.upward([]string{"up.go", "low.go", "lowest.go"}), up, text)
		assert.Equal(t, "["+want+"]", fmt.Sprint(found[up]), text)
	}
}

func TestCircles(t *testing.T) {
	t.Parallel()
	found := edges{{"a", "b"}: nil, {"b", "a"}: nil, {"b", "c"}: nil, {"c", "d"}: nil, {"d", "e"}: nil, {"e", "c"}: nil, {"e", "f"}: nil}
	assert.Equal(t, [][]string{{"a", "b"}, {"c", "d", "e"}}, found.circles())
}
