package logtotest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The events that are there.
const (
	userSuspended       = "User.SuspensionStatus.Updated"
	userDeleted         = "User.Deleted"
	organizationDeleted = "Organization.Deleted"
	membershipUpdated   = "Organization.Membership.Updated"
)

var allEvents = []string{userSuspended, userDeleted, organizationDeleted, membershipUpdated}

const (
	webhookPatience = 10 * time.Second
	maxSending      = 256
	maxReceived     = 64 << 10 // bytes of a receiver's answer
	maxLogSize      = 32 << 20 // bytes of all rows; the oldest make room
	logRowSize      = 256      // of a row, besides its payload

	logKeyPrefix = "TriggerHook."
)

// webhooks sends events, and keeps the log of that.
type webhooks struct {
	client  *http.Client
	own     bool          // the client's connections are this server's alone
	sending chan struct{} // a place for each event that is under way

	log     []logRow // in the order in which they were written; Server.mu guards it
	logSize int
}

// logRow is a row of a webhook's log, whose payload holds the event as it was sent.
type logRow struct {
	ID        string          `json:"id"`
	Key       string          `json:"key"`
	Payload   json.RawMessage `json:"payload"`
	CreatedAt int64           `json:"createdAt"`

	hook string
}

func newWebhooks(given *http.Client) webhooks {
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxSending, IdleConnTimeout: time.Minute}}
	if given != nil {
		client = *given
	}
	client.Timeout = webhookPatience
	return webhooks{client: &client, own: given == nil, sending: make(chan struct{}, maxSending)}
}

func (w *webhooks) close() {
	if w.own {
		w.client.CloseIdleConnections()
	}
}

// emit sends an event to each hook that has it, and doesn't wait for that. It says what request caused it, as Logto does.
func (s *Server) emit(r *http.Request, name string, status int, more map[string]any) {
	path, _ := under(apiMount, r)
	pattern := strings.TrimPrefix(r.Pattern, apiMount)
	event := map[string]any{
		"event":        name,
		"createdAt":    isoTime(s.now()),
		"path":         path,
		"method":       r.Method,
		"status":       status,
		"params":       paramsOf(r),
		"matchedRoute": strings.NewReplacer("{", ":", "}", "").Replace(pattern),
	}
	event["ip"], _, _ = net.SplitHostPort(r.RemoteAddr)
	if agent := r.UserAgent(); agent != "" {
		event["userAgent"] = agent
	}
	maps.Copy(event, more)
	for _, h := range s.hooksOf(name) {
		event["hookId"] = h.ID
		s.send(h, name, marshal(event))
	}
}

func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func paramsOf(r *http.Request) map[string]string {
	params := map[string]string{}
	for segment := range strings.SplitSeq(r.Pattern, "/") {
		if name, ok := inBraces(segment); ok {
			params[name] = r.PathValue(name)
		}
	}
	return params
}

func (s *Server) hooksOf(event string) []Hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hooks []Hook
	for _, h := range s.directory.hooks {
		if !h.Disabled && slices.Contains(h.Events, event) {
			hooks = append(hooks, h.Hook)
		}
	}
	return hooks
}

// send tries once to deliver an event, and then writes a row in the log. While too many are under way, it waits.
func (s *Server) send(h Hook, event string, body []byte) {
	select {
	case s.webhooks.sending <- struct{}{}:
	case <-s.running.Done():
		return
	}
	s.deliveries.Go(func() {
		defer func() { <-s.webhooks.sending }()
		status, answer, err := s.post(s.running, h.URL, h.SigningKey, body)
		s.record(h.ID, event, body, status, answer, err)
	})
}

// post is what a receiver sees: the signature is over exactly these bytes.
func (s *Server) post(ctx context.Context, url, signingKey string, body []byte) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write(body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Logto (https://logto.io/)")
	r.Header.Set("Logto-Signature-Sha-256", hex.EncodeToString(mac.Sum(nil)))
	resp, err := s.webhooks.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxReceived))
	return resp.StatusCode, answer, err
}

// record writes a row, at the time when the attempt is over.
func (s *Server) record(hook, event string, body []byte, status int, answer []byte, err error) {
	payload := map[string]any{
		"key":         logKeyPrefix + event,
		"result":      "Success",
		"hookId":      hook,
		"hookRequest": map[string]json.RawMessage{"body": body},
	}
	if status != 0 {
		var said any = string(answer)
		if json.Valid(answer) {
			said = json.RawMessage(answer)
		}
		payload["response"] = map[string]any{"statusCode": status, "body": said}
	}
	switch {
	case err != nil:
		payload["result"], payload["error"] = "Error", err.Error()
	case status < 200 || status > 299:
		payload["result"], payload["error"] = "Error", "the receiver answered "+http.StatusText(status)
	}
	row := logRow{ID: rand.Text()[:21], Key: logKeyPrefix + event, Payload: marshal(payload), CreatedAt: s.now().UnixMilli(), hook: hook}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.webhooks
	l.log = append(l.log, row)
	l.logSize += len(row.Payload) + logRowSize
	for l.logSize > maxLogSize {
		l.logSize -= len(l.log[0].Payload) + logRowSize
		l.log[0] = logRow{}
		l.log = l.log[1:]
	}
}
