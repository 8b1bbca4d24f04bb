package revocation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/logtoguard/logtoguard/internal/endpoint"
	"github.com/logtoguard/logtoguard/internal/strict"
	"github.com/logtoguard/logtoguard/m2m"
)

// EventLog reads a webhook's log at Logto's Management API (Logto 1.40 or newer). The
// log has each event of the webhook, also one that could not be delivered, so it brings
// back what a webhook lost. The webhook's address may be one that nothing answers at.
//
// A token for the Management API administers the whole tenant: keep the EventLog in one
// small process, and give the others a [Log].
type EventLog struct {
	// Endpoint is Logto's, such as https://tenant-id.logto.app. On Logto Cloud it must
	// not be a custom domain: the Management API has none.
	Endpoint string

	// HookID is the ID of the webhook, which is the last part of the address of its page
	// in Logto's Console. The webhook must be enabled, and have the four events that
	// [List.ServeHTTP] names.
	HookID string

	// Client is the HTTP client of package m2m's Client, for ManagementResource and the
	// scope "all".
	Client *http.Client

	// Interval is the pause between two readings. Default: 5 s.
	Interval time.Duration
}

const (
	defaultInterval = 5 * time.Second
	lookInterval    = time.Minute
	// remembered is how much longer a user's block is kept where it can be asked whether
	// it should go on: Events may have been out of order when it ended.
	remembered = 7 * 24 * time.Hour
	apiTimeout = 10 * time.Second
	maxPage    = 64 << 20
	pageSize   = 100 // Logto's largest
	maxUserID  = 64

	// overlap is how far back each reading starts. A row is written when Logto has
	// tried to deliver the event, for which it takes up to 10 s, and rows of the same
	// time may appear one after the other.
	overlap = 15 * time.Second
)

var (
	// errHook is found in the error about a webhook that can't tell everything.
	errHook = errors.New("its events are missing here")
	// errDenied is found in the error about a refusal of Logto's, such as 401 and 403.
	errDenied = errors.New("EventLog.Client must be package m2m's, for ManagementResource and the scope all, and its application must have a role with that")
)

// validate returns all faults, and fills in the defaults.
func (e *EventLog) validate() (faults []error) {
	var err error
	if e.Endpoint, err = endpoint.Normalize("Events.Endpoint", e.Endpoint, true); err != nil { // Client knows which networks it may use
		faults = append(faults, err)
	}
	if e.HookID == "" {
		faults = append(faults, errors.New("Events.HookID is empty: set it to the ID of the webhook in Logto"))
	}
	if e.Client == nil {
		faults = append(faults, errors.New("Events.Client is nil: set it to the HTTPClient of package m2m's Client, for ManagementResource"))
	}
	if e.Interval < 0 {
		faults = append(faults, errors.New("Events.Interval is negative: set it to the pause between two readings, such as 5 s"))
	}
	if e.Interval == 0 {
		e.Interval = defaultInterval
	}
	return faults
}

// An eventReader is the source that Config.Events is.
type eventReader struct {
	EventLog
	list   *List
	looked time.Time       // when it has last seen to the webhook and the blocks
	newest int64           // createdAt of the newest row, by Logto's clock, in Unix milliseconds; at most when it was read
	seen   map[string]bool // the IDs of the rows from newest less overlap on
}

