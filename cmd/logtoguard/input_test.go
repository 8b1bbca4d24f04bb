package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

func TestWaysToGiveAToken(t *testing.T) {
	logto := startLogto(t)
	token := logto.Mint(logtotest.Token{})
	const (
		history = "shell's history"
		spaces  = "white space around"
		header  = "before the token in a header"
	)
	for _, row := range []struct {
		name, stdin string
		args        []string
		notes       []string
	}{
		{"standard input", token, nil, nil},
		{"with a line's end", token + "\r\n", nil, nil},
		{"by its name", token, []string{"-"}, nil},
		{"argument", "", []string{token}, []string{history}},
		{"white space", "\n  " + token + "\t\n", nil, []string{spaces}},
		{"Bearer", "Bearer " + token, nil, []string{header}},
		{"bearer", "bearer  " + token + "\n", nil, []string{header}},
		{"header", "Authorization: Bearer " + token, nil, []string{header}},
		{"header of HTTP/2, as an argument", "", []string{" authorization:bearer " + token}, []string{history, spaces, header}},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := session{stdin: row.stdin}.run(t, append([]string{"explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json"}, row.args...)...)
			assert.Equal(t, fine, out.status, out.stdout)
			notes := out.report(t).Notes
			assert.Len(t, notes, len(row.notes))
			for i := range min(len(notes), len(row.notes)) {
				assert.Contains(t, notes[i], row.notes[i])
			}
		})
	}
}

// Windows PowerShell 5.1 writes a byte order mark before what it pipes, and UTF-16 into files.
func TestEncodings(t *testing.T) {
	logto := startLogto(t)
	token := logto.Mint(logtotest.Token{})
	keys, err := json.Marshal(map[string]any{"keys": []any{logto.Key().JWK()}})
	require.NoError(t, err)
	for name, encode := range map[string]func(string) string{
		"UTF-8":                      func(s string) string { return s },
		"UTF-8 with a mark":          func(s string) string { return "\xef\xbb\xbf" + s },
		"UTF-16, little end first":   func(s string) string { return "\xff\xfe" + utf16Of(binary.LittleEndian, s) },
		"UTF-16, big end first":      func(s string) string { return "\xfe\xff" + utf16Of(binary.BigEndian, s) },
		"UTF-16LE without a mark":    func(s string) string { return utf16Of(binary.LittleEndian, s) },
		"UTF-16BE without a mark":    func(s string) string { return utf16Of(binary.BigEndian, s) },
		"UTF-16 that ends in a half": func(s string) string { return "\xff\xfe" + utf16Of(binary.LittleEndian, s) + "\n" },
	} {
		t.Run(name, func(t *testing.T) {
			out := session{stdin: encode(token + "\r\n")}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping, "-json")
			assert.Equal(t, fine, out.status, out.stdout)
			assert.Empty(t, out.report(t).Notes)
			out = session{stdin: encode("s3cret-of-shop\r\n")}.run(t, "token", "-endpoint", logto.Endpoint(), "-app", "shop", "-resource", shopping)
			assert.Equal(t, fine, out.status, out.stderr)
			file := filepath.Join(t.TempDir(), "keys.json")
			require.NoError(t, os.WriteFile(file, []byte(encode(string(keys))), 0o600))
			out = session{}.run(t, "keys", "-keys", file)
			assert.Equal(t, fine, out.status, out.stderr)
		})
	}
	out := session{stdin: "\xff\xfe"}.run(t, "explain", "-endpoint", logto.Endpoint(), "-audience", shopping)
	assert.Contains(t, out.stdout, "no token came")
}

func utf16Of(order binary.AppendByteOrder, s string) string {
	var encoded []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		encoded = order.AppendUint16(encoded, unit)
	}
	return string(encoded)
}

func TestInputThatDoesNotCome(t *testing.T) {
	reader, writer := io.Pipe()
	defer writer.Close()
	var stderr strings.Builder
	p := &program{stdin: reader, stdout: io.Discard, stderr: &stderr, now: time.Now}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, undecided, p.run(ctx, []string{"explain", "-endpoint", "http://127.0.0.1:1", "-audience", shopping}))
	assert.Contains(t, stderr.String(), "interrupted")
}

