package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// report collects the figures of all turns.
type report struct {
	t      *testing.T
	rounds int
	turns  map[string][]results // by system
	times  map[string][]time.Duration
}

func newReport(t *testing.T, rounds int) *report {
	return &report{t: t, rounds: rounds, turns: map[string][]results{}, times: map[string][]time.Duration{}}
}

func (r *report) add(system string, got results)      { r.turns[system] = append(r.turns[system], got) }
func (r *report) took(system string, d time.Duration) { r.times[system] = append(r.times[system], d) }
func (r *report) of(system, figure string) []float64 {
	var all []float64
	for _, got := range r.turns[system] {
		if v, ok := got[figure]; ok {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// markdown prints every figure.
func (r *report) markdown(systems []string) string {
	figures := map[string]bool{}
	for _, turns := range r.turns {
		for _, got := range turns {
			for k := range got {
				figures[k] = true
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| figure | %s |\n|---|%s\n", strings.Join(systems, " | "), strings.Repeat("---|", len(systems)))
	for _, f := range slices.Sorted(maps.Keys(figures)) {
		fmt.Fprintf(&b, "| %s ", f)
		for _, s := range systems {
			if all := r.of(s, f); len(all) > 0 {
				fmt.Fprintf(&b, "| %.4g ", median(all))
			} else {
				b.WriteString("| ")
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}
