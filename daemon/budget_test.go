package daemon

import (
	"testing"
	"time"

	"weir/kafka/ownership"
	"weir/storage/stream"
	"weir/storage/tier"
)

func TestBudgetDividesTheMemory(t *testing.T) {
	for _, memory := range []int64{0, 64 << 20, 256 << 20, 1 << 30, 6 << 30, 300 << 30} {
		b := newBudget(memory, 100<<30)
		for name, v := range map[string]int64{
			"produce": b.produce, "request": b.request, "fetch": b.fetch, "tail": b.tail, "index": b.index, "extents": b.extents, "free": b.free,
		} {
			if v < 1<<20 {
				t.Errorf("memory %d: %s gets %d", memory, name, v)
			}
		}
		sum := b.produce + b.request + b.fetch + b.tail + b.index + b.extents + b.free
		if b.memory >= 256<<20 && sum > b.memory {
			t.Errorf("memory %d: %d are given away", memory, sum)
		}
		if sum > 512<<20 {
			t.Errorf("memory %d: %d are given away, for nobody's good", memory, sum)
		}
		if b.flush > b.journal/4 {
			t.Errorf("memory %d: the flush begins at %d of a journal of %d", memory, b.flush, b.journal)
		}
	}
	if b := newBudget(8<<30, 20<<30); b.journal != 2<<30 {
		t.Errorf("a journal of %d on a file system of 20 GiB", b.journal)
	}
	if b := newBudget(8<<30, 1<<40); b.journal != 10<<30 || b.flush != 2<<30 {
		t.Errorf("a journal of %d, flushed from %d on, on a file system of 1 TiB", b.journal, b.flush)
	}
}

// What an operator set is not set again, and the broker hears of it.
func TestBudgetYieldsToSettings(t *testing.T) {
	b := newBudget(8<<30, 1<<40)
	c := ownership.Config{
		Properties: map[string]string{"log.retention.check.interval.ms": "1000"},
		Stream:     stream.Config{TailBytesMax: 5}, Tier: tier.Config{JournalLimit: 1 << 30, FlushExtents: 7},
	}
	b.apply(&c)
	if c.Stream.TailBytesMax != 5 || c.Tier.FlushExtents != 7 || c.Tier.JournalLimit != 1<<30 || b.journal != 1<<30 || c.Tier.FlushBytes != 1<<28 {
		t.Errorf("%+v, %+v", c, b)
	}
	if c.Tier.RetainInterval != time.Second || c.IndexBytesMax != 64<<20 {
		t.Errorf("%+v", c)
	}
	if got := retainInterval(nil); got != 30*time.Second {
		t.Errorf("retention looks each %v", got)
	}
}

func TestSlowDisk(t *testing.T) {
	var d slowDisk
	var p stream.Pulse
	second := func(fast, late int64, inFlight time.Duration) bool {
		p.Took[10] += fast
		p.Took[slowBucket] += late
		p.InFlight = inFlight
		return d.look(p)
	}
	steps := []struct {
		name       string
		n          int
		fast, late int64
		inFlight   time.Duration
		slow       bool // at the end
		changes    int
	}{
		{"fast", 20, 1000, 0, 0, false, 0},
		{"one in a hundred", 20, 99, 1, 0, false, 0},
		{"nine seconds", 9, 10, 1, 0, false, 0},
		{"one good one", 1, 1000, 1, 0, false, 0},
		{"ten seconds", 10, 10, 1, 0, true, 1},
		{"nothing is written", 30, 0, 0, 0, true, 0},
		{"nearly fast again", 9, 10, 0, 0, true, 0},
		{"and slow", 1, 10, 1, 0, true, 0},
		{"fast again", 10, 10, 0, 0, false, 1},
		{"one that hangs", 9, 0, 0, time.Minute, false, 0},
		{"still", 1, 0, 0, time.Minute, true, 1},
	}
	for _, s := range steps {
		changes := 0
		for range s.n {
			if second(s.fast, s.late, s.inFlight) {
				changes++
			}
		}
		if d.slow != s.slow || changes != s.changes {
			t.Errorf("%s: slow %v after %d changes, want %v after %d", s.name, d.slow, changes, s.slow, s.changes)
		}
	}
}

func TestCompactionIsConfigured(t *testing.T) {
	b := newBudget(2<<30, 1<<40)
	c := ownership.Config{}
	b.apply(&c)
	if want := (tier.CompactConfig{Interval: 15 * time.Second, MapBytes: 128 << 20, MapLoad: 0.9}); c.Compact != want {
		t.Errorf("got %+v, want %+v", c.Compact, want)
	}
	small := newBudget(256<<20, 1<<40)
	c = ownership.Config{Properties: map[string]string{
		"log.cleaner.backoff.ms": "0", "log.cleaner.io.buffer.load.factor": "0.5", "log.cleaner.io.max.bytes.per.second": "1048576.5",
	}}
	small.apply(&c)
	if want := (tier.CompactConfig{Interval: time.Millisecond, MapBytes: (256 << 20) / 10, MapLoad: 0.5, BytesPerSecond: 1 << 20}); c.Compact != want {
		t.Errorf("got %+v, want %+v", c.Compact, want)
	}
}
