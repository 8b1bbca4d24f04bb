package main

import (
	"strings"

	"github.com/logtoguard/logtoguard"
	"github.com/prometheus/client_golang/prometheus"
)

// collector reads Guard.Stats whenever Prometheus asks: requests pay nothing for it.
type collector struct {
	guard   *logtoguard.Guard
	refused *prometheus.Desc
	numbers []number
}

// number is a metric without labels.
type number struct {
	*prometheus.Desc
	kind prometheus.ValueType
	of   func(logtoguard.Stats) float64
}

func newCollector(guard *logtoguard.Guard) prometheus.Collector {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return &collector{
		guard:   guard,
		refused: describe("refusals_total", "Requests that were refused, by the reason of the error.", "reason"),
		numbers: []number{
			{describe("tokens_accepted_total", "Tokens that were let in."),
				counter, func(s logtoguard.Stats) float64 { return float64(s.Accepted) }},
			{describe("signature_checks_total", "Signatures that were checked."),
				counter, func(s logtoguard.Stats) float64 { return float64(s.Verifications) }},
			{describe("token_cache_hits_total", "Tokens that had been verified before."),
				counter, func(s logtoguard.Stats) float64 { return float64(s.TokenCacheHits) }},
			{describe("token_cache_misses_total", "Tokens that had not been verified before, whatever became of them."),
				counter, func(s logtoguard.Stats) float64 { return float64(s.TokenCacheMisses) }},
			{describe("token_cache_entries", "Verified tokens that are kept."),
				gauge, func(s logtoguard.Stats) float64 { return float64(s.TokenCacheEntries) }},
			{describe("key_fetches_total", "Fetches of the key set that were begun."),
				counter, func(s logtoguard.Stats) float64 { return float64(s.KeyFetches) }},
			{describe("key_fetch_failures_total", "Fetches of the key set that brought no usable keys."),
				counter, func(s logtoguard.Stats) float64 { return float64(s.KeyFetchFailures) }},
			{describe("keys", "Keys in use."),
				gauge, func(s logtoguard.Stats) float64 { return float64(s.Keys) }},
			{describe("key_age_seconds", "Time since Logto last confirmed the keys. 0 before the first."),
				gauge, func(s logtoguard.Stats) float64 { return s.KeyAge.Seconds() }},
		},
	}
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("logtoguard_"+name, help, labels, nil)
}

// Describe names the metrics, for prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.refused
	for _, n := range c.numbers {
		out <- n.Desc
	}
}

// Collect sends the present counts, for prometheus.Collector. Each reason is a
// time series: those of your own Config.Check should be a few fixed words.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	stats := c.guard.Stats()
	refused := map[string]uint64{}
	for reason, count := range stats.Refused {
		refused[strings.ToValidUTF8(reason, "?")] += count // Prometheus panics on other bytes
	}
	for reason, count := range refused {
		out <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(count), reason)
	}
	for _, n := range c.numbers {
		out <- prometheus.MustNewConstMetric(n.Desc, n.kind, n.of(stats))
	}
}
