package tier_test

import (
	"math"
	"syscall"
	"testing"
	"time"

	"weir/storage/disk"
	"weir/storage/tier"
	"weir/storage/wal"
)

// What moving data costs on a real disk: CPU seconds for a GB that is flushed, promoted or merged.
func BenchmarkMove(b *testing.B) {
	const total = 128 << 20
	for _, bm := range []struct {
		name         string
		parts, bytes int
		own          int64
	}{
		{"12 partitions of 64 KiB appends", 12, 64 << 10, 1},
		{"500 partitions of 4 KiB appends", 500, 4 << 10, math.MaxInt64},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := newWorld(b, 1, tier.Config{OwnBytes: bm.own, PromoteBytes: 1, TinyBytes: 1, MergeCount: 2, UnitFiles: 1000, UnitBytes: 1 << 40})
			w.real = disk.OS(b.TempDir())
			w.wal = wal.Config{}
			for range bm.parts {
				w.topic(keepAll())
			}
			l := w.mustBegin()
			cost := map[string]float64{}
			rounds := 0
			for b.Loop() {
				rounds++
				for n := 0; n < total; {
					for _, p := range l.parts {
						if err := p.produce(-1, 1, bm.bytes, 0); err != nil {
							b.Fatal(err)
						}
						p.m.forget()
						n += bm.bytes
					}
				}
				for name, step := range map[string]func() error{"flush": func() error { return l.engine.Flush(b.Context()) }} {
					cpu, began := cpuTime(b), time.Now()
					if err := step(); err != nil {
						b.Fatal(err)
					}
					cost[name] += (cpuTime(b) - cpu).Seconds()
					cost[name+" wall"] += time.Since(began).Seconds()
				}
				cpu := cpuTime(b)
				if err := l.engine.Promote(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := l.engine.Merge(b.Context()); err != nil {
					b.Fatal(err)
				}
				cost["rewrite"] += (cpuTime(b) - cpu).Seconds()
				if err := l.engine.Checkpoint(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			s := l.engine.Stats()
			b.ReportMetric(cost["flush"]/float64(s.FlushedBytes)*1e9, "flush-cpu-s/GB")
			b.ReportMetric(float64(s.FlushedBytes)/cost["flush wall"]/1e6, "flush-MB/s")
			if n := s.PromotedBytes + s.MergedBytes; n > 0 {
				b.ReportMetric(cost["rewrite"]/float64(n)*1e9, "rewrite-cpu-s/GB")
			}
			_ = l.end(false)
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
