package logtoguard_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/logtotest"
)

// FuzzAuthorization sends any header. None of them was signed by the stand-in of
// the process that judges it, so none may pass.
func FuzzAuthorization(f *testing.F) {
	seeds, _ := newLogto(f, "ES256")
	for _, v := range slices.Concat(encodings(seeds), headers(seeds), claims(seeds), signatures(seeds)) {
		f.Add("Bearer " + v.token)
	}
	f.Add("Basic eDp5")
	f.Add("bearer\tx")
	logto, clock := newLogto(f, "ES256")
	guard := newGuard(f, logto, clock)
	if err := guard.Ready(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		r := &http.Request{Header: http.Header{"Authorization": {authorization}}}
		_, err := guard.VerifyRequest(r.WithContext(t.Context()))
		if err == nil {
			t.Fatalf("let in: %q", authorization)
		}
		checkRefusal(t, err, authorization)
	})
}

// FuzzSigned has the stand-in sign any header and payload. What is let in has to
// pass a reading by encoding/json too, which shares no code with the guard's.
func FuzzSigned(f *testing.F) {
	logto, clock := newLogto(f, "ES256")
	guard := newGuard(f, logto, clock)
	if err := guard.Ready(f.Context()); err != nil {
		f.Fatal(err)
	}
	const kid, issuer = "KID", "ISSUER"
	for _, v := range slices.Concat(encodings(logto), headers(logto), claims(logto)) {
		if parts := strings.Split(v.token, "."); len(parts) == 3 && !strings.ContainsAny(v.token, "\r\n =+") {
			header := strings.ReplaceAll(string(decode(parts[0])), logto.Key().ID(), kid)
			payload := strings.ReplaceAll(string(decode(parts[1])), logto.Endpoint()+"/oidc", issuer)
			f.Add(header, payload)
		}
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		header = strings.ReplaceAll(header, kid, logto.Key().ID())
		payload = strings.ReplaceAll(payload, issuer, logto.Endpoint()+"/oidc")
		_, err := guard.Verify(t.Context(), logto.Key().Sign([]byte(header), []byte(payload)))
		if err != nil {
			checkRefusal(t, err, payload)
			return
		}
		if fault := faultOf(logto, header, payload); fault != "" {
			t.Fatalf("let in without %s: %s . %s", fault, header, payload)
		}
	})
}

func checkRefusal(t *testing.T, err error, sent string) {
	t.Helper()
	var e *logtoguard.Error
	if !errors.As(err, &e) || !slices.Contains([]int{400, 401, 503}, e.Status) || e.Reason == "" {
		t.Fatalf("%#v is no refusal of a token", err)
	}
	if len(sent) > 80 && strings.Contains(e.Challenge()+e.Error(), sent[len(sent)-40:]) {
		t.Fatalf("%q repeats %q", e.Challenge(), sent)
	}
}

// faultOf names the first thing that an accepted token lacks.
func faultOf(logto *logtotest.Server, header, payload string) string {
	var h, c map[string]any
	if json.Unmarshal([]byte(header), &h) != nil || json.Unmarshal([]byte(payload), &c) != nil {
		return "valid JSON"
	}
	typ, _ := h["typ"].(string)
	exp, _ := c["exp"].(float64)
	_, crit := h["crit"]
	_, cnf := c["cnf"]
	audience, _ := c["aud"].([]any)
	switch {
	case !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), "at+jwt"):
		return "typ"
	case h["alg"] != "ES256" || h["kid"] != logto.Key().ID() || crit:
		return "a right header"
	case c["iss"] != logto.Endpoint()+"/oidc":
		return "iss"
	case c["aud"] != shopping && !slices.Contains(audience, any(shopping)):
		return "aud"
	case exp <= float64(now.Unix()-5):
		return "exp"
	case c["sub"] == nil || c["sub"] == "" || c["client_id"] == nil || c["client_id"] == "" || cnf:
		return "right parties"
	}
	return ""
}
