package logtotest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Logto doesn't count beyond 10,000 where it is asked not to; which page is the last is not known then.
func TestCappedCount(t *testing.T) {
	const first, last, prev, next = `; rel="first"`, `; rel="last"`, `; rel="prev"`, `; rel="next"`
	for _, tt := range []struct {
		rows   int
		capped bool
		query  string
		total  string
		links  []string
		length int
	}{
		{10_000, true, "page=2", "10000", []string{first, last, prev, next}, 20},
		{10_001, true, "page=2", "10001", []string{first, prev}, 20},
		{10_500, true, "page=1", "10001", []string{first}, 20},
		{10_500, false, "page=1", "10500", []string{first, last, next}, 20},
		{10_500, true, "page=105&page_size=100", "10001", []string{first, prev}, 100},
		{10_500, true, "page=106&page_size=100", "10001", []string{first, prev}, 0},
	} {
		t.Run(fmt.Sprint(tt.rows, " ", tt.capped, " ", tt.query), func(t *testing.T) {
			w := httptest.NewRecorder()
			list := make([]int, tt.rows)
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/x?"+tt.query, nil)
			p, ok := readPage(w, r)
			require.True(t, ok)
			p.capped = tt.capped
			writePage(w, r, list, p)
			require.Equal(t, tt.total, w.Header().Get("Total-Number"))
			require.Equal(t, tt.capped && tt.rows > 10_000, w.Header().Get("Total-Number-Is-Capped") == "true")
			links := w.Header().Values("Link")
			require.Len(t, links, len(tt.links))
			for i := range links {
				require.Contains(t, links[i], tt.links[i])
			}
			require.Equal(t, max(2, 2*tt.length+1), w.Body.Len(), "a digit, and a comma or a bracket, of each")
		})
	}
}

func TestPersonalTokensAreBounded(t *testing.T) {
	s := &Server{directory: &directory{users: map[string]*user{"alice": {}}, tokens: map[string]personalToken{}}}
	for i := range 10_000 {
		status, _ := s.keepPersonalToken(fmt.Sprint(i), personalToken{user: "alice"})
		require.Equal(t, http.StatusCreated, status)
	}
	status, code := s.keepPersonalToken("one more", personalToken{user: "alice"})
	require.Equal(t, http.StatusForbidden, status)
	require.NotEmpty(t, messages[code])
	require.True(t, personalToken{expires: 1}.expired(time.UnixMilli(1)))
	require.False(t, personalToken{}.expired(time.UnixMilli(1)))
}
