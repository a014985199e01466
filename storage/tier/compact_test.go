package tier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"weir/sim"
	"weir/storage/batch"
	"weir/storage/blob"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// compactorOf is a compactor of l with a map for so many keys.
func compactorOf(l *life, keys int) *tier.Compactor {
	return tier.NewCompactor(tier.CompactConfig{MapBytes: int64(keys+2) * 24, MapLoad: 1}, l.engine)
}

func mustBeginBare(t *testing.T, w *world) *life {
	t.Helper()
	l, err := w.begin()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// step does something at random to the partition.
func (tb *table) step(l *life, c *tier.Compactor, rng *rand.Rand) error {
	ctx := context.Background()
	switch rng.IntN(16) {
	default:
		var pairs []string
		for range 1 + rng.IntN(8) {
			tb.sent++
			value := fmt.Sprintf("value %d %s", tb.sent, bytes.Repeat([]byte("x"), rng.IntN(300)))
			if rng.IntN(4) == 0 {
				value = ""
			}
			pairs = append(pairs, fmt.Sprint("key ", rng.IntN(12)), value)
		}
		return tb.put(l, int64(rng.IntN(3))-1, batch.Codec(rng.IntN(5)), pairs...)
	case 8, 9:
		return l.engine.Flush(ctx)
	case 10:
		return errors.Join(l.engine.Promote(ctx), l.engine.Merge(ctx))
	case 11, 12, 13:
		return c.Compact(ctx)
	case 14:
		if err := l.engine.Checkpoint(ctx); err != nil {
			return err
		}
		return l.engine.Collect(ctx)
	case 15:
		l.w.now = l.w.now.Add(time.Duration(rng.IntN(60)) * time.Minute)
		return nil
	}
}

func compactConfig(seed uint64) tier.Config {
	cfg := smallConfig(seed)
	cfg.ClockJump = -1
	return cfg
}

// Whatever else moves data, and though the power is cut again and again: a consumer that reads from the start gets the table.
func TestCompactionKeepsTheTableInPowerCuts(t *testing.T) {
	var total tier.CompactStats
	crashes := 0
	for seed := *first; seed < *first+uint64(max(*seeds/12, 1)); seed++ {
		w := newWorld(t, seed, compactConfig(seed))
		rng := rand.New(rand.NewPCG(seed, 77))
		policy := compacted()
		policy.SegmentBytes = []int64{2000, 20_000, 1 << 30}[rng.IntN(3)]
		policy.MinCleanableRatio = []float64{0, 0.3, 0.6}[rng.IntN(3)]
		policy.MinCompactionLag = []time.Duration{0, 0, 10 * time.Minute}[rng.IntN(3)]
		tb, other := newTable(w, policy), newTable(w, compacted())
		keys := []int{8, 12, 1000}[rng.IntN(3)]
		l := mustBeginBare(t, w)
		c := compactorOf(l, keys)
		for range 150 {
			if rng.IntN(20) == 0 {
				w.fault(1+rng.IntN(60), []sim.FaultKind{sim.CrashBefore, sim.CrashAfter}[rng.IntN(2)])
			}
			use := tb
			if rng.IntN(4) == 0 {
				use = other
			}
			err := use.step(l, c, rng)
			if err == nil && !w.crashed.Load() && rng.IntN(10) > 0 {
				continue
			}
			if err != nil && !w.crashed.Load() {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if !w.crashed.Load() {
				w.disk.Plan(nil) // reading is not what is to be hit
				tb.check(l)
				other.check(l)
				continue
			}
			addStats(&total, c)
			_ = l.end(false)
			w.disk.Plan(nil)
			for w.crashed.Load() {
				crashes++
				w.crashed.Store(false)
				w.disk.Crash(rng.Uint64())
				if l, err = w.begin(); err != nil && !w.crashed.Load() {
					t.Fatalf("seed %d: start: %v", seed, err)
				}
			}
			c = compactorOf(l, keys)
			w.disk.Plan(nil)
			tb.check(l)
			other.check(l)
		}
		w.disk.Plan(nil)
		addStats(&total, c)
		ctx := t.Context()
		must(t, l.engine.Flush(ctx), c.Compact(ctx))
		tb.check(l)
		other.check(l)
		for range 2 {
			must(t, l.engine.Checkpoint(ctx), l.engine.Collect(ctx))
		}
		l.checkStore()
		if n := len(c.PausedPartitions()); n > 0 {
			t.Errorf("seed %d: %v", seed, c.PausedPartitions())
		}
		must(t, l.end(false))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d crashes, %+v", crashes, total)
	if crashes == 0 || total.Cleanings == 0 || total.Superseded == 0 || total.Tombstones == 0 {
		t.Error("the test does not test what it should")
	}
}

func addStats(total *tier.CompactStats, c *tier.Compactor) {
	s := c.Stats()
	total.Cleanings += s.Cleanings
	total.Discarded += s.Discarded
	total.Add(&s.Stats)
}

// The machine crashes at each operation of the disk that a compaction, the checkpoint that makes it permanent, and the collection of what it made
// superfluous consist of. What is there afterwards is the old or the new, and either way the table.
func TestCrashAtEachStepOfACompaction(t *testing.T) {
	crashes, olds, news := 0, 0, 0
	for n, more := 1, true; more; n++ {
		for _, kind := range []sim.FaultKind{sim.CrashBefore, sim.CrashAfter} {
			cfg := compactConfig(1)
			cfg.OwnBytes, cfg.BundleBytes, cfg.SegmentBytes = 1, 1<<30, 1<<30
			w := newWorld(t, uint64(n), cfg)
			policy := compacted()
			policy.SegmentBytes = 5000
			tb := newTable(w, policy)
			l := mustBeginBare(t, w)
			ctx := t.Context()
			rng := rand.New(rand.NewPCG(5, 6))
			for range 4 {
				for range 5 {
					var pairs []string
					for range 6 {
						tb.sent++
						pairs = append(pairs, fmt.Sprint("key ", rng.IntN(20)), fmt.Sprintf("value %d %0200d", tb.sent, 0))
					}
					must(t, tb.put(l, 1, batch.None, pairs...))
				}
				must(t, l.engine.Flush(ctx))
			}
			must(t, l.engine.Checkpoint(ctx))
			w.fault(n, kind)
			c := compactorOf(l, 1000)
			for _, step := range []func(context.Context) error{c.Compact, l.engine.Checkpoint, l.engine.Collect, l.engine.Checkpoint, l.engine.Collect} {
				if err := step(ctx); err != nil {
					if !w.crashed.Load() {
						t.Fatal(err)
					}
					break
				}
			}
			_ = l.end(false)
			if !w.crashed.Load() {
				more = false
				if s := c.Stats(); s.Cleanings != 1 || s.Superseded == 0 {
					t.Fatalf("stats %+v", s)
				}
			} else {
				crashes++
			}
			w.disk.Plan(nil)
			w.crashed.Store(false)
			w.disk.Crash(uint64(n))
			l = mustBeginBare(t, w)
			tb.check(l)
			tb.part(l).View(func(s *stream.PartitionState) {
				if s.Pieces[0].Flags&segment.Compacted == 0 {
					olds++
				} else {
					news++
				}
			})
			// And it goes on.
			c = compactorOf(l, 1000)
			must(t, tb.put(l, 1, batch.None, "key 1", "new"), l.engine.Flush(ctx), c.Compact(ctx))
			for range 2 {
				must(t, l.engine.Checkpoint(ctx), l.engine.Collect(ctx))
			}
			tb.check(l)
			l.checkStore()
			must(t, l.end(true))
			if t.Failed() {
				t.Fatalf("operation %d", n)
			}
		}
	}
	t.Logf("%d crashes: %d times the old was found, %d times the new", crashes, olds, news)
	if olds == 0 || news == 0 {
		t.Error("the test does not test what it should")
	}
}

// hookStore calls a hook before an object is made.
type hookStore struct {
	blob.Store
	create func()
}

func (h *hookStore) Create(ctx context.Context, key string) (blob.Writer, error) {
	if h.create != nil {
		h.create()
	}
	return h.Store.Create(ctx, key)
}

// hooked is a compactor of l that calls hook for each segment that it begins.
func hooked(l *life, hook func()) *tier.Compactor {
	e := tier.New(compactConfig(1), tier.Deps{
		Log: slog.New(slog.DiscardHandler), Store: &hookStore{l.store, hook}, Journal: journal{l}, Partitions: l.partitions,
		Incarnation: 1 << 40, Now: func() time.Time { return l.w.now },
	})
	return tier.NewCompactor(tier.CompactConfig{}, e)
}

// pieces makes n pieces of one key each, all for the same key but the last.
func (tb *table) pieces(t *testing.T, l *life, n int) {
	t.Helper()
	for i := range n {
		must(t, tb.put(l, -1, batch.None, "same", fmt.Sprintf("value %d %0500d", i, i), fmt.Sprint("own ", i), "x"), l.engine.Flush(t.Context()))
	}
}

func ownSegments() tier.Config {
	cfg := compactConfig(1)
	cfg.OwnBytes, cfg.SegmentBytes = 1, 1<<30
	return cfg
}

func TestRetentionMayDropTheHeadDuringACompaction(t *testing.T) {
	for _, gone := range []int{1, 3, 5} {
		w := newWorld(t, 1, ownSegments())
		policy := compacted()
		policy.Delete = true
		tb := newTable(w, policy)
		l := mustBeginBare(t, w)
		tb.pieces(t, l, 5)
		begun := 0
		c := hooked(l, func() {
			if begun++; begun == 2 {
				must(t, tb.part(l).SetLogStart(t.Context(), int64(gone)*2))
			}
		})
		must(t, c.Compact(t.Context()))
		s := c.Stats()
		if want := gone < 5; (s.Cleanings == 1) != want || (s.Discarded == 1) == want {
			t.Errorf("%d pieces dropped meanwhile: %+v", gone, s)
		}
		tb.check(l)
		tb.part(l).View(func(s *stream.PartitionState) {
			if len(s.Pieces) != 5-gone || gone < 5 && (s.Pieces[0].Base != int64(gone)*2 || s.Pieces[0].Flags&segment.Compacted == 0) {
				t.Errorf("%d pieces dropped meanwhile, the pieces are %v", gone, s.Pieces)
			}
		})
		must(t, l.end(false))
	}
}

func TestCompactionOfDataThatMovedIsDiscarded(t *testing.T) {
	w := newWorld(t, 1, ownSegments())
	tb := newTable(w, compacted())
	l := mustBeginBare(t, w)
	tb.pieces(t, l, 3)
	cutIn := true
	c := hooked(l, func() {
		if cutIn {
			cutIn = false
			must(t, tb.part(l).SetLogStart(t.Context(), 3)) // into the middle of what becomes one segment
		}
	})
	must(t, c.Compact(t.Context()))
	if s := c.Stats(); s.Cleanings != 0 || s.Discarded != 1 {
		t.Errorf("stats %+v", s)
	}
	tb.check(l)
	must(t, c.Compact(t.Context()))
	if s := c.Stats(); s.Cleanings != 1 {
		t.Errorf("stats %+v", s)
	}
	tb.check(l)
	must(t, l.end(false))
}

// A compactor that runs looks sooner when it is told to, with the map that it is told to have.
func TestCompactionIsConfiguredWhileItRuns(t *testing.T) {
	w := newWorld(t, 1, ownSegments())
	tb := newTable(w, compacted())
	l := mustBeginBare(t, w)
	tb.pieces(t, l, 3)
	c := hooked(l, func() {})
	c.Configure(tier.CompactConfig{Interval: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	c.Configure(tier.CompactConfig{Interval: time.Millisecond, MapBytes: 24 * 3, MapLoad: 1})
	deadline := time.After(time.Minute)
	for c.Stats().Cleanings == 0 {
		select {
		case <-deadline:
			t.Fatal("nothing was cleaned")
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	<-ended
	tb.check(l)
	must(t, l.end(false))
}

func TestDamagedPartitionIsPausedAndOthersGoOn(t *testing.T) {
	w := newWorld(t, 1, ownSegments())
	bad, good := newTable(w, compacted()), newTable(w, compacted())
	l := mustBeginBare(t, w)
	bad.pieces(t, l, 3)
	good.pieces(t, l, 3)
	var key string
	bad.part(l).View(func(s *stream.PartitionState) { key = s.Pieces[1].Key() })
	must(t, l.store.Delete(t.Context(), key))
	c := compactorOf(l, 1000)
	must(t, c.Compact(t.Context()), c.Compact(t.Context()))
	if s := c.Stats(); s.Cleanings != 1 || s.Paused != 1 || c.PausedPartitions()[bad.m.name] == nil {
		t.Errorf("stats %+v, paused %v", s, c.PausedPartitions())
	}
	good.check(l)
	must(t, l.end(false))
}

// A full disk fails a compaction and harms nothing; when there is room again it succeeds, and what was begun is collected.
func TestFullDiskFailsACompaction(t *testing.T) {
	w := newWorld(t, 1, ownSegments())
	tb := newTable(w, compacted())
	l := mustBeginBare(t, w)
	for range 8 {
		for range 4 { // of different keys: nothing goes
			tb.sent++
			must(t, tb.put(l, -1, batch.None, fmt.Sprint("key ", tb.sent), fmt.Sprintf("%04000d", tb.sent)))
		}
		must(t, l.engine.Flush(t.Context()))
	}
	must(t, l.engine.Checkpoint(t.Context()))
	c := compactorOf(l, 1000)
	w.disk.SetCapacity(w.disk.Used() + 20<<10)
	if err := c.Compact(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("compacting on a full disk: %v", err)
	}
	tb.check(l)
	w.disk.SetCapacity(0)
	must(t, c.Compact(t.Context()))
	if s := c.Stats(); s.Cleanings != 1 || s.Paused != 0 {
		t.Errorf("stats %+v", s)
	}
	for range 2 {
		must(t, l.engine.Checkpoint(t.Context()), l.engine.Collect(t.Context()))
	}
	tb.check(l)
	l.checkStore()
	must(t, l.end(true))
}

// What is chosen, and how far it may be cleaned.
func TestWhatIsDueIsCleaned(t *testing.T) {
	w := newWorld(t, 1, ownSegments())
	tb := newTable(w, compacted())
	l := mustBeginBare(t, w)
	c := compactorOf(l, 1000)
	cleanings := func(want int64, why string) {
		t.Helper()
		must(t, c.Compact(t.Context()))
		if got := c.Stats().Cleanings; got != want {
			t.Fatalf("%s: %d cleanings, want %d", why, got, want)
		}
		tb.check(l)
	}
	tb.pieces(t, l, 4)
	tb.m.policy.Compact = false
	cleanings(0, "not to be compacted")
	tb.m.policy.Compact = true
	tb.m.policy.MinCompactionLag = time.Hour
	cleanings(0, "too young")
	w.now = w.now.Add(2 * time.Hour)
	cleanings(1, "dirty")
	cleanings(1, "clean")
	must(t, tb.put(l, -1, batch.None, "small", "x"), l.engine.Flush(t.Context()))
	w.now = w.now.Add(2 * time.Hour)
	cleanings(1, "below min.cleanable.dirty.ratio")
	tb.m.policy.MaxCompactionLag = time.Hour
	cleanings(2, "max.compaction.lag.ms has passed")
	// In the journal: cleaned once it has left that.
	tb.m.policy.MaxCompactionLag = unlimited
	tb.m.policy.MinCompactionLag, tb.m.policy.MinCleanableRatio = 0, 0
	must(t, tb.put(l, -1, batch.None, "small", "y"))
	cleanings(2, "in the journal")
	tb.m.policy.SegmentTime = time.Minute
	cleanings(2, "younger than segment.ms")
	w.now = w.now.Add(time.Minute)
	cleanings(3, "older than segment.ms")
	must(t, tb.put(l, -1, batch.None, "small", "z"))
	tb.m.policy.SegmentBytes = 50
	cleanings(4, "larger than segment.bytes")
	must(t, l.end(false))
}

// put for transactions: one batch of a producer in a transaction, or its end.
func (tb *table) transact(t *testing.T, l *life, producer int64, seq int32, marker string, pairs ...string) {
	t.Helper()
	p := tb.part(l)
	must(t, p.adopt())
	b := batch.NewBuilder()
	b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.Transactional = producer, 0, seq, true
	for i := 0; i < len(pairs); i += 2 {
		b.Add(l.w.now.UnixMilli(), []byte(pairs[i]), []byte(pairs[i+1]))
	}
	if marker != "" {
		b.Control, b.BaseSequence = true, -1
		b.Add(l.w.now.UnixMilli(), []byte{0, 0, 0, map[string]byte{"abort": 0, "commit": 1}[marker]}, []byte{0, 0, 0, 0, 0, 1})
	}
	raw := b.Batch()
	h, err := batch.Parse(raw)
	must(t, err)
	batch.SetOffsets(raw, p.end, p.l.epoch)
	must(t, p.write(wal.Entry{Type: wal.Data, BaseOffset: p.end, LastDelta: uint32(h.LastOffsetDelta), Batches: 1, Payload: raw}))
}

// What a transaction wrote that was aborted after its data were flushed goes as well, and in the end nothing names it any more.
func TestAbortedTransactionsGo(t *testing.T) {
	w := newWorld(t, 1, ownSegments())
	policy := compacted()
	policy.MinCleanableRatio = 0
	tb := newTable(w, policy)
	l := mustBeginBare(t, w)
	ctx := t.Context()
	c := compactorOf(l, 1000)
	show := func() (out []string) {
		bs, _ := tb.batches(l)
		for _, b := range bs {
			h, _ := batch.Parse(b)
			if h.Control() {
				out = append(out, fmt.Sprint(h.BaseOffset, " control"))
				continue
			}
			for r, err := range batch.NewDecoder(1 << 20).Records(b) {
				must(t, err)
				out = append(out, fmt.Sprintf("%d %s=%s", r.Offset, r.Key, r.Value))
			}
		}
		return out
	}
	wantLog := func(why string, aborted int, want ...string) {
		t.Helper()
		must(t, l.engine.Flush(ctx), c.Compact(ctx))
		if got := show(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", why, got, want)
		}
		tb.part(l).View(func(s *stream.PartitionState) {
			if len(s.Aborted) != aborted {
				t.Errorf("%s: aborted %v, want %d", why, s.Aborted, aborted)
			}
		})
	}
	must(t, tb.put(l, -1, batch.None, "a", "stable"))
	tb.transact(t, l, 7, 0, "", "a", "never")
	wantLog("while it is open", 0, "0 a=stable", "1 a=never")
	tb.transact(t, l, 7, 0, "abort")
	tb.transact(t, l, 7, 1, "", "b", "committed")
	tb.transact(t, l, 7, 0, "commit")
	wantLog("aborted", 0, "0 a=stable", "2 control", "3 b=committed", "4 control")
	for i := range 3 {
		must(t, tb.put(l, -1, batch.None, "c", fmt.Sprint(i)))
		w.now = w.now.Add(policy.DeleteRetention)
		must(t, l.engine.Flush(ctx), c.Compact(ctx))
	}
	wantLog("after delete.retention.ms", 0, "0 a=stable", "3 b=committed", "4 control", "7 c=2")

	// The empty batch that says the producer's sequence keeps the transaction's name and its marker.
	tb.transact(t, l, 8, 0, "", "a", "never")
	tb.transact(t, l, 8, 0, "abort")
	for range 3 {
		must(t, tb.put(l, -1, batch.None, "c", "x"))
		w.now = w.now.Add(policy.DeleteRetention)
		must(t, l.engine.Flush(ctx), c.Compact(ctx))
	}
	wantLog("with a producer that lives", 1, "0 a=stable", "3 b=committed", "4 control", "9 control", "12 c=x")
	must(t, l.end(false))
}

// A day of a compacted topic, minute by minute: disk use stays within its bound, and the table is right all the time.
func TestADayOfCompactionStaysWithinItsBound(t *testing.T) {
	cfg := tier.Config{
		ClockJump: -1, UnitBytes: 1 << 20, BundleBytes: 1 << 20, OwnBytes: 64 << 10, PromoteBytes: 256 << 10, TinyBytes: 4 << 10,
		SegmentBytes: 4 << 20, DeleteDelay: -1,
	}
	w := newWorld(t, 1, cfg)
	w.wal = wal.Config{FirstFileBytes: 64 << 10, FileBytes: 128 << 10}
	policy := compacted()
	policy.SegmentTime, policy.DeleteRetention, policy.MinCleanableRatio = 10*time.Minute, time.Hour, 0.5
	tb := newTable(w, policy)
	l := mustBeginBare(t, w)
	c := compactorOf(l, 100_000)
	rng := rand.New(rand.NewPCG(1, 1))
	ctx := t.Context()
	const keys, perMinute, valueBytes = 1000, 60, 400
	var used, appended int64
	var total tier.CompactStats
	for minute := range 24 * 60 {
		for range perMinute / 10 {
			var pairs []string
			for range 10 {
				tb.sent++
				value := fmt.Sprintf("%0*d", valueBytes, tb.sent)
				if rng.IntN(10) == 0 {
					value = ""
				}
				pairs = append(pairs, fmt.Sprint("key ", rng.IntN(keys)), value)
				appended += int64(len(value))
			}
			must(t, tb.put(l, int64(rng.IntN(2)), batch.None, pairs...))
		}
		w.now = w.now.Add(time.Minute)
		must(t, c.Compact(ctx))
		if minute%10 == 9 {
			must(t, l.engine.Flush(ctx), l.engine.Promote(ctx), l.engine.Merge(ctx))
		}
		must(t, l.engine.Checkpoint(ctx), l.engine.Collect(ctx))
		if minute > 60 {
			used = max(used, w.disk.Used())
		}
		if minute%60 == 59 {
			tb.check(l)
		}
		if minute%360 == 359 { // as if it were an update
			must(t, l.end(true))
			addStats(&total, c)
			w.disk.Kill()
			l = mustBeginBare(t, w)
			c = compactorOf(l, 100_000)
		}
	}
	// The bound of docs/guide/compaction.md.
	const (
		recordBytes = valueBytes + 20
		live        = keys * recordBytes                       // one record of each key
		tombstones  = 60 * perMinute * 20                      // those of delete.retention.ms
		window      = 10 * perMinute * recordBytes             // what comes within segment.ms
		dirty       = live + tombstones                        // min.cleanable.dirty.ratio 0.5: as much as is clean
		containers  = 2 * (live + tombstones + dirty + window) // the old ones stay until the new ones are in a checkpoint
		journals    = window + 3*128<<10
		bound       = containers + journals
	)
	t.Logf("appended %d KiB; on the disk at most %d KiB, bound %d KiB; %+v", appended>>10, used>>10, bound>>10, total)
	if used > bound || total.Cleanings < 20 || total.Tombstones == 0 {
		t.Errorf("%d bytes on the disk, the bound is %d", used, bound)
	}
	must(t, l.end(false))
}
