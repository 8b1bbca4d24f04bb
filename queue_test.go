package logtoguard

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	// The package has a require of its own.
	must "github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/logtotest"
)

// inQueue runs a test in a bubble, on a machine with two processors.
func inQueue(t *testing.T, test func(t *testing.T, q *queue)) {
	t.Helper()
	processors(t, 2)
	synctest.Test(t, func(t *testing.T) { test(t, newQueue()) })
}

func processors(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// busy fills all places. Its turns are those of strangers.
func busy(q *queue) []*turn {
	var turns []*turn
	for range runtime.GOMAXPROCS(0) {
		turns = append(turns, q.arrive(subject(rand.Uint64())))
	}
	return turns
}

// checkedAs brings a turn to its end.
func (t *turn) checkedAs(correct bool) {
	t.checked(correct)
	t.leave()
}

// hasTurn reports whether it is the request's turn, and sentAway is the answer to one
// that was sent away. Both are for requests that arrived, and don't wait themselves.
func hasTurn(t *turn) bool { return t.line == nil && len(t.called) == 1 && peek(t) == nil }

func sentAway(t *turn) *Error {
	if t.line != nil || len(t.called) == 0 {
		return nil
	}
	return peek(t)
}

func peek(t *turn) *Error {
	e := <-t.called
	t.called <- e
	return e
}

// order returns the names of waiting requests in the order of their turns.
func order(q *queue, place *turn, waiting map[string]*turn) (names []string) {
	for len(waiting) > 0 {
		place.leave()
		for name, t := range waiting {
			if hasTurn(t) {
				names, place = append(names, name), t
				delete(waiting, name)
			}
		}
	}
	place.leave()
	return names
}

// forge lets checks end, of which the last ones fail.
func forge(q *queue, all, wrong int) {
	for i := range all {
		t := q.arrive(subject(rand.Uint64()))
		t.checkedAs(i < all-wrong)
	}
}

// requireEmpty fails where a place or a waiter was lost.
func requireEmpty(t *testing.T, q *queue) {
	t.Helper()
	must.Zero(t, q.running)
	must.Zero(t, q.count())
	must.Empty(t, q.renewing)
}

func TestQueueUsesAllProcessors(t *testing.T) {
	processors(t, 1)
	for n, whenForged := range map[int]int{1: 1, 2: 1, 3: 2, 8: 7} {
		runtime.GOMAXPROCS(n)
		for _, c := range []struct {
			all, wrong, want int
		}{
			{0, 0, n},
			{19, 19, n}, // too few to tell
			{20, 5, n},  // a quarter
			{20, 6, whenForged},
			{1000, 250, n},
			{1000, 251, whenForged},
		} {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue()
				forge(q, c.all, c.wrong)
				for range n + 3 {
					q.arrive(subject(rand.Uint64()))
				}
				must.Equal(t, c.want, q.running, "%d processors, %d of %d wrong", n, c.wrong, c.all)
			})
		}
	}
}

func TestQueueSeesProcessorsChange(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		turns := busy(q)
		for range 10 {
			q.arrive(subject(rand.Uint64()))
		}
		must.Equal(t, 2, q.running)
		runtime.GOMAXPROCS(4)
		turns[0].leave()
		must.Equal(t, 4, q.running)
		runtime.GOMAXPROCS(1)
		turns[1].leave()
		must.Equal(t, 3, q.running, "none takes the place of one that left")
	})
}

