package main

import (
	"bytes"
	"fmt"
	"html"
	"runtime"

	"github.com/logtoguard/logtoguard/bench/internal/contestants"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

const (
	chartWidth = 760
	labelWidth = 210
	barHeight  = 22
	rowHeight  = 30
	topMargin  = 58
)

// chart draws the requests per second as bars. Its colours are readable on light
// and on dark ground, which the style switches between.
func chart(o options, table *sheet) []byte {
	most := 0.0
	for _, r := range table.rows {
		most = max(most, stat.Median(r.values[requestRate]))
	}
	height := topMargin + rowHeight*len(table.rows) + 30
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title">
<title id="title">Requests per second by library</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.head { font-size: 15px; font-weight: 600 }
.note { font-size: 11px; fill: #57606a }
.ours { fill: #1a7f37 } .none { fill: #8c959f } .peer { fill: #5a7fb8 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .note { fill: #9198a1 }
.ours { fill: #3fb950 } .none { fill: #767e87 } .peer { fill: #6f9bd8 }
}
</style>
`, chartWidth, height, chartWidth, height)
	fmt.Fprintf(&b, `<text class="head" x="10" y="22">Requests per second with a token seen before (%s)</text>
<text class="note" x="10" y="42">HTTP on loopback, %d connections, server with GOMAXPROCS=%d</text>
`, o.algorithm, o.connections, o.procs)
	const room = chartWidth - labelWidth - 80
	for i, r := range table.rows {
		rate := stat.Median(r.values[requestRate])
		class := "peer"
		switch r.name {
		case none:
			class = "none"
		case contestants.Ours.Name:
			class = "ours"
		}
		y := topMargin + rowHeight*i
		width := max(1, room*rate/most)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>
<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>
<text x="%.1f" y="%d">%s</text>
`, labelWidth-8, y+16, html.EscapeString(r.name), class, labelWidth, y, width, barHeight, labelWidth+width+6, y+16, thousands(rate))
	}
	fmt.Fprintf(&b, `<text class="note" x="10" y="%d">%s, %s; medians of %d rounds</text>
</svg>
`, height-10, html.EscapeString(machine()), runtime.Version(), o.rounds)
	return b.Bytes()
}

func thousands(v float64) string {
	n := int(v)
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
