package tier_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"weir/storage/batch"
	"weir/storage/tier"
)

// One script of writes gives the same table whether the partition is compacted never, always or now and then, in small pieces or large ones.
func TestCompactionDoesNotChangeTheTable(t *testing.T) {
	large := tier.Config{DeleteDelay: -1, ScrubBytes: -1, ClockJump: -1}
	variants := []struct {
		name         string
		small        bool
		segment      int64
		flush, clean int // after so many writes; 0 is never
	}{
		{"off, journal only", false, 1 << 30, 0, 0},
		{"off", true, 2000, 3, 0},
		{"each time", true, 2000, 1, 1},
		{"each time, large segments", false, 1 << 30, 1, 1},
		{"now and then", true, 20_000, 2, 7},
		{"once in a while", false, 1 << 30, 5, 40},
	}
	for seed := range uint64(*scripts) {
		var reference map[string]cell
		for _, v := range variants {
			cfg := large
			if v.small {
				cfg = compactConfig(seed)
			}
			w := newWorld(t, seed, cfg)
			policy := compacted()
			policy.SegmentBytes, policy.MinCleanableRatio = v.segment, 0
			tb := newTable(w, policy)
			l := mustBeginBare(t, w)
			c := compactorOf(l, 1000)
			rng := rand.New(rand.NewPCG(seed, 5)) // of the writes, and so the same for all
			var total tier.CompactStats
			for i := range 120 {
				var pairs []string
				for range 1 + rng.IntN(6) {
					value := ""
					if rng.IntN(4) > 0 {
						value = fmt.Sprint(i, " ", strings.Repeat("x", rng.IntN(200)))
					}
					pairs = append(pairs, fmt.Sprint("key ", rng.IntN(15)), value)
				}
				must(t, tb.put(l, int64(rng.IntN(3))-1, batch.Codec(rng.IntN(5)), pairs...))
				if v.flush > 0 && i%v.flush == 0 {
					must(t, l.engine.Flush(t.Context()))
				}
				if v.clean > 0 && i%v.clean == 0 {
					must(t, c.Compact(t.Context()))
				}
				if i%30 == 29 {
					addStats(&total, c)
					must(t, l.engine.Checkpoint(t.Context()), l.end(false))
					l = mustBeginBare(t, w)
					c = compactorOf(l, 1000)
					tb.check(l)
				}
			}
			tb.check(l)
			must(t, l.end(false))
			if reference == nil {
				reference = tb.last
			}
			for key, want := range reference {
				if got := tb.last[key]; got.value != want.value || got.offset != want.offset {
					t.Errorf("script %d, %s: %q is %q at %d, elsewhere %q at %d", seed, v.name, key, got.value, got.offset, want.value, want.offset)
				}
			}
			if n := total.Cleanings; (n > 0) != (v.clean > 0) {
				t.Errorf("script %d, %s: %d cleanings", seed, v.name, n)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}