// What counts is the last second. It is known to a second's grain, and taken as spread
// evenly.
func TestQueueForgetsForgeries(t *testing.T) {
	const ms = time.Millisecond
	type checks struct {
		at         time.Duration
		all, wrong int
	}
	for name, c := range map[string]struct {
		checks []checks
		at     time.Duration
		want   bool
	}{
		"now":                                  {[]checks{{0, 100, 26}}, 0, true},
		"at the end of the second":             {[]checks{{0, 100, 26}}, 999 * ms, true},
		"in the next one":                      {[]checks{{0, 100, 26}}, 1_700 * ms, true},
		"in the next one, too few are left":    {[]checks{{0, 100, 26}}, 1_801 * ms, false},
		"at its end":                           {[]checks{{0, 1_000, 1_000}}, 1_979 * ms, true},
		"two seconds later":                    {[]checks{{0, 1_000_000, 1_000_000}}, 2_000 * ms, false},
		"after a pause":                        {[]checks{{0, 1_000, 1_000}, {5_000 * ms, 30, 7}}, 5_000 * ms, false},
		"after a pause, again":                 {[]checks{{0, 1_000, 0}, {5_000 * ms, 30, 8}}, 5_000 * ms, true},
		"after a short pause":                  {[]checks{{0, 1_000, 0}, {2_500 * ms, 30, 8}}, 2_500 * ms, true},
		"half of the second before":            {[]checks{{0, 1_000, 0}, {1_500 * ms, 1_000, 376}}, 1_500 * ms, true},
		"half of the second before, no more":   {[]checks{{0, 1_000, 0}, {1_500 * ms, 1_000, 375}}, 1_500 * ms, false},
		"half of the wrong ones before":        {[]checks{{0, 1_000, 1_000}, {1_500 * ms, 1_500, 1}}, 1_500 * ms, true},
		"half of them, no more":                {[]checks{{0, 1_000, 1_000}, {1_500 * ms, 1_500, 0}}, 1_500 * ms, false},
		"a clump in an honest second":          {[]checks{{0, 4_000, 0}, {1_000 * ms, 1_000, 1_000}}, 1_000 * ms, false},
		"seconds follow each other evenly":     {[]checks{{0, 1, 0}, {900 * ms, 999, 999}, {1_100 * ms, 1, 0}}, 1_975 * ms, true},
		"and are not begun by what comes late": {[]checks{{0, 1, 0}, {900 * ms, 999, 999}, {1_900 * ms, 1, 0}}, 2_000 * ms, false},
	} {
		t.Run(name, func(t *testing.T) {
			begin, tally := time.Now(), tally{}
			for _, these := range c.checks {
				for i := range these.all {
					tally.add(begin.Add(these.at), i >= these.wrong)
				}
			}
			must.Equal(t, c.want, tally.forged(begin.Add(c.at)))
		})
	}
}

func TestQueueOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		forged bool
		known  string // subjects, by their letters
		come   string // requests, by the letter of their subject and a number
		want   string
	}{
		{"strangers", false, "", "a1 b1 a2 c1", "a1 b1 a2 c1"},
		{"strangers, many wrong", true, "", "a1 b1 a2 c1", "c1 a2 b1 a1"},
		{"known before strangers", false, "xy", "a1 x1 b1 y1", "x1 y1 a1 b1"},
		{"known before strangers, many wrong", true, "xy", "a1 x1 b1 y1", "x1 y1 b1 a1"},
		{"the newest of a subject, in its place", false, "xy", "x1 y1 a1 x2", "x2 y1 a1 x1"},
		{"the newest of a subject, many wrong", true, "xy", "x1 y1 a1 x2 b1", "x2 y1 b1 x1 a1"},
		{"one of a subject at a time", true, "xy", "x1 x2 x3 y1", "x3 y1 x2 x1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			processors(t, 1)
			synctest.Test(t, func(t *testing.T) {
				q := newQueue()
				if c.forged {
					forge(q, 100, 100)
				}
				for _, name := range c.known {
					q.known.add(subject(name))
				}
				place := busy(q)[0]
				waiting := map[string]*turn{}
				for _, name := range strings.Fields(c.come) {
					waiting[name] = q.arrive(subject(name[0]))
				}
				must.Equal(t, len(waiting), q.count())
				must.Equal(t, c.want, strings.Join(order(q, place, waiting), " "))
				requireEmpty(t, q)
			})
		})
	}
}

