package logtoguard_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

func TestAuthorizationHeader(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	guardtest.Ready(t, guard)
	token := logto.Mint(logtotest.Token{Subject: "shop"})

	const malformed = `Bearer error="invalid_request"`
	for _, test := range []struct {
		name          string
		authorization []string
		status        int
		challenge     string
		is            error
	}{
		{"a token", []string{"Bearer " + token}, 204, "", nil},
		{"lower case", []string{"bearer " + token}, 204, "", nil},
		{"upper case", []string{"BEARER " + token}, 204, "", nil},
		{"several spaces", []string{"Bearer   " + token}, 204, "", nil},
		{"space around the value", []string{" \tBearer " + token + " \t"}, 204, "", nil},
		{"no header", nil, 401, "Bearer", logtoguard.ErrNoToken},
		{"an empty header", []string{""}, 401, "Bearer", logtoguard.ErrNoToken},
		{"another scheme", []string{"Basic " + token}, 401, "Bearer", logtoguard.ErrNoToken},
		{"no scheme", []string{token}, 401, "Bearer", logtoguard.ErrNoToken},
		{"a scheme that starts like Bearer", []string{"BEARERx " + token}, 401, "Bearer", logtoguard.ErrNoToken},
		{"a scheme run into the token", []string{"Bearer" + token}, 401, "Bearer", logtoguard.ErrNoToken},
		{"two headers", []string{"Bearer " + token, "Bearer " + token}, 400, malformed, logtoguard.ErrMalformed},
		{"two headers, one of another scheme", []string{"Basic eDp5", "Bearer " + token}, 400, malformed, logtoguard.ErrMalformed},
		{"nothing after Bearer", []string{"Bearer"}, 400, malformed, logtoguard.ErrMalformed},
		{"spaces after Bearer", []string{"Bearer   "}, 400, malformed, logtoguard.ErrMalformed},
		{"two tokens", []string{"Bearer " + token + " " + token}, 400, malformed, logtoguard.ErrMalformed},
		{"two tokens with a comma", []string{"Bearer " + token + ", Bearer " + token}, 400, malformed, logtoguard.ErrMalformed},
		{"a tab for the space", []string{"Bearer\t" + token}, 400, malformed, logtoguard.ErrMalformed},
		{"a comma for the space", []string{"Bearer," + token}, 400, malformed, logtoguard.ErrMalformed},
		{"quoted", []string{`Bearer "` + token + `"`}, 400, malformed, logtoguard.ErrMalformed},
		{"a parameter", []string{"Bearer token=" + token}, 400, malformed, logtoguard.ErrMalformed},
		{"padding only", []string{"Bearer ==="}, 400, malformed, logtoguard.ErrMalformed},
		{"not ASCII", []string{"Bearer " + token + "é"}, 400, malformed, logtoguard.ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := guardtest.Serve(guard.Handler(guardtest.NoContent), test.authorization...)
			assert.Equal(t, test.status, w.Code)
			assert.Equal(t, test.challenge, w.Header().Get("WWW-Authenticate"))

			request, _ := http.NewRequest(http.MethodGet, "/", nil)
			request.Header["Authorization"] = test.authorization
			_, err := guard.VerifyRequest(request)
			require.ErrorIs(t, err, test.is)

			optional := guardtest.Serve(guard.Optional(guardtest.NoContent), test.authorization...)
			if test.is == logtoguard.ErrNoToken {
				assert.Equal(t, 204, optional.Code, "Optional lets through what has no token")
			} else {
				assert.Equal(t, test.status, optional.Code, "Optional refuses what is wrong")
			}
		})
	}
}

func TestTokenOutsideTheHeader(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "ES256")
	guard := guardtest.NewGuard(t, logto, clock)
	token := logto.Mint(logtotest.Token{Subject: "shop"})
	r, _ := http.NewRequest(http.MethodPost, "/?access_token="+token, strings.NewReader("access_token="+token))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: "access_token", Value: token})
	_, err := guard.VerifyRequest(r)
	require.ErrorIs(t, err, logtoguard.ErrNoToken)
}

// TestVerdicts has a row for each rule of what is judged, and for the mistakes that
// other libraries were seen to make, for every algorithm.
func TestVerdicts(t *testing.T) {
	for _, algorithm := range guardtest.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			logto, clock := guardtest.NewLogto(t, algorithm)
			guard := guardtest.NewGuard(t, logto, clock)
			guardtest.Ready(t, guard)
			for _, v := range slices.Concat(guardtest.Encodings(logto), guardtest.Headers(logto), guardtest.Payloads(logto), guardtest.Signatures(logto)) {
				t.Run(v.Name, func(t *testing.T) { expect(t, guard, v) })
			}
			// None of them was a reason to ask for keys, but for the unknown kids.
			assert.LessOrEqual(t, logto.Requests("/oidc/jwks"), 4)
		})
	}
}

func expect(t *testing.T, guard *logtoguard.Guard, v guardtest.Verdict) {
	t.Helper()
	claims, err := guard.Verify(t.Context(), v.Token)
	if v.Is == nil {
		require.NoError(t, err)
		require.NotNil(t, claims)
		return
	}
	require.ErrorIs(t, err, v.Is)
	require.Nil(t, claims)
	var e *logtoguard.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, http.StatusUnauthorized, e.Status)
	assert.Equal(t, "invalid_token", e.Code)
	assert.NotEmpty(t, e.Reason)
	assert.Equal(t, `Bearer error="invalid_token", error_description="`+e.Description+`"`, e.Challenge())
}
