package m2m

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/logtoguard/logtoguard/internal/safetext"
)

const (
	// While the token is valid, a failed renewal is not urgent. Without one, the
	// rest doubles with each failure: a wrong secret stays wrong.
	restWithToken = 10 * time.Second
	minRest       = time.Second
	maxRest       = time.Minute

	forcedRenewalPeriod = 10 * time.Second

	// A revocation ends the tokens that were issued up to and in its second. A token
	// that is refused while it is this young may be one of them, and the next must be
	// of a later second: by Logto's clock, so the pause is a second and not up to the
	// next one of this clock, and a little more, as the API goes by its own.
	youth = 2 * time.Second
	pause = 1100 * time.Millisecond

	// After the clock was set back by more, a token's age is not known.
	clockTolerance = time.Minute
)

// A grant is a token and its lifetime. It never changes.
type grant struct {
	token    *oauth2.Token // not to be handed out: callers get copies
	lifetime time.Duration
	arrived  time.Time
}

// fit reports whether the token will not expire on its way.
func (g *grant) fit(now time.Time) bool {
	return g != nil && g.token.Expiry.Sub(now) > min(g.lifetime/20, 10*time.Second)
}

// due reports whether it is time for the next token.
func (g *grant) due(now time.Time) bool {
	left := g.token.Expiry.Sub(now)
	return left <= min(g.lifetime/4, 15*time.Minute) || left > g.lifetime+clockTolerance
}

// A keeper holds the present grant and renews it.
type keeper struct {
	fetch  func() (*grant, *Error)
	now    func() time.Time
	logger *slog.Logger

	mu       sync.Mutex
	present  *grant
	underWay *request
	failure  *Error // of the last request, if it failed
	failedAt time.Time
	rest     time.Duration // after that failure, if there is no token
	forcedAt time.Time     // when an API's 401 has last forced a renewal
	pausedAt time.Time     // the same of one after a pause
	warned   bool          // that renewals fail
}

// A request to Logto is shared by all callers that wait for it. Grant and failure
// are set when done is closed.
type request struct {
	done    chan struct{}
	grant   *grant
	failure *Error
}

// get returns a grant that is fit for use, and waits only if there is none.
func (k *keeper) get(ctx context.Context) (*grant, error) {
	now := k.now()
	k.mu.Lock()
	if present := k.present; present.fit(now) {
		if present.due(now) && !k.resting(now, restWithToken) {
			k.ask(0)
		}
		k.mu.Unlock()
		return present, nil
	}
	if k.underWay == nil && k.resting(now, k.rest) {
		defer k.mu.Unlock()
		return nil, k.failure.clone(now.Sub(k.failedAt))
	}
	pending := k.ask(0)
	k.mu.Unlock()
	return pending.wait(ctx)
}

// replace returns another grant than the one that an API has refused, or nil: an
// API that answers 401 to every request must not make us ask Logto each time. It
// returns an error only if ctx has ended.
func (k *keeper) replace(ctx context.Context, refused *grant) (*grant, error) {
	next, err := k.after(ctx, refused)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil || next.token.AccessToken == refused.token.AccessToken:
		return nil, nil
	}
	return next, nil
}

// after returns the grant that follows the refused one, or the same.
func (k *keeper) after(ctx context.Context, refused *grant) (*grant, error) {
	now := k.now()
	k.mu.Lock()
	if k.present != refused {
		k.mu.Unlock()
		return k.get(ctx)
	}
	last, delay := &k.forcedAt, time.Duration(0)
	if within(youth, refused.arrived, now) {
		last, delay = &k.pausedAt, pause
	}
	if k.underWay == nil {
		if within(forcedRenewalPeriod, *last, now) || k.resting(now, 0) {
			k.mu.Unlock()
			return refused, nil
		}
		*last = now
	}
	pending := k.ask(delay)
	k.mu.Unlock()
	return pending.wait(ctx)
}

// resting reports whether the last request failed within this time, or within the one
// that its answer asked to wait. k.mu must be held.
func (k *keeper) resting(now time.Time, rest time.Duration) bool {
	return k.failure != nil && within(max(rest, k.failure.RetryAfter), k.failedAt, now)
}

// within reports whether period has not passed since start. It is false if the clock
// was set back, which must not make a rest last for hours.
func within(period time.Duration, start, now time.Time) bool {
	passed := now.Sub(start)
	return passed >= 0 && passed < period
}

// ask returns the request that is under way, and starts one, which is sent after the
// delay, if there is none. k.mu must be held.
func (k *keeper) ask(delay time.Duration) *request {
	if k.underWay == nil {
		k.underWay = &request{done: make(chan struct{})}
		go k.run(k.underWay, delay)
	}
	return k.underWay
}

// run logs what no caller gets to see. It holds no lock then, because a handler may
// call the Client.
func (k *keeper) run(r *request, delay time.Duration) {
	time.Sleep(delay)
	r.grant, r.failure = k.fetch()
	present, changed := k.record(r)
	switch {
	case changed && r.failure == nil:
		k.logger.Warn("m2m: renewing the token works again")
	case changed:
		k.logger.Warn("m2m: renewing the token failed: serving on with the one that is there",
			"expires", present.token.Expiry, "error", safetext.Text(r.failure.Error()))
	}
}

// record keeps the outcome for all callers. It reports whether renewals fail from
// now on, or work again, and the grant that is there.
func (k *keeper) record(r *request) (present *grant, changed bool) {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.underWay = nil
	k.failure, k.failedAt = r.failure, now
	switch {
	case r.failure == nil:
		k.present, k.rest = r.grant, 0
	case !k.present.fit(now):
		k.rest = min(max(2*k.rest, minRest), maxRest)
	}
	failing := r.failure != nil && (k.warned || k.present.fit(now))
	changed = failing != k.warned
	k.warned = failing
	close(r.done)
	return k.present, changed
}

// wait returns the outcome, or an error if ctx ends first.
func (r *request) wait(ctx context.Context) (*grant, error) {
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, &Error{cause: ctx.Err()}
	}
	if r.failure != nil {
		return nil, r.failure.clone(0)
	}
	return r.grant, nil
}
