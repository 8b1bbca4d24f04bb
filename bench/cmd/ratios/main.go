// Command ratios reads the output of go test -bench, of one run or of many, and
// prints a Markdown table of medians, each beside its ratio to a yardstick:
//
//	for i in $(seq 10); do go test -run '^$' -bench 'New/ES384' -benchtime 100ms .; done | go run ./cmd/ratios -to New/ES384/raw
//
// The ratio is that of one run, and the table has the median of these ratios:
// what makes the whole machine slow for a while cancels out.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

// results has a value of each round for each unit of a benchmark.
type results struct {
	names  []string // in their order
	values map[string]map[string][]float64
}

func main() {
	log.SetFlags(0)
	yardstick := flag.String("to", "Raw/P-384", "the benchmark that the others are compared with, without the prefix Benchmark")
	flag.Parse()
	r, err := read(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	if err := r.show(os.Stdout, *yardstick); err != nil {
		log.Fatal(err)
	}
}

func read(in io.Reader) (results, error) {
	r := results{values: make(map[string]map[string][]float64)}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if r.values[name] == nil {
			r.names = append(r.names, name)
			r.values[name] = make(map[string][]float64)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return r, fmt.Errorf("%s: %w", lines.Text(), err)
			}
			unit := fields[i+1]
			r.values[name][unit] = append(r.values[name][unit], value)
		}
	}
	return r, lines.Err()
}

func (r results) show(out io.Writer, yardstick string) error {
	base := r.values[yardstick]["ns/op"]
	for _, suffix := range []string{"-1", "-2", "-4", "-8", "-16"} {
		// go test adds GOMAXPROCS to names unless it is 1.
		if len(base) == 0 {
			base = r.values[yardstick+suffix]["ns/op"]
		}
	}
	if len(base) == 0 {
		return fmt.Errorf("there is no benchmark %s in the input", yardstick)
	}
	fmt.Fprintf(out, "| benchmark | µs | × %s | 1/ | allocations | B | others |\n|---|---:|---:|---:|---:|---:|---|\n", yardstick)
	for _, name := range r.names {
		v := r.values[name]
		times := v["ns/op"]
		var ratios []float64
		for i := range min(len(times), len(base)) {
			ratios = append(ratios, times[i]/base[i])
		}
		var others []string
		for unit, values := range v {
			switch unit {
			case "ns/op", "B/op", "allocs/op":
			default:
				others = append(others, fmt.Sprintf("%.4g %s", stat.Median(values), unit))
			}
		}
		ratio := stat.Median(ratios)
		fmt.Fprintf(out, "| %s | %.3f | %.4f | %.1f | %.0f | %.0f | %s |\n", name,
			stat.Median(times)/1000, ratio, 1/ratio, stat.Median(v["allocs/op"]), stat.Median(v["B/op"]), strings.Join(others, ", "))
	}
	return nil
}
