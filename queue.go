package logtoguard

import (
	"container/list"
	"context"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

const (
	maxWaiting = 30_000
	maxTurn    = 10 * time.Second // how long a request waits for its turn
	// maxTurnForged is that of a stranger while many signatures are wrong.
	maxTurnForged = 2 * time.Second
	maxExpired    = 8  // that are sent away at a time
	maxRetryAfter = 30 // seconds
)

// A queue decides how many signatures are checked at once, and whose turn it is.
//
// Honest load gets all processors, and strangers are served in the order in which they
// came. While many signatures are wrong, one processor is left to the rest of the
// server, and the newest stranger is served first: the oldest is about to give up.
//
// Known subjects, whose last signature was right, are served before strangers: each has
// one place in a line of their own, which its newest request takes. Anybody can write
// their names into a forged token, so a wrong signature makes a subject a stranger until
// its next right one.
//
// It has no timers. Whenever a request comes or leaves, some that can't be served in
// time are sent away; where requests wait, others are being checked, and leave soon.
type queue struct {
	seed maphash.Seed

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
		took:      time.Millisecond / 2, // ES384
		known:     subjects{recent: make(map[subject]struct{})},
		renewals:  list.New(),
		strangers: list.New(),
		renewing:  make(map[subject]*turn),
	}
}

// A turn belongs to one request, which waits for it, has its signature checked, and leaves.
type turn struct {
	queue   *queue
	subject subject
	came    time.Time
	line    *list.List // where it waits; nil once it was called, sent away, or has left
	place   *list.Element
	called  chan *Error // gets nil when it has its turn, or why it is sent away

	began            time.Time
	checked, correct bool // its signature
}

// enter waits for the turn of a request. Its caller must leave, unless there is an error.
func (q *queue) enter(ctx context.Context, c *Claims) (*turn, *Error) {
	// Go runs a goroutine at once that was just called. While all processors are busy with
	// those, other requests would wait for long: let them go first, but hold no place meanwhile.
	runtime.Gosched()
	t := q.arrive(q.subjectOf(c))
	if e := t.wait(ctx); e != nil {
		return nil, e
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

// wait waits until the turn is called, or ctx ends.
func (t *turn) wait(ctx context.Context) *Error {
	select {
	case e := <-t.called:
		return e
	case <-ctx.Done():
	}
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	if t.line == nil {
		return <-t.called // at the same time
	}
	t.queue.remove(t)
	return overloaded.because(ctx.Err())
}

// verdict records the result of the check.
func (t *turn) verdict(correct bool) { t.checked, t.correct = true, correct }

// leave hands the turn on.
func (t *turn) leave() {
	t.queue.mu.Lock()
	defer t.queue.mu.Unlock()
	t.queue.running--
	if t.checked {
		t.queue.learn(t)
	}
	t.queue.expire()
	t.queue.proceed()
}

// learn takes note of a check.
func (q *queue) learn(t *turn) {
	now := time.Now()
	q.checks.add(now, t.correct)
	// Small steps lead to the median, which does not count how long the outliers were.
	if step := q.took/64 + 1; now.Sub(t.began) > q.took {
		q.took += step
	} else {
		q.took -= step
	}
	if t.correct {
		q.known.add(t.subject)
		return
	}
	q.known.remove(t.subject)
	if waiting := q.renewing[t.subject]; waiting != nil {
		q.remove(waiting)
		q.push(q.strangers, waiting)
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
		t.line, t.place = older.line, older.place // the older one's place in the line
		t.place.Value = t
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

// length returns how many requests wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting()
}

func (q *queue) waiting() int { return q.renewals.Len() + q.strangers.Len() }

// expire sends away requests that have waited too long: a few with each check, as clients
// that left all at once would come back all at once.
func (q *queue) expire() {
	now := time.Now()
	forged, places := q.mode(now)
	expired := func(t *turn, limit time.Duration) bool { return t != nil && now.Sub(t.came) > limit }
	maxStranger := maxTurn
	if forged {
		maxStranger = maxTurnForged
	}
	for range maxExpired {
		if t := oldest(q.renewals); expired(t, maxTurn) {
			q.sendAway(t, places)
		}
		if t := oldest(q.strangers); expired(t, maxStranger) {
			q.sendAway(t, places)
		}
	}
}

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
	for q.running < places && q.waiting() > 0 {
		q.call(q.next(forged))
	}
	for q.waiting() > maxWaiting || q.delay(places) > maxTurn {
		q.sendAway(q.last(forged), places)
	}
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

// delay returns how long the requests that wait now will take.
func (q *queue) delay(places int) time.Duration {
	return time.Duration(q.waiting()) * q.took / time.Duration(places)
}

func (q *queue) call(t *turn) {
	q.remove(t)
	q.running++
	t.called <- nil
}

// sendAway tells a request to come back at a time between now and twice the delay: not
// all at once, and later the more there are.
func (q *queue) sendAway(t *turn, places int) {
	most := min(1+2*q.delay(places).Seconds(), maxRetryAfter)
	q.remove(t)
	t.called <- overloaded.retryIn(time.Duration(1+rand.IntN(int(most)))*time.Second, nil)
}

type counts struct{ all, wrong int }

// A tally counts the checks of the last second, in halves: the present one and the one before.
type tally struct {
	began           time.Time // the present half
	present, before counts
}

const (
	tallyHalf = 500 * time.Millisecond
	minTally  = 20
)

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
	all, wrong := t.before.all+t.present.all, t.before.wrong+t.present.wrong
	return all >= minTally && 4*wrong > all
}

func (t *tally) advance(now time.Time) {
	passed := now.Sub(t.began)
	if passed < tallyHalf {
		return
	}
	t.before = t.present
	if passed >= 2*tallyHalf {
		t.before = counts{}
	}
	t.began, t.present = now, counts{}
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

// subjects holds the latest ones that were added. It takes at most 2 MB or so.
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

// Those at the two ends of a line; nil: it is empty.
func oldest(line *list.List) *turn { return turnOf(line.Front()) }
func newest(line *list.List) *turn { return turnOf(line.Back()) }

func turnOf(e *list.Element) *turn {
	if e == nil {
		return nil
	}
	return e.Value.(*turn)
}
