package tier_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"weir/storage/tier"
)

var scripts = flag.Int("scripts", 8, "how many scripts the metamorphic test plays")

// One script of operations gives the same reads under all settings of the engine.
func TestSettingsDoNotChangeWhatIsRead(t *testing.T) {
	small := tier.Config{
		UnitFiles: 1, UnitBytes: 1, BundleBytes: 3000, OwnBytes: 4000, PromoteBytes: 1, TinyBytes: 500, MergeCount: 2, SegmentBytes: 8000,
		DeleteDelay: -1, ScrubBytes: -1, StuckAfter: -1,
	}
	large := tier.Config{DeleteDelay: -1, ScrubBytes: -1}
	segments, bundles := small, small
	segments.OwnBytes, segments.SegmentBytes = 1, 1<<30
	bundles.OwnBytes, bundles.BundleBytes, bundles.TinyBytes = 1<<30, 1<<30, 1<<30
	variants := []variant{
		{name: "journal only", cfg: large, never: map[opKind]bool{opFlush: true, opPromote: true, opMerge: true}},
		{name: "no checkpoint but the last", cfg: small, never: map[opKind]bool{opCheckpoint: true}},
		{name: "defaults", cfg: large},
		{name: "small", cfg: small},
		{name: "flush each", cfg: large, each: []opKind{opFlush}},
		{name: "flush each into segments", cfg: segments, each: []opKind{opFlush, opMerge}},
		{name: "flush each into bundles", cfg: bundles, each: []opKind{opFlush, opPromote}},
		{name: "no merging", cfg: segments, each: []opKind{opFlush}, never: map[opKind]bool{opMerge: true, opPromote: true}},
		{name: "checkpoint each", cfg: small, each: []opKind{opCheckpoint}},
		{name: "everything each", cfg: small, each: []opKind{opFlush, opPromote, opMerge, opRetain, opCheckpoint, opCollect, opScrub}},
	}
	for s := range uint64(*scripts) {
		ops := script(rand.New(rand.NewPCG(s, 9)), 150)
		var reference *world
		for _, v := range variants {
			w := newWorld(t, s, v.cfg)
			for i := range 4 {
				w.topic(policies[i])
			}
			w.run(ops, v)
			if reference == nil {
				reference = w
			}
			w.sameAs(reference)
			if t.Failed() {
				t.Fatalf("script %d, %s", s, v.name)
			}
		}
	}
}

// sameAs compares what was acknowledged, and read, with another world's.
func (w *world) sameAs(o *world) {
	if len(w.models) != len(o.models) {
		w.t.Fatalf("%d partitions, %d", len(w.models), len(o.models))
	}
	for i, m := range w.models {
		n := o.models[i]
		same := slices.EqualFunc(m.batches, n.batches, func(a, b modelBatch) bool { return a.base == b.base && same(a.bytes, b.bytes) })
		if m.end != n.end || m.cut != n.cut || !same {
			w.t.Errorf("partition %d: end %d, cut %d, %d batches; %d, %d, %d", i, m.end, m.cut, len(m.batches), n.end, n.cut, len(n.batches))
		}
	}
}
