package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

const (
	maxAnswerBytes = 4 << 20 // the list of a whole tenant's applications is long
	maxFinding     = 400     // bytes
)

// answer is what of a response is looked at.
type answer struct {
	status    int
	challenge string // WWW-Authenticate
	body      []byte
}

// send makes the request. The client adds the token.
func (s step) send(ctx context.Context, client *http.Client) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	var content io.Reader // a nil one where there is no body
	if s.body != nil {
		text, err := json.Marshal(s.body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(text) // m2m can send it again, should the first answer be 401
	}
	req, err := http.NewRequestWithContext(ctx, s.method, s.base+s.path, content)
	if err != nil {
		return answer{}, err
	}
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes+1))
	if err == nil && len(body) > maxAnswerBytes {
		err = fmt.Errorf("it is longer than %d MiB", maxAnswerBytes>>20)
	}
	return answer{res.StatusCode, strings.Join(res.Header.Values("WWW-Authenticate"), ", "), body}, err
}

// judge compares an answer with what should have come.
func (s step) judge(a answer, allowed bool) (finding string, ok bool) {
	switch {
	case !allowed && s.refusal.is(a):
		return a.explanation(), true
	case !allowed:
		return "should be " + s.refusal.name + ": " + a.explanation(), false
	case a.status != s.success:
		return fmt.Sprintf("should be %d: %s", s.success, a.explanation()), false
	}
	finding, err := s.read(a.body)
	if err != nil {
		return err.Error(), false
	}
	return finding, true
}

// explanation says why a request was refused, as far as the answer does. Of the
// body it takes what is meant for that, and nothing of a success: who knows what
// there is to see for whom we weren't supposed to be.
func (a answer) explanation() string {
	if a.challenge != "" {
		return a.challenge
	}
	if a.status < 400 {
		return http.StatusText(a.status)
	}
	var body struct {
		Error       string `json:"error"` // this and the next are the guard's and OAuth's
		Description string `json:"error_description"`
		Code        string `json:"code"` // this and the next are Logto's, which may send all four
		Message     string `json:"message"`
	}
	code, text := "", ""
	if json.Unmarshal(a.body, &body) == nil {
		code, text = cmp.Or(body.Error, body.Code), cmp.Or(body.Description, body.Message)
	}
	if code == "" {
		return http.StatusText(a.status)
	}
	return strings.TrimSuffix(code+": "+text, ": ")
}

// token is what a JWT looks like: {" in base64url begins with eyJ.
var token = regexp.MustCompile(`eyJ[\w.-]+`)

// printable makes one line of text that comes from elsewhere. A token in it, such
// as one that an API repeats, is left out.
func printable(text string) string {
	text = token.ReplaceAllString(text, "[a token]")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxFinding {
		text = text[:maxFinding] + "..."
	}
	return text
}

// count reads {"products":[...]} and the like.
func count(member string) func([]byte) (string, error) {
	return func(body []byte) (string, error) {
		var members map[string]json.RawMessage // there may be others, for paging say
		var list []json.RawMessage
		if json.Unmarshal(body, &members) != nil || json.Unmarshal(members[member], &list) != nil || list == nil {
			return "", fmt.Errorf("the answer is not a list of %s", member)
		}
		return counted(len(list), strings.TrimSuffix(member, "s")), nil
	}
}

// countApplications counts and shows nothing else: older Logtos list the
// applications with their secrets.
func countApplications(body []byte) (string, error) {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) != nil || list == nil {
		return "", errors.New("the answer is not a list of applications")
	}
	return counted(len(list), "application"), nil
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// created reads what was added, which has got an ID.
func created(what string) func([]byte) (string, error) {
	return func(body []byte) (string, error) {
		var added struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(body, &added) != nil || added.ID == "" {
			return "", fmt.Errorf("the answer is not a new %s", what)
		}
		return what + " " + added.ID, nil
	}
}
