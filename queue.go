package logtoguard

import (
	"container/list"
	"context"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxWaiting    = 30_000
	maxTurn       = 10 * time.Second // how long a request waits
	maxTurnForged = 2 * time.Second  // the same for strangers, while many signatures are wrong
	maxExpired    = 8                // strangers that are sent away at a time
	maxRetryAfter = 30 * time.Second

	// readAtOnce is how many tokens are read at once for each processor. The rest of a
	// crowd waits for that, and not in the scheduler's queues, where the requests of
	// known tokens would have to wait behind it.
	readAtOnce = 32
)

// A queue decides how many signatures are checked at once, and whose turn it is. Who a
// request is from is in its token, which has to be read first: reading is cheap, bounded to
// a few tokens at once, and goes before checking.
//
// Honest load gets all processors, and strangers are served in the order in which they
// came. While many signatures are wrong, one processor is left to the rest of the
// server, and the newest stranger is served first: the oldest is about to give up.
//
// Known subjects, whose last signature was right, are served before strangers: each has
// one place in a line of their own, which its newest request takes. The older one waits
// on like a stranger that comes now. Anybody can write a subject's name into a forged
// token, so a wrong signature makes it a stranger until its next right one.
type queue struct {
	seed    maphash.Seed
	reading chan struct{} // holds as many as read their token now
	unread  atomic.Int64  // requests that wait to do so

	mu        sync.Mutex
	running   int           // signatures that are being checked
	took      time.Duration // how long one takes: the median, about
	checks    tally
	known     subjects
	renewals  *list.List // turns of known subjects, at most one for each
	strangers *list.List // all other turns
	renewing  map[subject]*turn
}

func newQueue() *queue {
	return &queue{
		seed:      maphash.MakeSeed(),
		reading:   make(chan struct{}, readAtOnce*runtime.GOMAXPROCS(0)),
		took:      time.Millisecond / 2, // ES384
		known:     subjects{recent: make(map[subject]struct{})},
		renewals:  list.New(),
		strangers: list.New(),
		renewing:  make(map[subject]*turn),
	}
}

// read waits until a request may read its token, and returns for how long it has waited.
// Its caller must call haveRead, unless there is an error.
func (q *queue) read(ctx context.Context) (waited time.Duration, e *Error) {
	select {
	case q.reading <- struct{}{}:
	default:
		began := time.Now()
		if e := q.waitToRead(ctx); e != nil {
			return 0, e
		}
		waited = time.Since(began)
	}
	giveWay()
	return waited, nil
}

func (q *queue) waitToRead(ctx context.Context) *Error {
	patience := time.NewTimer(maxTurn)
	defer patience.Stop()
	defer q.unread.Add(-1)
	q.unread.Add(1)
	if e := q.makeRoom(); e != nil {
		return e
	}
	select {
	case q.reading <- struct{}{}:
		return nil
	case <-patience.C:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refusal(ctx.Err())
}

// makeRoom lets one more wait to read its token, if need be instead of one in line.
func (q *queue) makeRoom() *Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.proceed()
	if q.waiting() > maxWaiting {
		return q.refusal(nil)
	}
	return nil
}

func (q *queue) haveRead() { <-q.reading }

// giveWay lets other requests go first. Go runs a goroutine at once that was just woken:
// while all processors are busy with those, others would wait for long.
func giveWay() { runtime.Gosched() }

// A turn belongs to one request, which waits for it, has its signature checked, and leaves.
type turn struct {
	queue   *queue
	subject subject
	came    time.Time
	line    *list.List // where it waits; nil once its wait is over
	place   *list.Element
	called  chan *Error // gets nil when it has its turn, or why it is sent away
	began   time.Time   // its check
}

