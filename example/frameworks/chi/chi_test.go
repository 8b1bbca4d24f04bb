package main

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

func TestAnswersAsNetHTTP(t *testing.T) { parity.Test(t, parity.HTTP(routes)) }

func uploads(middleware ...func(http.Handler) http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware...)
	r.Post("/files", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(parity.MaxMemory); err != nil {
			panic(err)
		}
		w.WriteHeader(parity.Stored())
	})
	r.Handle("/mux/*", parity.Files)
	return r
}

// A chi router copies the request itself and hands nothing back: the file stays and
// there is no pattern without a guard, too.
func TestUploads(t *testing.T) {
	left := parity.Uploaded{Pattern: "", Files: 1}
	parity.Uploads(t, uploads, left, left)
}

// The first middleware of the router gets from the guard what the router keeps.
func TestUploadsAreRemovedByTheFirstMiddleware(t *testing.T) {
	patterns := map[string]bool{}
	first := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				patterns[r.Pattern] = true
				if r.MultipartForm != nil {
					r.MultipartForm.RemoveAll()
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	removed := parity.Uploaded{Pattern: "", Files: 0}
	parity.Uploads(t, func(guards ...func(http.Handler) http.Handler) http.Handler {
		return uploads(append([]func(http.Handler) http.Handler{first}, guards...)...)
	}, removed, removed)
	require.Equal(t, map[string]bool{"/files": true, parity.MuxPattern: true}, patterns)
}

func TestRuns(t *testing.T) { parity.TestRuns(t, "/products") }
