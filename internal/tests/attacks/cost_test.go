package attacks_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"flag"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	random "math/rand/v2"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// What a token costs before its signature is looked at: at most half a check of a P-384
// signature, and 160 KiB allocated, whatever it holds.

var (
	climbTime = flag.Duration("climb", 0, "how long TestClimb looks for tokens that cost more")
	climbSeed = flag.Uint64("climb.seed", 0, "what TestClimb draws its random numbers from; 0: a new one")
)

const (
	longestToken = 16 << 10
	mostBytes    = 160 << 10
)

// A run is a text that is repeated. Each # in it becomes another number.
type run struct {
	text  string
	times int
}

// A costly token is valid but for what the runs add to its header and its payload, as
// far as there is room in 16 KiB. What they leave open is closed. A claim that they
// write takes the place of the valid one.
type costly struct {
	name            string
	header, payload []run
}

// longKid is not changed: a token that gets as far as its key waits for an absent one.
const longKid = "a long kid"

// costlyTokens are what an attacker might try, and the worst that TestClimb has found.
var costlyTokens = []costly{
	{"aud of numbers", nil, []run{{`"aud":[`, 1}, {`0,`, 6000}}},
	{"aud of strings", nil, []run{{`"aud":[`, 1}, {`"",`, 6000}}},
	{"aud of different strings", nil, []run{{`"aud":[`, 1}, {`"#",`, 6000}}},
	{"aud of objects", nil, []run{{`"aud":[`, 1}, {`{},`, 6000}}},
	{"aud of long strings", nil, []run{{`"aud":["`, 1}, {`\u0041`, 1000}, {`","`, 1}, {`\u0041`, 1000}, {`","https://shopping.api"],`, 1}}},
	{"aud again and again", nil, []run{{`"aud":["","","","","","","","","","","","","","","",""],`, 240}}},
	{"nested arrays", nil, []run{{`"x":`, 1}, {`[`, 6000}}},
	{"nested arrays in aud", nil, []run{{`"aud":`, 1}, {`[`, 6000}}},
	{"nested objects", nil, []run{{`"x":`, 1}, {`{"":`, 3000}}},
	{"nested objects in the header", []run{{`"x":`, 1}, {`{"":`, 3000}}, nil},
	{"nested arrays, again and again", nil, []run{{`"#":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + ",", 200}}},
	{"many arrays", nil, []run{{`"x":[`, 1}, {`[],`, 6000}}},
	{"many objects", nil, []run{{`"x":[`, 1}, {`{},`, 6000}}},
	{"many numbers", nil, []run{{`"x":[`, 1}, {`0,`, 6000}}},
	{"many numbers in the header", []run{{`"x":[`, 1}, {`0,`, 6000}}, nil},
	{"many strings", nil, []run{{`"x":[`, 1}, {`"",`, 6000}}},
	{"many members", nil, []run{{`"#":0,`, 3000}}},
	{"1,000 members", nil, []run{{`"#":0,`, 989}}},
	{"1,000 members in the header", []run{{`"#":0,`, 989}}, nil},
	{"1,000 members with long names", nil, []run{{`"#abcdef":0,`, 989}}},
	{"1,000 members with escaped names", nil, []run{{`"\n#":0,`, 989}}},
	{"1,000 members with escaped names in the header", []run{{`"\n#":0,`, 989}}, nil},
	{"1,000 members in an object", nil, []run{{`"x":{`, 1}, {`"\n#":0,`, 988}}},
	{"1,000 members in as many objects", nil, []run{{`"x":[`, 1}, {`{"#":0},`, 988}}},
	{"1,000 members in objects of 65", nil, []run{{`"x":[`, 1}, {`{` + strings.Join(strings.Split(strings.Repeat(`"#":0 `, 65), " ")[:65], ",") + `},`, 15}}},
	{"a long string", nil, []run{{`"x":"`, 1}, {`x`, 12_000}}},
	{"a long string of escapes", nil, []run{{`"x":"`, 1}, {`\u0041`, 2000}}},
	{"a long string of surrogates", nil, []run{{`"x":"`, 1}, {`\ud83d\ude00`, 1000}}},
	{"a long name", nil, []run{{`"`, 1}, {`\u0041`, 2000}}},
	{"a long name of two-byte letters", nil, []run{{`"`, 1}, {`é`, 6000}}},
	{"a long name of three-byte letters", nil, []run{{`"`, 1}, {"\u212a", 4000}}},
	{"a long name of escaped letters", nil, []run{{`"`, 1}, {`\u00e9`, 4000}}},
	{"a long name of tildes, and an error", nil, []run{{`"`, 1}, {`~`, 11_000}, {`":0"`, 1}}},
	{"long names of tildes in one another, and an error", nil, []run{{`"`, 1}, {`~`, 5500}, {`":{"`, 1}, {`~`, 5500}, {`":0"`, 1}}},
	{"many names of tildes in one another, and an error", nil, []run{{`"` + strings.Repeat("~", 380) + `":{`, 29}, {`"#":0"`, 1}}},
	{"a long name, and a value without a colon", nil, []run{{`"`, 1}, {`~`, 11_000}, {`{"":`, 1}}},
	{"a long name of lone surrogates", nil, []run{{`"`, 1}, {`\ude00`, 2000}}},
	{"a long name in invalid UTF-8", nil, []run{{`"`, 1}, {"\xe2\x84", 6000}}},
	{"many names of lone surrogates", nil, []run{{`"\ude00#":0,`, 989}}},
	{"many names without values", nil, []run{{`"",`, 6000}}},
	{"members with invalid names", nil, []run{{`"\ud#":0,`, 989}}},
	{"1,000 members named by letters", nil, []run{{`"éé#é":0,`, 989}}},
	{"1,000 members named by three-byte letters", nil, []run{{"\"\u212a\u1e9e#\":0,", 989}}},
	{"a long jti", nil, []run{{`"jti":"`, 1}, {`\u0041`, 2000}}},
	{longKid, []run{{`"kid":"`, 1}, {`\u0041`, 2000}}, []run{{`"cnf":0`, 1}}},
	{"a long number", nil, []run{{`"x":1`, 1}, {`0`, 12_000}}},
	{"a long exp", nil, []run{{`"exp":1795352400.`, 1}, {`1`, 12_000}}},
	{"a long exp, too large", nil, []run{{`"exp":1`, 1}, {`0`, 12_000}}},
	{"aud of tiny numbers", nil, []run{{`"aud":[`, 1}, {`1e-310,`, 2000}}},
	{"tiny numbers everywhere", []run{{`"typ":1e-310,"crit":1e-310,"x":1e-310,`, 1}}, []run{
		{`"iss":1e-310,"sub":1e-310,"client_id":1e-310,"exp":1e-310,"nbf":1e-310,"iat":1e-310,"jti":1e-310,"scope":1e-310,`, 1},
		{`"organization_id":1e-310,"cnf":1e-310,"act":{"sub":1e-310},"aud":[`, 1}, {`1e-310,`, 16},
	}},
	{"long tiny times", nil, []run{{`"nbf":`, 1}, {`123456789`, 80}, {`e-1030,"iat":`, 1}, {`123456789`, 80}, {`e-1030,`, 1}, {`"éé#é":0,`, 800}}},
	{"many spaces", nil, []run{{`"x":`, 1}, {` `, 12_000}}},
	{"act of numbers", nil, []run{{`"act":{"x":[`, 1}, {`0,`, 6000}}},
	{"act of members", nil, []run{{`"act":{`, 1}, {`"#":0,`, 988}}},
	{"act of escaped members", nil, []run{{`"act":{`, 1}, {`"\n#":0,`, 988}}},
	{"act with a long sub", nil, []run{{`"act":{"sub":"`, 1}, {`\u0041`, 2000}}},
	{"crit of numbers", []run{{`"crit":[`, 1}, {`0,`, 6000}}, nil},
	{"cnf of objects", nil, []run{{`"cnf":[`, 1}, {`{},`, 6000}}},
	{"invalid UTF-8 at the end", nil, []run{{`"x":"`, 1}, {`é`, 5900}, {"\xff", 1}}},
	{"a duplicate at the end", nil, []run{{`"#":0,`, 980}, {`"x":0,"x":0`, 1}}},
	{"a member without a value among 1,000", nil, []run{{`"\n#":0,`, 500}, {`"#":,`, 1}, {`"\n#":0,`, 480}}},
	{"act in act, and 1,000 members", []run{{`"act":{`, 17}}, []run{{`"act":{`, 17}, {`"\u0069ss":`, 1}, {`"\u000a#":0,`, 988}}},
	{"one name again and again", nil, []run{{`"x":0,`, 2000}}},
}

// A scale weighs tokens. They name a known key and an algorithm that is not the key's,
// which is the last rule before the signature: what is measured is all that comes
// before a signature is checked, and nothing else.
type scale struct {
	logto *logtotest.Server
	doors []door
	raw   func() // a check of a P-384 signature
}

// A door is a way into the guard.
type door struct {
	name string
	send func(token string) func()
}

func newScale(t testing.TB) *scale {
	logto, clock := guardtest.NewLogto(t, "ES384")
	guard := guardtest.NewGuard(t, logto, clock)
	guardtest.Ready(t, guard)
	handler := guard.Handler(guardtest.NoContent)
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	input := []byte(logto.Mint(logtotest.Token{}))
	digest := sha512.Sum384(input)
	signature, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
	require.NoError(t, err)
	return &scale{
		logto: logto,
		doors: []door{
			{"Verify", func(token string) func() {
				return func() { _, _ = guard.Verify(t.Context(), token) }
			}},
			{"Handler", func(token string) func() {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Authorization", "Bearer "+token)
				return func() { handler.ServeHTTP(&blank{header: http.Header{}}, r) }
			}},
		},
		raw: func() {
			digest := sha512.Sum384(input)
			if !ecdsa.VerifyASN1(&private.PublicKey, digest[:], signature) {
				panic("a good signature is refused")
			}
		},
	}
}

func (s *scale) token(c costly) string {
	header := []string{`"alg":"ES256"`, `"typ":"at+jwt"`, `"kid":"` + s.logto.Key().ID() + `"`}
	claims := []string{
		`"iss":"` + s.logto.Endpoint() + `/oidc"`, `"aud":"https://shopping.api"`, `"sub":"user"`, `"client_id":"app"`,
		`"exp":1795352400`, `"iat":1795348800`, `"scope":"read:products"`, `"jti":"j"`,
	}
	size := func(members []string) int { return len(strings.Join(members, ",")) + len("{,}") }
	signature := strings.Repeat("A", 128)
	room := (longestToken-len("..")-len(signature))*3/4 - 2 - size(header) - size(claims)
	headerText := added(c.header, header, room)
	claimsText := added(c.payload, claims, room-(len(headerText)-size(header)))
	return guardtest.Encode([]byte(headerText)) + "." + guardtest.Encode([]byte(claimsText)) + "." + signature
}

// added is an object of the members, and of what the runs make, which is at most room bytes.
func added(runs []run, members []string, room int) string {
	var w jsonWriter
	count := int64(0)
	for _, r := range runs {
		for range r.times {
			text := r.text
			for strings.Contains(text, "#") {
				text = strings.Replace(text, "#", strconv.FormatInt(count, 36), 1)
				count++
			}
			next := w
			next.open = slices.Clone(w.open)
			if next.write(text); len(next.text)+len(next.open)+len(`":0`) > room {
				break
			}
			w = next
		}
	}
	w.finish()
	members = slices.DeleteFunc(slices.Clone(members), func(m string) bool {
		name, _, _ := strings.Cut(m, ":")
		return bytes.Contains(w.text, []byte(name+":"))
	})
	if len(w.text) > 0 {
		members = append(members, string(w.text))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// jsonWriter knows how to complete JSON that breaks off anywhere.
type jsonWriter struct {
	text              []byte
	open              []byte // what closes the arrays and objects that are open
	inString, escaped bool
	named             bool // the member that was written last has its colon
}

func (w *jsonWriter) write(text string) {
	w.text = append(w.text, text...)
	for _, c := range []byte(text) {
		switch {
		case w.escaped:
			w.escaped = false
		case w.inString:
			w.escaped, w.inString = c == '\\', c != '"'
		case c == '"':
			w.inString = true
		case c == '{', c == '[':
			w.open, w.named = append(w.open, c+2), c == '['
		case c == '}' || c == ']':
			w.open, w.named = w.open[:max(0, len(w.open)-1)], true
		case c == ',':
			w.named = len(w.open) > 0 && w.open[len(w.open)-1] == ']'
		case c == ':':
			w.named = true
		}
	}
}

func (w *jsonWriter) finish() {
	if w.inString {
		w.write(strings.Repeat("0", btoi(w.escaped)) + `"`)
	}
	w.text = bytes.TrimSuffix(w.text, []byte(","))
	switch {
	case bytes.HasSuffix(w.text, []byte(":")):
		w.write("0")
	case bytes.HasSuffix(w.text, []byte(`"`)) && !w.named:
		w.write(":0")
	}
	for i := len(w.open) - 1; i >= 0; i-- {
		w.text = append(w.text, w.open[i])
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pair times a token, and a raw check at once after it: what slows the machine down
// slows down both.
func (s *scale) pair(send func()) (sent, raw time.Duration) {
	start := time.Now()
	send()
	between := time.Now()
	s.raw()
	return between.Sub(start), time.Since(between)
}

// allocated is how many bytes one call of f allocates.
func allocated(runs int, f func()) uint64 {
	f() // what is allocated once is not counted
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / uint64(runs)
}

// TestUnsignedTokensAllocateLittle: the bound holds for all that is known to be costly.
func TestUnsignedTokensAllocateLittle(t *testing.T) {
	s := newScale(t)
	for _, c := range costlyTokens {
		token := s.token(c)
		require.LessOrEqual(t, len(token), longestToken, c.name)
		for _, d := range s.doors {
			size := allocated(20, d.send(token))
			t.Logf("%-45s %-8s %7d bytes", c.name, d.name, size)
			assert.LessOrEqual(t, size, uint64(mostBytes), "%s, %s", c.name, d.name)
		}
	}
}

// BenchmarkUnsigned reports times as parts of what a check of a P-384 signature takes.
func BenchmarkUnsigned(b *testing.B) {
	s := newScale(b)
	for _, c := range costlyTokens {
		token := s.token(c)
		for _, d := range s.doors {
			b.Run(c.name+"/"+d.name, func(b *testing.B) {
				send := d.send(token)
				var raw, sent time.Duration
				b.ReportAllocs()
				for b.Loop() {
					s, r := s.pair(send)
					sent, raw = sent+s, raw+r
				}
				b.ReportMetric(float64(sent)/float64(raw), "checks/token")
			})
		}
	}
}

// TestClimb changes the costly tokens at random, and goes on with those that cost more:
// of each kind the one that takes the longest, and the one that allocates the most.
func TestClimb(t *testing.T) {
	if *climbTime == 0 {
		return
	}
	seed := *climbSeed
	if seed == 0 {
		seed = random.Uint64()
	}
	t.Logf("-climb.seed %d", seed)
	c := &climber{scale: newScale(t), draw: random.New(random.NewPCG(seed, 0))}
	type peak struct {
		costly
		cost float64
	}
	weigh := []func(token string, runs int) float64{c.checks, c.bytes}
	peaks := make([][]peak, len(weigh))
	for i := range peaks {
		for _, token := range costlyTokens {
			peaks[i] = append(peaks[i], peak{token, 0})
		}
	}
	tried := 0
	for end := time.Now().Add(*climbTime); time.Now().Before(end); {
		for i, cost := range weigh {
			for j := range peaks[i] {
				p := &peaks[i][j]
				next := p.costly
				if p.cost > 0 && next.name != longKid {
					next = c.mutated(p.costly)
				}
				token := c.token(next)
				tried++
				if cost(token, 8) <= p.cost*1.01 {
					continue
				}
				if again := cost(token, 50); again > p.cost*1.005 {
					*p = peak{next, again}
				}
			}
		}
	}
	t.Logf("%d tokens tried", tried)
	for i, unit := range []string{"checks", "bytes"} {
		for j := range peaks[i] { // the highest of many measurements is too high
			peaks[i][j].cost = weigh[i](c.token(peaks[i][j].costly), 200)
		}
		slices.SortFunc(peaks[i], func(a, b peak) int { return int(b.cost*1000 - a.cost*1000) })
		for _, p := range peaks[i] {
			t.Logf("%.3f %s: %#v", p.cost, unit, p.costly)
		}
	}
}

type climber struct {
	*scale
	draw *random.Rand
}

// checks is a token's time in checks of a signature: the median of pairs.
func (c *climber) checks(token string, runs int) float64 {
	send := c.doors[1].send(token)
	ratios := make([]float64, runs)
	for i := range ratios {
		sent, raw := c.pair(send)
		ratios[i] = float64(sent) / float64(raw)
	}
	slices.Sort(ratios)
	return ratios[runs/2]
}

func (c *climber) bytes(token string, runs int) float64 {
	return float64(allocated(runs, c.doors[1].send(token)))
}

// fragments are what tokens are changed with.
var fragments = []string{
	`{`, `}`, `[`, `]`, `,`, `:`, `"`, ` `, `0`, `1e9`, `0,`, `[],`, `{},`, `"",`, `null,`, `true,`, `1.5,`, `"#",`, `"#":`, `"#":0,`, `"#":{},`, `"#":[],`, `"#":"",`, `"#":{"":0},`,
	`"":`, `"x":`, `{"":`, `{"#":`, `{"#":0},`, `"\n#":0,`, `"\u000a#":0,`, `"é#":0,`, `"\ud83d\ude00#":0,`, `\n`, `\u0041`, `\ud83d\ude00`, `\ude00`, `é`, "😀", `A`, `_`, `-`, `~`, `/`, "\xff",
	`"iss":`, `"aud":`, `"aud":["`, `"aud":["",`, `"sub":"`, `"client_id":"`, `"exp":1795352400.`, `"nbf":1.`, `1e-310,`, `e-310`, `"nbf":1e-310,`, `"iat":1e-310,`, `"iat":1795348800.`, `"scope":"`, `"organization_id":"`, `"jti":"`, `"act":{`,
	`"act":{"sub":"`, `"act":[`, `"cnf":[`, `"x":{`, `"x":[`, `"x":"`, `"crit":[`, `"ISS":`, `"\u0069ss":`, `"a\u0075d":[`,
}

func (c *climber) mutated(from costly) costly {
	to := costly{from.name, slices.Clone(from.header), slices.Clone(from.payload)}
	for range 1 + c.draw.IntN(3) {
		part, other := &to.payload, &to.header
		if c.draw.IntN(5) == 0 {
			part, other = other, part
		}
		fragment := fragments[c.draw.IntN(len(fragments))]
		times := 1 << c.draw.IntN(13)
		at := c.draw.IntN(len(*part) + 1)
		if at == len(*part) || len(*part) == 0 {
			*part = append(*part, run{fragment, times})
			continue
		}
		r := &(*part)[at]
		cut := c.draw.IntN(len(r.text) + 1)
		switch c.draw.IntN(9) {
		case 0:
			*part = slices.Delete(*part, at, at+1)
		case 1:
			*part = slices.Insert(*part, at, run{fragment, times})
		case 2:
			r.text = fragment
		case 3:
			r.text = r.text[:cut] + fragment + r.text[cut:]
		case 4:
			r.text = r.text[:cut] + r.text[min(len(r.text), cut+1+c.draw.IntN(3)):]
		case 5:
			r.times = max(1, r.times*(1+c.draw.IntN(8))/4)
		case 6:
			r.times = max(1, r.times+c.draw.IntN(21)-10)
		case 7:
			*other = append(*other, *r)
		case 8:
			r.times = times
		}
	}
	return to
}