func TestQueueLearnsSubjects(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		const ann, bob = 1, 2
		q.arrive(ann).checkedAs(true)
		q.arrive(bob).leave() // found in the cache: it proves nothing new
		must.True(t, q.known.has(ann))
		must.False(t, q.known.has(bob))

		running := busy(q)
		stranger, forged := q.arrive(bob), q.arrive(ann)
		running[0].leave()
		must.True(t, hasTurn(forged), "she is known")
		waiting := q.arrive(ann)
		forged.checkedAs(false)
		must.True(t, hasTurn(stranger), "as her last signature was wrong, the request that waits became a stranger's")
		later := q.arrive(ann)
		stranger.checkedAs(false)
		must.True(t, hasTurn(waiting))
		waiting.checkedAs(true)
		must.True(t, q.known.has(ann))
		must.True(t, hasTurn(later))
		later.leave()
		running[1].leave()
		requireEmpty(t, q)
	})
}

// What strangers send makes no subject known, and who is known is forgotten in the end.
func TestQueueRemembersSomeSubjects(t *testing.T) {
	const maxSubjects = 32_768
	q := newQueue()
	for i := range subject(3 * maxSubjects) {
		q.arrive(i).checkedAs(false)
	}
	must.Empty(t, q.known.recent)
	for i := range subject(3 * maxSubjects) {
		q.known.add(i)
		must.LessOrEqual(t, len(q.known.recent)+len(q.known.former), 2*maxSubjects)
		must.True(t, i < maxSubjects || q.known.has(i-maxSubjects+1))
	}
	must.False(t, q.known.has(0))
	q.known.remove(3*maxSubjects - 1)
	q.known.remove(2*maxSubjects - 1)
	must.False(t, q.known.has(3*maxSubjects-1))
	must.False(t, q.known.has(2*maxSubjects-1))
}

// A displaced request that leaves does not take the newer one's place with it.
func TestQueueKeepsTheNewest(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		const ann = 1
		q.known.add(ann)
		busy(q)
		older := q.arrive(ann)
		newer := q.arrive(ann)
		q.remove(older)
		must.Same(t, newer, q.renewing[ann])
	})
}

// The same sub at another client is another subject.
func TestQueueSubjects(t *testing.T) {
	q := newQueue()
	name := func(sub, client string) subject { return q.subjectOf(&Claims{subject: sub, clientID: client}) }
	must.Equal(t, name("ann", "shop"), name("ann", "shop"))
	must.NotEqual(t, name("ann", "shop"), name("ann", "app"))
	must.NotEqual(t, name("ann", "shop"), name("anns", "hop"))
	must.NotEqual(t, name("ann", "shop"), newQueue().subjectOf(&Claims{subject: "ann", clientID: "shop"}), "by a secret of each queue")
}

func TestQueueWaitIsBounded(t *testing.T) {
	for name, known := range map[string]bool{"a stranger": false, "a known subject": true} {
		t.Run(name, func(t *testing.T) {
			inQueue(t, func(t *testing.T, q *queue) {
				ann := &Claims{subject: "ann"}
				if known {
					q.known.add(q.subjectOf(ann))
				}
				running := busy(q)
				came := time.Now()
				_, e := q.enter(t.Context(), ann, 0)
				must.Equal(t, 10*time.Second, time.Since(came))
				must.ErrorIs(t, e, ErrOverloaded)
				must.Equal(t, http.StatusServiceUnavailable, e.Status)
				must.Equal(t, "temporarily_unavailable", e.Code)
				must.Empty(t, e.Challenge())
				must.NoError(t, e.cause)
				must.Equal(t, time.Second, e.RetryAfter)
				for _, turn := range running {
					turn.leave()
				}
				requireEmpty(t, q)
			})
		})
	}
}

