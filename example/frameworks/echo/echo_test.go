package main

import (
	"testing"

	"github.com/logtoguard/logtoguard/example/frameworks/internal/parity"
)

func TestMain(m *testing.M) { parity.Main(m, main) }

func TestAnswersAsNetHTTP(t *testing.T) { parity.Test(t, parity.HTTP(routes)) }

func TestRuns(t *testing.T) { parity.TestRuns(t, "/products") }
