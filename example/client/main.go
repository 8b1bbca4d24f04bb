// Command client calls the shopping API, and then Logto's Management API, as
// machines do. It is meant to be copied from.
//
//	go run ./example/client
//
// in a second shell, while go run ./example runs in the first, plays the demo
// applications: shop-reader, shop-manager, acme-bot and acme-viewer. It prints a line
// for each step, and its exit status is 0 only if every step went as it should. It
// adds a product and an order each time.
//
// Settings are environment variables. Three are those of the API:
//
//	ADDR             where the API listens: 127.0.0.1:8080
//	DEMO_LOGTO_ADDR  where the stand-in for Logto listens: 127.0.0.1:3001
//	LOGTO_AUDIENCE   the API's resource indicator at Logto: https://shopping.api
//
// With LOGTO_ENDPOINT it does the same with one application of a real Logto. What
// the application's roles don't allow should then be refused, the rest succeed:
//
//	LOGTO_ENDPOINT         the Logto that issues the tokens
//	LOGTO_APP_ID           a machine-to-machine application of it
//	LOGTO_APP_SECRET       its secret
//	LOGTO_ORGANIZATION_ID  an organization that it is in; without it the steps with orders are skipped
//	LOGTO_TENANT_ID        whose Management API: default, as self-hosted; the abc of https://abc.logto.app
//	LOGTO_INSECURE_HTTP    true allows http:// beyond loopback (compose networks)
//	API_URL                where the API is: http:// and ADDR
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	requestTimeout = 10 * time.Second // an API that has just started may wait 5 s for Logto's keys
	stepTimeout    = 15 * time.Second // with the wait for a token
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

// run is main with its surroundings passed in, so that tests can call it.
func run(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	set, err := readSettings(getenv)
	if err != nil {
		return err
	}
	if err := wantRunning(ctx, set); err != nil {
		return err
	}
	out := &output{to: stdout}
	fmt.Fprintf(out, "The shopping API is at %s, Logto at %s.\n\n", set.api, set.endpoint)
	err = play(ctx, out, set.sessions())
	return errors.Join(err, out.failure)
}

// output remembers that something could not be written: a report that was not
// delivered is not a success.
type output struct {
	to      io.Writer
	failure error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil && o.failure == nil {
		o.failure = fmt.Errorf("the report can't be written: %w", err)
	}
	return n, err
}

// wantRunning asks first whether the servers answer. Otherwise each step would say
// that they don't, and none of them what to do about it.
func wantRunning(ctx context.Context, set settings) error {
	if err := answers(ctx, set.api+"/healthz"); err != nil {
		if set.demo {
			return fmt.Errorf("no API at %s: %w: start it in another shell, with go run ./example, "+
				"or set ADDR and DEMO_LOGTO_ADDR as they are set for it", set.api, err)
		}
		return fmt.Errorf("no API at %s: %w: start it in another shell, with LOGTO_ENDPOINT set as here "+
			"and go run ./example, or set API_URL to where it is", set.api, err)
	}
	if !set.demo {
		return nil // what is wrong with a real Logto, m2m says
	}
	if err := answers(ctx, set.endpoint+"/oidc/jwks"); err != nil {
		return fmt.Errorf("an API is at %s, but no stand-in for Logto at %s: %w: set DEMO_LOGTO_ADDR as it is set for the API, "+
			"or LOGTO_ENDPOINT if the API runs with a real Logto", set.api, set.endpoint, err)
	}
	return nil
}

// answers takes any answer, also an error's: the steps judge those.
func answers(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := newHTTPClient().Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return failed.Err // without the address, which our error has already
	}
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// newHTTPClient has what http.DefaultClient lacks: a time-out. It follows no
// redirects: an API that answers with one is not where we were told it is.
func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
