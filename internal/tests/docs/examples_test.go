package docs

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packages are those that users import, by their folders.
var packages = []string{".", "m2m", "revocation", "logtotest"}

// documentation is a package as pkg.go.dev shows it, with its examples.
func documentation(t *testing.T, folder string) *doc.Package {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, module+"/"+folder)
	require.NoError(t, err)
	return pkg
}

// calledByOthers are methods that fmt, errors, net and log/slog call, not users.
var calledByOthers = []string{"Error", "Unwrap", "Timeout", "String", "GoString", "Format", "LogValue"}

func TestEveryFunctionHasAnExample(t *testing.T) {
	t.Parallel()
	for _, folder := range packages {
		t.Run(folder, func(t *testing.T) {
			pkg := documentation(t, folder)
			assertExamples(t, pkg.Funcs)
			for _, typ := range pkg.Types {
				assertExamples(t, typ.Funcs)
				assertExamples(t, slices.DeleteFunc(typ.Methods, func(method *doc.Func) bool {
					return slices.Contains(calledByOthers, method.Name) || typ.Name == "Claims" && method.Decl.Type.Params.NumFields() == 0
				}))
				if typ.Name == "Claims" {
					assert.True(t, runs(typ.Examples), "ExampleClaims shows what is read of Claims")
				}
			}
		})
	}
}

func assertExamples(t *testing.T, functions []*doc.Func) {
	t.Helper()
	for _, f := range functions {
		assert.True(t, runs(f.Examples), "%s %s has no example with an output", f.Recv, f.Name)
	}
}

func runs(examples []*doc.Example) bool {
	return slices.ContainsFunc(examples, func(e *doc.Example) bool { return e.Output != "" })
}
