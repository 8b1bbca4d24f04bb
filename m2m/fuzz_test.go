package m2m_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/m2m"
)

const (
	withScopes byte = 1 << iota
	withFewer
	withOrganization
)

// FuzzTokenAnswer gives any answer. There is a token exactly if another reading of
// the answer finds one, and of an error the sender chooses the OAuth error only.
func FuzzTokenAnswer(f *testing.F) {
	for _, r := range replies() {
		for _, options := range []byte{0, withScopes, withScopes | withFewer | withOrganization} {
			f.Add(r.status, r.contentType, "https://evil.example/?q=SECRET", r.body, options)
		}
	}
	f.Add(302, isJSON, "https://SECRET:x/", "", byte(0))
	honest := honestErrors{}
	repeatSecret := strings.NewReplacer("SECRET", appSecret, "BASIC", basic("manager", appSecret))
	f.Fuzz(func(t *testing.T, status int, contentType, location, body string, options byte) {
		r := reply{max(0, status%1000), repeatSecret.Replace(contentType), repeatSecret.Replace(body)}
		requests := 0
		client := newClient(t, wanting(options), by(roundTrip(func(sent *http.Request) (*http.Response, error) {
			requests++
			assert.Equal(t, "Basic "+basic("manager", appSecret), sent.Header.Get("Authorization"))
			response := answer(r.status, r.contentType, strings.NewReader(r.body))
			response.Header.Set("Location", repeatSecret.Replace(location))
			return response, nil
		})))
		want, sure := grantOf(askingOf(options), r)
		for range 2 {
			got, err := client.Token(t.Context())
			switch {
			case err != nil:
				require.Nil(t, got)
				require.False(t, want != nil && sure, "refused: %v", err)
				honest.check(t, err, r.status, options)
			default:
				require.Equal(t, want, got)
				require.True(t, got.Expiry.After(noon) && !got.Expiry.After(noon.Add(24*time.Hour)))
			}
			require.Equal(t, 1, requests)
		}
	})
}

func askingOf(options byte) asking {
	a := asking{acceptFewer: options&withFewer != 0}
	if options&withScopes != 0 {
		a.scopes = []string{"read:products", "write:products"}
	}
	return a
}

func wanting(options byte) func(*m2m.Config) {
	return func(cfg *m2m.Config) {
		a := askingOf(options)
		cfg.Scopes, cfg.AcceptFewerScopes = a.scopes, a.acceptFewer
		if options&withOrganization != 0 {
			cfg.OrganizationID = "acme"
		}
		cfg.Now = func() time.Time { return noon }
	}
}

// honestErrors are all that may be told: what answers cause in which there is
// nothing but a status, a code and a description.
type honestErrors map[string][][]string

func (h honestErrors) check(t *testing.T, err error, status int, options byte) {
	t.Helper()
	e, isError := err.(*m2m.Error)
	require.True(t, isError, "%T", err)
	if e.Status != status { // net/http fails on a Location that is not a URL
		require.Contains(t, []int{301, 302, 303, 307, 308}, status)
		require.Equal(t, `m2m: no token: Post "https://logto.example/oidc/token": no answer that can be read as HTTP`, e.Error())
		return
	}
	require.Regexp(t, code, e.Code)
	require.Regexp(t, description, e.Description)
	assertNoSecret(t, everything(e))
	options &= withScopes | withFewer | withOrganization
	key := fmt.Sprintf("%d %q %q %d", status, e.Code, e.Description, options)
	if h[key] == nil {
		for _, r := range honestReplies(status, e.Code, e.Description) {
			client := newClient(t, wanting(options), by(roundTrip(func(*http.Request) (*http.Response, error) {
				return answer(r.status, r.contentType, strings.NewReader(r.body)), nil
			})))
			if _, err := client.Token(t.Context()); err != nil {
				h[key] = append(h[key], told(err.(*m2m.Error)))
			}
		}
	}
	if !slices.ContainsFunc(h[key], func(texts []string) bool { return slices.Equal(texts, told(e)) }) {
		t.Fatalf("the sender's words? %q", told(e))
	}
}

var (
	code        = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]{0,64}$`) // RFC 6749, section 5.2
	description = regexp.MustCompile(`^[\x20-\x7E]{0,200}$`)
)

// honestReplies have each fault once.
func honestReplies(status int, code, description string) []reply {
	if code == "" {
		code = "é" // which is never shown
	}
	failure, _ := json.Marshal(map[string]string{"error": code, "error_description": description})
	replies := []reply{{status, "", ""}}
	for _, body := range []string{
		string(failure),
		strings.Repeat(" ", 64<<10+1),
		`{}`,
		`{"access_token":"=","token_type":"Bearer"}`,
		`{"access_token":"a","token_type":"mac"}`,
		`{"access_token":"a","token_type":"Bearer","expires_in":0}`,
		`{"access_token":"a","token_type":"Bearer","scope":1}`,
		`{"access_token":"a","token_type":"Bearer"}`,
		`{"access_token":"a","token_type":"Bearer","scope":"read:products"}`,
		`{"access_token":"a","token_type":"Bearer","scope":"write:products"}`,
	} {
		replies = append(replies, reply{status, "application/json", body})
	}
	return replies
}
