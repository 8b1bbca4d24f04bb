package rig

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestTokensHaveTheSizesThatTheFiguresSpeakOf(t *testing.T) {
	r := New("ES384")
	t.Cleanup(r.Close)
	good := r.Good()
	if len(good) < 550 || len(good) > 650 {
		t.Errorf("a typical token has %d bytes", len(good))
	}
	if padded := len(r.Padded(2_048)); padded > 2_048 || padded < 2_045 {
		t.Errorf("a token of 2,048 bytes has %d", padded)
	}
	forged := Forge(good)
	if len(forged) != len(good) || forged == good || !strings.HasPrefix(good, forged[:strings.LastIndexByte(forged, '.')]) {
		t.Errorf("forged:\n%s\ngood:\n%s", forged, good)
	}
}

// part decodes a part of a token.
func part(t *testing.T, token string, i int) (members map[string]json.RawMessage) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return members
}

func TestForgedTokensDiffer(t *testing.T) {
	r := New("ES384")
	t.Cleanup(r.Close)
	good := r.Of("u1u2u3u4u5u6")
	forger := NewForger(good)
	var tokens, subjects []string
	for i := range 4 {
		if i >= 2 {
			forger.Rename()
		}
		token := string(forger.Append(nil))
		tokens = append(tokens, token)
		subjects = append(subjects, string(part(t, token, payload)["sub"]))
		if len(token) != len(good) {
			t.Errorf("a forged token has %d bytes, a good one %d", len(token), len(good))
		}
	}
	if slices.Sort(tokens); len(slices.Compact(tokens)) != 4 {
		t.Error("tokens are the same:", tokens)
	}
	named := `"u1u2u3u4u5u6"`
	if subjects[0] != named || subjects[1] != named || subjects[2] == named || subjects[3] == named || subjects[3] == subjects[2] {
		t.Error("subjects:", subjects)
	}
}

func TestStrangersHaveSubjectsOfTheirOwn(t *testing.T) {
	r := New("ES256")
	t.Cleanup(r.Close)
	seen := make(map[string]bool)
	for _, token := range r.Strangers(10) {
		seen[string(part(t, token, payload)["sub"])] = true
	}
	if len(seen) != 10 {
		t.Error("10 strangers have", len(seen), "subjects")
	}
}

func TestWorstTokensAreAsLongAsTheyMayBe(t *testing.T) {
	r := New("ES384")
	t.Cleanup(r.Close)
	for _, worst := range Worst {
		token := worst.Make(r)
		if len(token) > MaxToken || len(token) < MaxToken-20 {
			t.Errorf("%s: %d bytes", worst.Kind, len(token))
		}
		if issuer := string(part(t, token, payload)["iss"]); issuer != `"`+r.Name+`"` {
			t.Errorf("%s: issuer %s", worst.Kind, issuer)
		}
		if key := string(part(t, token, header)["kid"]); key != `"`+r.server.Key().ID()+`"` {
			t.Errorf("%s: key %s", worst.Kind, key)
		}
	}
}

func TestEachRunsOverAll(t *testing.T) {
	seen := make([]bool, 1_000)
	Each(len(seen), func(i int) { seen[i] = true })
	for i, ok := range seen {
		if !ok {
			t.Fatal("left out:", i)
		}
	}
}
