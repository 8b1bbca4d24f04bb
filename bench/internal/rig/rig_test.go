package rig

import (
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

func TestEachRunsOverAll(t *testing.T) {
	seen := make([]bool, 1_000)
	Each(len(seen), func(i int) { seen[i] = true })
	for i, ok := range seen {
		if !ok {
			t.Fatal("left out:", i)
		}
	}
}
