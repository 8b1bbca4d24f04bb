package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/logtoguard/logtoguard"
)

// result is a check with its outcome.
type result struct {
	Name     string `json:"name"`
	Result   string `json:"result"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

func (q *inquiry) results() []result {
	list := q.applicable()
	failed := q.failedCheck(list)
	results := make([]result, len(list))
	for i, c := range list {
		r := result{Name: c.name, Result: "passed", Expected: c.expected(q)}
		switch {
		case q.err != nil && i == failed:
			r.Result = "failed"
		case q.err != nil && i > failed:
			r.Result = "not_reached"
		}
		if r.Result != "not_reached" {
			r.Found = c.found(q)
		}
		results[i] = r
	}
	return results
}

func (p *program) report(q *inquiry, asJSON bool) (string, error) {
	warnings := q.watch.warned()
	if errors.Is(q.err, logtoguard.ErrWrongAudience) { // the advice is about it
		warnings = slices.DeleteFunc(warnings, func(s string) bool { return strings.HasPrefix(s, "-audience ends in a slash") })
	}
	notes := append(warnings, q.notes...)
	if asJSON {
		return q.json(notes)
	}
	t := &text{colour: p.colour()}
	t.token(q)
	t.checks(q)
	t.verdict(q)
	for _, line := range q.advice() {
		t.printf("  → %s\n", line)
	}
	for _, note := range notes {
		t.printf("  (%s)\n", note)
	}
	return t.String(), nil
}

// text is a report for people.
type text struct {
	strings.Builder
	colour bool
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }

const (
	red   = "31"
	green = "32"
	faint = "2"
	bold  = "1"
)

func (t *text) in(colour, s string) string {
	if !t.colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// colour follows https://no-color.org.
func (p *program) colour() bool {
	out, ok := p.stdout.(*os.File)
	return ok && isTerminal(out) && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb"
}

func (t *text) token(q *inquiry) {
	if len(q.token.header.members)+len(q.token.claims.members) == 0 {
		return
	}
	title := "The token"
	if q.claims == nil {
		title = "The token, as it says of itself: this is not verified"
	}
	t.printf("%s\n", t.in(bold, title))
	t.object("header", q.token.header, q.at)
	t.object("claims", q.token.claims, q.at)
	t.printf("  signature %s\n\n", t.in(faint, fmt.Sprintf("%d bytes, not shown", q.token.signature)))
}

func (t *text) object(title string, o object, at time.Time) {
	if len(o.members) == 0 {
		return
	}
	t.printf("  %s\n", title)
	width := nameWidth
	for _, m := range o.members {
		width = min(max(width, len(show(m.name))), 2*nameWidth)
	}
	for _, m := range o.members {
		value := showValue(m.raw)
		switch m.name {
		case "exp", "iat", "nbf":
			if when, ok := o.instant(m.name); ok {
				value += t.in(faint, "  "+clock(when)+", "+relative(when, at))
			}
		}
		t.printf("    %-*s  %s\n", width, show(m.name), value)
	}
}

const nameWidth = len("organization_id")

func (t *text) checks(q *inquiry) {
	t.printf("%s\n", t.in(bold, "The checks, in their order"))
	var rest []string
	for _, r := range q.results() {
		switch r.Result {
		case "passed":
			t.printf("  %s %-*s  %s\n", t.in(green, "✓"), nameWidth, r.Name, r.Found)
		case "failed":
			t.printf("  %s %-*s  expected: %s\n", t.in(red, "✗"), nameWidth, r.Name, r.Expected)
			t.printf("    %-*s  found:    %s\n", nameWidth, "", r.Found)
		default:
			rest = append(rest, r.Name)
		}
	}
	if len(rest) > 0 {
		t.printf("  %s\n", t.in(faint, "not reached: "+strings.Join(rest, ", ")))
	}
	t.printf("\n")
}

func (t *text) verdict(q *inquiry) {
	refusal := q.refusal()
	switch q.verdict() {
	case "let_in":
		t.printf("%s\n", t.in(green, "It would be let in."))
		return
	case "not_judged":
		t.printf("%s %d, %s\n", t.in(red, "It could not be judged:"), refusal.Status, refusal.Description)
	default:
		t.printf("%s %d, %s\n", t.in(red, "It would be refused:"), refusal.Status, refusal.Description)
	}
	if challenge := refusal.Challenge(); challenge != "" {
		t.printf("  WWW-Authenticate: %s\n", challenge)
	}
}

// json is the shape that the help text promises.
func (q *inquiry) json(notes []string) (string, error) {
	refusal := q.refusal()
	return asciiJSON(map[string]any{
		"verdict":     q.verdict(),
		"reason":      refusal.Reason,
		"status":      refusal.Status,
		"description": refusal.Description,
		"challenge":   refusal.Challenge(),
		"checks":      q.results(),
		"header":      q.token.header.forJSON(),
		"claims":      q.token.claims.forJSON(),
		"advice":      append([]string{}, q.advice()...), // never null
		"notes":       append([]string{}, notes...),
	})
}

func (o object) forJSON() map[string]json.RawMessage {
	if !o.strict {
		return nil
	}
	members := make(map[string]json.RawMessage)
	for _, m := range o.members {
		members[m.name] = json.RawMessage(m.raw)
	}
	return members
}

// asciiJSON escapes all else, so that no terminal takes part of it for a command.
func asciiJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, r := range string(data) {
		switch {
		case r >= ' ' && r <= '~':
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String() + "\n", nil
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// relative says how far t is from now.
func relative(t, now time.Time) string {
	switch d := t.Sub(now); {
	case d >= time.Second:
		return "in " + span(d)
	case d > -time.Second:
		return "just now"
	default:
		return span(-d) + " ago"
	}
}

// span rounds down.
func span(d time.Duration) string {
	units := []struct {
		least, unit time.Duration
		name        string
	}{{48 * time.Hour, 24 * time.Hour, "days"}, {2 * time.Hour, time.Hour, "hours"}, {2 * time.Minute, time.Minute, "minutes"}}
	for _, u := range units {
		if d >= u.least {
			return fmt.Sprintf("%d %s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
