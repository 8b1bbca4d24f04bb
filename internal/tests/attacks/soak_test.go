package attacks_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

var (
	soakTime = flag.Duration("soak", time.Second, "how long TestSoak takes")
	soakSeed = flag.Uint64("soak.seed", 0, "what TestSoak draws its random numbers from; 0: a new one")
)

const (
	soakWorkers = 8
	soakSkew    = 5 * time.Second // the default
	soakPool    = 512
	soakTurn    = 2 * time.Second // that long a signature waits for its turn at least, before a 503
	soakCrowd   = 200
)

// A source is where one goroutine draws its random numbers.
type source struct{ *rand.Rand }

// below draws a duration below d.
func (s source) below(d time.Duration) time.Duration { return time.Duration(s.Int64N(int64(d))) }

// The sequences that are drawn from one seed: of the goroutines that change the
// world, of each worker, and of the answer to each request for keys.
const (
	sourceOfRotations = iota
	sourceOfJumps
	sourceOfOutages
	sourceOfTheEnd
	sourceOfCrowds
	sourceOfSlander
	sourceOfGhosts
	sourceOfWorkers
	sourceOfArrivals = 1 << 16
)

func (s *soak) source(sequence int) source {
	return source{rand.New(rand.NewPCG(s.seed, uint64(sequence)))}
}

// specimen is a token, and what the test knows about it.
type specimen struct {
	token   string
	kind    string
	subject string
	kid     string
	expires time.Time
	good    bool // as far as time and key allow
}

// soak is a world in which all happens at once, and a record that is good enough
// to judge each verdict by. It sees the guard only from outside: by the requests
// for keys that arrive, and the answers.
type soak struct {
	seed   uint64
	logto  *logtotest.Server
	clock  *logtotest.Clock
	guard  *logtoguard.Guard
	server http.Handler

	failing atomic.Bool
	pool    [soakPool]atomic.Pointer[specimen]
	strange atomic.Bool // a token under an absent kid may be sent, once until the clock moves

	mu       sync.Mutex
	arrivals []arrival
	first    int             // index of the first arrival since the clock moved last
	leaving  map[string]bool // kids that are dropped, or about to be
	left     map[string]bool // kids that no answer from now on can hold
	gone     map[string]bool // kids that the guard has learned to be gone
	dropped  *logtotest.Key  // the latest key that is gone
	held     map[string]bool // kids that the guard has
	// The last success that the guard is known to have had was between these.
	confirmedFrom, confirmedTo time.Time
	counts                     map[string]int
	wrong                      []string
}

// arrival is one request for the key set.
type arrival struct {
	time time.Time
	bad  bool
	kids map[string]bool // of the key set that it was answered with
}

// moment is the state of the world when a request begins.
type moment struct {
	real     time.Time // by the machine's clock
	time     time.Time
	first    int
	arrivals int
	gone     bool
	held     bool
	// confirmedFrom is for held; tooOld: so are the keys, unless a fetch succeeds.
	confirmedFrom time.Time
	tooOld        bool
}

func newSoak(t *testing.T, seed uint64) *soak {
	s := &soak{
		seed: seed, leaving: map[string]bool{}, left: map[string]bool{},
		gone: map[string]bool{}, counts: map[string]int{},
	}
	s.logto, s.clock = guardtest.NewLogto(t, "ES256")
	s.logto.Disturb(s.issuer)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s.guard = guardtest.NewGuard(t, s.logto, s.clock, func(cfg *logtoguard.Config) {
		cfg.HTTPClient = &http.Client{Transport: transport}
		cfg.ErrorHandler = func(w http.ResponseWriter, r *http.Request, e *logtoguard.Error) {
			w.Header().Set("Reason", e.Reason)
			logtoguard.WriteError(w, r, e)
		}
	})
	s.server = s.guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := logtoguard.ClaimsFromContext(r.Context())
		w.Header().Set("Subject", claims.Subject())
		w.WriteHeader(http.StatusNoContent)
	}))
	return s
}

// issuer is the key endpoint: now well, now not.
func (s *soak) issuer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number, dice, bad := s.arrive()
		if bad {
			faults := []logtotest.Fault{
				logtotest.Down(), logtotest.Status(http.StatusBadGateway), logtotest.Garbage(), logtotest.EmptyKeySet(),
				guardtest.Hijacked("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"keys\":["), lateReset(dice),
				guardtest.Answer(http.StatusNotFound, nil, `{"keys":[]}`),
			}
			faults[dice.IntN(len(faults))](next).ServeHTTP(w, r)
			return
		}
		guardtest.After(func(_ *http.Request, answer *httptest.ResponseRecorder) {
			s.publish(number, answer)
			if dice.IntN(3) == 0 {
				// What it says may be outdated when it arrives.
				time.Sleep(dice.below(20 * time.Millisecond))
			}
		})(next).ServeHTTP(w, r)
	})
}

