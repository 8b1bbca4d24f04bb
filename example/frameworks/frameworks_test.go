// Package frameworks checks what is said of the directories in it.
package frameworks

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const maxGlue = 25

// linesOfCode counts the lines with code on them, after the imports.
func linesOfCode(t *testing.T, source []byte) int {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, 0)
	require.NoError(t, err)
	start := file.Name.End()
	for _, declaration := range file.Decls {
		if general, ok := declaration.(*ast.GenDecl); ok && general.Tok == token.IMPORT {
			start = general.End()
		}
	}
	after := files.Position(start).Offset
	code := token.NewFileSet()
	position := code.AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(position, source, nil, 0)
	lines := map[int]bool{}
	for {
		at, kind, text := s.Scan()
		if kind == token.EOF {
			return len(lines)
		}
		if position.Offset(at) >= after && text != "\n" {
			for i := range strings.Count(text, "\n") + 1 {
				lines[position.Line(at)+i] = true
			}
		}
	}
}

func TestLinesOfCode(t *testing.T) {
	require.Equal(t, 5, linesOfCode(t, []byte("package p\n\nimport \"os\"\n\n// c\nfunc f() {\n\n\t_ = os.Args // d\n\t_ = `a\nb`\n}\n")))
	require.Equal(t, 1, linesOfCode(t, []byte("package p\n\nvar a = 1\n")))
}

func TestGlueIsSmall(t *testing.T) {
	glue, err := filepath.Glob("*/glue.go")
	require.NoError(t, err)
	require.NotEmpty(t, glue)
	for _, path := range glue {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		require.LessOrEqual(t, linesOfCode(t, source), maxGlue, path)
	}
}

var (
	fence   = regexp.MustCompile("(?s)```go (example/frameworks/[^\n]*)\n(.*?)```")
	imports = regexp.MustCompile(`(?s)^.*?\nimport \(.*?\n\)\n+`)
)

// A block of the README names the file that it shows, and shows it whole but for
// its package clause and imports.
func TestReadmeShowsTheseFiles(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	shown := map[string]bool{}
	for _, block := range fence.FindAllSubmatch(readme, -1) {
		path := strings.TrimPrefix(string(block[1]), "example/frameworks/")
		source, err := os.ReadFile(path)
		require.NoError(t, err, "the README shows a file that is not there")
		require.Equal(t, string(imports.ReplaceAll(source, nil)), string(block[2]), path)
		shown[path] = true
	}
	commands, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	require.Len(t, commands, 10)
	for _, command := range commands {
		section := filepath.Dir(command)
		require.True(t, strings.Contains(string(readme), "(example/frameworks/"+section+")"), "the README has no section for %s", section)
		for _, name := range []string{"glue.go", "routes.go"} {
			path := filepath.Join(section, name)
			if _, err := os.Stat(path); err == nil {
				require.True(t, shown[path], "the README does not show %s", path)
			}
		}
	}
}
