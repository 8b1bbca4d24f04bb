package main

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

func TestAClosedLoopIsAnsweredAndCounted(t *testing.T) {
	r := rig.New("ES256")
	t.Cleanup(r.Close)
	guarded, stop, err := contestants.Ours.New(r.Issuer, http.HandlerFunc(products))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	server := httptest.NewServer(guarded)
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()

	good := r.Good()
	answers := 0
	// A machine that is busy with others may let a short loop pass before its first request.
	for length := time.Millisecond; answers == 0 && length < time.Minute; length *= 2 {
		l, err := closedLoop(address, [][]byte{request(good), request(good)}, length)
		if err != nil {
			t.Fatal(err)
		}
		answers = len(l.latencies)
	}
	if answers == 0 {
		t.Error("no answers")
	}
	// It ends with the refusal.
	if _, err := closedLoop(address, [][]byte{request(rig.Forge(good))}, time.Minute); err == nil {
		t.Error("a refusal passed for an answer")
	}
	a, err := startAttack(address, [][]byte{request(rig.Forge(good))})
	if err != nil {
		t.Fatal(err)
	}
	// The attack has no end of its own.
	for begin := time.Now(); a.answered.Load() == 0 && time.Since(begin) < time.Minute; {
		time.Sleep(time.Millisecond)
	}
	if err := a.stop(); err != nil || a.sent.Load() == 0 || a.answered.Load() == 0 {
		t.Errorf("%d sent, %d answered, error %v", a.sent.Load(), a.answered.Load(), err)
	}
}

func TestTheChartIsXML(t *testing.T) {
	table := []figures{{name: none, perSecond: []float64{80_000}}, {name: "Logto's <recipe>", perSecond: []float64{2_000}}}
	picture := string(chart(options{algorithm: "ES384"}, table))
	decoder := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(picture, "80,000") {
		t.Error("a bar without its figure")
	}
}