// lateReset is a fault that begins an answer after a while, and breaks it off.
func lateReset(dice source) logtotest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(dice.below(20 * time.Millisecond))
			guardtest.Hijacked("HTTP/1.1 200 OK\r\nContent-")(next).ServeHTTP(w, r)
		})
	}
}

// arrive notes a request for keys. There is one fetch at a time: the one before is
// over, so what it was answered with is what the guard has. Of the kids that no later
// answer can hold, it has lost the others for good.
func (s *soak) arrive() (number int, dice source, bad bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	number = len(s.arrivals)
	dice = s.source(sourceOfArrivals + number)
	bad = s.failing.Load() && dice.IntN(5) > 0
	if number > 0 && !s.arrivals[number-1].bad {
		s.confirmedFrom, s.confirmedTo = s.arrivals[number-1].time, now
		s.held = s.arrivals[number-1].kids
		for kid := range s.left {
			if !s.held[kid] {
				s.gone[kid] = true
			}
		}
	}
	s.arrivals = append(s.arrivals, arrival{time: now, bad: bad})
	return number, dice, bad
}

// publish notes the keys that an answer holds.
func (s *soak) publish(number int, answer *httptest.ResponseRecorder) {
	var set struct {
		Keys []struct {
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &set); err != nil {
		panic(err)
	}
	kids := map[string]bool{}
	for _, k := range set.Keys {
		kids[k.Kid] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrivals[number].kids = kids
}

// drop notes that key is dropped by f: it may be gone as soon as f runs, and is
// for certain when f is through.
func (s *soak) drop(key *logtotest.Key, f func()) {
	if key == nil {
		f()
		return
	}
	kid := key.ID()
	s.mu.Lock()
	s.leaving[kid] = true
	s.mu.Unlock()
	f()
	s.mu.Lock()
	s.left[kid], s.dropped = true, key
	s.mu.Unlock()
}

// rotate goes on until done, with a step each period.
func (s *soak) rotate(done <-chan struct{}, period time.Duration) {
	dice, previous := s.source(sourceOfRotations), (*logtotest.Key)(nil)
	for wait(done, period) {
		switch dice.IntN(6) {
		case 0:
			s.drop(previous, s.logto.DropPrevious)
			previous = nil
		case 1:
			s.logto.Announce("")
		default:
			current := s.logto.Key()
			s.drop(previous, func() { s.logto.Rotate("") })
			previous = current
			s.count("rotations")
		}
	}
}

// jump moves the clock forward, by a minute at least: that fills the ration of
// fetches for absent kids, and ends each back-off.
func (s *soak) jump(done <-chan struct{}, period time.Duration) {
	dice := s.source(sourceOfJumps)
	for wait(done, dice.below(period)) {
		by := time.Minute + dice.below(3*time.Minute)
		switch n := dice.IntN(50); {
		case n == 0, n < 10 && s.failing.Load():
			by = guardtest.GreatestAge + time.Hour // the keys are too old then
		case n > 46:
			by = dice.below(50*time.Minute) + 10*time.Minute
		}
		s.mu.Lock()
		s.clock.Advance(by)
		s.first = len(s.arrivals)
		s.mu.Unlock()
		s.strange.Store(true)
		s.count("clock jumps")
	}
}

func (s *soak) fail(done <-chan struct{}, period time.Duration) {
	dice := s.source(sourceOfOutages)
	for wait(done, dice.below(5*period)) {
		s.failing.Store(true)
		s.count("outages")
		wait(done, dice.below(3*period))
		s.failing.Store(false)
	}
}

// wait reports whether d passed before the end.
func wait(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}

// crowds sends good tokens all at once, and a few forged ones with them.
func (s *soak) crowds(done <-chan struct{}, period time.Duration) {
	dice := s.source(sourceOfCrowds)
	for wait(done, dice.below(4*period)) {
		s.together(soakCrowd, func(i int) *specimen {
			if i%20 == 0 {
				return s.mint(dice, "forged in a crowd", false, logtotest.Token{}, forged)
			}
			return s.mint(dice, "good in a crowd", true, logtotest.Token{})
		})
	}
}

// slander sends forged tokens in the name of one subject that is known.
func (s *soak) slander(done <-chan struct{}, period time.Duration) {
	dice := s.source(sourceOfSlander)
	for wait(done, dice.below(4*period)) {
		known := s.pool[dice.IntN(soakPool)].Load()
		if known == nil {
			continue
		}
		s.together(soakCrowd, func(int) *specimen {
			return s.mint(dice, "slander", false, logtotest.Token{}, forged, func(d *logtotest.Draft) { d.Claims["sub"] = known.subject })
		})
	}
}

// ghosts sends tokens of a key that is gone, under kids that never were.
func (s *soak) ghosts(done <-chan struct{}, period time.Duration) {
	dice := s.source(sourceOfGhosts)
	for wait(done, dice.below(20*period)) {
		s.mu.Lock()
		key := s.dropped
		s.mu.Unlock()
		if key == nil {
			continue
		}
		s.together(soakWorkers, func(int) *specimen {
			return s.mint(dice, "ghost", false, logtotest.Token{}, guardtest.SignedBy(key), guardtest.Kid(fmt.Sprint(dice.Uint64())))
		})
	}
}

func forged(d *logtotest.Draft) { d.Key = soakStranger }

// together sends n tokens at the same time.
func (s *soak) together(n int, token func(i int) *specimen) {
	tokens := make([]*specimen, n)
	for i := range tokens {
		tokens[i] = token(i)
	}
	var all sync.WaitGroup
	for _, x := range tokens {
		all.Go(func() { s.try(x) })
	}
	all.Wait()
}

func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// mint makes a specimen.
func (s *soak) mint(dice source, kind string, good bool, t logtotest.Token, edits ...func(*logtotest.Draft)) *specimen {
	x := &specimen{kind: kind, good: good, subject: fmt.Sprintf("user-%d", dice.Uint64())}
	t.Subject, t.ClientID = x.subject, "shop"
	note := func(d *logtotest.Draft) {
		x.kid = d.Header["kid"].(string)
		x.expires = time.Unix(d.Claims["exp"].(int64), 0)
	}
	x.token = s.logto.Mint(t, append(edits, note)...)
	return x
}

var soakStranger = logtotest.NewKey("ES256")

// next is what a client sends next.
func (s *soak) next(dice source) *specimen {
	switch n := dice.IntN(100); {
	case n < 15:
		return s.keep(dice, s.mint(dice, "good", true, logtotest.Token{}))
	case n < 25:
		return s.keep(dice, s.mint(dice, "soon expiring", true, logtotest.Token{Lifetime: time.Minute + dice.below(9*time.Minute)}))
	case n < 75:
		if x := s.pool[dice.IntN(soakPool)].Load(); x != nil && (!s.isLeaving(x.kid) || s.strange.CompareAndSwap(true, false)) {
			return x
		}
		return s.keep(dice, s.mint(dice, "good", true, logtotest.Token{}))
	default:
		return s.bad(dice, n-75)
	}
}

func (s *soak) keep(dice source, x *specimen) *specimen {
	s.pool[dice.IntN(soakPool)].Store(x)
	return x
}

func (s *soak) isLeaving(kid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving[kid]
}

// bad makes a token of each kind that must never be let in.
func (s *soak) bad(dice source, n int) *specimen {
	set := func(kind string, edit func(*logtotest.Draft)) *specimen {
		return s.mint(dice, kind, false, logtotest.Token{}, edit)
	}
	switch n % 10 {
	case 0:
		return &specimen{kind: "opaque", token: "9NybN27JstKkzKqrRhDgongGRDub59CV45teTmWabGY"}
	case 1:
		return &specimen{kind: "garbage", token: strings.Repeat("x", dice.IntN(2000)) + ".." + fmt.Sprint(dice.Uint64())}
	case 2:
		return s.mint(dice, "expired", false, logtotest.Token{Lifetime: -time.Minute})
	case 3:
		return set("foreign issuer", func(d *logtotest.Draft) { d.Claims["iss"] = "https://elsewhere.example/oidc" })
	case 4:
		return set("other audience", func(d *logtotest.Draft) { d.Claims["aud"] = "https://other.api" })
	case 5:
		return set("no algorithm", func(d *logtotest.Draft) { d.Header["alg"], d.Key = "none", nil })
	case 6:
		return set("forged", forged)
	case 7:
		return s.tampered(dice)
	case 8:
		return set("ID token", func(d *logtotest.Draft) { d.Header["typ"] = "JWT" })
	}
	if s.strange.CompareAndSwap(true, false) {
		return set("unknown key", guardtest.SignedBy(soakStranger))
	}
	return set("not yet valid", func(d *logtotest.Draft) { d.Claims["nbf"] = d.Claims["exp"].(int64) + 30*24*3600 })
}

// tampered is a token that was let in before, it may be, under the signature of another.
func (s *soak) tampered(dice source) *specimen {
	one, other := s.pool[dice.IntN(soakPool)].Load(), s.mint(dice, "tampered", false, logtotest.Token{})
	if one == nil || s.isLeaving(one.kid) {
		one = s.mint(dice, "good", true, logtotest.Token{})
	}
	x := *one
	x.kind, x.good = "tampered", false
	x.token = one.token[:strings.LastIndexByte(one.token, '.')] + other.token[strings.LastIndexByte(other.token, '.'):]
	return &x
}

func (s *soak) work(done <-chan struct{}, dice source) {
	for {
		select {
		case <-done:
			return
		default:
			s.try(s.next(dice))
		}
	}
}

func (s *soak) try(x *specimen) {
	begin := s.begin(x)
	answer := guardtest.Serve(s.server, "Bearer "+x.token)
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.judge(x, begin, answer)
	reason := answer.Header().Get("Reason")
	s.counts[strings.TrimSpace(fmt.Sprintf("%s: %d %s", x.kind, answer.Code, reason))]++
	if fault != "" && len(s.wrong) < 20 {
		s.wrong = append(s.wrong, fmt.Sprintf("%s got %d %s: %s", x.kind, answer.Code, reason, fault))
	}
}

func (s *soak) begin(x *specimen) moment {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := moment{
		real: time.Now(),
		time: s.clock.Now(), first: s.first, arrivals: len(s.arrivals),
		gone: s.gone[x.kid], held: s.held[x.kid], confirmedFrom: s.confirmedFrom,
	}
	m.tooOld = m.arrivals > 0 && s.arrivals[m.arrivals-1].bad && m.time.Sub(s.confirmedTo) > guardtest.GreatestAge
	return m
}

// judge says what is wrong with an answer; "": nothing. The caller holds mu.
func (s *soak) judge(x *specimen, begin moment, answer *httptest.ResponseRecorder) string {
	end, reason := s.clock.Now(), answer.Header().Get("Reason")
	expired := func(at time.Time) bool { return x.good && !at.Before(x.expires.Add(soakSkew)) }
	switch {
	case answer.Code == http.StatusNoContent:
		switch {
		case !x.good:
			return "a bad token was let in"
		case expired(begin.time):
			return "it had expired before"
		case begin.gone:
			return "the guard knew that its key was gone"
		case begin.tooOld && !s.succeeded(begin):
			return "the keys were too old"
		case answer.Header().Get("Subject") != x.subject:
			return "it was taken for another's"
		}
		return ""
	case answer.Code == http.StatusServiceUnavailable && reason == "overloaded":
		if time.Since(begin.real) < soakTurn {
			return "it had not waited for its turn"
		}
		return ""
	case answer.Code == http.StatusServiceUnavailable && reason == "keys":
		switch {
		case expired(begin.time):
			return "that it expired is known without keys"
		case begin.held && !s.leaving[x.kid] && end.Sub(begin.confirmedFrom) <= guardtest.GreatestAge:
			return "its key was known, and serves on"
		case !s.troubled(begin) && end.Equal(begin.time):
			// A jump of the clock in the midst may make keys too old that just came.
			return "the issuer was well"
		}
		return ""
	case answer.Code != http.StatusUnauthorized:
		return "no such answer is expected here"
	case !x.good:
		return ""
	case reason == "expired":
		if !expired(end) {
			return "it had not expired"
		}
		return ""
	case reason == "unknown_key":
		switch {
		case expired(begin.time):
			return "the time is judged before the key"
		case s.leaving[x.kid]:
		case len(s.arrivals)-begin.first < 3:
			return "its key was published, and the ration of fetches was not spent"
		default:
			// Rationed: three fetches for absent kids, and the fourth has to wait.
			s.counts["good tokens that found the ration of fetches spent"]++
		}
		return ""
	}
	return "no good token is refused for this"
}

// troubled reports whether a fetch may have failed that a request was judged by:
// one since its begin, or the last that had ended by then. That is the last but
// one if the last was still under way.
func (s *soak) troubled(begin moment) bool {
	for _, a := range s.arrivals[max(begin.arrivals-2, 0):] {
		if a.bad {
			return true
		}
	}
	return false
}

// succeeded reports whether a fetch since then may have brought keys.
func (s *soak) succeeded(begin moment) bool {
	for _, a := range s.arrivals[begin.arrivals:] {
		if !a.bad {
			return true
		}
	}
	return false
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what a finalizer let go in the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestSoak lets everything happen at once for a while:
//
//	go test -run Soak ./internal/tests/attacks -soak 10m
//
// All random numbers are drawn from one seed, which is logged. With -soak.seed they
// are the same again; what the scheduler makes of them, and the keys, are not.
//
// A good token is let in, unless the issuer fails at that time (503), its key was
// dropped, it expired, or the ration of fetches for absent kids is spent (401).
// While the guard has its key, and heard of it within a day, not even a failing
// issuer keeps it out. A bad token is never let in, nor is a good one after its time or under a key that
// the guard knows to be gone.
func TestSoak(t *testing.T) {
	guardtest.NoLeaks(t)
	seed := cmp.Or(*soakSeed, rand.Uint64())
	t.Logf("-soak.seed %d", seed)
	s := newSoak(t, seed)
	guardtest.Ready(t, s.guard)
	period := 50 * time.Millisecond
	if *soakTime > 30*time.Second {
		period = time.Second
	}
	before := heap()

	done := make(chan struct{})
	var world sync.WaitGroup
	world.Go(func() { s.rotate(done, period) })
	world.Go(func() { s.jump(done, period) })
	world.Go(func() { s.fail(done, period) })
	world.Go(func() { s.crowds(done, period) })
	world.Go(func() { s.slander(done, period) })
	world.Go(func() { s.ghosts(done, period) })
	for i := range soakWorkers {
		dice := s.source(sourceOfWorkers + i)
		world.Go(func() { s.work(done, dice) })
	}
	time.Sleep(*soakTime)
	close(done)
	world.Wait()

	s.settle(t)
	for i := range s.pool {
		s.pool[i].Store(nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for what, n := range s.counts {
		if strings.Contains(what, ":") {
			total += n
		}
	}
	counts, err := json.MarshalIndent(s.counts, "", "  ")
	require.NoError(t, err)
	t.Logf("%d requests, %d fetches\n%s", total, len(s.arrivals), counts)
	require.Empty(t, s.wrong)
	tried := []string{"good: 204", "expired: 401 expired", "rotations", "clock jumps"}
	if *soakTime >= 10*time.Second { // in a second, a slow machine does not get to these
		tried = append(tried, "forged: 401 signature", "good in a crowd: 204", "slander: 401 signature")
	}
	for _, what := range tried {
		require.Positive(t, s.counts[what], "%s: nothing was tried", what)
	}
	// Beside noise, what grew is the test's own record.
	s.arrivals, s.leaving, s.left, s.gone, s.held = nil, nil, nil, nil, nil
	after := heap()
	t.Logf("heap: %d KiB before, %d KiB after", before>>10, after>>10)
	require.Less(t, after, before+8<<20)
}

// settle ends the turmoil. In a world at rest each token has but one right verdict.
func (s *soak) settle(t *testing.T) {
	t.Helper()
	dice := s.source(sourceOfTheEnd)
	s.failing.Store(false)
	// A fetch that began before may still fail: by the set clock its back-off is soon over.
	require.Eventually(t, func() bool {
		s.clock.Advance(guardtest.LongestRefresh)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return s.guard.Ready(ctx) == nil
	}, 10*time.Second, time.Millisecond)
	// The refresh is due; nobody waits for it, so this test has to. An absent kid has
	// to wait for a fetch, and the ration for that is full.
	require.Equal(t, http.StatusUnauthorized, guardtest.Serve(s.server, "Bearer "+s.mint(dice, "", false, logtotest.Token{}, guardtest.SignedBy(soakStranger)).token).Code)
	var all sync.WaitGroup // those under a key that is gone wait for one fetch together
	for i := range s.pool {
		x := s.pool[i].Load()
		if x == nil {
			continue
		}
		published := !s.isLeaving(x.kid)
		want := http.StatusNoContent
		if !published || !s.clock.Now().Before(x.expires.Add(soakSkew)) {
			want = http.StatusUnauthorized
		}
		all.Go(func() {
			assert.Equal(t, want, guardtest.Serve(s.server, "Bearer "+x.token).Code, "at rest: %s, published: %v", x.kind, published)
		})
	}
	all.Wait()
	guardtest.Admitted(t, s.guard, s.mint(dice, "", true, logtotest.Token{}).token)

	// A month later nothing of all this is remembered.
	s.clock.Advance(30 * 24 * time.Hour)
	guardtest.Admitted(t, s.guard, s.mint(dice, "", true, logtotest.Token{}).token)
	require.Eventually(t, func() bool { return s.guard.Stats().TokenCacheEntries <= 1 }, 10*time.Second, time.Millisecond)
}
