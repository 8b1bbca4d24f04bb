package logtoguard_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// guarding is one of the ways to guard a handler, and a token that it lets in.
type guarding struct {
	name  string
	wrap  func(http.Handler) http.Handler
	token string
}

func guardings(t *testing.T) []guarding {
	logto, clock := guardtest.NewLogto(t, "ES384")
	guard := guardtest.NewGuard(t, logto, clock)
	guardtest.Ready(t, guard)
	user := logto.Mint(logtotest.Token{Scopes: []string{"read:products"}})
	member := logto.Mint(logtotest.Token{Scopes: []string{"read:products"}, OrganizationID: "acme"})
	acme := logtoguard.RequireOrganization(func(*http.Request) string { return "acme" })
	reads := logtoguard.RequireScope("read:products")
	readsOrWrites := logtoguard.RequireAnyScope("read:products", "write:products")
	within := func(all ...func(http.Handler) http.Handler) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			for i := range all {
				next = all[len(all)-1-i](next)
			}
			return next
		}
	}
	return []guarding{
		{"Handler", guard.Handler, user},
		{"Optional", guard.Optional, user},
		{"Optional without a token", guard.Optional, ""},
		{"RequireScope", within(guard.Handler, reads), user},
		{"RequireAnyScope", within(guard.Handler, readsOrWrites), user},
		{"RequireOrganization", within(guard.Handler, acme), member},
		{"RequireAnyOrganization", within(guard.Handler, logtoguard.RequireAnyOrganization()), member},
		{"one in the other", within(guard.Optional, guard.Handler, logtoguard.RequireAnyOrganization(), readsOrWrites, acme, reads), member},
	}
}

var unguarded = guarding{"unguarded", func(next http.Handler) http.Handler { return next }, ""}

func muxWith(pattern string, handler http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pattern, handler)
	return mux
}

const filesRoute = "POST /files/{id}"

// placements are where a guard stands, and what Pattern is outside of all that.
var placements = []struct {
	name    string
	build   func(wrap func(http.Handler) http.Handler, handler http.Handler) http.Handler
	pattern string
}{
	{"without a mux", func(wrap func(http.Handler) http.Handler, handler http.Handler) http.Handler {
		return wrap(handler)
	}, ""},
	{"around a mux", func(wrap func(http.Handler) http.Handler, handler http.Handler) http.Handler {
		return wrap(muxWith(filesRoute, handler))
	}, filesRoute},
	{"on a route of a mux", func(wrap func(http.Handler) http.Handler, handler http.Handler) http.Handler {
		return muxWith(filesRoute, wrap(handler))
	}, filesRoute},
	{"around a mux in a mux", func(wrap func(http.Handler) http.Handler, handler http.Handler) http.Handler {
		return muxWith("/", wrap(muxWith(filesRoute, handler)))
	}, filesRoute},
}

// endings are how a handler goes on after an upload.
var endings = []struct {
	name string
	end  http.HandlerFunc
}{
	{"returns", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
	{"panics", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{"streams", func(w http.ResponseWriter, _ *http.Request) {
		for range 2 {
			_, _ = io.WriteString(w, "part")
			if http.NewResponseController(w).Flush() != nil {
				panic(http.ErrAbortHandler)
			}
		}
	}},
	{"hijacks", func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil { // HTTP/2
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		_, _ = io.WriteString(connection, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		_ = connection.Close()
	}},
}

// form is the body of an upload of this size.
func form(t *testing.T, size int) (contentType string, body []byte) {
	var b bytes.Buffer
	writer := multipart.NewWriter(&b)
	part, err := writer.CreateFormFile("file", "notes.txt")
	require.NoError(t, err)
	_, err = part.Write(make([]byte, size))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return writer.FormDataContentType(), b.Bytes()
}

// storeUpload reads the form, and answers only where it finds a temporary file.
func storeUpload(w http.ResponseWriter, r *http.Request) bool {
	if err := r.ParseMultipartForm(1 << 10); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	if files, err := os.ReadDir(os.TempDir()); err != nil || len(files) != 1 {
		http.Error(w, "the upload is in no temporary file", http.StatusInternalServerError)
		return false
	}
	return true
}

// uploaded is what is left of an upload after its server has ended.
type uploaded struct {
	Status  int // 0: none, as the connection broke
	Pattern string
	Files   int
}

// small is more than storeUpload leaves in memory; large also exceeds the 10 MiB that
// ParseMultipartForm adds.
const small, large = 64 << 10, 11 << 20

func upload(t *testing.T, handler http.Handler, token string, http2 bool, size int) uploaded {
	t.Setenv("TMPDIR", t.TempDir())
	var left uploaded
	returned := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		defer func() { left.Pattern = r.Pattern }()
		handler.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = http2
	if http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	defer server.Close()
	contentType, body := form(t, size)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/files/7", bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", contentType)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if response, err := server.Client().Do(r); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		require.Equal(t, http2, response.ProtoMajor == 2)
		left.Status = response.StatusCode
	}
	<-returned
	server.Close() // waits until the connection is idle, and net/http has removed the files
	files, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	left.Files = len(files)
	return left
}

// net/http removes the temporary files of the request that it made, and ServeMux
// names the route on the request that it was given. A guard in between is no
// different from none.
func TestUploads(t *testing.T) {
	guards := guardings(t)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		for _, place := range placements {
			for _, ending := range endings {
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if storeUpload(w, r) {
						ending.end(w, r)
					}
				})
				size := small
				if place.name == "around a mux in a mux" && ending.name == "returns" {
					size = large
				}
				t.Run(protocol+"/"+place.name+"/"+ending.name, func(t *testing.T) {
					want := upload(t, place.build(unguarded.wrap, handler), "", protocol == "HTTP/2", size)
					require.Equal(t, place.pattern, want.Pattern)
					if ending.name == "returns" {
						require.Equal(t, uploaded{http.StatusNoContent, place.pattern, 0}, want)
					}
					for _, guard := range guards {
						t.Run(guard.name, func(t *testing.T) {
							require.Equal(t, want, upload(t, place.build(guard.wrap, handler), guard.token, protocol == "HTTP/2", size))
						})
					}
				})
			}
		}
	}
}