// In a flood strangers wait for 2 s, and leave bit by bit: a crowd would come back as one.
func TestQueueSendsAwayAFewStrangersAtATime(t *testing.T) {
	for name, c := range map[string]struct {
		wrong int
		wait  time.Duration
		want  int // sent away
	}{
		"in a flood":          {100, 2*time.Second + 1, 8},
		"not as long as that": {100, 2 * time.Second, 0},
		"a few wrong ones":    {19, 2*time.Second + 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inQueue(t, func(t *testing.T, q *queue) {
				running := busy(q)
				q.known.add(0)
				known := []*turn{q.arrive(0)}
				q.known.add(1)
				known = append(known, q.arrive(1))
				var crowd []*turn
				for i := range subject(100) {
					crowd = append(crowd, q.arrive(2+i))
				}
				time.Sleep(c.wait)
				for range c.wrong {
					running[0].checked(false)
				}
				running[0].leave()
				away := 0
				for _, turn := range crowd {
					if sentAway(turn) != nil {
						away++
					}
				}
				must.Equal(t, c.want, away)
				for _, turn := range known {
					must.Nil(t, sentAway(turn))
				}
				must.Equal(t, c.want > 0, sentAway(crowd[0]) != nil, "the oldest")
			})
		})
	}
}

// What a request has waited to read its token counts.
func TestQueueWaitsAreOne(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		busy(q)
		came := time.Now()
		_, e := q.enter(t.Context(), &Claims{}, 3*time.Second)
		must.ErrorIs(t, e, ErrOverloaded)
		must.Equal(t, 7*time.Second, time.Since(came))

		for range cap(q.reading) {
			q.reading <- struct{}{}
		}
		time.AfterFunc(3*time.Second, q.haveRead)
		waited, e := q.read(t.Context())
		must.Nil(t, e)
		must.Equal(t, 3*time.Second, waited)
		came = time.Now()
		_, e = q.read(t.Context())
		must.ErrorIs(t, e, ErrOverloaded)
		must.Equal(t, 10*time.Second, time.Since(came))
		must.Equal(t, 2, q.running)
		must.Zero(t, q.count())
	})
}

// letIn has n strangers arrive, each of whom must get a turn. Their checks take 0.5 ms.
func letIn(t *testing.T, q *queue, crowd *sync.WaitGroup, n int, correct bool) {
	t.Helper()
	for range n {
		turn := q.arrive(subject(rand.Uint64()))
		crowd.Go(func() {
			must.Nil(t, turn.wait(t.Context(), 0))
			turn.began = time.Now()
			time.Sleep(500 * time.Microsecond)
			turn.checkedAs(correct)
		})
	}
}

// A few wrong signatures are a flood until enough right ones have come. Who comes then
// is let in all the same.
func TestQueueServesACrowdAfterAFewWrongSignatures(t *testing.T) {
	for _, wrong := range []int{19, 20} {
		inQueue(t, func(t *testing.T, q *queue) {
			forge(q, wrong, wrong)
			var crowd sync.WaitGroup
			letIn(t, q, &crowd, 21_000, true) // more than one processor could check in 10 s
			crowd.Wait()
			requireEmpty(t, q)
		})
	}
}

// A request that lost its place to a newer one of its subject, or its subject's good name
// to a wrong signature, waits no longer than any other.
func TestQueueWaitOfTheDisplacedIsBounded(t *testing.T) {
	for name, displace := range map[string]func(q *queue, running *turn, ann *Claims){
		"by a newer one":       func(q *queue, _ *turn, ann *Claims) { q.arrive(q.subjectOf(ann)) },
		"by a wrong signature": func(_ *queue, running *turn, _ *Claims) { running.checked(false) },
	} {
		t.Run(name, func(t *testing.T) {
			inQueue(t, func(t *testing.T, q *queue) {
				ann := &Claims{subject: "ann"}
				q.known.add(q.subjectOf(ann))
				running := q.arrive(q.subjectOf(ann))
				busy(q)
				refused := make(chan *Error)
				came := time.Now()
				go func() {
					_, e := q.enter(t.Context(), ann, 0)
					refused <- e
				}()
				time.Sleep(maxTurn - 1)
				for i := range subject(100) {
					q.arrive(i)
				}
				displace(q, running, ann)
				must.ErrorIs(t, <-refused, ErrOverloaded)
				must.Equal(t, maxTurn, time.Since(came))
			})
		})
	}
}

