package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

// A sheet takes values round by round, and prints their medians and quartiles.
type sheet struct {
	corner  string // what the rows are, maybe in several cells
	columns []column
	rows    []*row
}

type column struct{ head, format string }

// A row has the values of each column, or else its text.
type row struct {
	name   string
	values map[string][]float64
	texts  map[string]string
}

func newSheet(corner string, columns ...column) *sheet {
	return &sheet{corner: corner, columns: columns}
}

// row is the one of that name, a new one below the others if there is none.
func (s *sheet) row(cells ...any) *row {
	if r := s.find(cells); r != nil {
		return r
	}
	r := &row{name(cells), make(map[string][]float64), make(map[string]string)}
	s.rows = append(s.rows, r)
	return r
}

func (s *sheet) find(cells []any) *row {
	if i := slices.IndexFunc(s.rows, func(r *row) bool { return r.name == name(cells) }); i >= 0 {
		return s.rows[i]
	}
	return nil
}

func name(cells []any) string {
	return strings.TrimSuffix(fmt.Sprintf(strings.Repeat("%v | ", len(cells)), cells...), " | ")
}

func (r *row) add(head string, value float64) { r.values[head] = append(r.values[head], value) }

// last is the value of the present round.
func (r *row) last(head string) float64 {
	values := r.values[head]
	return values[len(values)-1]
}

// relate adds the ratio to another row's value of the same round, if there is that row.
func (s *sheet) relate(r *row, head, of string, cells ...any) {
	if to := s.find(cells); to != nil {
		r.add(head, r.last(of)/to.last(of))
	}
}

func (r *row) cell(c column) string {
	values := r.values[c.head]
	if len(values) == 0 {
		return cmp.Or(r.texts[c.head], "–")
	}
	at := func(q float64) string { return fmt.Sprintf(c.format, stat.Quantile(values, q)) }
	if low, middle, high := at(0.25), at(0.5), at(0.75); low != high {
		return fmt.Sprintf("%s (%s–%s)", middle, low, high)
	}
	return at(0.5)
}

// print prints the sheet as a table in Markdown.
func (s *sheet) print(out io.Writer) {
	fmt.Fprintf(out, "| %s |", s.corner)
	for _, c := range s.columns {
		fmt.Fprintf(out, " %s |", c.head)
	}
	fmt.Fprintf(out, "\n|%s%s\n", strings.Repeat("---|", 1+strings.Count(s.corner, " | ")), strings.Repeat("---:|", len(s.columns)))
	for _, r := range s.rows {
		fmt.Fprintf(out, "| %s |", r.name)
		for _, c := range s.columns {
			fmt.Fprintf(out, " %s |", r.cell(c))
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out)
}
