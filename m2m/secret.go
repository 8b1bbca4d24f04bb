package m2m

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

const (
	maxCode        = 64
	maxDescription = 200
	maxFragment    = 8
	withheld       = "withheld, because it repeats the secret"
)

// A secret is kept out of what is said about an answer, which may repeat the
// request that it answers. It is the secret in every form that is sent or that a
// server has in hand, in lower case.
type secret []string

func newSecret(id, value string) secret {
	encode := base64.RawStdEncoding.EncodeToString
	forms := []string{
		value,
		url.QueryEscape(value),
		encode([]byte(value)),
		encode([]byte(id + ":" + value)),
		// What x/oauth2 sends: RFC 6749, section 2.3.1.
		encode([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(value))),
	}
	for i, form := range forms {
		forms[i] = strings.ToLower(form)
	}
	return forms
}

// in reports whether a text holds the secret or a piece of it: texts get cut on their way.
func (s secret) in(text string) bool {
	text = strings.ToLower(text)
	for _, form := range s {
		size := min(len(form), maxFragment)
		for i := 0; i+size <= len(form); i++ {
			if strings.Contains(text, form[i:i+size]) {
				return true
			}
		}
	}
	return false
}

// code returns an OAuth error code, or "" for what doesn't look like one.
func (s secret) code(code string) string {
	odd := func(r rune) bool { return !isAlphanumeric(r) && r != '_' && r != '-' && r != '.' }
	if len(code) > maxCode || strings.ContainsFunc(code, odd) || s.in(code) {
		return ""
	}
	return code
}

// description returns an error_description that can't break a log line.
func (s secret) description(text string) string {
	if s.in(text) {
		return withheld
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxDescription {
		text = text[:maxDescription] + "..."
	}
	return text
}

// cause returns an error of the transport, which may quote a malformed answer. The
// address in front of it is from the Config.
func (s secret) cause(err *url.Error) error {
	switch {
	case !s.in(err.Err.Error()):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	}
	return errors.New("the transport's error is " + withheld)
}
