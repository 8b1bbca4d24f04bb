package parity

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

// Files is an http.ServeMux within a framework. It stores what is sent to MuxFiles.
var Files = func() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc(MuxPattern, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(MaxMemory); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(Stored())
	})
	return mux
}()

// MuxPattern is the pattern of Files, and MaxMemory is less than an upload takes.
const (
	MuxPattern = "POST /mux/{name}"
	MaxMemory  = 1 << 10
)

// Stored returns the status for a handler that has read the form: 204, or 500
// where it isn't in a temporary file.
func Stored() int {
	if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) != 1 {
		return http.StatusInternalServerError
	}
	return http.StatusNoContent
}

// Uploaded is what is left of an upload when its server has ended.
type Uploaded struct {
	Pattern string // outside of all handlers
	Files   int
}

// Uploads sends files to routes behind guards, and behind none: that makes no
// difference. The routes are POST /files, of the framework's own, and MuxPattern.
// It is for what runs the handlers of net/http; fiber and gRPC have requests of
// their own, and the guard's copy ends before their handlers begin.
func Uploads(t *testing.T, routes func(...func(http.Handler) http.Handler) http.Handler, own, mux Uploaded) {
	world := NewWorld(t, nil)
	inOrganization := logtoguard.RequireOrganization(func(*http.Request) string { return "acme" })
	inAnyOrganization := logtoguard.RequireAnyOrganization()
	readsOrders := logtoguard.RequireScope("read:orders")
	type middleware = func(http.Handler) http.Handler
	for name, c := range map[string]struct {
		middleware []middleware
		token      *logtotest.Token
	}{
		"no guard":               {},
		"Handler":                {[]middleware{world.Guard.Handler}, &reader},
		"Optional":               {[]middleware{world.Guard.Optional}, nil},
		"RequireOrganization":    {[]middleware{world.Guard.Handler, inOrganization, readsOrders}, &member},
		"RequireAnyOrganization": {[]middleware{world.Guard.Optional, inAnyOrganization, readsOrders}, &member},
	} {
		t.Run(name, func(t *testing.T) {
			var authorization []string
			if c.token != nil {
				authorization = []string{"Bearer " + world.Logto.Mint(*c.token)}
			}
			handler := routes(c.middleware...)
			require.Equal(t, own, upload(t, handler, "/files", authorization))
			require.Equal(t, mux, upload(t, handler, "/mux/files", authorization))
		})
	}
}

func upload(t *testing.T, handler http.Handler, path string, authorization []string) (left Uploaded) {
	t.Setenv("TMPDIR", t.TempDir())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		left.Pattern = r.Pattern
	}))
	defer server.Close()
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	file, err := writer.CreateFormFile("file", "photo.png")
	require.NoError(t, err)
	_, err = file.Write(make([]byte, 64<<10))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, &form)
	require.NoError(t, err)
	r.Header.Set("Content-Type", writer.FormDataContentType())
	if authorization != nil {
		r.Header["Authorization"] = authorization
	}
	response, err := server.Client().Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNoContent, response.StatusCode, string(body))
	server.Close() // waits until the handler has returned, and net/http has removed the files
	files, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	left.Files = len(files)
	return left
}
