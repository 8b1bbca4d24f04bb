package attacks_test

import (
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

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

var soakTime = flag.Duration("soak", 3*time.Second, "how long TestSoak takes")

const (
	soakWorkers = 8
	soakSkew    = 5 * time.Second // the default
	soakPool    = 512
	soakTurn    = 2 * time.Second // that long a signature waits for its turn, where the machine is busy with others
)

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
	logto  *logtotest.Server
	clock  *logtotest.Clock
	guard  *logtoguard.Guard
	server http.Handler

	failing atomic.Bool
	pool    [soakPool]atomic.Pointer[specimen]
	strange atomic.Bool // a token under an absent kid may be sent, once until the clock moves

	mu       sync.Mutex
	arrivals []arrival
	first    int                        // index of the first arrival since the clock moved last
	sets     map[string]map[string]bool // the kids of a key set, by its entity tag
	leaving  map[string]bool            // kids that are dropped, or about to be
	left     map[string]bool            // kids that no answer from now on can hold
	gone     map[string]bool            // kids that the guard has learned to be gone
	held     map[string]bool            // kids that the guard has
	// The last success that the guard is known to have had was between these.
	confirmedFrom, confirmedTo time.Time
	counts                     map[string]int
	wrong                      []string
}

// arrival is one request for the key set.
type arrival struct {
	time time.Time
	bad  bool
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

func newSoak(t *testing.T) *soak {
	s := &soak{
		sets: map[string]map[string]bool{}, leaving: map[string]bool{}, left: map[string]bool{},
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
		bad := s.failing.Load() && rand.N(5) > 0
		s.arrive(r, bad)
		if bad {
			faults := []logtotest.Fault{
				logtotest.Down(), logtotest.Status(http.StatusBadGateway), logtotest.Garbage(), logtotest.EmptyKeySet(),
				guardtest.Hijacked("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"keys\":["), lateReset,
				guardtest.Answer(http.StatusNotFound, nil, `{"keys":[]}`),
			}
			faults[rand.N(len(faults))](next).ServeHTTP(w, r)
			return
		}
		guardtest.After(func(_ *http.Request, answer *httptest.ResponseRecorder) {
			s.publish(answer)
			if rand.N(3) == 0 {
				// What it says may be outdated when it arrives.
				time.Sleep(rand.N(20 * time.Millisecond))
			}
		})(next).ServeHTTP(w, r)
	})
}

// lateReset gives hope for a while.
func lateReset(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(rand.N(20 * time.Millisecond))
		guardtest.Hijacked("HTTP/1.1 200 OK\r\nContent-")(next).ServeHTTP(w, r)
	})
}

// arrive notes a request for keys. By its If-None-Match the guard says which keys
// it has: of those that no later answer can hold, it has lost the others for good.
func (s *soak) arrive(r *http.Request, bad bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if n := len(s.arrivals); n > 0 && !s.arrivals[n-1].bad {
		// There is one fetch at a time: the one before is over.
		s.confirmedFrom, s.confirmedTo = s.arrivals[n-1].time, now
	}
	s.arrivals = append(s.arrivals, arrival{now, bad})
	if set := s.sets[r.Header.Get("If-None-Match")]; set != nil {
		s.held = set
		for kid := range s.left {
			if !set[kid] {
				s.gone[kid] = true
			}
		}
	}
}

func (s *soak) publish(answer *httptest.ResponseRecorder) {
	if answer.Code != http.StatusOK {
		return
	}
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
	s.sets[answer.Header().Get("ETag")] = kids
}

// drop notes that kid is dropped by f: it may be gone as soon as f runs, and is
// for certain when f is through.
func (s *soak) drop(kid string, f func()) {
	if kid == "" {
		f()
		return
	}
	s.mu.Lock()
	s.leaving[kid] = true
	s.mu.Unlock()
	f()
	s.mu.Lock()
	s.left[kid] = true
	s.mu.Unlock()
}

// rotate goes on until done, with a step each period.
func (s *soak) rotate(done <-chan struct{}, period time.Duration) {
	previous := ""
	for wait(done, period) {
		switch rand.N(6) {
		case 0:
			s.drop(previous, s.logto.DropPrevious)
			previous = ""
		case 1:
			s.logto.Announce("")
		default:
			current := s.logto.Key().ID()
			s.drop(previous, func() { s.logto.Rotate("") })
			previous = current
			s.count("rotations")
		}
	}
}

