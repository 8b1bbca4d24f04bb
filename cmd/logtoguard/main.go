// Command logtoguard explains why an API refuses a token of Logto, gets tokens to
// try it with, lists the keys by which tokens are judged, and is a Logto to develop
// against.
//
//	logtoguard explain -endpoint https://tenant-id.logto.app -audience https://shopping.api < token
//	logtoguard token -endpoint https://tenant-id.logto.app -app my-app -resource https://shopping.api
//	logtoguard keys -endpoint https://tenant-id.logto.app
//	logtoguard dev -audience https://orders.api -scope read:orders
//
// Each command has its own help: logtoguard explain -h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit statuses.
const (
	fine       = 0 // the token would be let in; there is a token; there are usable keys; dev was ended
	refused    = 1
	wrongUsage = 2
	undecided  = 3 // Logto or its keys could not be reached, or the report could not be written
)

const usage = `logtoguard explains why an API that is guarded by logtoguard refuses a token.

  logtoguard explain   takes a token apart and says what is wrong with it
  logtoguard token     prints an access token of a machine-to-machine application, or of a user
  logtoguard keys      lists the keys that Logto publishes
  logtoguard dev       is a Logto to develop an API against

logtoguard explain -h and its like show flags and examples.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	p := &program{getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: time.Now}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// program is a process with its surroundings passed in, so that tests can run it.
type program struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
}

func (p *program) run(ctx context.Context, args []string) int {
	commands := map[string]func(context.Context, []string) error{
		"explain": p.explain,
		"token":   p.token,
		"keys":    p.keys,
		"dev":     p.dev,
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "help", "-h", "-help", "--help":
		return p.exitStatus("", p.print(usage))
	}
	command, known := commands[name]
	if !known {
		// The argument is not repeated: it may be a token.
		fmt.Fprint(p.stderr, "logtoguard: name a command first\n\n"+usage)
		return wrongUsage
	}
	return p.exitStatus(name, command(ctx, args[1:]))
}

// failure is an error with an exit status. Without a text there is nothing more to say.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func misused(format string, args ...any) error {
	return &failure{wrongUsage, fmt.Sprintf(format, args...)}
}

func (p *program) exitStatus(command string, err error) int {
	f := &failure{status: undecided}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return fine
	case !errors.As(err, &f):
		f.text = err.Error()
	}
	if f.text != "" {
		fmt.Fprintf(p.stderr, "logtoguard %s: %s\n", command, f.text)
	}
	if f.status == wrongUsage {
		fmt.Fprintf(p.stderr, "logtoguard %s -h shows how to use it\n", command)
	}
	return f.status
}

// print writes a whole report. One that is not delivered is a failure.
func (p *program) print(report string) error {
	if _, err := io.WriteString(p.stdout, report); err != nil {
		return &failure{undecided, fmt.Sprintf("the report can't be written: %v", err)}
	}
	return nil
}
