package attacks_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

const mebibyte = 1 << 20

// nested is a signed token whose claims hold this many open arrays, and as many
// closed ones.
func nested(logto *logtotest.Server, claim string, open, closed int) string {
	header := fmt.Sprintf(`{"alg":"%s","typ":"at+jwt","kid":"%s"}`, logto.Key().Algorithm(), logto.Key().ID())
	payload := fmt.Sprintf(`{"iss":"%s/oidc","sub":"s","client_id":"s","iat":%d,"exp":%d,`, logto.Endpoint(), guardtest.Now.Unix(), guardtest.Now.Unix()+3600)
	if claim != "aud" {
		payload += `"aud":"` + guardtest.Shopping + `",`
	}
	payload += `"` + claim + `":` + strings.Repeat("[", open) + strings.Repeat("]", closed)
	if open == closed {
		payload += "}"
	}
	return logto.Key().Sign([]byte(header), []byte(payload))
}

// An operator who raises MaxHeaderBytes lets large headers come as far as the
// guard. It answers them like any other, and in few words.
func TestOversize(t *testing.T) {
	guardtest.NoLeaks(t)
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	guardtest.Ready(t, guard)
	server := httptest.NewUnstartedServer(guard.Handler(guardtest.NoContent))
	server.Config.MaxHeaderBytes = 4 * mebibyte
	server.Start()
	t.Cleanup(server.Close)
	client := server.Client()
	t.Cleanup(client.CloseIdleConnections)
	good := logto.Mint(logtotest.Token{})
	many := func(name string, n int) http.Header {
		h := http.Header{"Authorization": {"Bearer " + good}}
		for i := range n {
			h.Add(fmt.Sprintf(name, i), "Bearer "+fmt.Sprint(i))
		}
		return h
	}
	authorization := func(s string) http.Header { return http.Header{"Authorization": {s}} }

	for _, c := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"1 MiB without a dot", authorization("Bearer " + strings.Repeat("x", mebibyte)), 401},
		{"a million dots", authorization("Bearer " + strings.Repeat(".", 1_000_000)), 401},
		{"1 MiB between two dots", authorization("Bearer a." + strings.Repeat("x", mebibyte) + ".b"), 401},
		{"a good token and 1 MiB after it", authorization("Bearer " + good + strings.Repeat("A", mebibyte)), 401},
		{"1 MiB of padding", authorization("Bearer " + strings.Repeat("=", mebibyte)), 400},
		{"1 MiB of what no token may hold", authorization("Bearer " + strings.Repeat(`"`, mebibyte)), 400},
		{"1 MiB of spaces within", authorization("Bearer " + good + strings.Repeat(" ", mebibyte) + good), 400},
		{"1 MiB of spaces before", authorization("Bearer" + strings.Repeat(" ", mebibyte) + good), 204},
		{"1 MiB of a scheme", authorization(strings.Repeat("B", mebibyte) + " " + good), 401},
		{"1 MiB of another header", http.Header{"Authorization": {"Bearer " + good}, "X-Large": {strings.Repeat("x", mebibyte)}}, 204},
		{"10,000 other headers", many("X-%d", 10_000), 204},
		{"10,000 values of Authorization", many("Authorization%.0d", 10_000), 400},
		{"claims as deep as they fit", authorization("Bearer " + nested(logto, "x", 5900, 5900)), 401},
		{"claims as deep as they may be", authorization("Bearer " + nested(logto, "x", 31, 31)), 204},
		{"claims that go down and never come up", authorization("Bearer " + nested(logto, "x", 11_800, 0)), 401},
		{"a deep audience", authorization("Bearer " + nested(logto, "aud", 5900, 5900)), 401},
		{"a deep actor", authorization("Bearer " + nested(logto, "act", 31, 31)), 204},
		{"a deep scope", authorization("Bearer " + nested(logto, "scope", 5900, 5900)), 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			require.NoError(t, err)
			request.Header = c.header
			response, err := client.Do(request)
			require.NoError(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, response.StatusCode)
			require.Less(t, len(body)+len(fmt.Sprint(response.Header)), 1024, "an answer is short, however long the question")
		})
	}
	require.Equal(t, 1, logto.Requests(guardtest.JWKSPath))
}

