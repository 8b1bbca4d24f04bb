package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/logtoguard/logtoguard"
)

const keysHelp = `logtoguard keys [flags]

It lists the keys that Logto publishes, and says of each whether logtoguard uses it
to judge the tokens that logtoguard explain is asked about.

  logtoguard keys -endpoint https://tenant-id.logto.app
  logtoguard keys -keys keys.json            offline

Exit status: 0 there is at least one usable key, 1 there is none, 2 wrong usage,
3 the keys could not be fetched, or what came is no JSON object.

-json prints one object with the member keys, an array; each has kid, type, alg and
use as published, used (true or false) and why_not.
`

// maxKeys is the most that a guard takes from one set.
const maxKeys = 1000

// nowhere is an endpoint for guards that fetch nothing.
const nowhere = "https://localhost"

// key is a published key, as far as it can be read: for display.
type key struct {
	object
	id  string
	raw jsontext.Value
}

func readKeys(set []byte) (keys []key) {
	for _, raw := range elements(readObject(set).get("keys")) {
		o := readObject(raw)
		keys = append(keys, key{object: o, id: o.text("kid"), raw: raw})
	}
	return keys
}

// kind is the key's type, with its curve or size.
func (k key) kind() string {
	kind := show(k.text("kty"))
	switch {
	case k.has("crv"):
		return kind + " " + show(k.text("crv"))
	case k.has("n"):
		modulus, _ := base64.RawURLEncoding.DecodeString(k.text("n"))
		return fmt.Sprintf("%s %d", kind, new(big.Int).SetBytes(modulus).BitLen())
	}
	return kind
}

// ready makes a guard for the watcher, and waits until the guard has keys or says
// why it has none.
func (w *watcher) ready(cfg logtoguard.Config) error {
	cfg.Audience = []string{"urn:none"} // no token is judged
	guard, err := newGuard(cfg)
	if err != nil {
		return err
	}
	defer guard.Close()
	return guard.Ready(w.failed)
}

type keyVerdict struct {
	used bool
	why  string
}

// judgeKey asks the library about the published keys with this kid: a guard that gets
// no others either has a key then, or not. The reasons are those of the keys that it
// skips.
func (p *program) judgeKey(ctx context.Context, id string, published []key) keyVerdict {
	var alike []string
	for _, k := range published {
		if k.id == id {
			alike = append(alike, string(k.raw))
		}
	}
	keys := keyFlags{endpoint: nowhere}
	w := newWatcher(ctx, p.now)
	cfg := keys.config(w)
	w.base = keySet(`{"keys":[` + strings.Join(alike, ",") + `]}`)
	used := w.ready(cfg) == nil
	return keyVerdict{used, w.whyNot()}
}

type listedKey struct {
	ID     string `json:"kid"`
	Kind   string `json:"type"`
	Alg    string `json:"alg"`
	Use    string `json:"use"`
	Used   bool   `json:"used"`
	WhyNot string `json:"why_not"`
}

func (p *program) keys(ctx context.Context, args []string) error {
	var from keyFlags
	flags := flag.NewFlagSet("keys", flag.ContinueOnError)
	from.define(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := errors.Join(p.parse(flags, keysHelp, args), noArguments(flags)); err != nil {
		return err
	}
	if from.file != "" {
		from.endpoint = cmp.Or(from.endpoint, nowhere)
	}
	w := newWatcher(ctx, p.now)
	if err := from.load(ctx, w); err != nil {
		return err
	}
	failed := w.ready(from.config(w))
	if misuse := (*failure)(nil); errors.As(failed, &misuse) {
		return failed
	}
	if !w.hasObject() {
		return &failure{undecided, "no keys: " + w.whyNoKeys()}
	}
	published := w.published()
	if len(published) > maxKeys {
		published = nil
	}
	list := make([]listedKey, len(published))
	verdicts := map[string]keyVerdict{}
	for i, k := range published {
		v, judged := verdicts[k.id]
		if !judged {
			v = p.judgeKey(ctx, k.id, published)
			verdicts[k.id] = v
		}
		list[i] = listedKey{k.id, k.kind(), k.text("alg"), k.text("use"), v.used, v.why}
	}
	report, err := listKeys(list, *asJSON)
	if err != nil {
		return err
	}
	if err := p.print(report); err != nil || failed == nil {
		return err
	}
	return &failure{refused, w.whyNoKeys()}
}

func listKeys(list []listedKey, asJSON bool) (string, error) {
	if asJSON {
		return asciiJSON(map[string]any{"keys": list})
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KID\tTYPE\tALG\tUSE\tLOGTOGUARD")
	for _, k := range list {
		verdict := "uses it"
		switch {
		case !k.Used:
			verdict = "skips it: " + k.WhyNot
		case k.WhyNot != "":
			verdict = "uses it; skips another one with this kid: " + k.WhyNot
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", show(k.ID), k.Kind, dash(k.Alg), dash(k.Use), verdict)
	}
	err := table.Flush()
	return text.String(), err
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return show(s)
}
