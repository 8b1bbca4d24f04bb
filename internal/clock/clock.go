// Package clock has the clock that the ages of tokens and keys go by.
package clock

import "time"

// Wall returns now without its monotonic reading, so that times are compared by the
// wall clock: the monotonic clock may stand still while a machine sleeps, and keys and
// tokens grow older all the same. Nil stands for time.Now.
func Wall(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().Round(0) }
}
