package revocation_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/logtoguard/logtoguard/revocation"
)

const signingKey = "whsec-1"

func signedWith(keys ...string) func(*revocation.Config) {
	return func(cfg *revocation.Config) { cfg.SigningKeys = keys }
}

// sign does what Logto does.
func sign(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// deliver sends a webhook with these signatures.
func deliver(handler http.Handler, body io.Reader, signatures ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/logto", body)
	for _, signature := range signatures {
		r.Header.Add("logto-signature-sha-256", signature)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func send(handler http.Handler, body string) int {
	return deliver(handler, strings.NewReader(body), sign(signingKey, body)).Code
}

// A reader that tells whether it was read.
type seen struct {
	io.Reader
	read bool
}

func (s *seen) Read(p []byte) (int, error) {
	s.read = true
	return s.Reader.Read(p)
}

func millis(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// suspension is as Logto sends it.
func suspension(user string, suspended bool, at time.Time) string {
	return fmt.Sprintf(`{"event":"User.SuspensionStatus.Updated","createdAt":%q,"userAgent":"curl","ip":"::1","path":"/users/:userId/is-suspended",
		"method":"PATCH","status":200,"params":{"userId":%q},"matchedRoute":"/users/:userId/is-suspended",
		"data":{"id":%q,"username":"x","profile":{},"isSuspended":%v,"createdAt":1,"updatedAt":%d},"hookId":"h"}`,
		millis(at), user, user, suspended, at.UnixMilli())
}

func TestWebhookAnswers(t *testing.T) {
	good := suspension("alice", true, guardtest.Now)
	long := good + strings.Repeat(" ", 1<<20-len(good))
	valid := sign(signingKey, good)
	tests := []struct {
		name       string
		method     string
		body       string
		signatures []string
		status     int
		unread     bool
	}{
		{"good", "POST", good, []string{valid}, 204, false},
		{"upper case", "POST", good, []string{strings.ToUpper(valid)}, 204, false},
		{"by the other key", "POST", good, []string{sign("whsec-2", good)}, 204, false},
		{"1 MiB", "POST", long, []string{sign(signingKey, long)}, 204, false},
		{"a byte more", "POST", long + " ", []string{sign(signingKey, long+" ")}, 413, false},
		{"a byte more, unsigned", "POST", long + " ", []string{strings.Repeat("0", 64)}, 413, false},
		{"GET", "GET", good, []string{valid}, 405, true},
		{"PUT, unsigned", "PUT", good, nil, 405, true},
		{"unsigned", "POST", good, nil, 401, true},
		{"two signatures", "POST", good, []string{valid, valid}, 401, true},
		{"two in one", "POST", good, []string{valid + "," + valid}, 401, true},
		{"empty", "POST", good, []string{""}, 401, true},
		{"62 digits", "POST", good, []string{valid[:62]}, 401, true},
		{"63 digits", "POST", good, []string{valid[:63]}, 401, true},
		{"65 digits", "POST", good, []string{valid + "0"}, 401, true},
		{"66 digits", "POST", good, []string{valid + "00"}, 401, true},
		{"not hex", "POST", good, []string{valid[:63] + "g"}, 401, true},
		{"a prefix", "POST", good, []string{"sha256=" + valid[:57]}, 401, true},
		{"by a strange key", "POST", good, []string{sign("whsec-3", good)}, 401, false},
		{"by an empty key", "POST", good, []string{sign("", good)}, 401, false},
		{"of another body", "POST", good + " ", []string{valid}, 401, false},
		{"garbage, unsigned", "POST", "{", []string{valid}, 401, false},
		{"garbage", "POST", "{", []string{sign(signingKey, "{")}, 400, false},
	}
	w := newWorld(t)
	token := w.claims(t, alice)
	for _, tt := range tests {
		for _, chunked := range []bool{false, true} { // without a Content-Length
			t.Run(fmt.Sprintf("%s/chunked=%v", tt.name, chunked), func(t *testing.T) {
				list := w.list(t, signedWith(signingKey, "whsec-2"))
				body := &seen{Reader: strings.NewReader(tt.body)}
				r := httptest.NewRequest(tt.method, "/", body)
				if r.ContentLength = int64(len(tt.body)); chunked {
					r.ContentLength = -1
				}
				r.Header["Logto-Signature-Sha-256"] = tt.signatures
				answer := httptest.NewRecorder()
				list.ServeHTTP(answer, r)
				assert.Equal(t, tt.status, answer.Code)
				if tt.unread {
					assert.False(t, body.read, "what is not signed is not read")
				}
				assert.Equal(t, tt.status == 405, answer.Header().Get("Allow") == "POST")
				if tt.status == 204 {
					assert.Zero(t, answer.Body.Len())
					refused(t, list, token)
				} else {
					letIn(t, list, token)
					assert.Zero(t, list.Stats().Entries)
				}
				assert.NotContains(t, answer.Body.String(), "whsec")
			})
		}
	}

	t.Run("no keys", func(t *testing.T) {
		body := &seen{Reader: strings.NewReader(good)}
		require.Equal(t, 401, deliver(w.list(t), body, sign("", good)).Code)
		require.False(t, body.read)
	})
	t.Run("a body that breaks off", func(t *testing.T) {
		require.Equal(t, 400, deliver(w.list(t, signedWith(signingKey)), io.MultiReader(strings.NewReader(good), broken{}), valid).Code)
	})
	t.Run("closed", func(t *testing.T) {
		list := w.list(t, signedWith(signingKey))
		require.NoError(t, list.Close())
		require.Equal(t, 503, send(list, good))
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// What each event ends, of tokens that were issued just before it, in its second, and later.
func TestEvents(t *testing.T) {
	const (
		nothing = 0 // ends
		// Bits of the tokens.
		aliceAcme = 1 << iota
		alicePlain
		aliceOther
		bobAcme
		machineAcme
		renewed // alice's in acme, issued after the event
		all     = aliceAcme | alicePlain | aliceOther | bobAcme | machineAcme | renewed
	)
	w := newWorld(t)
	old := issued(guardtest.Now.Add(-time.Minute))
	now := millis(guardtest.Now)
	many := func(n int) string { return strings.Repeat(`"u",`, n-1) + `"u"` }
	membership := func(rest string) string {
		return fmt.Sprintf(`{"event":"Organization.Membership.Updated","createdAt":%q,"organizationId":"acme"%s}`, now, rest)
	}
	longID := strings.Repeat("x", 256)
	tests := []struct {
		name   string
		body   string
		status int
		ends   int
	}{
		{"suspended", suspension("alice", true, guardtest.Now), 204, aliceAcme | alicePlain | aliceOther | renewed},
		{"lifted", suspension("alice", false, guardtest.Now), 204, aliceAcme | alicePlain | aliceOther},
		{"deleted", `{"event":"User.Deleted","createdAt":"` + now + `","data":{"id":"alice"},"params":{"userId":"alice"}}`, 204, aliceAcme | alicePlain | aliceOther | renewed},
		{"deleted, without data", `{"event":"User.Deleted","createdAt":"` + now + `","params":{"userId":"alice"}}`, 204, aliceAcme | alicePlain | aliceOther | renewed},
		{"deleted, without params", `{"event":"User.Deleted","createdAt":"` + now + `","data":{"id":"alice"}}`, 204, aliceAcme | alicePlain | aliceOther | renewed},
		{"deleted, data of null", `{"event":"User.Deleted","createdAt":"` + now + `","data":null,"params":{"userId":"alice"}}`, 204, aliceAcme | alicePlain | aliceOther | renewed},
		{"organization deleted", `{"event":"Organization.Deleted","createdAt":"` + now + `","params":{"id":"acme"}}`, 204, aliceAcme | bobAcme | machineAcme | renewed},
		{"a user removed", membership(`,"removedUserIds":["carol","alice"]`), 204, aliceAcme},
		{"an application removed", membership(`,"removedApplicationIds":["machine"]`), 204, machineAcme},
		{"both", membership(`,"removedUserIds":["bob"],"removedApplicationIds":["machine"],"addedUserIds":["alice"]`), 204, bobAcme | machineAcme},
		{"added", membership(`,"addedUserIds":["alice"]`), 204, nothing},
		{"nothing known", membership(``), 204, nothing},
		{"empty lists", membership(`,"removedUserIds":[],"removedApplicationIds":[]`), 204, nothing},
		{"4,999 removed", membership(`,"removedUserIds":[` + many(4_999) + `]`), 204, nothing},
		{"5,000 removed, and maybe more", membership(`,"removedUserIds":[` + many(5_000) + `]`), 204, aliceAcme | bobAcme | machineAcme},
		{"5,000 applications", membership(`,"removedUserIds":["u"],"removedApplicationIds":[` + many(5_000) + `]`), 204, aliceAcme | bobAcme | machineAcme},
		{"an event without an effect", `{"event":"User.Created","createdAt":1,"data":[],"params":7}`, 204, nothing},
		{"names are exact", strings.Replace(suspension("alice", true, guardtest.Now), "User.", "user.", 1), 204, nothing},
		{"a test of the webhook", strings.Replace(suspension("alice", true, guardtest.Now), `"/users/`, `"/fake-path/users/`, 1), 204, nothing},
		{"its time is updatedAt", strings.Replace(suspension("alice", true, guardtest.Now), now, millis(guardtest.Now.Add(-25*time.Hour)), 1), 204, aliceAcme | alicePlain | aliceOther | renewed},
		{"updatedAt as a text", `{"event":"User.SuspensionStatus.Updated","createdAt":"` + now + `","data":{"id":"alice","isSuspended":false,"updatedAt":"` + millis(guardtest.Now.Add(-2*time.Minute)) + `"}}`, 204, nothing},
		{"without updatedAt", `{"event":"User.SuspensionStatus.Updated","createdAt":"` + now + `","data":{"id":"alice","isSuspended":false}}`, 204, aliceAcme | alicePlain | aliceOther},
		{"as old as tokens get", suspension("alice", true, guardtest.Now.Add(-24*time.Hour)), 204, aliceAcme | alicePlain | aliceOther | renewed},
		{"older", suspension("alice", true, guardtest.Now.Add(-24*time.Hour-time.Millisecond)), 204, nothing},
		{"256 bytes", suspension(longID, true, guardtest.Now), 204, nothing},
		{"an odd profile", strings.Replace(suspension("alice", true, guardtest.Now), `"username":"x"`, "\"username\":\"\xff\\ud800\",\"username\":{}", 1), 204, aliceAcme | alicePlain | aliceOther | renewed},

		{"257 bytes", suspension(longID+"x", true, guardtest.Now), 400, nothing},
		{"an empty id", suspension("", true, guardtest.Now), 400, nothing},
		{"no id", `{"event":"User.SuspensionStatus.Updated","createdAt":"` + now + `","data":{"isSuspended":true}}`, 400, nothing},
		{"a number as id", `{"event":"User.Deleted","createdAt":"` + now + `","data":{"id":7}}`, 400, nothing},
		{"neither data nor params", `{"event":"User.Deleted","createdAt":"` + now + `"}`, 400, nothing},
		{"not said whether suspended", `{"event":"User.SuspensionStatus.Updated","createdAt":"` + now + `","data":{"id":"alice"}}`, 400, nothing},
		{"a text, whether suspended", `{"event":"User.SuspensionStatus.Updated","createdAt":"` + now + `","data":{"id":"alice","isSuspended":"true"}}`, 400, nothing},
		{"updatedAt is no time", `{"event":"User.SuspensionStatus.Updated","createdAt":"` + now + `","data":{"id":"alice","isSuspended":true,"updatedAt":"soon"}}`, 400, nothing},
		{"updatedAt is null", `{"event":"User.SuspensionStatus.Updated","createdAt":"` + now + `","data":{"id":"alice","isSuspended":true,"updatedAt":null}}`, 204, aliceAcme | alicePlain | aliceOther | renewed},
		{"updatedAt beyond all years", `{"event":"User.SuspensionStatus.Updated","createdAt":"` + now + `","data":{"id":"alice","isSuspended":true,"updatedAt":9223372036854775807}}`, 400, nothing},
		{"no createdAt", `{"event":"User.Deleted","data":{"id":"alice"}}`, 400, nothing},
		{"createdAt is no time", `{"event":"User.Deleted","createdAt":"yesterday","data":{"id":"alice"}}`, 400, nothing},
		{"createdAt before Unix", `{"event":"User.Deleted","createdAt":"1969-12-31T23:59:59.999Z","data":{"id":"alice"}}`, 400, nothing},
		{"no organization", `{"event":"Organization.Membership.Updated","createdAt":"` + now + `","removedUserIds":["alice"]}`, 400, nothing},
		{"an empty organization", `{"event":"Organization.Deleted","createdAt":"` + now + `","params":{"id":""}}`, 400, nothing},
		{"an empty user among others", membership(`,"removedUserIds":["alice",""]`), 400, nothing},
		{"not a list", membership(`,"removedUserIds":"alice"`), 400, nothing},
		{"no event", `{"createdAt":"` + now + `"}`, 400, nothing},
		{"an array", `[]`, 400, nothing},
		{"null", `null`, 400, nothing},
		{"nothing", ``, 400, nothing},
		{"two values", `{"event":"User.Created"}{}`, 400, nothing},
	}
	claims := map[int]*struct {
		token logtotest.Token
		edit  func(*logtotest.Draft)
	}{
		aliceAcme:   {alice, old},
		alicePlain:  {logtotest.Token{Subject: "alice", ClientID: "web"}, old},
		aliceOther:  {logtotest.Token{Subject: "alice", ClientID: "web", OrganizationID: "other"}, old},
		bobAcme:     {logtotest.Token{Subject: "bob", ClientID: "web", OrganizationID: "acme"}, old},
		machineAcme: {logtotest.Token{ClientID: "machine", OrganizationID: "acme"}, old},
		renewed:     {alice, issued(guardtest.Now.Add(time.Second))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := w.list(t, signedWith(signingKey))
			require.Equal(t, tt.status, send(list, tt.body))
			ended := 0
			for bit, c := range claims {
				if list.Check(t.Context(), w.claims(t, c.token, c.edit)) != nil {
					ended |= bit
				}
			}
			require.Equal(t, tt.ends, ended, "of %b", all)

			// Logto may send it again, and anybody who has seen it.
			entries := list.Stats().Entries
			require.Equal(t, tt.status, send(list, tt.body))
			require.Equal(t, entries, list.Stats().Entries)
		})
	}
}

// Webhooks are not ordered, and one that is replayed changes nothing.
func TestReplayedSuspension(t *testing.T) {
	w := newWorld(t)
	list := w.list(t, signedWith(signingKey))
	suspended := suspension("alice", true, guardtest.Now.Add(-3*time.Second))
	lifted := suspension("alice", false, guardtest.Now.Add(-2*time.Second))
	token := w.claims(t, alice)
	require.Equal(t, 204, send(list, lifted))
	require.Equal(t, 204, send(list, suspended))
	letIn(t, list, token)
	require.Equal(t, 204, send(list, suspension("alice", true, guardtest.Now)))
	require.Equal(t, 204, send(list, lifted))
	refused(t, list, token)
}

// 204 mostly means stored, and Logto is not kept waiting for it.
func TestWebhookWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &record{}
		list := newList(t, logged(log), signedWith(signingKey))
		require.Equal(t, 204, send(list, suspension("alice", true, time.Now())))
		require.Len(t, log.all(), 1)
		require.Equal(t, "User.SuspensionStatus.Updated", log.all()[0].Reason)

		log.change(func() { log.deaf = true })
		begin := time.Now()
		require.Equal(t, 204, send(list, suspension("bob", true, time.Now())))
		require.Equal(t, 2*time.Second, time.Since(begin))
		require.Equal(t, 1, list.Stats().Unsaved)
		log.change(func() { log.deaf = false })
		time.Sleep(10 * time.Second)
		require.Len(t, log.all(), 2)
	})
}

// FuzzServeHTTP: whatever comes, the answer is one of six, and what is not signed
// changes nothing.
func FuzzServeHTTP(f *testing.F) {
	w := newWorld(f)
	good := suspension("alice", true, guardtest.Now)
	for _, body := range []string{
		good, suspension("alice", false, guardtest.Now), `{}`, `{"event":"User.Deleted","createdAt":"2026-11-22T12:00:00.000Z","params":{"userId":"a"}}`,
		`{"event":"Organization.Deleted","createdAt":"2026-11-22T12:00:00.000Z","params":{"id":"a"}}`,
		`{"event":"Organization.Membership.Updated","createdAt":"2026-11-22T12:00:00.000Z","organizationId":"o","removedUserIds":["a","b"]}`,
	} {
		f.Add("POST", sign(signingKey, body), body, false)
		f.Add("POST", "", body, true)
	}
	f.Add("GET", "x", "", false)
	f.Fuzz(func(t *testing.T, method, signature, body string, signed bool) {
		list := w.list(t, signedWith(signingKey))
		defer list.Close()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Method = method
		if signed {
			signature = sign(signingKey, body)
		}
		r.Header.Set("Logto-Signature-Sha-256", signature)
		answer := httptest.NewRecorder()
		list.ServeHTTP(answer, r)
		require.Contains(t, []int{204, 400, 401, 405, 413}, answer.Code)
		entries := list.Stats().Entries
		if answer.Code != 204 || method != "POST" || !strings.EqualFold(signature, sign(signingKey, body)) {
			require.NotEqual(t, 204, answer.Code)
			require.Zero(t, entries)
			return
		}
		// What has an effect is an event of these, and says who is meant.
		var event struct {
			Event string `json:"event"`
		}
		if entries > 0 && json.Unmarshal([]byte(body), &event) == nil {
			require.Contains(t, []string{"User.SuspensionStatus.Updated", "User.Deleted", "Organization.Membership.Updated", "Organization.Deleted"}, event.Event)
		}
		list.ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, entries, list.Stats().Entries)
	})
}