// enter waits for the turn of a request that has waited before. Its caller must leave,
// unless there is an error.
func (q *queue) enter(ctx context.Context, c *Claims, waited time.Duration) (*turn, *Error) {
	giveWay() // not later, when it may have a place, which would be empty meanwhile
	t := q.arrive(q.subjectOf(c))
	if e := t.wait(ctx, waited); e != nil {
		return nil, e
	}
	if q.unread.Load() > 0 {
		giveWay() // who waits to be read may come before those in line
	}
	t.began = time.Now()
	return t, nil
}

func (q *queue) arrive(name subject) *turn {
	t := &turn{queue: q, subject: name, came: time.Now(), called: make(chan *Error, 1)}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lineUp(t)
	q.proceed()
	return t
}

// wait waits until the turn is called, and ends when it was sent away, it has taken too
// long, or ctx ends.
func (t *turn) wait(ctx context.Context, waited time.Duration) *Error {
	patience := time.NewTimer(maxTurn - waited)
	defer patience.Stop()
	select {
	case e := <-t.called:
		return e
	case <-patience.C:
	case <-ctx.Done():
	}
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.line == nil {
		return <-t.called // at the same time
	}
	e := q.refusal(ctx.Err())
	q.remove(t)
	return e
}

// checked takes note of the result of the check.
func (t *turn) checked(correct bool) {
	q, now := t.queue, time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.checks.add(now, correct)
	if correct { // others may fail at the first look
		// Steps of one size lead to the median: how long an outlier was doesn't count.
		if step := q.took/64 + 1; now.Sub(t.began) > q.took {
			q.took += step
		} else {
			q.took -= step
		}
		q.known.add(t.subject)
		return
	}
	q.known.remove(t.subject)
	if waiting := q.renewing[t.subject]; waiting != nil {
		q.remove(waiting)
		q.push(q.strangers, waiting)
	}
}

// leave hands the turn on.
func (t *turn) leave() {
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	t.queue.running--
	t.queue.expire()
	t.queue.proceed()
}

// expire sends away strangers that have waited too long in a flood: a few with each check,
// as those who came all at once must not leave, and come back, all at once.
func (q *queue) expire() {
	now := time.Now()
	for range maxExpired {
		if q.strangers.Len() == 0 || now.Sub(oldest(q.strangers).came) <= maxTurnForged || !q.checks.forged(now) {
			return
		}
		q.sendAway(oldest(q.strangers))
	}
}

// lineUp makes a turn wait. Of a known subject's requests the newest waits as such.
func (q *queue) lineUp(t *turn) {
	if !q.known.has(t.subject) {
		q.push(q.strangers, t)
		return
	}
	older := q.renewing[t.subject]
	if older == nil {
		q.push(q.renewals, t)
	} else {
		t.line, t.place = older.line, older.place
		t.place.Value = t // in the older one's place
		q.push(q.strangers, older)
	}
	q.renewing[t.subject] = t
}

func (q *queue) push(line *list.List, t *turn) {
	t.line, t.place = line, line.PushBack(t)
}

func (q *queue) remove(t *turn) {
	if t.line == q.renewals {
		delete(q.renewing, t.subject)
	}
	t.line.Remove(t.place)
	t.line = nil
}

// count returns how many requests wait.
func (q *queue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting()
}

func (q *queue) waiting() int { return int(q.unread.Load()) + q.inLine() }

func (q *queue) inLine() int { return q.renewals.Len() + q.strangers.Len() }

// mode is how the queue works now: whether many signatures are wrong, and how many may
// be checked at once.
func (q *queue) mode(now time.Time) (forged bool, places int) {
	places = runtime.GOMAXPROCS(0)
	if forged = q.checks.forged(now); forged {
		places = max(1, places-1)
	}
	return forged, places
}

// proceed calls those whose turn it is, and sends away those who would wait too long.
func (q *queue) proceed() {
	forged, places := q.mode(time.Now())
	for q.running < places && q.inLine() > 0 {
		t := q.next(forged)
		q.remove(t)
		q.running++
		t.called <- nil
	}
	for q.tooMany() {
		q.sendAway(q.last(forged))
	}
}