// Tokens of a crowd are read a few at a time, and what waits for that counts as waiting.
func TestQueueReadsAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		atOnce, most := 32*runtime.GOMAXPROCS(0), 30_000
		q.took = time.Second
		for range atOnce {
			_, e := q.read(t.Context())
			must.Nil(t, e)
		}
		must.Zero(t, q.count())
		var read, refused, later atomic.Int64
		var crowd sync.WaitGroup
		for range most + 50 {
			crowd.Go(func() {
				switch _, e := q.read(t.Context()); {
				case e == nil:
					read.Add(1)
				default:
					must.ErrorIs(t, e, ErrOverloaded)
					must.LessOrEqual(t, e.RetryAfter, 30*time.Second)
					refused.Add(1)
					if e.RetryAfter > time.Second {
						later.Add(1)
					}
				}
			})
		}
		synctest.Wait()
		must.Equal(t, most, q.count())
		must.EqualValues(t, 50, refused.Load())
		must.Positive(t, later.Load())

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		q.haveRead()
		synctest.Wait()
		must.EqualValues(t, 1, read.Load())
		_, e := q.read(ctx)
		must.ErrorIs(t, e, context.Canceled)
		must.Equal(t, most-1, q.count())
		for range atOnce + most - 1 {
			q.haveRead()
		}
		crowd.Wait()
		must.EqualValues(t, most, read.Load())
		must.Zero(t, q.count())
		for range 100 { // select chooses at random
			_, e = q.read(ctx)
			must.Nil(t, e, "without a wait nothing looks at the context")
			q.haveRead()
		}
	})
}

// A request waits for 10 s in all: to be read, and for its turn.
func TestGuardWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInside(t)
		q := g.verifier.signatures
		busy(q)
		for range cap(q.reading) {
			q.reading <- struct{}{}
		}
		time.AfterFunc(3*time.Second, q.haveRead)
		came := time.Now()
		_, err := g.Verify(t.Context(), g.token)
		must.ErrorIs(t, err, ErrOverloaded)
		must.Equal(t, 10*time.Second, time.Since(came))
	})
}

// A client that leaves while its token waits to be read is done with.
func TestGuardLeftBeforeTheTokenIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newInside(t)
		q := g.verifier.signatures
		for range cap(q.reading) {
			q.reading <- struct{}{}
		}
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := g.Verify(ctx, g.token)
			result <- err
		}()
		synctest.Wait()
		must.Equal(t, 1, g.Stats().Waiting)
		cancel()
		err := <-result
		must.ErrorIs(t, err, ErrOverloaded)
		must.ErrorIs(t, err, context.Canceled)
		must.Zero(t, g.Stats().Waiting)
		must.Zero(t, g.Stats().Refused["overloaded"])
	})
}

// The limit is one for all that wait. Tokens that have not been read may be anything:
// they send away strangers, and not known subjects.
func TestQueueLengthWithUnread(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		q.took = 0
		busy(q)
		q.known.add(0)
		known, first, second := q.arrive(0), q.arrive(1), q.arrive(2)
		q.unread.Store(29_998)
		newest := q.arrive(3)
		must.NotNil(t, sentAway(newest))
		must.NotNil(t, sentAway(second))
		must.Nil(t, sentAway(first))
		must.Equal(t, 30_000, q.count())

		q.unread.Add(1)
		must.Nil(t, q.makeRoom())
		must.NotNil(t, sentAway(first))
		q.unread.Add(1)
		must.ErrorIs(t, q.makeRoom(), ErrOverloaded)
		must.Nil(t, sentAway(known))
	})
}

// However many wait to be read, they are not kept waiting by signatures: until they have
// been read it isn't known who they are.
func TestReadingComesBeforeChecking(t *testing.T) {
	processors(t, 1)
	var q *queue
	var checked atomic.Int64
	unread := int64(-1)
	g := newInside(t, func(cfg *Config) {
		cfg.Check = func(context.Context, *Claims) error {
			if checked.Add(1) == 1_000 {
				unread = q.unread.Load()
			}
			return nil
		}
	})
	q = g.verifier.signatures
	var crowd sync.WaitGroup
	begin := make(chan struct{})
	for range 2_000 {
		token := g.mint()
		crowd.Go(func() {
			<-begin
			_, err := g.Verify(t.Context(), token)
			must.NoError(t, err)
		})
	}
	close(begin)
	crowd.Wait()
	must.Zero(t, unread, "when half of them had been let in")
}