// asked is a request for what a guarding lets in, without a server.
func (g guarding) asked() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/files/7", nil)
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	return r
}

// Pattern and MultipartForm come back whatever they hold, and nothing else does
// where the next handler gets a copy.
func TestPatternAndMultipartFormComeBack(t *testing.T) {
	one, other := &multipart.Form{}, &multipart.Form{}
	for _, guard := range guardings(t) {
		for _, c := range []struct {
			name                        string
			patternBefore, patternAfter string
			formBefore, formAfter       *multipart.Form
			panics                      bool
		}{
			{"set", "", filesRoute, nil, one, false},
			{"replaced", "/", filesRoute, one, other, false},
			{"taken away", "/", "", one, nil, false},
			{"set before a panic", "", filesRoute, nil, one, true},
		} {
			t.Run(guard.name+"/"+c.name, func(t *testing.T) {
				r := guard.asked()
				r.Pattern, r.MultipartForm = c.patternBefore, c.formBefore
				served := false
				handler := guard.wrap(http.HandlerFunc(func(_ http.ResponseWriter, copied *http.Request) {
					served = true
					require.Equal(t, c.patternBefore, copied.Pattern)
					require.Same(t, c.formBefore, copied.MultipartForm)
					copied.Pattern, copied.MultipartForm = c.patternAfter, c.formAfter
					copied.Form, copied.PostForm, copied.Method = map[string][]string{}, map[string][]string{}, http.MethodPut
					copied.SetPathValue("id", "7")
					if c.panics {
						panic("on purpose")
					}
				}))
				serve := func() { handler.ServeHTTP(httptest.NewRecorder(), r) }
				if c.panics {
					require.PanicsWithValue(t, "on purpose", serve)
				} else {
					serve()
				}
				require.True(t, served)
				require.Equal(t, c.patternAfter, r.Pattern)
				require.Same(t, c.formAfter, r.MultipartForm)
				require.Nil(t, r.Form)
				require.Nil(t, r.PostForm)
				require.Empty(t, r.PathValue("id"))
				require.Equal(t, http.MethodPost, r.Method)
			})
		}
	}
}

// A handler that http.TimeoutHandler has given up goes on with its request while the
// original is read outside. This is for the race detector.
func TestUploadAfterTimeout(t *testing.T) {
	within := func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Hour, "too late") }
	for _, guard := range append(guardings(t), unguarded) {
		for _, c := range []struct {
			name, pattern string
			build         func(http.Handler) http.Handler
		}{
			{"guard outside", "", func(next http.Handler) http.Handler { return guard.wrap(within(next)) }},
			{"guard inside", "", func(next http.Handler) http.Handler { return within(guard.wrap(next)) }},
			{"guards on both sides", "", func(next http.Handler) http.Handler { return guard.wrap(within(guard.wrap(next))) }},
			{"guards and a mux", "/files/", func(next http.Handler) http.Handler {
				return guard.wrap(muxWith("/files/", within(guard.wrap(next))))
			}},
		} {
			t.Run(guard.name+"/"+c.name, func(t *testing.T) {
				t.Setenv("TMPDIR", t.TempDir())
				contentType, body := form(t, small)
				ctx, giveUp := context.WithCancel(t.Context())
				answered, returned := make(chan struct{}), make(chan struct{})
				var stored bool
				routed := muxWith(filesRoute, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if stored = storeUpload(w, r); stored {
						_ = r.MultipartForm.RemoveAll()
					}
				}))
				handler := c.build(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(returned)
					giveUp()
					routed.ServeHTTP(w, r) // meanwhile the guard outside returns
					<-answered
				}))
				r := guard.asked().WithContext(ctx)
				r.Header.Set("Content-Type", contentType)
				r.Body = io.NopCloser(bytes.NewReader(body))
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				close(answered) // before the fields are read: the guard inside returns meanwhile
				pattern, multipartForm := r.Pattern, r.MultipartForm
				<-returned
				require.Equal(t, http.StatusServiceUnavailable, w.Code)
				require.True(t, stored)
				require.Nil(t, multipartForm, "the form is on the copy of http.TimeoutHandler")
				require.Equal(t, c.pattern, pattern)
			})
		}
	}
}
