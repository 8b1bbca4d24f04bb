// Package safetext makes text that others wrote fit for logs, errors and headers: no
// line breaks, terminal escapes or forged attributes, and not at any length.
package safetext

import (
	"strconv"
	"strings"
)

const (
	maxWord = 64
	maxText = 512
)

// Word is for a log: it cuts what a stranger wrote at 64 bytes, and quotes it unless
// it is one plain word.
func Word(s string) string { return Quote(s[:min(len(s), maxWord)]) }

// Quote quotes what is not one plain word.
func Quote(s string) string {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"\\=", r) }
	if strings.ContainsFunc(s, odd) {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// Text is for an error whose text others may have written: it cuts at 512 bytes, and
// leaves only what is printable.
func Text(s string) string { return Printable(s[:min(len(s), maxText)]) }

// Printable replaces all that is not printable ASCII by question marks.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
