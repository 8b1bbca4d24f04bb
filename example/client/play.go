package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/logtoguard/logtoguard/m2m"
)

// report prints a line for each step, and counts.
type report struct {
	to                      io.Writer
	nameWidth, requestWidth int
	done, wrong, leftOut    int
}

// play goes through all sessions, also after a step that went wrong: the others
// may tell why.
func play(ctx context.Context, to io.Writer, sessions []session) error {
	r := &report{to: to}
	for _, s := range sessions {
		r.nameWidth = max(r.nameWidth, len(s.config.AppID))
		for _, st := range s.steps {
			r.requestWidth = max(r.requestWidth, len(st.request()))
		}
	}
	for _, s := range sessions {
		r.play(ctx, s)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped before the end: %w", err)
		}
	}
	if r.wrong > 0 {
		return fmt.Errorf("%d of %d steps did not go as they should", r.wrong, r.done)
	}
	fmt.Fprintf(to, "\nAll %d steps went as they should", r.done)
	if r.leftOut > 0 {
		fmt.Fprintf(to, ", %d were skipped", r.leftOut)
	}
	fmt.Fprintln(to, ".")
	return nil
}

func (r *report) play(ctx context.Context, s session) {
	if s.skip != "" {
		r.leftOut += len(s.steps)
		for _, st := range s.steps {
			r.line(s, st.request(), "-", "skipped: "+s.skip)
		}
		return
	}
	r.done += len(s.steps)
	client, granted, err := login(ctx, s)
	if err != nil {
		r.wrong += len(s.steps)
		r.line(s, "token", "-", "WRONG: "+printable(fmt.Sprintf("none for %s, and %s not tried: %v", s.target(), counted(len(s.steps), "step"), err)))
		return
	}
	for _, st := range s.steps {
		r.step(ctx, s, st, client, granted)
	}
}

// login gets the token before the first step, to see which scopes were granted:
// fewer than asked for, perhaps none. The requests that follow carry the same token.
func login(ctx context.Context, s session) (client *http.Client, granted []string, err error) {
	machine, err := m2m.New(s.config)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	token, err := machine.Token(ctx)
	if err != nil {
		return nil, nil, err
	}
	scope, _ := token.Extra("scope").(string)
	return machine.HTTPClient(), strings.Fields(scope), nil
}

func (r *report) step(ctx context.Context, s session, st step, client *http.Client, granted []string) {
	should := s.holds
	if should == nil {
		should = granted
	}
	status := "-"
	a, err := st.send(ctx, client)
	finding, ok := "", false
	if err != nil {
		finding = "no answer: " + err.Error()
	} else {
		status = strconv.Itoa(a.status)
		finding, ok = st.judge(a, st.allowed(should))
	}
	if !ok {
		r.wrong++
		finding = "WRONG: " + finding
	}
	r.line(s, st.request(), status, printable(finding)+" ("+st.why(granted)+")")
}

func (r *report) line(s session, request, status, text string) {
	fmt.Fprintf(r.to, "%-*s  %-*s  %-3s  %s\n", r.nameWidth, s.config.AppID, r.requestWidth, request, status, text)
}