// read is what the source of Config.Events does.
func (e *eventReader) read(ctx context.Context, caughtUp func()) error {
	e.looked = time.Time{}
	ticker := time.NewTicker(e.Interval)
	defer ticker.Stop()
	for {
		// First, so that a webhook which lacks one event does not cost the others.
		if err := e.readNew(ctx); err != nil {
			return err
		}
		if now := e.list.now(); now.Sub(e.looked) >= lookInterval || now.Before(e.looked) {
			if err := e.renewBlocks(ctx); err != nil {
				return err
			}
			if err := e.lookAtHook(ctx); err != nil {
				return err
			}
			e.looked = now
		}
		caughtUp()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lookAtHook reports a webhook that gets no events, or not all: its log would be silent.
func (e *eventReader) lookAtHook(ctx context.Context) error {
	var hook struct {
		Enabled bool     `json:"enabled"`
		Events  []string `json:"events"`
	}
	status, err := e.get(ctx, "/api/hooks/"+url.PathEscape(e.HookID), nil, &hook)
	if status == http.StatusNotFound {
		return fmt.Errorf("there is no webhook with the ID in EventLog.HookID at Logto: %w", errHook)
	}
	if err != nil {
		return err
	}
	if !hook.Enabled {
		return fmt.Errorf("the webhook is disabled at Logto: %w", errHook)
	}
	for _, name := range slices.Sorted(maps.Keys(parsers)) { // the same one each time, or each would be logged
		if !slices.Contains(hook.Events, name) {
			return fmt.Errorf("the webhook is not set to the event %s at Logto: %w", name, errHook)
		}
	}
	return nil
}

// A row is one of the webhook's log.
type row struct {
	ID        string `json:"id"`
	CreatedAt int64  `json:"createdAt"`
	Payload   struct {
		HookRequest struct {
			Body jsontext.Value `json:"body"`
		} `json:"hookRequest"`
	} `json:"payload"`
}

// readNew takes what has happened since it was last called.
func (e *eventReader) readNew(ctx context.Context) error {
	now := e.list.now()
	start := max(0, now.UnixMilli()-e.list.kept())
	if e.newest != 0 {
		start = e.newest - overlap.Milliseconds()
	}
	newest, seen, skipped := e.newest, make(map[string]bool), 0
	for page := 1; ; page++ {
		var rows []row
		_, err := e.get(ctx, "/api/hooks/"+url.PathEscape(e.HookID)+"/recent-logs", url.Values{
			"start_time": {strconv.FormatInt(start, 10)},
			"page":       {strconv.Itoa(page)},
			"page_size":  {strconv.Itoa(pageSize)},
			"enableCap":  {"true"}, // or Logto counts all of its log
		}, &rows)
		if err != nil {
			return err
		}
		var revocations []Revocation
		for _, r := range rows { // the newest first; what comes meanwhile moves rows to the next page, and is read next time
			// A clock of Logto's that was ahead must not hide what comes after it was set back.
			newest = min(max(newest, r.CreatedAt), now.UnixMilli())
			if r.CreatedAt >= newest-overlap.Milliseconds() {
				seen[r.ID] = true
			}
			if e.seen[r.ID] {
				continue
			}
			of, err := revocationsOf(r.Payload.HookRequest.Body)
			if err != nil {
				skipped++
			}
			revocations = append(revocations, e.list.timely(of)...)
		}
		if err := e.list.take(ctx, sourceEvents, revocations...); err != nil {
			return err
		}
		if len(rows) < pageSize || rows[pageSize-1].CreatedAt < start {
			break
		}
	}
	e.newest, e.seen = newest, seen
	for range skipped {
		e.list.skip()
	}
	return nil
}

// renewBlocks asks Logto for the users whose block is in its last quarter, or over. A
// suspended user's personal access token still buys new tokens (Logto 1.42), so the block
// must not end before the suspension does. Of a user who isn't suspended any more the
// event got lost.
func (e *eventReader) renewBlocks(ctx context.Context) error {
	l := e.list
	for users := range slices.Chunk(l.blockedUsers(max(l.cfg.MaxTokenLifetime/4, grace, 2*e.Interval)), pageSize) {
		// Anything that happens at Logto after it has answered must count as later.
		at := l.now().Add(-maxAhead)
		var found []struct {
			ID          string `json:"id"`
			IsSuspended bool   `json:"isSuspended"`
		}
		_, err := e.get(ctx, "/api/users", url.Values{
			"search.id":       users,
			"mode.id":         {"exact"},
			"isCaseSensitive": {"true"}, // ten times faster
			"page_size":       {strconv.Itoa(pageSize)},
		}, &found)
		if err != nil {
			return err
		}
		suspended := make(map[string]bool)
		for _, user := range found {
			suspended[user.ID] = user.IsSuspended
		}
		revocations := make([]Revocation, len(users))
		for i, user := range users {
			revocations[i] = Revocation{Subject: user, Kind: Lift, At: at, Reason: "not suspended"}
			if suspended[user] {
				revocations[i].Kind, revocations[i].Reason = Block, "still suspended"
			}
		}
		if err := l.take(ctx, sourceEvents, revocations...); err != nil {
			return err
		}
	}
	return nil
}

// blockedUsers are those whose block has at most this time left.
func (l *List) blockedUsers(left time.Duration) (users []string) {
	latest := l.now().Add(left).UnixMilli()
	for e := range l.table.Load().all {
		if e.fields.set() == 1<<subject && e.blocks() && l.end(e.block) <= latest && isUserID(e.fields[subject]) {
			users = append(users, e.fields[subject])
		}
	}
	return users
}

// isUserID reports whether a subject may be that of a user. Logto's IDs have 12 letters
// and digits; what your own code has blocked could make the request for all of them fail.
func isUserID(s string) bool {
	odd := func(r rune) bool { return r >= utf8.RuneSelf || !strict.IsAlphanumeric(byte(r)) }
	return len(s) <= maxUserID && !strings.ContainsFunc(s, odd)
}

// get decodes the answer to a request.
func (e *eventReader) get(ctx context.Context, path string, query url.Values, v any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.Endpoint+path+"?"+query.Encode(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := e.Client.Do(r)
	if err != nil {
		if failed := (*url.Error)(nil); errors.As(err, &failed) {
			err = failed.Err // without the address, which has users in it
		}
		if refused := (*m2m.Error)(nil); errors.As(err, &refused) && refused.Status/100 == 4 && refused.Status != http.StatusTooManyRequests {
			err = fmt.Errorf("%w: %w", err, errDenied) // a wrong secret, say
		}
		return 0, fmt.Errorf("GET %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch body := io.LimitReader(resp.Body, maxPage); resp.StatusCode {
	case http.StatusOK:
		if err := json.UnmarshalRead(body, v, lenient); err != nil {
			return resp.StatusCode, fmt.Errorf("GET %s: the answer is not what Logto answers: %w", path, err)
		}
		return resp.StatusCode, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return resp.StatusCode, fmt.Errorf("GET %s: %s: %w", path, resp.Status, errDenied)
	default:
		return resp.StatusCode, fmt.Errorf("GET %s: %s", path, resp.Status)
	}
}
