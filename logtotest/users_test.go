package logtotest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

// manage sends a request to the Management API, with all rights. An empty body is none.
func manage(t *testing.T, s *logtotest.Server, method, path, body string) reply {
	t.Helper()
	token := s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}})
	r := request(t, method, s.URL()+"/api"+path, body, "Authorization", "Bearer "+token, "User-Agent", "the test")
	if body != "" {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return do(t, r)
}

func users(ids ...string) logtotest.Tenant {
	declared := tenant()
	for _, id := range ids {
		declared.Users = append(declared.Users, logtotest.User{ID: id})
	}
	return declared
}

// profile is what Logto says about a user who has nothing but an ID.
func profile(id string, suspended bool, created, updated time.Time) string {
	return fmt.Sprintf(`{"id":%q,"username":null,"primaryEmail":null,"primaryPhone":null,"name":null,"avatar":null,"customData":{},
		"identities":{},"lastSignInAt":null,"createdAt":%d,"updatedAt":%d,"profile":{},"applicationId":null,"isSuspended":%v}`,
		id, created.UnixMilli(), updated.UnixMilli(), suspended)
}

func requireError(t *testing.T, resp reply, status int, code string) {
	t.Helper()
	require.Equal(t, status, resp.StatusCode, resp.body)
	require.Equal(t, "application/json; charset=utf-8", resp.Header.Get("Content-Type"))
	answer := resp.decode(t)
	require.Equal(t, code, answer["code"])
	require.NotEmpty(t, answer["message"], "each code has a text")
}

func TestSuspension(t *testing.T) {
	clock := logtotest.NewClock(noon)
	declared := users("alice", "bob")
	declared.Users[1].Suspended, declared.Now = true, clock.Now
	s := start(t, declared)
	later := noon.Add(1500 * time.Millisecond)
	clock.Set(later)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"as declared", "GET", "/users/alice", "", 200, profile("alice", false, noon, noon)},
		{"declared as suspended", "GET", "/users/bob/", "", 200, profile("bob", true, noon, noon)},
		{"suspended", "PATCH", "/users/alice/is-suspended", `{"isSuspended":true,"more":1}`, 200, profile("alice", true, noon, later)},
		{"still", "GET", "/Users/alice", "", 200, profile("alice", true, noon, later)},
		{"the other one is as before", "GET", "/users/bob", "", 200, profile("bob", true, noon, noon)},
		{"again", "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`, 200, profile("alice", true, noon, later)},
		{"no more", "PATCH", "/users/alice/Is-Suspended/", `{"isSuspended":false}`, 200, profile("alice", false, noon, later)},
		{"deleted", "DELETE", "/users/alice", "", 204, ""},
		{"gone", "GET", "/users/alice", "", 404, "entity.not_found"},
		{"gone for good", "DELETE", "/users/alice", "", 404, "entity.not_found"},
		{"gone, so never suspended", "PATCH", "/users/alice/is-suspended", `{"isSuspended":true}`, 404, "entity.not_found"},
		{"IDs have a case", "GET", "/users/Bob", "", 404, "entity.not_found"},
		{"IDs have escapes", "GET", "/users/b%6Fb", "", 200, profile("bob", true, noon, noon)},
		{"no body", "PATCH", "/users/bob/is-suspended", "", 400, "guard.invalid_input"},
		{"nothing said", "PATCH", "/users/bob/is-suspended", "{}", 400, "guard.invalid_input"},
		{"null", "PATCH", "/users/bob/is-suspended", `{"isSuspended":null}`, 400, "guard.invalid_input"},
		{"a text", "PATCH", "/users/bob/is-suspended", `{"isSuspended":"false"}`, 400, "guard.invalid_input"},
		{"no JSON", "PATCH", "/users/bob/is-suspended", `isSuspended=false`, 400, "guard.invalid_input"},
		{"a wrong body of a stranger", "PATCH", "/users/carol/is-suspended", "{}", 400, "guard.invalid_input"},
		{"after all that", "GET", "/users/bob", "", 200, profile("bob", true, noon, noon)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := manage(t, s, tt.method, tt.path, tt.body)
			switch tt.status {
			case 200:
				require.Equal(t, 200, resp.StatusCode, resp.body)
				require.JSONEq(t, tt.want, resp.body)
			case 204:
				require.Equal(t, 204, resp.StatusCode, resp.body)
				require.Empty(t, resp.body)
			default:
				requireError(t, resp, tt.status, tt.want)
			}
		})
	}
	resp := manage(t, s, "PATCH", "/users/bob/is-suspended", `{"isSuspended":false,"x":"`+strings.Repeat("x", 1<<20)+`"}`)
	require.Equal(t, 413, resp.StatusCode)
	r := request(t, "PATCH", s.URL()+"/api/users/bob/is-suspended", `{"isSuspended":false}`, "Authorization",
		"Bearer "+s.Mint(logtotest.Token{Audience: managementAPI, Scopes: []string{"all"}}))
	requireError(t, do(t, r), 400, "guard.invalid_input") // a body without a type
}

