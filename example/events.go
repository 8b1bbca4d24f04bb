package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/logtoguard/logtoguard"
)

const (
	// A quiet stream sends a comment this often: proxies drop what is silent, and a
	// failed write shows that the reader has gone.
	keepAlive = 15 * time.Second
	// A stream asks this often whether its token was revoked, as the guard does for each
	// request, and before each event.
	checkAgain = 5 * time.Second
	// writeLimit ends a stream whose reader has stopped reading. It must be longer than
	// keepAlive: HTTP/2 resets a stream at its write deadline even if nothing is written.
	writeLimit = keepAlive + 5*time.Second
)

// events streams the orders that are placed from now on, or after the one that
// Last-Event-ID names. The guard judges a request once, at its start, so the stream has to
// end by itself: when the token expires or is revoked, the client leaves or the server
// stops. Whatever error the check has ends it: the guard answers the next request. A client
// comes back with Last-Event-ID, and with a new token if it needs one, and misses nothing:
// the stream begins with an ID, for those that leave before the first order.
func (o orderRoutes) events(w http.ResponseWriter, r *http.Request) error {
	claims, err := caller(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return nil
	}
	organization := organizationOf(r)
	next, last := o.store.orderAfter(organization, r.Header.Get("Last-Event-ID"))

	ctx, cancel := context.WithDeadline(r.Context(), claims.ExpiresAt())
	defer cancel()
	defer context.AfterFunc(o.stopping, cancel)()
	stream := eventStream{ctx, claims, o.check, w}
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	again := time.NewTicker(checkAgain)
	defer again.Stop()

	err = stream.send("id: " + last + "\n\n")
	for err == nil {
		placed, ok, more := o.store.orderAt(organization, next)
		if ok {
			next++
			err = stream.sendOrder(placed)
			continue
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-more:
		case <-again.C:
			err = stream.ended()
		case <-quiet.C:
			err = stream.send(":\n\n")
		}
	}
	if errors.Is(err, http.ErrNotSupported) {
		return err // a handler before this one hides the connection
	}
	return nil // the status has been sent, and why the stream ends changes nothing
}

// eventStream writes server-sent events, until its context or its token ends.
type eventStream struct {
	ctx    context.Context
	claims *logtoguard.Claims
	check  check
	w      http.ResponseWriter
}

func (s eventStream) sendOrder(o order) error {
	data, err := json.Marshal(o) // on one line
	if err != nil {
		return err
	}
	return s.send(fmt.Sprintf("id: %s\nevent: order\ndata: %s\n\n", o.ID, data))
}

// ended returns why nothing may be sent any more, or nil.
func (s eventStream) ended() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	// The context's timer may be late: it stands still while the machine sleeps, and
	// doesn't see that its clock is set. This asks the clock on the wall.
	if !time.Now().Before(s.claims.ExpiresAt()) {
		return context.DeadlineExceeded
	}
	if s.check == nil {
		return nil
	}
	return s.check(s.ctx, s.claims)
}

func (s eventStream) send(text string) error {
	if err := s.ended(); err != nil {
		return err
	}
	control := http.NewResponseController(s.w)
	if err := control.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return control.Flush()
}
