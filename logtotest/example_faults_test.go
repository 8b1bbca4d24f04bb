package logtotest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
)

// under disturbs the server before the API starts.
func under(f logtotest.Fault) func(*logtotest.Server) {
	return func(logto *logtotest.Server) { logto.Disturb(f) }
}

// An outage, and its end, as an API with known keys lives through it.
func ExampleServer_Disturb() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	logto.Disturb(logtotest.Down())
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	logto.Disturb(nil)
	logto.Rotate("")
	judge(guard, logto.Mint(logtotest.Token{Subject: "carol"}))
	// Output:
	// let in: alice
	// let in: bob
	// let in: carol
}

// An API that starts while Logto is away.
func ExampleDown() {
	logto, guard, stop := shop(logtotest.Tenant{}, under(logtotest.Down()))
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	// Output: refused: the issuer's keys are not available
}

// What waits for Logto waits no longer than its own context.
func ExampleSlow() {
	logto, guard, stop := shop(logtotest.Tenant{}, under(logtotest.Slow(time.Hour)))
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := guard.Verify(ctx, logto.Mint(logtotest.Token{}))
	fmt.Println(err, errors.Is(err, context.DeadlineExceeded))
	// Output: the issuer's keys are not available true
}

// A proxy before Logto fails just when the key changes: known keys serve on, and
// of the new one nobody can say whether it exists.
func ExampleStatus() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	old := logto.Mint(logtotest.Token{Subject: "alice"})
	judge(guard, old)
	logto.Disturb(logtotest.Status(http.StatusBadGateway))
	logto.Rotate("")
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	judge(guard, old)
	// Output:
	// let in: alice
	// refused: the issuer's keys are not available
	// let in: alice
}

// A portal answers in Logto's place.
func ExampleGarbage() {
	logto, guard, stop := shop(logtotest.Tenant{}, under(logtotest.Garbage()))
	defer stop()

	judge(guard, logto.Mint(logtotest.Token{Subject: "alice"}))
	// Output: refused: the issuer's keys are not available
}

// A key set without keys replaces none.
func ExampleEmptyKeySet() {
	logto, guard, stop := shop(logtotest.Tenant{})
	defer stop()

	old := logto.Mint(logtotest.Token{Subject: "alice"})
	judge(guard, old)
	logto.Disturb(logtotest.EmptyKeySet())
	logto.Rotate("")
	judge(guard, logto.Mint(logtotest.Token{Subject: "bob"}))
	judge(guard, old)
	// Output:
	// let in: alice
	// refused: the issuer's keys are not available
	// let in: alice
}