// tooMany reports whether one in line must go: a stranger for those whose token has not
// been read. How long all will take goes by all processors, as a flood may be over soon.
func (q *queue) tooMany() bool {
	return q.strangers.Len() > 0 && q.waiting() > maxWaiting || q.inLine() > maxWaiting ||
		q.delay(q.inLine(), runtime.GOMAXPROCS(0)) > maxTurn
}

// next returns the turn to call: known subjects come before strangers.
func (q *queue) next(forged bool) *turn {
	switch {
	case q.renewals.Len() > 0:
		return oldest(q.renewals)
	case forged:
		return newest(q.strangers)
	}
	return oldest(q.strangers)
}

// last returns the turn that next would come to last: the one to send away.
func (q *queue) last(forged bool) *turn {
	switch {
	case q.strangers.Len() == 0:
		return newest(q.renewals)
	case forged:
		return oldest(q.strangers)
	}
	return newest(q.strangers)
}

// delay returns how long n requests take.
func (q *queue) delay(n, places int) time.Duration {
	return time.Duration(n) * q.took / time.Duration(places)
}

func (q *queue) sendAway(t *turn) {
	e := q.refusal(nil)
	q.remove(t)
	t.called <- e
}

// refusal tells a request to come back: not all at once, and later the more there are.
func (q *queue) refusal(cause error) *Error {
	_, places := q.mode(time.Now())
	spread := min(2*q.delay(q.waiting(), places), maxRetryAfter-time.Second)
	seconds := 1 + rand.IntN(1+int(spread/time.Second))
	return overloaded.retryIn(time.Duration(seconds)*time.Second, cause)
}

// A tally counts the checks of the last second. It keeps those of the present second and
// of the one before, and takes these as spread evenly.
type tally struct {
	began           time.Time // the present second
	present, before counts
}

type counts struct{ all, wrong float64 }

const minTally = 20

func (t *tally) add(now time.Time, correct bool) {
	t.advance(now)
	t.present.all++
	if !correct {
		t.present.wrong++
	}
}

// forged reports whether more than a quarter were wrong.
func (t *tally) forged(now time.Time) bool {
	t.advance(now)
	left := 1 - now.Sub(t.began).Seconds() // of the second before
	all, wrong := t.present.all+left*t.before.all, t.present.wrong+left*t.before.wrong
	return all >= minTally && 4*wrong > all
}

func (t *tally) advance(now time.Time) {
	switch passed := now.Sub(t.began); {
	case passed < time.Second:
	case passed < 2*time.Second:
		t.began, t.before, t.present = t.began.Add(time.Second), t.present, counts{}
	default:
		*t = tally{began: now}
	}
}

// maxSubjects is how many subjects are known for certain; twice as many may be.
const maxSubjects = 1 << 15

// A subject stands for a sub and a client_id. It is a hash, which takes the same room
// for names of any length. Its seed is secret, so that a stranger can't find a name
// with the hash of another.
type subject uint64

func (q *queue) subjectOf(c *Claims) subject {
	return subject(maphash.Comparable(q.seed, [2]string{c.subject, c.clientID}))
}

// subjects holds the latest ones that were added. It takes 2.3 MB at most.
type subjects struct{ recent, former map[subject]struct{} }

func (s *subjects) add(name subject) {
	if len(s.recent) >= maxSubjects {
		s.recent, s.former = make(map[subject]struct{}), s.recent
	}
	s.recent[name] = struct{}{}
}

func (s *subjects) has(name subject) bool {
	_, recent := s.recent[name]
	_, former := s.former[name]
	return recent || former
}

func (s *subjects) remove(name subject) {
	delete(s.recent, name)
	delete(s.former, name)
}

// Those at the two ends of a line that is not empty.
func oldest(line *list.List) *turn { return line.Front().Value.(*turn) }
func newest(line *list.List) *turn { return line.Back().Value.(*turn) }
