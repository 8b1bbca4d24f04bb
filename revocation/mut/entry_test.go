package valkeylog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard/revocation"
)

func TestDecode(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_123).UTC()
	alice := revocation.Revocation{Subject: "alice", At: at}
	none := revocation.Revocation{}
	tests := map[string]struct {
		text string
		want revocation.Revocation
	}{
		"all members": {
			`{"v":1,"kind":"block","sub":"alice","client_id":"web","organization_id":"acme","jti":"t","at":1800000000123,"exp":1800000000124,"reason":"r"}`,
			revocation.Revocation{Subject: "alice", ClientID: "web", OrganizationID: "acme", TokenID: "t", Kind: revocation.Block,
				At: at, Expires: at.Add(time.Millisecond), Reason: "r"},
		},
		"in another order":   {` {"at":1800000000123, "sub":"alice", "kind":"cut", "v":1} `, alice},
		"a newer version":    {`{"v":2,"kind":"cut","sub":"alice","at":1800000000123,"why":{"who":["bob"]},"Sub":"carol"}`, alice},
		"without a version":  {`{"kind":"cut","sub":"alice","at":1800000000123}`, alice},
		"null is absent":     {`{"v":1,"kind":"cut","sub":"alice","jti":null,"at":1800000000123,"exp":null}`, alice},
		"a newer kind":       {`{"v":2,"kind":"pardon","sub":"alice","at":1800000000123}`, none},
		"an older text":      {`{"v":1,"kind":"unknown","sub":"alice","at":1800000000123}`, none},
		"no kind":            {`{"v":1,"sub":"alice","at":1800000000123}`, none},
		"another case":       {`{"v":1,"kind":"Cut","sub":"alice","at":1800000000123}`, none},
		"a newer field only": {`{"v":2,"kind":"cut","session":"s","at":1800000000123}`, none},
		"empty fields only":  {`{"v":1,"kind":"cut","sub":"","at":1800000000123}`, none},
		"other names":        {`{"v":1,"kind":"cut","SUB":"alice","at":1800000000123}`, none},
		"no time":            {`{"v":1,"kind":"cut","sub":"alice"}`, none},
		"a text as time":     {`{"v":1,"kind":"cut","sub":"alice","at":"2027-01-15T08:00:00Z"}`, none},
		"half milliseconds":  {`{"v":1,"kind":"cut","sub":"alice","at":1800000000123.5}`, none},
		"a huge time":        {`{"v":1,"kind":"cut","sub":"alice","at":18000000001230000000000}`, none},
		"a number as field":  {`{"v":1,"kind":"cut","sub":5,"at":1800000000123}`, none},
		"a field twice":      {`{"v":1,"kind":"cut","sub":"bob","sub":"alice","at":1800000000123}`, none},
		"no UTF-8":           {"{\"v\":1,\"kind\":\"cut\",\"sub\":\"\xff\",\"at\":1800000000123}", none},
		"two objects":        {`{"v":1,"kind":"cut","sub":"alice","at":1800000000123}{}`, none},
		"cut off":            {`{"v":1,"kind":"cut","sub":"alice","at":1800000000123`, none},
		"a list":             {`[{"v":1,"kind":"cut","sub":"alice","at":1800000000123}]`, none},
		"null":               {`null`, none},
		"nothing":            {``, none},
		"garbage":            {`garbage`, none},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, decode(tt.text))
		})
	}
}

// What is read is what is written again.
func FuzzEntry(f *testing.F) {
	f.Add(`{"v":1,"kind":"cut","sub":"alice","at":1800000000123}`)
	f.Add(`{"v":2,"kind":"block","client_id":"web","organization_id":"acme","at":1800000000123,"reason":"r","new":[{}]}`)
	f.Add(`{"v":1,"kind":"lift","jti":"t","at":-1,"exp":1800000000124}`)
	f.Add(`{"kind":"unknown"}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := decode(text)
		if r == (revocation.Revocation{}) {
			return
		}
		require.NotEqual(t, revocation.Revocation{Kind: r.Kind, At: r.At, Expires: r.Expires, Reason: r.Reason}, r)
		require.False(t, r.At.IsZero())
		again, err := encode(r)
		require.NoError(t, err)
		require.Equal(t, r, decode(again))
	})
}
