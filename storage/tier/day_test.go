package tier_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// A day of appends under retention, with everything running, in simulated time. The disk never holds more than the bound of docs/format/storage.md.
func TestDiskUseOfADayStaysWithinTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			every = 20 * time.Second // an append to each partition
			hours = 24
		)
		cfg := tier.Config{
			CheckpointBytes: 1 << 20, FlushBytes: 4 << 20, FlushAge: 10 * time.Minute, FlushIdleBytes: -1, UnitBytes: 2 << 20,
			BundleBytes: 256 << 10, OwnBytes: 512 << 10, PromoteBytes: 512 << 10, TinyBytes: 32 << 10, JournalLimit: 32 << 20,
		}
		w := newWorld(t, 1, cfg)
		w.clock = time.Now
		w.wal = wal.Config{FirstFileBytes: 256 << 10, FileBytes: 1 << 20}
		byTime := tier.Policy{Delete: true, RetentionTime: time.Hour, RetentionBytes: -1, SegmentBytes: 1 << 20, SegmentTime: 7 * 24 * time.Hour}
		bySize := tier.Policy{Delete: true, RetentionTime: unlimited, RetentionBytes: 2 << 20, SegmentBytes: 512 << 10}
		short := tier.Policy{Delete: true, RetentionTime: 2 * time.Minute, RetentionBytes: -1, SegmentBytes: 1 << 20, SegmentTime: time.Hour}
		sizes := []int{16_000, 800, 16_000, 16_000, 200}
		for _, p := range []tier.Policy{byTime, byTime, bySize, short, bySize} {
			p.FileDeleteDelay = time.Minute
			w.topic(p)
		}
		l := w.mustBegin()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.engine.Run(ctx) }()

		var most, mostBound, peak float64
		for step := range int(hours * time.Hour / every) {
			for i, p := range l.parts {
				if err := p.produce(-1, 1, sizes[i], 0); err != nil {
					t.Fatal(err)
				}
				p.m.forget()
			}
			time.Sleep(every)
			synctest.Wait()
			if step%3 > 0 {
				continue
			}
			used, bound := float64(w.disk.Used()), float64(bound(&cfg, w, every))
			if share := used / bound; share > peak {
				peak, most, mostBound = share, used, bound
			}
			if used > bound {
				t.Fatalf("after %v: %.0f bytes, the bound is %.0f; %+v", time.Duration(step)*every, used, bound, l.engine.Stats())
			}
		}
		t.Logf("at most %.0f %% of the bound: %.0f of %.0f bytes; in the end %+v", 100*peak, most, mostBound, l.engine.Stats())
		for _, p := range l.parts {
			p.View(func(s *stream.PartitionState) {
				t.Logf("%d: [%d, %d), %d pieces, %d extents", p.m.name.Index, s.LogStart, s.End, len(s.Pieces), s.Extents.Len())
			})
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s := l.engine.Stats()
		if s.FlushedBytes == 0 || s.PromotedBytes == 0 || s.Collected == 0 || s.RetainedStart == 0 || s.Errors > 0 {
			t.Errorf("%+v", s)
		}
		_ = l.end(false)
	})
}

// bound is what docs/format/storage.md says that the disk holds at most, for appends of a size of each partition in an interval.
func bound(cfg *tier.Config, w *world, every time.Duration) int64 {
	total := int64(0)
	rates := 0.0
	for _, m := range w.models {
		rate := float64(m.batchBytes) / every.Seconds() // bytes in a second
		rates += rate
		var kept float64
		if m.policy.RetentionBytes >= 0 {
			kept = float64(m.policy.RetentionBytes)
		} else {
			kept = rate * m.policy.RetentionTime.Seconds()
		}
		// A quarter more, since pieces go as a whole; at least two flushes' worth; twice, since bundles may be half empty, and merging copies.
		piece := math.Max(kept/4, rate*2*cfg.FlushAge.Seconds())
		total += int64(2 * (kept + piece))
	}
	// What waits for a checkpoint, a look of Collect and the grace time; and the journal.
	waits := rates * 2 * (30*time.Second + 2*time.Minute + time.Minute).Seconds()
	return total + int64(waits) + cfg.FlushBytes + cfg.UnitBytes + 4*w.wal.FileBytes + 1<<20
}

// forget forgets the batches of the model but for the last: a day has many.
func (m *model) forget() {
	m.batchBytes = int64(len(m.batches[len(m.batches)-1].bytes))
	m.batches[0] = m.batches[len(m.batches)-1]
	m.batches = m.batches[:1]
	m.pending = nil
}
