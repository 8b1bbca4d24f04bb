// Package stat has the little arithmetic that the measurements need.
package stat

import (
	"cmp"
	"slices"
	"time"
)

// Median is the middle of the values, which it leaves as they are; 0 of none.
func Median[T cmp.Ordered](values []T) T { return Quantile(values, 0.5) }

// Quantile is the value below which that share of the values lies; 0 of none.
func Quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// Micro is a duration in microseconds.
func Micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// Milli is a duration in milliseconds.
func Milli(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