// A panic in the caller's clock leaves all places free.
func TestQueueAndAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panics atomic.Bool
		g := newInside(t, func(cfg *Config) {
			now := cfg.Now
			cfg.Now = func() time.Time {
				if panics.Load() {
					panic("of a test")
				}
				return now()
			}
		})
		synctest.Wait() // or it could be the fetching goroutine's panic
		panics.Store(true)
		must.Panics(t, func() { _, _ = g.Verify(t.Context(), g.token) })
		panics.Store(false)
		must.Empty(t, g.verifier.signatures.reading)
		requireEmpty(t, g.verifier.signatures)
	})
}

// No more than 30,000 wait, and the one that would be the last is sent away.
func TestQueueLength(t *testing.T) {
	for name, c := range map[string]struct{ forged, known bool }{
		"strangers":              {false, false},
		"strangers, many wrong":  {true, false},
		"known, among strangers": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			inQueue(t, func(t *testing.T, q *queue) {
				q.took = 0
				busy(q)
				oldest := q.arrive(0)
				for i := range subject(30_000 - 2) {
					q.arrive(i)
				}
				if c.forged {
					q.checks.add(time.Now(), false)
					q.checks.present.all, q.checks.present.wrong = 100, 100
				}
				newest := q.arrive(1)
				must.Equal(t, 30_000, q.count())
				must.Nil(t, sentAway(newest))
				if c.known {
					q.known.add(2)
				}
				more := q.arrive(2)
				must.Equal(t, 30_000, q.count())
				must.Equal(t, c.forged, sentAway(oldest) != nil)
				must.Equal(t, !c.forged && !c.known, sentAway(more) != nil)
				must.Equal(t, c.known, sentAway(newest) != nil)
			})
		})
	}
}

// A few wrong signatures change nothing, even if they come in one clump that is most of
// what is checked meanwhile.
func TestQueueServesACrowdWithAClump(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		var crowd sync.WaitGroup
		begin := time.Now()
		letIn(t, q, &crowd, 8_500, true)
		letIn(t, q, &crowd, 700, false)
		letIn(t, q, &crowd, 10_000, true)
		crowd.Wait()
		must.Equal(t, (8_500+700+10_000)*500*time.Microsecond/2, time.Since(begin))
		requireEmpty(t, q)
	})
}

func TestQueueLengthOfRenewalsOnly(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		q.took = 0
		busy(q)
		for i := range subject(30_000) {
			q.known.add(i)
			q.arrive(i)
		}
		q.known.add(30_000)
		must.NotNil(t, sentAway(q.arrive(30_000)))
		must.Equal(t, 30_000, q.count())
	})
}

// Only renewals wait: the newest one is sent away.
func TestQueueOfRenewalsOnly(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		q.took = 3 * time.Second
		busy(q)
		for i := range subject(6) {
			q.known.add(i)
			must.Nil(t, sentAway(q.arrive(i)))
		}
		q.known.add(6)
		must.NotNil(t, sentAway(q.arrive(6)))
	})
}

// A request that would have to wait for too long hears so at once.
func TestQueueRefusesEarly(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		q.took = time.Millisecond
		running := busy(q)
		for range 20_000 {
			must.Nil(t, sentAway(q.arrive(1)))
		}
		seen := map[time.Duration]bool{}
		for range 1_000 {
			e := sentAway(q.arrive(1))
			must.ErrorIs(t, e, ErrOverloaded)
			must.Equal(t, e.RetryAfter.Truncate(time.Second), e.RetryAfter)
			must.GreaterOrEqual(t, e.RetryAfter, time.Second)
			must.LessOrEqual(t, e.RetryAfter, 21*time.Second)
			seen[e.RetryAfter] = true
		}
		must.Greater(t, len(seen), 15, "they don't come back all at once")
		must.Equal(t, 20_000, q.count())
		running[0].leave()
		must.Nil(t, sentAway(q.arrive(1)))
	})
}

