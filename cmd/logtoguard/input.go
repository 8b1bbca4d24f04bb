package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"unicode"
	"unicode/utf16"
)

const (
	maxInput = 64 << 10 // more than a guard takes, and little enough to be read at once
	maxFile  = 1 << 20
)

// readToken takes the token from the arguments or from standard input, and notes
// what had to be taken off.
func (p *program) readToken(ctx context.Context, args []string, q *inquiry) (string, error) {
	var given string
	switch {
	case len(args) == 1 && args[0] != "-":
		given = args[0]
		q.notes = append(q.notes, "a token in the arguments stays in the shell's history: standard input keeps it out")
	default:
		var err error
		if given, err = p.read(ctx, "token"); err != nil {
			return "", err
		}
	}
	token := strings.TrimSpace(given)
	if token != strings.TrimRight(given, "\r\n") {
		q.notes = append(q.notes, "white space around the token was left out")
	}
	bare := cutPrefixFold(cutPrefixFold(token, "Authorization:"), "Bearer ")
	if bare != token {
		q.notes = append(q.notes, "what stands before the token in a header was left out")
	}
	return bare, nil
}

func cutPrefixFold(s, prefix string) string {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s
	}
	return strings.TrimSpace(s[len(prefix):])
}

// read reads standard input: one hidden line of a terminal, else all of it.
func (p *program) read(ctx context.Context, what string) (string, error) {
	input := io.LimitReader(p.stdin, maxInput)
	if terminal, ok := p.stdin.(*os.File); ok && isTerminal(terminal) {
		return p.ask(ctx, terminal, input, what)
	}
	return interruptible(ctx, func() (string, error) {
		data, err := io.ReadAll(input)
		return decoded(data), fromInput(err)
	})
}

// decoded undoes what Windows PowerShell 5.1 does to the text that it writes: it puts a
// byte order mark before it, and makes it UTF-16 in files. Other programs write UTF-16
// without a mark: what is read here begins with ASCII, so that one byte of two is zero.
func decoded(data []byte) string {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), len(data) > 1 && data[1] == 0:
	case bytes.HasPrefix(data, []byte("\xfe\xff")), len(data) > 1 && data[0] == 0:
		order = binary.BigEndian
	default:
		return strings.TrimPrefix(string(data), "\ufeff")
	}
	var units []uint16
	for ; len(data) > 1; data = data[2:] {
		units = append(units, order.Uint16(data))
	}
	return strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff")
}

// interruptible is read, until ctx ends. Nothing can break off a read of a terminal
// or a pipe, named or not: then it ends with the process.
func interruptible(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := read()
		answered <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", &failure{undecided, "interrupted"}
	case a := <-answered:
		return a.text, a.err
	}
}

func fromInput(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("standard input can't be read: %w", err)
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// ask asks at a terminal, and has it show nothing of the answer. stty does what would
// take another module. Without its icanon mode lines may have any length; in it some
// terminals cut them at 1,024 bytes, and tokens with them.
func (p *program) ask(ctx context.Context, terminal *os.File, input io.Reader, what string) (string, error) {
	before, err := stty(terminal, "-g")
	if err == nil {
		_, err = stty(terminal, "-echo", "-icanon", "min", "1", "time", "0")
	}
	if err != nil {
		return "", misused("this terminal can't hide what is typed: pipe the %s into standard input", what)
	}
	defer func() { _, _ = stty(terminal, before) }()
	fmt.Fprintf(p.stderr, "%s (it is not shown): ", what)
	defer fmt.Fprintln(p.stderr)
	line, err := interruptible(ctx, func() (string, error) {
		line, err := bufio.NewReader(input).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return strings.TrimSpace(line), fromInput(err)
	})
	if strings.ContainsFunc(line, unicode.IsControl) {
		return "", misused("the %s holds control characters, from keys such as backspace: paste it in one go", what)
	}
	return line, err
}

func stty(terminal *os.File, args ...string) (string, error) {
	command := exec.Command("stty", args...)
	command.Stdin = terminal
	out, err := command.Output()
	return string(bytes.TrimSpace(out)), err
}
