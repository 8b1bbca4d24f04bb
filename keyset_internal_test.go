package logtoguard

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// An outage of weeks counts failures far beyond where doubling overflows.
func TestBackOffNeverOverflows(t *testing.T) {
	for _, failures := range []int{1, 2, 6, 7, 11, 34, 64, 65, 1 << 20, math.MaxInt} {
		d := backOff(failures)
		assert.GreaterOrEqual(t, d, time.Second, failures)
		assert.LessOrEqual(t, d, time.Minute, failures)
	}
}

// Close may come before the goroutine has run at all: who waits for its first
// fetch is answered nevertheless.
func TestCloseBeforeTheFirstFetchBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ks := newKeySet(settings{jwksURL: "http://127.0.0.1/oidc/jwks", now: time.Now}, func(time.Time) {})
		answered := make(chan *Error)
		begin := time.Now()
		go func() {
			_, e := ks.find(t.Context(), "kid")
			answered <- e
		}()
		synctest.Wait()
		ks.cancel()
		ks.start()
		assert.ErrorIs(t, <-answered, ErrClosed)
		assert.Zero(t, time.Since(begin))
	})
}

// FuzzParseKeySet: whatever the issuer answers, the answer is keys that fit an
// algorithm, or an error, and no panic.
func FuzzParseKeySet(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[]}`, `{"keys":[null,{}]}`, `[`,
		`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		`{"keys":[{"kty":"RSA","kid":"b","use":"sig","key_ops":["verify"],"e":"AQAB","n":"sXch"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"c","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"oct","kid":"d","k":"AA"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, _, err := parseKeySet(body)
		if err != nil {
			assert.Empty(t, keys)
			return
		}
		assert.NotEmpty(t, keys)
		for kid, k := range keys {
			assert.NotEmpty(t, kid)
			assert.Equal(t, kid, k.id)
			_, err := fittingAlgorithm(k.public)
			assert.NoError(t, err)
		}
	})
}