// In a flood a processor less is at work.
func TestQueueRetryAfterInAFlood(t *testing.T) {
	for wrong, want := range map[int]time.Duration{0: 11 * time.Second, 100: 21 * time.Second} {
		inQueue(t, func(t *testing.T, q *queue) {
			forge(q, wrong, wrong)
			q.took = time.Millisecond
			busy(q)
			for i := range subject(5_000) {
				q.arrive(i)
			}
			q.unread.Store(5_000)
			longest := time.Duration(0)
			for range 1_000 {
				q.mu.Lock()
				longest = max(longest, q.refusal(nil).RetryAfter)
				q.mu.Unlock()
			}
			must.Equal(t, want, longest)
		})
	}
}

func TestQueueRetryAfterIsBounded(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		q.took = time.Hour
		busy(q)
		longest := time.Duration(0)
		for range 1_000 {
			longest = max(longest, sentAway(q.arrive(1)).RetryAfter)
		}
		must.Equal(t, 30*time.Second, longest)
	})
}

// Before the first check a queue takes signatures for Logto's, which are ES384.
func TestQueueExpectsES384(t *testing.T) {
	processors(t, 1)
	q := newQueue()
	busy(q)
	for i := range subject(20_000) {
		must.Nil(t, sentAway(q.arrive(i)))
	}
	must.NotNil(t, sentAway(q.arrive(1)))
}

// Stalls are not what a check takes.
func TestQueueEstimates(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		q.took = 6_400
		q.arrive(1).checkedAs(true) // which began in year 1
		must.EqualValues(t, 6_501, q.took)
		turn, e := q.enter(t.Context(), &Claims{}, 0)
		must.Nil(t, e)
		turn.checkedAs(true)
		must.EqualValues(t, 6_399, q.took)
		q.arrive(1).checkedAs(false) // a signature may be wrong at the first look
		must.EqualValues(t, 6_399, q.took)

		check := func(d time.Duration) {
			turn, e := q.enter(t.Context(), &Claims{}, 0)
			must.Nil(t, e)
			time.Sleep(d)
			turn.checkedAs(true)
		}
		for i := range 2_000 {
			check(2 * time.Millisecond)
			if i%10 == 0 {
				check(time.Second)
			}
		}
		must.InDelta(t, 2*time.Millisecond, q.took, float64(200*time.Microsecond))
		for range 2_000 {
			check(50 * time.Microsecond)
		}
		must.InDelta(t, 50*time.Microsecond, q.took, float64(5*time.Microsecond))
		q.took = 0
		for range 2_000 {
			check(50 * time.Microsecond)
		}
		must.InDelta(t, 50*time.Microsecond, q.took, float64(5*time.Microsecond))
	})
}

func TestQueueLeftByItsWaiter(t *testing.T) {
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"timed out": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
	} {
		for _, known := range []bool{false, true} {
			inQueue(t, func(t *testing.T, q *queue) {
				claims := &Claims{subject: "ann", clientID: "shop"}
				if known {
					q.known.add(q.subjectOf(claims))
				}
				running := busy(q)
				ctx, cancel := end(t.Context())
				result := make(chan *Error, 1)
				go func() {
					_, e := q.enter(ctx, claims, 0)
					result <- e
				}()
				synctest.Wait()
				patient := q.arrive(1)
				must.Equal(t, 2, q.count())
				if name == "timed out" {
					<-ctx.Done()
				}
				cancel()
				e := <-result
				must.ErrorIs(t, e, ErrOverloaded)
				must.ErrorIs(t, e, ctx.Err())
				must.Equal(t, http.StatusServiceUnavailable, e.Status)
				must.Equal(t, 1, q.count())
				running[0].leave()
				must.True(t, hasTurn(patient), "a place is not for who left")
				patient.leave()
				running[1].leave()
				requireEmpty(t, q)
			})
		}
	}
}

