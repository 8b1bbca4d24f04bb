package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// sentinelsIn lists the identifiers Err… in the declaration of a variable, or in the
// names of a file's variables if none is named.
func sentinelsIn(t *testing.T, file, variable string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	var names []string
	add := func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && strings.HasPrefix(id.Name, "Err") && !slices.Contains(names, id.Name) {
			names = append(names, id.Name)
		}
		return true
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			switch {
			case variable == "":
				add(name)
			case name.Name == variable:
				ast.Inspect(spec.Values[i], add)
			}
		}
		return false
	})
	slices.Sort(names)
	return names
}

// An error that the library gets later can't be forgotten here.
func TestEveryErrorHasAdviceAndACheck(t *testing.T) {
	all := sentinelsIn(t, "../../errors.go", "")
	require.GreaterOrEqual(t, len(all), 19)
	assert.Equal(t, all, sentinelsIn(t, "advice.go", "remedies"))
	// These no check makes: this command runs no Check, and closes no guard in use.
	made := slices.DeleteFunc(all, func(name string) bool { return name == "ErrRefusedByCheck" || name == "ErrClosed" })
	assert.Equal(t, made, sentinelsIn(t, "checks.go", "checks"))
}

func TestNoAdviceIsEmpty(t *testing.T) {
	for _, remedy := range remedies {
		q := &inquiry{err: remedy.refusal, watch: newWatcher(t.Context(), nil), issuers: []string{"https://logto.example/oidc"},
			cfg: logtoguard.Config{Audience: []string{shopping}}}
		lines := q.advice()
		assert.NotEmpty(t, lines, remedy.refusal)
		for _, line := range lines {
			assert.NotEmpty(t, line, remedy.refusal)
			assert.NotContains(t, line, "%!")
		}
	}
}

// Of two faults the library finds the one first that comes first in the list.
func TestChecksAreInTheLibrarysOrder(t *testing.T) {
	logto := startLogto(t, noon)
	var rows []int // one for each check that an edit can fail
	for i, row := range refusals {
		first := !slices.ContainsFunc(rows, func(j int) bool { return refusals[j].check == row.check })
		if len(row.edits) > 0 && len(row.flags) == 0 && first {
			rows = append(rows, i)
		}
	}
	var order []string
	for _, c := range checks {
		order = append(order, c.name)
	}
	require.Len(t, rows, 17)
	for _, i := range rows {
		for _, j := range rows {
			one, other := refusals[i], refusals[j]
			if slices.Index(order, one.check) >= slices.Index(order, other.check) {
				continue
			}
			minted := logto.Mint(logtotest.Token{Subject: "shop"}, append(slices.Clone(other.edits), one.edits...)...)
			var want *logtoguard.Error
			flags := []string{"explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json"}
			require.ErrorAs(t, judged(t, logto.Endpoint(), minted, flags), &want)
			require.ErrorIs(t, want, one.is, "%s before %s", one.name, other.name)
			require.Equal(t, one.check, session{stdin: minted, now: noon}.run(t, flags...).report(t).failed(), "%s before %s", one.name, other.name)
		}
	}
}
