package tier_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"weir/storage/tier"
)

// More seeds: go test -run PowerCuts ./storage/tier -args -seeds 100000 [-first 1]
var (
	seeds = flag.Int("seeds", 200, "how many seeds the crash test runs")
	trace = flag.Bool("trace", false, "log every operation")
	first = flag.Uint64("first", 1, "the first of them")
)

// The power is cut at random operations of the disk while data are appended, flushed, promoted, merged, retained, deleted and collected, and while
// checkpoints are taken and published, or not. Everything that was acknowledged is there afterwards, unless policy or a client deleted
// it, under its offset; a log start never goes back; nothing is left over and nothing is missing.
func TestNothingIsLostInPowerCuts(t *testing.T) {
	var total worldStats
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		w := newWorld(t, seed, smallConfig(seed))
		for range 3 {
			w.topic(policies[w.rng.IntN(len(policies))])
		}
		w.publish = func() (before, after error) {
			switch w.rng.IntN(12) {
			case 0:
				return errPublish, nil
			case 1:
				return nil, errPublish
			}
			return nil, nil
		}
		w.more = w.rng.IntN(3)
		w.randomFault()
		w.trace, w.interleave = *trace, seed%4 > 0
		w.run(script(rand.New(rand.NewPCG(seed, 3)), 60), variant{})
		total.add(w.stats)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%+v", total)
	if *seeds >= 100 && (total.Crashes == 0 || total.Duplicates == 0 || total.Flushed == 0 || total.Promoted == 0 || total.Merged == 0 ||
		total.Collected == 0 || total.Retained == 0) {
		t.Error("the test does not test what it should")
	}
}

func (s *worldStats) add(o worldStats) {
	s.Lives += o.Lives
	s.Crashes += o.Crashes
	s.Appends += o.Appends
	s.Records += o.Records
	s.Duplicates += o.Duplicates
	s.Flushed += o.Flushed
	s.Promoted += o.Promoted
	s.Merged += o.Merged
	s.Collected += o.Collected
	s.Checkpoints += o.Checkpoints
	s.Retained += o.Retained
}

// smallConfig has limits that some dozens of small batches reach.
func smallConfig(seed uint64) tier.Config {
	rng := rand.New(rand.NewPCG(seed, 5))
	pick := func(values ...int64) int64 { return values[rng.IntN(len(values))] }
	return tier.Config{
		UnitFiles: int(pick(1, 2, 100)), UnitBytes: pick(1, 40_000, 1<<30), BundleBytes: pick(1, 3000, 20_000, 1<<30), OwnBytes: pick(1, 4000, 1<<30),
		PromoteBytes: pick(1, 5000, 1<<30), PromoteChunks: int(pick(1, 3, 100)), TinyBytes: pick(1, 2000, 10_000),
		SparsePercent: int(pick(1, 50, 90)), MergeCount: int(pick(2, 3)), SegmentBytes: pick(4000, 30_000, 1<<30),
		DeleteDelay: -1, ScrubBytes: -1, StuckAfter: -1, ReadBack: rng.IntN(4) == 0,
	}
}