// blank is a ResponseWriter that keeps nothing, so that what is measured is the guard's.
type blank struct{ header http.Header }

func (b *blank) Header() http.Header         { return b.header }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}

// spent is what one call of f allocates: times and bytes.
func spent(f func()) (times, size uint64) {
	const runs = 200
	for range 10 {
		f() // what is allocated once, is not meant
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.Mallocs - before.Mallocs) / runs, (after.TotalAlloc - before.TotalAlloc) / runs
}

// What a refused request costs is bounded, however much was sent: nobody can have
// a server's memory for the price of a request. The bounds are about twice what
// was measured, and a long token pays at most a small multiple of its 16 KiB.
func TestRefusalsAllocateLittle(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	guardtest.Ready(t, guard)
	handler := guard.Handler(guardtest.NoContent)
	mint := func(edit func(*logtotest.Draft)) string { return logto.Mint(logtotest.Token{}, edit) }
	good := mint(func(*logtotest.Draft) {})
	long := strings.Repeat("x", 11_000)
	for _, c := range []struct {
		name          string
		authorization string
		reason        string
		times, size   uint64 // at most
	}{
		{"no token", "", "no_token", 40, 2400},
		{"garbage", "Bearer !!!", "request", 45, 2600},
		{"garbage in three parts", "Bearer a.b.c", "malformed", 60, 3200},
		{"opaque", "Bearer 9NybN27JstKkzKqrRhDgongGRDub59CV45teTmWabGY", "opaque", 55, 3100},
		{"expired", "Bearer " + logto.Mint(logtotest.Token{Lifetime: -1 << 40}), "expired", 90, 7700},
		{"foreign issuer", "Bearer " + mint(func(d *logtotest.Draft) { d.Claims["iss"] = "https://elsewhere.example/oidc" }), "issuer", 90, 7800},
		{"unknown alg", "Bearer " + mint(func(d *logtotest.Draft) { d.Header["alg"] = "HS256" }), "algorithm", 72, 5400},
		{"forged", "Bearer " + mint(func(d *logtotest.Draft) { d.Key = logtotest.NewKey("ES256") }), "signature", 155, 11_700},
		{"as long as it may be", "Bearer " + mint(func(d *logtotest.Draft) { d.Claims["iss"], d.Claims["x"] = "", long }), "issuer", 90, 64_000},
		{"as deep as it may be", "Bearer " + nested(logto, "aud", 31, 31), "audience", 90, 8000},
		{"too deep", "Bearer " + nested(logto, "aud", 5900, 5900), "malformed", 60, 30_000},
		{"as many members as it may have", "Bearer " + manyMembers(logto, 988), "audience", 130, 120_000},
		{"too many members", "Bearer " + manyMembers(logto, 1400), "malformed", 60, 30_000},
		{"1 MiB", "Bearer " + strings.Repeat("x", mebibyte), "malformed", 55, 3000},
		{"1 MiB after a good token", "Bearer " + good + strings.Repeat("A", mebibyte), "malformed", 55, 3000},
		{"a million dots", "Bearer " + strings.Repeat(".", 1_000_000), "malformed", 55, 3000},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			_, err := guard.VerifyRequest(r)
			var e *logtoguard.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.reason, e.Reason)
			times, size := spent(func() { handler.ServeHTTP(&blank{header: http.Header{}}, r) })
			t.Logf("%d allocations, %d bytes", times, size)
			require.LessOrEqual(t, times, c.times)
			require.LessOrEqual(t, size, c.size)
		})
	}
}

// manyMembers is a token with this many claims more than usual, for another audience.
func manyMembers(logto *logtotest.Server, n int64) string {
	return logto.Mint(logtotest.Token{}, func(d *logtotest.Draft) {
		d.Claims["aud"] = "https://other.api"
		for i := range n {
			d.Claims[strconv.FormatInt(i, 36)] = 0
		}
	})
}
