package main

import (
	_ "embed"
	"io"
	"strings"
	"text/template"
)

// What is printed at start can be pasted into a shell as a whole, or piped into
// one. Remarks keep to letters, digits and plain punctuation: zsh, which takes
// no comments when used by hand, then complains of an unknown command only.
// Values come from the environment, so all of them are quoted.

//go:embed demo.sh.tmpl
var demoLines string

//go:embed logto.sh.tmpl
var logtoLines string

// lastLine ends what is printed, for programs that read it.
const lastLine = "# Ctrl-C ends the shopping API."

// printWelcome says where things are and how to try them.
func printWelcome(w io.Writer, lines string, set settings, api string) error {
	tmpl, err := template.New("").Funcs(template.FuncMap{"sh": shellQuote}).Parse(lines)
	if err != nil {
		return err
	}
	return tmpl.Execute(w, map[string]string{
		"API":      api,
		"Logto":    strings.TrimSuffix(strings.TrimRight(set.endpoint, "/"), "/oidc"), // as the guard takes it
		"Resource": set.audience,
		"LastLine": lastLine,
	})
}

// shellQuote joins its parts to one word of a POSIX shell.
func shellQuote(parts ...string) string {
	return "'" + strings.ReplaceAll(strings.Join(parts, ""), "'", `'\''`) + "'"
}
