package docs

import (
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module  = "github.com/logtoguard/logtoguard"
	jwx     = "github.com/lestrrat-go/jwx/"
	jwxFile = "internal/jwks/key.go" // the only one that may import jwx
)

// importsOf lists what the module's files import, those of tests and of nested modules excepted.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	for _, path := range goFiles(t) {
		if isTest(path) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		imports[path] = nil
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			imports[path] = append(imports[path], name)
		}
	}
	return imports
}

// Replacing jwx must stay a change to one file.
func TestOnlyOneFileKnowsJWX(t *testing.T) {
	t.Parallel()
	imports := importsOf(t)
	require.Contains(t, imports, jwxFile)
	require.Contains(t, imports, "logtotest/server.go")
	for path, list := range imports {
		for _, name := range list {
			if strings.HasPrefix(name, jwx) && path != jwxFile {
				t.Errorf("%s imports %s: only %s may", path, name, jwxFile)
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
	t.Parallel()
	packages := goList(t, "-deps", "./...")
	require.Contains(t, packages, module+"/logtotest")
	for _, name := range packages {
		require.NotContains(t, name, "jwx/v2/jwe")
	}
}

// compiled returns an importer of packages and their dependencies, as their users'
// compiler sees them.
func compiled(t *testing.T, packages ...string) types.Importer {
	t.Helper()
	exports := map[string]string{}
	for _, line := range goList(t, append([]string{"-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, packages...)...) {
		name, file, _ := strings.Cut(line, " ")
		exports[name] = file
	}
	lookup := func(name string) (io.ReadCloser, error) { return os.Open(exports[name]) }
	return importer.ForCompiler(token.NewFileSet(), "gc", lookup)
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
	t.Parallel()
	pkg, err := compiled(t, ".").Import(module)
	require.NoError(t, err)
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