// Nothing of the Management API answers without a token of it.
func TestManagementNeedsAToken(t *testing.T) {
	declared := users("alice")
	declared.Hooks = []logtotest.Hook{{ID: "hook", URL: "http://127.0.0.1:9", SigningKey: "key"}}
	s := start(t, declared)
	other := "Bearer " + s.Mint(logtotest.Token{Scopes: []string{"all"}})
	for path, methods := range map[string]string{
		"/users":                               "GET",
		"/users/alice":                         "GET DELETE",
		"/users/alice/is-suspended":            "PATCH",
		"/users/alice/personal-access-tokens":  "POST",
		"/organizations/acme":                  "DELETE",
		"/organizations/acme/users":            "GET POST PUT",
		"/organizations/acme/users/alice":      "DELETE",
		"/organizations/acme/applications":     "GET POST PUT",
		"/organizations/acme/applications/bot": "DELETE",
		"/hooks/hook":                          "GET PATCH DELETE",
		"/hooks/hook/test":                     "POST",
		"/hooks/hook/recent-logs":              "GET",
	} {
		for method := range strings.SplitSeq(methods, " ") {
			requireError(t, do(t, request(t, method, s.URL()+"/api"+path, "")), 401, "auth.authorization_header_missing")
			requireError(t, do(t, request(t, method, s.URL()+"/api"+path, "", "Authorization", other)), 401, "auth.unauthorized")
		}
		resp := do(t, request(t, "VIEW", s.URL()+"/api"+path, ""))
		require.Equal(t, 405, resp.StatusCode)
		allow := strings.Join(resp.Header.Values("Allow"), ", ")
		for method := range strings.SplitSeq(methods, " ") {
			require.Contains(t, allow, method)
		}
		require.Equal(t, strings.Contains(methods, "GET"), strings.Contains(allow, "HEAD"))
	}
	for _, path := range []string{"/users//is-suspended", "/users/alice/", "/users/alice/more", "/hooks", "/users/a/b/is-suspended"} {
		want := 404
		if path == "/users/alice/" {
			want = 200
		}
		require.Equal(t, want, manage(t, s, "GET", path, "").StatusCode, path)
	}
}

func TestUserSearchByName(t *testing.T) {
	declared := users("alice", "bob")
	declared.Users[0].Username, declared.Users[0].Email = "al", "al@example.com"
	s := start(t, declared)
	for query, want := range map[string][]string{
		"?search.username=al":                         {"alice"},
		"?search.username=%25":                        {"alice"}, // bob has none
		"?search.primaryEmail=%25@EXAMPLE.com":        {"alice"},
		"?search=al@example.com&mode=exact":           {"alice"},
		"?search.username=al&search.id=bob&joint=and": nil,
		"?search.username=alice":                      nil,
	} {
		require.Equal(t, want, idsOf(t, manage(t, s, "GET", "/users"+query, "")), query)
	}
	alice := manage(t, s, "GET", "/users/alice", "").decode(t)
	require.Equal(t, "al", alice["username"])
	require.Equal(t, "al@example.com", alice["primaryEmail"])
}

