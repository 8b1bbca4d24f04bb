package logtoguard_test

import (
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const jwx = "github.com/lestrrat-go/jwx/"

// importsOf lists what the module's files import, those of tests and of nested modules excepted.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".":
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if err == nil || strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		imports[filepath.ToSlash(path)] = nil
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			imports[filepath.ToSlash(path)] = append(imports[filepath.ToSlash(path)], name)
		}
		return nil
	})
	require.NoError(t, err)
	return imports
}

// Replacing jwx must stay a change to one file.
func TestOnlyOneFileKnowsJWX(t *testing.T) {
	imports := importsOf(t)
	require.Contains(t, imports, "jwks.go")
	require.Contains(t, imports, "logtotest/server.go")
	for path, list := range imports {
		for _, name := range list {
			if strings.HasPrefix(name, jwx) && path != "jwks.go" {
				t.Errorf("%s imports %s: only jwks.go may", path, name)
			}
		}
	}
}

// goList runs go list in the module's root; -mod=readonly keeps go.mod as it is.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-mod=readonly"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// Nobody here decrypts, so nobody shall be able to send a bomb to decrypt.
func TestNothingImportsJWE(t *testing.T) {
	packages := goList(t, "-deps", "./...")
	require.Contains(t, packages, "github.com/logtoguard/logtoguard/logtotest")
	for _, name := range packages {
		require.NotContains(t, name, "jwx/v2/jwe")
	}
}

// compiled loads the package as its users' compiler sees it.
func compiled(t *testing.T) *types.Package {
	t.Helper()
	const path = "github.com/logtoguard/logtoguard"
	exports := map[string]string{}
	for _, line := range goList(t, "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".") {
		name, file, _ := strings.Cut(line, " ")
		exports[name] = file
	}
	lookup := func(name string) (io.ReadCloser, error) { return os.Open(exports[name]) }
	pkg, err := importer.ForCompiler(token.NewFileSet(), "gc", lookup).Import(path)
	require.NoError(t, err)
	return pkg
}

// exposed lists the types that users can name or reach through an exported name.
func exposed(object types.Object) []types.Type {
	name, ok := object.(*types.TypeName)
	if !ok {
		return []types.Type{object.Type()}
	}
	list := []types.Type{types.Unalias(name.Type())} // what an alias stands for
	methods := types.NewMethodSet(types.NewPointer(name.Type()))
	for method := range methods.Methods() {
		if method.Obj().Exported() {
			list = append(list, method.Type())
		}
	}
	structure, ok := name.Type().Underlying().(*types.Struct)
	if !ok {
		return append(list, name.Type().Underlying())
	}
	for field := range structure.Fields() {
		if field.Exported() {
			list = append(list, field.Type())
		}
	}
	return list
}

// namesOfJWX are the ways to write a type of jwx: its own names, and the package's aliases for them.
func namesOfJWX(pkg *types.Package) []string {
	names := []string{jwx}
	for _, name := range pkg.Scope().Names() {
		object, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if ok && object.IsAlias() && strings.Contains(types.TypeString(types.Unalias(object.Type()), nil), jwx) {
			names = append(names, types.TypeString(object.Type(), nil))
		}
	}
	return names
}

func TestNoExportedNameMentionsJWX(t *testing.T) {
	pkg := compiled(t)
	hidden, seen := namesOfJWX(pkg), 0
	for _, name := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		for _, exposed := range exposed(object) {
			seen++
			for _, jwxName := range hidden {
				require.NotContains(t, types.TypeString(exposed, nil), jwxName, name)
			}
		}
	}
	require.Greater(t, seen, 50)
}
