package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/logtoguard/logtoguard"
)

// entry is what the log learns from further in: the route, where the guard let the
// request through, and the claims, which are on a copy of the request that the
// outermost handler, where the time is taken and the guard's refusals pass, never sees.
type entry struct {
	route  string
	client string
	err    error
}

type entryKey struct{}

// logRequests writes one line for each request. It never holds headers, query
// strings or bodies: that is where secrets are.
func logRequests(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		e := &entry{}
		counted := &countingWriter{ResponseWriter: w, status: http.StatusOK}
		copied := r.WithContext(context.WithValue(r.Context(), entryKey{}, e))
		defer func() { // net/http removes the files of an upload, and looks for them on r
			r.Pattern, r.MultipartForm = copied.Pattern, copied.MultipartForm
		}()
		next.ServeHTTP(counted, copied)

		attrs := []slog.Attr{slog.String("method", cut(r.Method))}
		if e.route != "" {
			attrs = append(attrs, slog.String("route", e.route))
		} else {
			attrs = append(attrs, slog.String("path", cut(r.URL.Path)))
		}
		attrs = append(attrs,
			slog.Int("status", counted.status),
			slog.Int64("bytes", counted.bytes),
			slog.Duration("took", time.Since(start)))
		if e.client != "" {
			attrs = append(attrs, slog.String("client", cut(e.client)))
		}
		if e.err != nil {
			attrs = append(attrs, slog.Any("error", e.err))
		}
		log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
	})
}

// cut bounds what a sender can write into the log.
func cut(s string) string { return s[:min(len(s), 64)] }

// noteRoute tells the log the route and the client. It goes between the guard
// and the mux.
func noteRoute(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		e, ok := r.Context().Value(entryKey{}).(*entry)
		if !ok {
			return
		}
		e.route = r.Pattern
		if claims, ok := logtoguard.ClaimsFromContext(r.Context()); ok {
			e.client = claims.ClientID()
		}
	})
}

// noteError tells the log what the client is not told.
func noteError(r *http.Request, err error) {
	if e, ok := r.Context().Value(entryKey{}).(*entry); ok {
		e.err = err
	}
}

// countingWriter remembers the status and the size of an answer.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