func TestKeyFileThatDoesNotCome(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	defer writer.Close()
	file := fmt.Sprintf("/dev/fd/%d", reader.Fd())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"keys", "-keys", file}, {"explain", "-endpoint", "http://127.0.0.1:1", "-audience", shopping, "-keys", file}} {
		var stderr strings.Builder
		p := &program{stdin: strings.NewReader("a.b.c"), stdout: io.Discard, stderr: &stderr, now: time.Now}
		assert.Equal(t, undecided, p.run(ctx, args))
		assert.Equal(t, "logtoguard "+args[0]+": interrupted\n", stderr.String())
	}
}

func TestInputThatBreaksOff(t *testing.T) {
	var stderr strings.Builder
	p := &program{stdin: iotest.ErrReader(io.ErrUnexpectedEOF), stdout: io.Discard, stderr: &stderr, now: time.Now}
	assert.Equal(t, undecided, p.run(t.Context(), []string{"explain", "-endpoint", "http://127.0.0.1:1", "-audience", shopping}))
	assert.Equal(t, "logtoguard explain: standard input can't be read: unexpected EOF\n", stderr.String())
}

// endless is input without an end. It counts what is read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read += len(p); e.read > 1<<20 {
		return 0, errors.New("too much is read")
	}
	return copy(p, strings.Repeat(".", len(p))), nil
}

func TestMuchInput(t *testing.T) {
	logto := startLogto(t)
	var stdout strings.Builder
	p := &program{getenv: func(string) string { return "" }, stdin: &endless{}, stdout: &stdout, stderr: io.Discard, now: time.Now}
	assert.Equal(t, refused, p.run(t.Context(), []string{"explain", "-endpoint", logto.Endpoint(), "-audience", shopping}))
	assert.Contains(t, stdout.String(), "more than 16 KiB")
	assert.Less(t, stdout.Len(), 2<<10)
}

func TestWrongUsage(t *testing.T) {
	const token = "-9NybN27JstKkzKqrRhDgongGRDub59CV45teTmWabGY"
	const endpoint = "https://logto.example"
	for _, row := range []struct {
		name  string
		args  []string
		words string
	}{
		{"no command", nil, "name a command"},
		{"a token for a command", []string{token}, "name a command"},
		{"no flags", []string{"explain"}, "-endpoint is empty"},
		{"no audience", []string{"explain", "-endpoint", endpoint}, "-audience is empty: set it"},
		{"two kinds", []string{"explain", "-endpoint", endpoint, "-audience", "a", "-organization-tokens"}, "-audience and -organization-tokens exclude each other"},
		{"an invisible character in a scope", []string{"explain", "-endpoint", endpoint, "-audience", "a", "-organization-scope", "a\u200b"}, "-organization-scope[0] is empty, or has a space or a character that does not print"},
		{"not encrypted", []string{"explain", "-endpoint", "http://logto.example", "-audience", "a"}, "or set -insecure-http"},
		{"too much skew", []string{"explain", "-endpoint", endpoint, "-audience", "a", "-clock-skew", "1h"}, "-clock-skew of 1h0m0s"},
		{"two tokens", []string{"explain", "-endpoint", endpoint, "-audience", "a", token[1:], token}, "one token"},
		{"flags after the token", []string{"explain", token[1:], "-endpoint", endpoint, "-audience", "a"}, "one token, and the flags come before it"},
		{"a token for a flag", []string{"explain", token}, "left out"},
		{"a token for a flag's value", []string{"explain", "-clock-skew", token}, "left out"},
		{"an unknown flag", []string{"explain", "-issuer", "x"}, "-issuer"},
		{"keys of a token", []string{"keys", "-endpoint", endpoint, token[1:]}, "flags only"},
		{"a secret as an argument", []string{"token", "-endpoint", endpoint, "-app", "a", "-resource", "r", token[1:]}, "flags only"},
		{"token without flags", []string{"token"}, "-app is empty"},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := session{}.run(t, row.args...)
			assert.Equal(t, wrongUsage, out.status)
			assert.Contains(t, out.stderr, row.words)
			assert.NotContains(t, out.stderr, token[1:])
			assert.Empty(t, out.stdout)
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}, {"explain", "-h"}, {"token", "--help"}, {"keys", "-h"}} {
		out := session{}.run(t, args...)
		assert.Equal(t, fine, out.status)
		assert.Empty(t, out.stderr)
		assert.Contains(t, out.stdout, "logtoguard explain")
		assert.Equal(t, len(args) == 2, strings.Contains(out.stdout, "logtoguard "+args[0]+" [flags]"))
	}
	out := session{}.run(t, "explain", "-h").stdout
	for _, words := range []string{"-endpoint URL", "Exit status: 0", "-json prints", "< token", "NO_COLOR"} {
		assert.Contains(t, out, words)
	}
}