func TestUserSearch(t *testing.T) {
	s := start(t, users("alice", "bob", "Bob", "carol")) // the newest first: carol, Bob, bob, alice
	for query, want := range map[string][]string{
		"":                     {"carol", "Bob", "bob", "alice"},
		"?page=2&page_size=3":  {"alice"},
		"?search.id=bob":       {"Bob", "bob"},
		"?search.id=%25o%25":   {"carol", "Bob", "bob"},
		"?search=_ob":          {"Bob", "bob"},
		"?search=ob":           nil,
		"?search.username=bob": nil,
		"?search.id=bob&search.name=bob&joint=and":          nil,
		"?search.id=bob&search.name=bob":                    {"Bob", "bob"},
		"?search.id=b%25&search=%25b&joint=and":             {"Bob", "bob"},
		"?search.id=BOB&mode.id=exact":                      {"Bob", "bob"},
		"?search.id=BOB&mode.id=exact&isCaseSensitive=true": nil,
		"?search.id=Bob&mode.id=exact&isCaseSensitive=true": {"Bob"},
		"?search.id=B%25&isCaseSensitive=true":              {"Bob"},
		"?search.id=alice&search.id=nobody&search.id=carol&mode.id=exact&isCaseSensitive=true&page_size=100":   {"carol", "alice"},
		"?search.id=alice&search.id=bob&mode=exact":                                                            {"Bob", "bob", "alice"},
		"?search.id=nobody&mode.id=exact&isCaseSensitive=true&page_size=100":                                   nil,
		"?search.id=alice&search.id=alice&mode.id=exact&isCaseSensitive=true&page_size=100&foo=bar&page=1":     {"alice"},
		"?search.id=alice&search.id=bob&search.id=carol&mode.id=exact&isCaseSensitive=true&page_size=1&page=2": {"bob"},
	} {
		t.Run("found "+query, func(t *testing.T) {
			require.Equal(t, want, idsOf(t, manage(t, s, "GET", "/users"+query, "")))
		})
	}
	for query, code := range map[string]string{
		"?page_size=101":                     "guard.invalid_pagination",
		"?page=0":                            "guard.invalid_pagination",
		"?search.id=a&search.id=b":           "request.invalid_input",
		"?search.id=":                        "request.invalid_input",
		"?search.id=a&search.id=&mode=exact": "request.invalid_input",
		"?search.shoeSize=9":                 "request.invalid_input",
		"?search.id=a&mode.id=posix":         "request.invalid_input",
	} {
		t.Run("refused "+query, func(t *testing.T) {
			requireError(t, manage(t, s, "GET", "/users"+query, ""), 400, code)
		})
	}
	resp := manage(t, s, "GET", "/users", "")
	require.Equal(t, "4", resp.Header.Get("Total-Number"))
	require.Equal(t, []string{"<" + s.URL() + `/users?page=1>; rel="first"`, "<" + s.URL() + `/users?page=1>; rel="last"`}, resp.Header.Values("Link"))
}

// What revocation asks: which of these are suspended, and which are gone.
func TestStateOfAHundredUsers(t *testing.T) {
	var ids []string
	for i := range 300 {
		ids = append(ids, fmt.Sprint("user-", i))
	}
	s := start(t, users(ids...))
	require.Equal(t, 204, manage(t, s, "DELETE", "/users/user-7", "").StatusCode)
	require.Equal(t, 200, manage(t, s, "PATCH", "/users/user-8/is-suspended", `{"isSuspended":true}`).StatusCode)
	query := url.Values{"search.id": ids[:100], "mode.id": {"exact"}, "isCaseSensitive": {"true"}, "page_size": {"100"}}
	resp := manage(t, s, "GET", "/users?"+query.Encode(), "")
	require.Equal(t, "99", resp.Header.Get("Total-Number"))
	var list []struct {
		ID          string
		IsSuspended bool
	}
	require.NoError(t, json.Unmarshal([]byte(resp.body), &list))
	require.Len(t, list, 99)
	for _, u := range list {
		require.NotEqual(t, "user-7", u.ID)
		require.Equal(t, u.ID == "user-8", u.IsSuspended, u.ID)
	}
	require.Len(t, idsOf(t, manage(t, s, "GET", "/users", "")), 20, "a page, without being asked for one")
	require.Equal(t, "299", manage(t, s, "GET", "/users", "").Header.Get("Total-Number"))
}

func TestManagementNamesAreAsDeclared(t *testing.T) {
	s := start(t, users("a b/c%{id}"))
	require.Equal(t, http.StatusOK, manage(t, s, "GET", "/users/"+url.PathEscape("a b/c%{id}"), "").StatusCode)
}
