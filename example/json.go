package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const maxBodyBytes = 64 << 10

// problem is an error that the client is told about. Its body has the shape of
// the guard's refusals: {"error":"not_found","error_description":"…"}.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

// handle is a handler that returns its error instead of writing it.
type handle func(http.ResponseWriter, *http.Request) error

func (h handle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h(w, r)
	if err == nil {
		return
	}
	var p *problem
	if !errors.As(err, &p) {
		noteError(r, err) // for the log: strangers learn nothing of our insides
		p = &problem{http.StatusInternalServerError, "something went wrong here"}
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p *problem) {
	code := strings.ReplaceAll(strings.ToLower(http.StatusText(p.status)), " ", "_")
	_ = writeJSON(w, p.status, map[string]string{"error": code, "error_description": p.text})
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // it fails only when the client has gone
	return nil
}

// readJSON reads a body that is one JSON object with the fields of v and no
// others: a misspelt field is an error, not a field that was left out. Unlike
// encoding/json, this decoder takes no Name for a name, and no field twice.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return &problem{http.StatusUnsupportedMediaType, "send the body as Content-Type: application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit)}
	case err != nil:
		return &problem{http.StatusBadRequest, "the body could not be read"}
	}

	if len(bytes.TrimSpace(body)) == 0 {
		return &problem{http.StatusBadRequest, "the body is empty"}
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return &problem{http.StatusBadRequest, explain(err)}
	}
	if jsontext.Value(body).Kind() != '{' {
		return &problem{http.StatusBadRequest, "the body must be a JSON object"}
	}
	return nil
}

// explain says what is wrong with a body in words that don't mention Go.
func explain(err error) string {
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the body ends too early to be JSON"
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return fmt.Sprintf("field %q is there twice", syntax.JSONPointer.LastToken())
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not JSON, or has something after it, as byte %d shows", syntax.ByteOffset)
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &meaning):
		return fmt.Sprintf("unknown field %q", meaning.JSONPointer.LastToken())
	case !errors.As(err, &meaning) || meaning.JSONPointer == "":
		return "the body must be a JSON object"
	case meaning.GoType.Kind() == reflect.String:
		return string(meaning.JSONPointer[1:]) + " must be a string"
	}
	return string(meaning.JSONPointer[1:]) + " must be a whole number"
}

// jsonErrors gives the answers that a mux writes itself, 404 and 405, the shape
// of all others.
func jsonErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			w = muxAnswer{w}
		}
		mux.ServeHTTP(w, r)
	})
}

// muxAnswer keeps the status and the headers of an answer, Allow among them,
// and puts a body of ours in place of its own.
type muxAnswer struct{ http.ResponseWriter }

func (a muxAnswer) WriteHeader(status int) {
	text := "there is nothing at this path"
	if status == http.StatusMethodNotAllowed {
		text = "this path allows " + a.Header().Get("Allow")
	}
	writeProblem(a.ResponseWriter, &problem{status, text})
}

func (a muxAnswer) Write(b []byte) (int, error) { return len(b), nil }
