package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const maxKeySet = 1 << 20

// keySet answers every request with itself: nothing leaves this machine.
type keySet []byte

func (set keySet) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/jwk-set+json"}},
		Body:       io.NopCloser(bytes.NewReader(set)),
		Request:    r,
	}, nil
}

// watcher sees what a guard gets from Logto, and what it thinks of it. Only the
// guard judges: what is remembered here is for advice.
type watcher struct {
	base http.RoundTripper
	file string // that the keys are from; "": Logto is asked
	now  func() time.Time

	answered chan struct{} // closed after the first answer, or when none came
	once     sync.Once
	// failed ends when a fetch has brought no usable keys; its cause says why.
	failed context.Context
	fail   context.CancelCauseFunc

	mu       sync.Mutex
	set      []byte        // the last key set
	behind   time.Duration // by how much our clock is behind Logto's; negative: ahead
	skipped  []string      // why keys of the set are not used
	warnings []string      // other things that the guard warned of
}

func newWatcher(ctx context.Context, now func() time.Time) *watcher {
	w := &watcher{now: now, answered: make(chan struct{})}
	w.failed, w.fail = context.WithCancelCause(ctx)
	return w
}

// RoundTrip hands on what the guard asks and what it is answered.
func (w *watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	defer w.once.Do(func() { close(w.answered) })
	asked := w.now()
	response, err := w.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	if response.StatusCode == http.StatusOK { // a 304 has no body, and changes nothing
		w.set = body
	}
	w.compareClocks(response.Header, asked)
	return response, nil
}

// compareClocks reads the Date of an answer (RFC 9110, section 6.6.1), which is cut
// to whole seconds. One that comes from a cache tells nothing.
func (w *watcher) compareClocks(header http.Header, asked time.Time) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" {
		return
	}
	ours := asked.Add(w.now().Sub(asked) / 2)
	w.behind = date.Add(time.Second / 2).Sub(ours)
}

// await waits for the first answer: the guard asks by itself, and for 5 s at most.
func (w *watcher) await(ctx context.Context) {
	select {
	case <-w.answered:
	case <-ctx.Done():
	}
}

// whyNoKeys is the guard's own text on it, without the address if none was asked.
func (w *watcher) whyNoKeys() string {
	cause := context.Cause(w.failed)
	if cause == nil {
		return "no answer in time"
	}
	why := cause.Error()
	if _, fault, ok := strings.Cut(why, ": "); ok && w.file != "" {
		why = w.file + ": " + fault
	}
	return show(why)
}

// hasObject reports whether the last set is one, be it without keys.
func (w *watcher) hasObject() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	set := jsontext.Value(w.set)
	return set.Kind() == '{' && set.IsValid(jsontext.AllowDuplicateNames(true))
}

// published are the keys of the last set.
func (w *watcher) published() []key {
	w.mu.Lock()
	defer w.mu.Unlock()
	return readKeys(w.set)
}

func (w *watcher) clockBehind() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.behind
}

func (w *watcher) warned() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.warnings)
}

// whyNot are the guard's reasons for the keys that it does not use.
func (w *watcher) whyNot() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.skipped, "; ")
}

func (w *watcher) logger() *slog.Logger { return slog.New((*watcherLog)(w)) }

// watcherLog is the slog.Handler of a watcher.
type watcherLog watcher

func (w *watcherLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (w *watcherLog) WithAttrs([]slog.Attr) slog.Handler { return w }

func (w *watcherLog) WithGroup(string) slog.Handler { return w }

// Handle tells the guard's warnings apart by their attributes.
func (w *watcherLog) Handle(_ context.Context, record slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	warning := strings.TrimPrefix(record.Message, "logtoguard: ")
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "why":
			w.skipped = append(w.skipped, a.Value.String())
			warning = ""
		case "error":
			w.fail(errors.New(a.Value.String()))
			warning = ""
		}
		return true
	})
	if warning != "" {
		w.warnings = append(w.warnings, inFlags.Replace(warning))
	}
	return nil
}