// The call may come as the context ends: the place is taken, so that it is given back.
func TestQueueCallsAtTheLastMoment(t *testing.T) {
	q := newQueue()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // select chooses at random
		turn, e := q.enter(ctx, &Claims{}, 0)
		must.Nil(t, e)
		turn.leave()
	}
	requireEmpty(t, q)
}

// Whatever happens to requests, each place is given back.
func TestQueueLeaksNothing(t *testing.T) {
	inQueue(t, func(t *testing.T, q *queue) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		var all sync.WaitGroup
		for range 2_000 {
			patience, work := time.Duration(random.IntN(15_000)), time.Duration(random.IntN(300))
			claims := &Claims{subject: strconv.Itoa(random.IntN(50))}
			verdict := random.IntN(3)
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience*time.Millisecond)
				defer cancel()
				turn, e := q.enter(ctx, claims, 0)
				if e != nil {
					return
				}
				defer turn.leave()
				time.Sleep(work * time.Millisecond)
				if verdict > 0 {
					turn.checked(verdict == 1)
				}
			})
		}
		all.Wait()
		requireEmpty(t, q)
	})
}

// In a bubble all of this happens at the same time, however slow the machine is.
func TestGuardUnderAFlood(t *testing.T) {
	processors(t, 2)
	for name, size := range map[string]int{"with a cache": 0, "without": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newInside(t, func(cfg *Config) { cfg.TokenCacheSize = size })
				q := g.verifier.signatures
				stranger := logtotest.NewKey("ES256")
				shop := q.subjectOf(&Claims{subject: "shop", clientID: "shop"})
				_, err := g.Verify(t.Context(), g.token)
				must.NoError(t, err)
				must.True(t, q.known.has(shop))
				for range 30 {
					_, err = g.Verify(t.Context(), g.mint(func(d *logtotest.Draft) { d.Key = stranger }))
					must.ErrorIs(t, err, ErrWrongSignature)
				}
				requireEmpty(t, q)
				must.True(t, q.checks.forged(time.Now()))
				must.False(t, q.known.has(shop))
				must.EqualValues(t, 31, g.Stats().Verifications)

				busy(q)
				q.took = time.Hour
				_, e := g.verifier.judge(t.Context(), g.token, &about{})
				must.Equal(t, size == 0, e == nil, "instead of the 503, the cache is looked at once more")
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Authorization", "Bearer "+g.mint())
				w := httptest.NewRecorder()
				g.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
				must.Equal(t, http.StatusServiceUnavailable, w.Code)
				must.Regexp(t, "^([1-9]|[12][0-9]|30)$", w.Header().Get("Retry-After"))
				must.Empty(t, w.Header().Get("WWW-Authenticate"))
				must.EqualValues(t, 1, g.Stats().Refused["overloaded"])

				q.took = 0
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, e = g.verifier.judge(ctx, g.token, &about{})
				must.ErrorIs(t, e, context.Canceled, "for a client that has left it is not")
				_, err = g.Verify(ctx, g.mint())
				must.ErrorIs(t, err, context.Canceled)
				must.ErrorIs(t, err, ErrOverloaded)
				must.EqualValues(t, 1, g.Stats().Refused["overloaded"], "who hung up was not refused")
			})
		})
	}
}

// A crowd with one new token costs a check for each processor, and no more.
func TestCrowdWithOneToken(t *testing.T) {
	processors(t, 2)
	synctest.Test(t, func(t *testing.T) {
		g := newInside(t)
		q := g.verifier.signatures
		running := busy(q)
		var crowd sync.WaitGroup
		for range 200 {
			crowd.Go(func() {
				_, err := g.Verify(t.Context(), g.token)
				must.NoError(t, err)
			})
		}
		synctest.Wait()
		must.Equal(t, 200, g.Stats().Waiting)
		before := g.Stats().Verifications
		for _, turn := range running {
			turn.leave()
		}
		crowd.Wait()
		must.LessOrEqual(t, g.Stats().Verifications-before, uint64(2))
		must.Zero(t, g.Stats().Waiting)
		requireEmpty(t, q)
	})
}
