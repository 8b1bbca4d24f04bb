package main

import (
	"bytes"
	"errors"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// logged gives the lines that one call to the API leaves.
func (f *fixture) logged(t *testing.T, method, path, token, body string) string {
	var lines bytes.Buffer
	call(t, newHandler(t.Context(), f.guard, f.list.Check, newStore(), slog.New(slog.NewTextHandler(&lines, nil))), method, path, token, body)
	return lines.String()
}

func TestRequestLog(t *testing.T) {
	f := newFixture(t)
	manager := f.token(t, "shop-manager", "")

	line := f.logged(t, "GET", "/products/p_tea?key=hush", manager, "")
	require.Equal(t, 1, strings.Count(line, "\n"))
	require.Contains(t, line, `method=GET route="GET /products/{id}" status=200 bytes=`)
	require.Contains(t, line, "client=shop-manager")
	require.NotContains(t, line, "hush")
	require.NotContains(t, line, manager)

	require.Contains(t, f.logged(t, "POST", "/products", manager, `{"name":"hush"}`), "status=422")
	require.NotContains(t, f.logged(t, "POST", "/products", manager, `{"name":"hush"}`), "hush")
	require.Contains(t, f.logged(t, "DELETE", "/products/p_tea", manager, ""), "status=204 bytes=0")

	refused := f.logged(t, "GET", "/products", "not.a.token", "")
	require.Contains(t, refused, "path=/products status=401")
	require.NotContains(t, refused, "not.a.token")
	require.NotContains(t, refused, "client=")

	require.Contains(t, f.logged(t, "GET", "/a%0Ab", "", ""), `path="/a\nb"`, "a sender can't begin a line")
	require.NotContains(t, f.logged(t, "GET", "/"+strings.Repeat("x", 100), "", ""), strings.Repeat("x", 64))
	require.Empty(t, f.logged(t, "GET", "/healthz", "", ""))
}

// The log serves a copy of the request, and net/http removes uploads by the original.
func TestLogHandsBackUploads(t *testing.T) {
	form := &multipart.Form{}
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Pattern, r.MultipartForm = "POST /photos", form
		panic(http.ErrAbortHandler)
	})
	r := httptest.NewRequest(http.MethodPost, "/photos", nil)
	require.Panics(t, func() { logRequests(discard(), next).ServeHTTP(httptest.NewRecorder(), r) })
	require.Equal(t, "POST /photos", r.Pattern)
	require.Same(t, form, r.MultipartForm)
}

func TestLogHoldsWhatTheClientIsNotTold(t *testing.T) {
	var lines bytes.Buffer
	broken := handle(func(http.ResponseWriter, *http.Request) error { return errors.New("disk gone") })
	h := logRequests(slog.New(slog.NewTextHandler(&lines, nil)), noteRoute(broken))
	require.Equal(t, 500, call(t, h, "GET", "/", "", "").Code)
	require.Contains(t, lines.String(), `status=500`)
	require.Contains(t, lines.String(), `error="disk gone"`)
}