// jump moves the clock forward, by a minute at least: that fills the ration of
// fetches for absent kids, and ends each back-off.
func (s *soak) jump(done <-chan struct{}, period time.Duration) {
	for wait(done, rand.N(period)) {
		by := time.Minute + rand.N(3*time.Minute)
		switch n := rand.N(50); {
		case n == 0, n < 10 && s.failing.Load():
			by = guardtest.GreatestAge + time.Hour // the keys are too old then
		case n > 46:
			by = rand.N(50*time.Minute) + 10*time.Minute
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
	for wait(done, rand.N(5*period)) {
		s.failing.Store(true)
		s.count("outages")
		wait(done, rand.N(3*period))
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

func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// mint makes a specimen.
func (s *soak) mint(kind string, good bool, t logtotest.Token, edits ...func(*logtotest.Draft)) *specimen {
	x := &specimen{kind: kind, good: good, subject: fmt.Sprintf("user-%d", rand.Uint64())}
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
func (s *soak) next() *specimen {
	switch n := rand.N(100); {
	case n < 15:
		return s.keep(s.mint("good", true, logtotest.Token{}))
	case n < 25:
		return s.keep(s.mint("soon expiring", true, logtotest.Token{Lifetime: time.Minute + rand.N(9*time.Minute)}))
	case n < 75:
		if x := s.pool[rand.N(soakPool)].Load(); x != nil && (!s.isLeaving(x.kid) || s.strange.CompareAndSwap(true, false)) {
			return x
		}
		return s.keep(s.mint("good", true, logtotest.Token{}))
	default:
		return s.bad(n - 75)
	}
}

func (s *soak) keep(x *specimen) *specimen {
	s.pool[rand.N(soakPool)].Store(x)
	return x
}

func (s *soak) isLeaving(kid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving[kid]
}

// bad makes a token of each kind that must never be let in.
func (s *soak) bad(n int) *specimen {
	set := func(kind string, edit func(*logtotest.Draft)) *specimen {
		return s.mint(kind, false, logtotest.Token{}, edit)
	}
	switch n % 10 {
	case 0:
		return &specimen{kind: "opaque", token: "9NybN27JstKkzKqrRhDgongGRDub59CV45teTmWabGY"}
	case 1:
		return &specimen{kind: "garbage", token: strings.Repeat("x", rand.N(2000)) + ".." + fmt.Sprint(rand.Uint64())}
	case 2:
		return s.mint("expired", false, logtotest.Token{Lifetime: -time.Minute})
	case 3:
		return set("foreign issuer", func(d *logtotest.Draft) { d.Claims["iss"] = "https://elsewhere.example/oidc" })
	case 4:
		return set("other audience", func(d *logtotest.Draft) { d.Claims["aud"] = "https://other.api" })
	case 5:
		return set("no algorithm", func(d *logtotest.Draft) { d.Header["alg"], d.Key = "none", nil })
	case 6:
		return set("forged", func(d *logtotest.Draft) { d.Key = soakStranger })
	case 7:
		return s.tampered()
	case 8:
		return set("ID token", func(d *logtotest.Draft) { d.Header["typ"] = "JWT" })
	}
	if s.strange.CompareAndSwap(true, false) {
		return set("unknown key", guardtest.SignedBy(soakStranger))
	}
	return set("not yet valid", func(d *logtotest.Draft) { d.Claims["nbf"] = d.Claims["exp"].(int64) + 30*24*3600 })
}

// tampered is a token that was let in before, it may be, under the signature of another.
func (s *soak) tampered() *specimen {
	one, other := s.pool[rand.N(soakPool)].Load(), s.mint("tampered", false, logtotest.Token{})
	if one == nil || s.isLeaving(one.kid) {
		one = s.mint("good", true, logtotest.Token{})
	}
	x := *one
	x.kind, x.good = "tampered", false
	x.token = one.token[:strings.LastIndexByte(one.token, '.')] + other.token[strings.LastIndexByte(other.token, '.'):]
	return &x
}

func (s *soak) work(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
			s.try(s.next())
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
//	go test -run Soak -soak 10m
//
// A good token is let in, unless the issuer fails at that time (503), its key was
// dropped, it expired, or the ration of fetches for absent kids is spent (401).
// While the guard has its key, and heard of it within a day, not even a failing
// issuer keeps it out. A bad token is never let in, nor is a good one after its time or under a key that
// the guard knows to be gone.
func TestSoak(t *testing.T) {
	guardtest.NoLeaks(t)
	s := newSoak(t)
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
	for range soakWorkers {
		world.Go(func() { s.work(done) })
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
	for _, what := range []string{"good: 204", "forged: 401 signature", "expired: 401 expired", "rotations", "clock jumps"} {
		require.Positive(t, s.counts[what], "%s: nothing was tried", what)
	}
	// Beside noise, what grew is the test's own record.
	s.arrivals, s.sets, s.leaving, s.left, s.gone, s.held = nil, nil, nil, nil, nil, nil
	after := heap()
	t.Logf("heap: %d KiB before, %d KiB after", before>>10, after>>10)
	require.Less(t, after, before+8<<20)
}

// settle ends the turmoil. In a world at rest each token has but one right verdict.
func (s *soak) settle(t *testing.T) {
	t.Helper()
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
	require.Equal(t, http.StatusUnauthorized, guardtest.Serve(s.server, "Bearer "+s.mint("", false, logtotest.Token{}, guardtest.SignedBy(soakStranger)).token).Code)
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
		require.Equal(t, want, guardtest.Serve(s.server, "Bearer "+x.token).Code, "at rest: %s, published: %v", x.kind, published)
	}
	guardtest.Admitted(t, s.guard, s.mint("", true, logtotest.Token{}).token)

	// A month later nothing of all this is remembered.
	s.clock.Advance(30 * 24 * time.Hour)
	guardtest.Admitted(t, s.guard, s.mint("", true, logtotest.Token{}).token)
	require.Eventually(t, func() bool { return s.guard.Stats().TokenCacheEntries <= 1 }, 10*time.Second, time.Millisecond)
}
