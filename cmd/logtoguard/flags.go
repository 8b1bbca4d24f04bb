package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/logtoguard/logtoguard"
)

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// words is a list whose values may hold several, with spaces between.
type words struct{ list }

func (w *words) Set(value string) error {
	w.list = append(w.list, strings.Fields(value)...)
	return nil
}

// long is what may be a token that stands where a flag was expected.
var long = regexp.MustCompile(`[^\s"]{24,}`)

// parse reads the flags of a command; help is shown before their list.
func (p *program) parse(flags *flag.FlagSet, help string, args []string) error {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		var text strings.Builder
		text.WriteString(help + "\nFlags:\n")
		flags.SetOutput(&text)
		flags.PrintDefaults()
		if err := p.print(text.String()); err != nil {
			return err
		}
		return flag.ErrHelp
	case err != nil:
		return misused("%s", long.ReplaceAllString(err.Error(), "(left out, as it may be secret)"))
	}
	return nil
}

// noArguments refuses them without repeating them.
func noArguments(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return misused("it takes flags only, each with a - before its name")
	}
	return nil
}

// inFlags turns the names that settings have in Go into those that they have here.
var inFlags = strings.NewReplacer(
	"logtoguard: ", "", "m2m: Config: ", "", "m2m: ", "", "Config: ", "",
	"CustomDomains", "-custom-domain", "OrganizationTokens", "-organization-tokens", "OrganizationScopes", "-organization-scope", "JWKSURL", "-jwks-url",
	"InsecureHTTP", "-insecure-http", "ClockSkew", "-clock-skew", "Endpoint", "-endpoint", "Audience", "-audience",
	"AcceptFewerScopes", "-accept-fewer-scopes", "OrganizationID", "-organization", "AppSecret", "LOGTO_APP_SECRET",
	"AppID", "-app", "Resource", "-resource", "Scopes", "-scope", "RequireOrganization", "-organization",
)

// keyFlags say where the keys are.
type keyFlags struct {
	endpoint, jwksURL, file string
	insecureHTTP            bool
}

func (k *keyFlags) define(flags *flag.FlagSet) {
	flags.StringVar(&k.endpoint, "endpoint", "", "Logto's endpoint, such as https://tenant-id.logto.app: its `URL`")
	flags.StringVar(&k.jwksURL, "jwks-url", "", "where the keys are, if not at the endpoint's /oidc/jwks: their `URL`")
	flags.StringVar(&k.file, "keys", "", "work offline, with the key set in this `FILE`")
	flags.BoolVar(&k.insecureHTTP, "insecure-http", false, "allow http:// beyond loopback")
}

// load has the watcher ask Logto, or the file.
func (k *keyFlags) load(ctx context.Context, w *watcher) error {
	w.base, w.file = http.DefaultTransport, k.file
	if k.file == "" {
		return nil
	}
	set, err := interruptible(ctx, func() (string, error) { return readFile("-keys", k.file) })
	w.base = keySet(set)
	return err
}

// config is the part of a guard's Config that these flags set. The guard reports to
// the watcher.
func (k *keyFlags) config(w *watcher) logtoguard.Config {
	return logtoguard.Config{
		Endpoint:       k.endpoint,
		JWKSURL:        k.jwksURL,
		InsecureHTTP:   k.insecureHTTP,
		HTTPClient:     &http.Client{Transport: w},
		Logger:         w.logger(),
		Now:            w.now,
		TokenCacheSize: -1,
	}
}

// where names the keys' source.
func (k *keyFlags) where() string {
	switch {
	case k.file != "":
		return k.file
	case k.jwksURL != "":
		address, _, _ := strings.Cut(k.jwksURL, "?") // a query may be a secret
		return address
	}
	return strings.TrimSuffix(strings.TrimRight(k.endpoint, "/"), "/oidc") + "/oidc/jwks"
}

// readFile reads the file that a flag names.
func readFile(flag, name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", misused("%s: %v", flag, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return "", misused("%s: %v", flag, err)
	case len(text) > maxFile:
		return "", misused("%s: %s is longer than 1 MiB", flag, name)
	}
	return decoded(text), nil
}

// newGuard makes a guard, and speaks of faults by the names of the flags.
func newGuard(cfg logtoguard.Config) (*logtoguard.Guard, error) {
	guard, err := logtoguard.New(cfg)
	if err != nil {
		return nil, misused("%s", inFlags.Replace(fmt.Sprint(err)))
	}
	return guard, nil
}
