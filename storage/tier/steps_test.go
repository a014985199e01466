package tier_test

import (
	"maps"
	"slices"
	"testing"

	"weir/sim"
	"weir/storage/tier"
)

// The power is cut before and after every single operation of the disk in a script that has every step of the engine in it, and of recovery.
func TestPowerCutAtEveryOperation(t *testing.T) {
	ops := []op{
		{opProduce, 0, 0, 33},
		{opProduce, 1, 1, 35},
		{opProduce, 2, 2, 14},
		{opCheckpoint, 0, 0, 0},
		{opProduce, 0, 1, 19},
		{opFlush, 0, 0, 0},
		{opProduce, 1, 0, 17},
		{opProduce, 2, 1, 35},
		{opFlush, 0, 0, 0},
		{opCheckpoint, 0, 0, 0},
		{opPromote, 0, 0, 0},
		{opProduce, 0, 2, 18},
		{opProduce, 1, 1, 12},
		{opFlush, 0, 0, 0},
		{opPromote, 0, 0, 0},
		{opMerge, 0, 0, 0},
		{opProduce, 0, 0, 19},
		{opFlush, 0, 0, 0},
		{opProduce, 0, 0, 19},
		{opFlush, 0, 0, 0},
		{opMerge, 0, 0, 0},
		{opCollect, 0, 0, 0},
		{opCheckpoint, 0, 0, 0},
		{opCollect, 0, 0, 0},
		{opDeleteRecords, 1, 3, 0},
		{opRetry, 1, 1, 0},
		{opProduce, 2, 0, 19},
		{opProduce, 2, 0, 19},
		{opRetain, 0, 0, 0},
		{opCheckpoint, 0, 0, 0},
		{opRestart, 0, 0, 0},
		{opProduce, 0, 1, 7},
		{opFlush, 0, 0, 0},
		{opDeleteTopic, 0, 0, 0},
		{opCheckpoint, 0, 0, 0},
		{opCollect, 0, 0, 0},
		{opCreateTopic, 0, 0, 0},
		{opProduce, 2, 0, 3},
		{opCheckpoint, 0, 0, 0},
		{opCollect, 0, 0, 0},
		{opKill, 0, 0, 0},
		{opCheckpoint, 0, 0, 0},
		{opCollect, 0, 0, 0},
	}
	cfg := tier.Config{
		UnitFiles: 2, BundleBytes: 20_000, OwnBytes: 10_000, PromoteBytes: 1, TinyBytes: 600, MergeCount: 2, DeleteDelay: -1, ScrubBytes: -1, StuckAfter: -1,
	}
	cuts := map[opKind]int{}
	runs := 0
	for _, kind := range []sim.FaultKind{sim.CrashBefore, sim.CrashAfter} {
		for n := 1; ; n++ {
			w := newWorld(t, uint64(n), cfg)
			w.topic(policies[0])
			w.topic(policies[1])
			w.topic(policies[2])
			w.fault(n, kind)
			w.run(ops, variant{})
			runs++
			if t.Failed() {
				t.Fatalf("fault %d at operation %d of the disk", kind, n)
			}
			if w.stats.Crashes == 0 {
				break
			}
			cuts[w.cutIn]++
			if testing.Short() {
				n += 6
			}
		}
	}
	t.Logf("%d runs; cuts in: %v", runs, cuts)
	for _, k := range []opKind{opFlush, opCheckpoint, opPromote, opMerge, opCollect, opRetain, opDeleteRecords, opRestart} {
		if cuts[k] == 0 {
			t.Errorf("no cut in %v, only in %v", k, slices.Collect(maps.Keys(cuts)))
		}
	}
}
