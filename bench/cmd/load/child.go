package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// The command is also its own servers and attackers, in processes of their own. Each
// reads its job from the first line of its input, answers when it is ready, and then
// answers each further line, until its input ends.
const (
	serveArgument  = "serve"
	attackArgument = "attack"
)

// runChild does the work of a child process, if this is one.
func runChild() (child bool, err error) {
	if len(os.Args) != 2 {
		return false, nil
	}
	switch os.Args[1] {
	case serveArgument:
		return true, serve(os.Stdin, os.Stdout)
	case attackArgument:
		return true, attack(os.Stdin, os.Stdout)
	}
	return false, nil
}

// readJob reads the first line.
func readJob(in *bufio.Reader, job any) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, job)
}

// A child is such a process.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// self is this program.
const self = "/proc/self/exe"

// startChild starts one and returns its first answer.
func startChild(binary, argument string, job any) (c child, ready string, err error) {
	c.command = exec.Command(binary, argument)
	c.command.Stderr = os.Stderr
	if c.in, err = c.command.StdinPipe(); err != nil {
		return c, "", err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return c, "", err
	}
	c.out = bufio.NewReader(out)
	if err := c.command.Start(); err != nil {
		return c, "", err
	}
	order, err := json.Marshal(job)
	if err == nil {
		ready, err = c.ask(string(order))
	}
	if err != nil {
		return c, "", fmt.Errorf("%s %s: %w", binary, argument, errors.Join(err, c.stop()))
	}
	return c, ready, nil
}

func (c child) ask(line string) (string, error) {
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		return "", err
	}
	answer, err := c.out.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// askFor reads an answer in JSON.
func (c child) askFor(line string, answer any) error {
	text, err := c.ask(line)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), answer)
}

func (c child) stop() error {
	c.in.Close() // the process ends by it
	return c.command.Wait()
}
