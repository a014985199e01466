package partition

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/stream"
	"weir/storage/wal"
)

func TestAppendGivesOffsetsAndReadReturnsThem(t *testing.T) {
	for _, tail := range []int64{1 << 20, 1} { // with and without the cache
		r, _ := start(t, stream.Config{TailBytesMax: tail}, &memLog{})
		p := r.open(key(0), 3, nil)
		var want []int64
		for i := range 100 {
			n := i%5 + 1
			a := r.mustAppend(p, records(n, int64(i), "value"))
			want = append(want, a.BaseOffset)
			if a.LastOffset != a.BaseOffset+int64(n)-1 || a.LogAppendMs != -1 || a.LogStartOffset != 0 || a.Duplicate {
				t.Fatalf("append %d: %+v", i, a)
			}
			if hw := p.Offsets().HighWatermark; hw != a.LastOffset+1 {
				t.Fatalf("high watermark %d after last offset %d", hw, a.LastOffset)
			}
		}
		for _, size := range []int32{1, 100, 300, 5000, 1 << 20} {
			var got []int64
			for _, h := range r.all(p, 0, size) {
				got = append(got, h.BaseOffset)
				if h.LeaderEpoch != 3 {
					t.Fatalf("leader epoch %d", h.LeaderEpoch)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("tail %d, reads of %d: %s", tail, size, diff)
			}
		}
		// The batch that holds an offset in its middle is found.
		for offset := range p.Offsets().HighWatermark {
			if hs := r.all(p, offset, 1); hs[0].BaseOffset > offset {
				t.Fatalf("read at %d begins at %d", offset, hs[0].BaseOffset)
			}
		}
		r.stop()
	}
}

func TestSeveralBatchesOfOneAppend(t *testing.T) {
	r, _ := start(t, stream.Config{TailBytesMax: 1}, &memLog{})
	p := r.open(key(0), 0, nil)
	three := slices.Concat(records(2, 1, "a"), records(3, 2, "b"), records(1, 3, "c"))
	if _, err := appendNow(p, slices.Clone(three)); !errors.Is(err, kerr.InvalidRecord) {
		t.Fatalf("several batches from a client: %v", err)
	}
	done := make(chan Appended, 2)
	for range 2 {
		err := p.Append(Append{Batches: slices.Clone(three), Origin: FromCoordinator}, func(a Appended, err error) { done <- a })
		if err != nil {
			t.Fatal(err)
		}
	}
	if a := <-done; a.BaseOffset != 0 || a.LastOffset != 5 {
		t.Fatalf("%+v", a)
	}
	if a := <-done; a.BaseOffset != 6 || a.LastOffset != 11 {
		t.Fatalf("%+v", a)
	}
	var got []int64
	for _, h := range r.all(p, 3, 1) {
		got = append(got, h.BaseOffset)
	}
	if diff := cmp.Diff([]int64{2, 5, 6, 8, 11}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadBounds(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 5, nil)
	r.mustAppend(p, records(10, 1, "v"))
	tests := []struct {
		name string
		req  ReadRequest
		want error
	}{
		{"at the end", ReadRequest{Offset: 10, ClientEpoch: -1}, nil},
		{"behind the end", ReadRequest{Offset: 11, ClientEpoch: -1}, kerr.OffsetOutOfRange},
		{"negative", ReadRequest{Offset: -1, ClientEpoch: -1}, kerr.OffsetOutOfRange},
		{"old epoch", ReadRequest{Offset: 0, ClientEpoch: 4}, kerr.FencedLeaderEpoch},
		{"new epoch", ReadRequest{Offset: 0, ClientEpoch: 6}, kerr.UnknownLeaderEpoch},
		{"our epoch", ReadRequest{Offset: 10, ClientEpoch: 5}, nil},
		{"too small for one batch", ReadRequest{Offset: 0, MaxBytes: 1, ClientEpoch: 5}, nil},
	}
	for _, tt := range tests {
		recs, err := p.Read(t.Context(), tt.req)
		if !errors.Is(err, tt.want) || recs.Bytes != 0 || len(recs.Segments) != 0 {
			t.Errorf("%s: %d bytes, %v; want %v", tt.name, recs.Bytes, err, tt.want)
		}
		if recs.Offsets.HighWatermark != 10 {
			t.Errorf("%s: offsets %+v", tt.name, recs.Offsets)
		}
	}
}

// L1, L4: what is in flight is not readable.
func TestNothingIsReadableBeforeItIsDurable(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(1, 1, "v"))
	entered, gate := make(chan struct{}), make(chan struct{})
	log.setFault(func([]wal.Entry) error { close(entered); <-gate; return nil })
	ch, err := appendAsync(p, records(3, 2, "w"))
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	if o := p.Offsets(); o.HighWatermark != 1 || o.LastStable != 1 {
		t.Errorf("offsets %+v", o)
	}
	for _, offset := range []int64{1, 2, 4} {
		recs, err := p.Read(t.Context(), ReadRequest{Offset: offset, MaxBytes: 1 << 20, ClientEpoch: -1})
		if err != nil || recs.Bytes != 0 {
			t.Errorf("read at %d in flight: %d bytes, %v", offset, recs.Bytes, err)
		}
	}
	log.setFault(nil)
	close(gate)
	<-ch
	if n := len(r.all(p, 0, 1<<20)); n != 2 {
		t.Errorf("%d batches", n)
	}
}

func TestIdempotentProducer(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 0, nil)
	type step struct {
		name  string
		batch []byte
		want  error
		base  int64
		dup   bool
	}
	steps := []step{
		{"an unknown producer begins anywhere (KIP-360)", idempotent(7, 0, 40, 2), nil, 0, false},
		{"next", idempotent(7, 0, 42, 1), nil, 2, false},
		{"retry", idempotent(7, 0, 42, 1), nil, 2, true},
		{"older retry", idempotent(7, 0, 40, 2), nil, 0, true},
		{"same first sequence, other count", idempotent(7, 0, 42, 2), kerr.OutOfOrderSequenceNumber, 0, false},
		{"gap", idempotent(7, 0, 44, 1), kerr.OutOfOrderSequenceNumber, 0, false},
		{"new epoch does not begin at 0", idempotent(7, 1, 43, 1), kerr.OutOfOrderSequenceNumber, 0, false},
		{"new epoch", idempotent(7, 1, 0, 3), nil, 3, false},
		{"old epoch", idempotent(7, 0, 43, 1), kerr.InvalidProducerEpoch, 0, false},
		{"other producer", idempotent(8, 0, 0, 1), nil, 6, false},
		{"b2", idempotent(7, 1, 3, 1), nil, 7, false},
		{"b3", idempotent(7, 1, 4, 1), nil, 8, false},
		{"b4", idempotent(7, 1, 5, 1), nil, 9, false},
		{"b5", idempotent(7, 1, 6, 1), nil, 10, false},
		{"the fifth last is remembered", idempotent(7, 1, 0, 3), nil, 3, true},
		{"b6", idempotent(7, 1, 7, 1), nil, 11, false},
		{"the sixth last is not", idempotent(7, 1, 0, 3), kerr.OutOfOrderSequenceNumber, 0, false},
		{"near the largest sequence", idempotent(9, 0, math.MaxInt32-1, 3), nil, 12, false}, // ...46, ...47, 0
		{"sequences wrap to 0", idempotent(9, 0, 1, 1), nil, 15, false},
		{"retry across the wrap", idempotent(9, 0, math.MaxInt32-1, 3), nil, 12, true},
	}
	for _, s := range steps {
		a, err := appendNow(p, s.batch)
		if !errors.Is(err, s.want) || (err != nil) != (s.want != nil) {
			t.Fatalf("%s: %v, want %v", s.name, err, s.want)
		}
		if err == nil && (a.BaseOffset != s.base || a.Duplicate != s.dup) {
			t.Fatalf("%s: %+v, want base %d duplicate %v", s.name, a, s.base, s.dup)
		}
	}
}

// A retry whose first try is in flight gets that one's outcome, good or bad.
func TestRetryInFlightWaits(t *testing.T) {
	for _, fail := range []bool{false, true} {
		log := &memLog{}
		r, _ := start(t, stream.Config{}, log)
		p := r.open(key(0), 0, nil)
		r.mustAppend(p, idempotent(1, 0, 0, 1))
		entered, gate := make(chan struct{}), make(chan struct{})
		log.setFault(func([]wal.Entry) error {
			log.setFault(nil)
			close(entered)
			<-gate
			if fail {
				return wal.ErrFull
			}
			return nil
		})
		first, err := appendAsync(p, idempotent(1, 0, 1, 2))
		if err != nil {
			t.Fatal(err)
		}
		<-entered
		retry, err := appendAsync(p, idempotent(1, 0, 1, 2))
		if err != nil {
			t.Fatal(err)
		}
		next, err := appendAsync(p, idempotent(1, 0, 3, 1))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-retry:
			t.Fatal("the retry was answered before its batch was durable")
		default:
		}
		close(gate)
		a, b, c := <-first, <-retry, <-next
		if fail {
			for _, x := range []result{a, b, c} {
				if !errors.Is(x.err, kerr.KafkaStorageError) {
					t.Fatalf("after a full disk: %+v", x)
				}
			}
			// Sequences fell back with the offsets.
			if again := r.mustAppend(p, idempotent(1, 0, 1, 2)); again.BaseOffset != 1 || again.Duplicate {
				t.Fatalf("after a full disk: %+v", again)
			}
		} else if a.err != nil || b.err != nil || c.err != nil || a.Duplicate || !b.Duplicate || a.LogAppendMs != -1 || b.LogAppendMs < 0 || a.BaseOffset != 1 || b.BaseOffset != 1 || c.BaseOffset != 3 {
			t.Fatalf("first %+v, retry %+v, next %+v", a, b, c)
		}
		r.stop()
	}
}

// L2: offsets that a full disk gave back are used for the next data, and nothing else was ever seen under them.
func TestFullDiskLosesNothingAndLeavesNoGap(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p, q := r.open(key(0), 0, nil), r.open(key(1), 0, nil)
	r.mustAppend(p, records(2, 1, "before"))
	var n int
	entered, gate := make(chan struct{}), make(chan struct{})
	log.setFault(func([]wal.Entry) error {
		n++
		if n == 1 {
			close(entered)
			<-gate
			return wal.ErrFull
		}
		return nil
	})
	var outcomes []<-chan result
	push := func(p *Partition, b []byte) {
		ch, err := appendAsync(p, b)
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, ch)
	}
	push(p, records(1, 2, "lost"))
	<-entered
	push(p, records(1, 3, "lost with it")) // its offset follows the one that will be given back
	push(q, records(1, 4, "of another partition"))
	close(gate)
	for i, ch := range outcomes {
		r := <-ch
		if i < 2 && !errors.Is(r.err, kerr.KafkaStorageError) {
			t.Errorf("append %d: %+v", i, r)
		}
		if i == 2 && (r.err != nil || r.BaseOffset != 0) {
			t.Errorf("the other partition: %+v", r)
		}
	}
	if a := r.mustAppend(p, records(1, 5, "after")); a.BaseOffset != 2 {
		t.Errorf("after the failure: %+v", a)
	}
	if hs := r.all(p, 0, 1<<20); len(hs) != 2 || hs[1].MaxTimestamp != 5 {
		t.Errorf("read back %+v", hs)
	}
	r.stop()
	_, state := start(t, stream.Config{}, &memLog{}, log)
	if s := state[p.key.WAL()]; s.End != 3 {
		t.Errorf("replay ends at %d", s.End)
	}
}

// A producer that nothing is known of yet has its first batch refused, and its second was already on the way: the second must not become
// the first (P1).
func TestNothingOvertakesARefusedFirstBatch(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 0, nil)
	log.setFault(func([]wal.Entry) error { return wal.ErrFull })
	if _, err := appendNow(p, idempotent(7, 0, 0, 2)); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatal(err)
	}
	log.setFault(nil)
	if _, err := appendNow(p, idempotent(7, 0, 2, 1)); !errors.Is(err, kerr.OutOfOrderSequenceNumber) {
		t.Errorf("the second batch after the first was refused: %v, want %v", err, kerr.OutOfOrderSequenceNumber)
	}
	r.mustAppend(p, idempotent(8, 0, 5, 1)) // another one that is not known
	r.mustAppend(p, idempotent(7, 0, 0, 2))
	if a := r.mustAppend(p, idempotent(7, 0, 2, 1)); a.BaseOffset != 3 {
		t.Errorf("the second batch after the first: %+v", a)
	}
	if len(p.refused) != 0 {
		t.Errorf("still refused: %v", p.refused)
	}
}

// ADOPT may fail as any write; it then comes before the next data.
func TestAdoptIsWrittenAgainAfterAFullDisk(t *testing.T) {
	log := &memLog{}
	log.setFault(func([]wal.Entry) error { return wal.ErrFull })
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 4, nil)
	if _, err := appendNow(p, records(1, 1, "v")); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatal(err)
	}
	log.setFault(nil)
	r.mustAppend(p, records(1, 1, "v"))
	r.stop()
	var types []wal.Type
	for e := range log.Read(t.Context(), wal.Position{}) {
		types = append(types, e.Type)
	}
	if diff := cmp.Diff([]wal.Type{wal.Adopt, wal.Data}, types); diff != "" {
		t.Error(diff)
	}
}

func TestFailedLogEndsTheStream(t *testing.T) {
	for cause, want := range map[error]error{wal.ErrFenced: kerr.NotLeaderForPartition, errors.New("EIO"): kerr.KafkaStorageError} {
		log := &memLog{}
		r, _ := start(t, stream.Config{}, log)
		p := r.open(key(0), 0, nil)
		r.mustAppend(p, records(1, 1, "v"))
		log.setFault(func([]wal.Entry) error { return cause })
		if _, err := appendNow(p, records(1, 1, "v")); !errors.Is(err, want) {
			t.Errorf("%v: in flight: %v", cause, err)
		}
		if err := <-r.ended; !errors.Is(err, cause) {
			t.Errorf("Run: %v", err)
		}
		r.ended <- nil
		if _, err := appendNow(p, records(1, 1, "v")); !errors.Is(err, kerr.NotLeaderForPartition) {
			t.Errorf("%v: afterwards: %v", cause, err)
		}
		if n := len(r.all(p, 0, 1<<20)); n != 1 {
			t.Errorf("%d batches are readable", n)
		}
	}
}

func TestAppendKeepsTheTopicsRules(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 0, nil)
	now := r.now.UnixMilli()
	cfg := DefaultLogConfig()
	cfg.MaxMessageBytes = 200
	p.Configure(&cfg)
	if _, err := appendNow(p, records(1, now, strings.Repeat("x", 300))); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("max.message.bytes: %v", err)
	}
	if _, err := appendNow(p, records(1, now+3_600_001, "v")); !errors.Is(err, kerr.InvalidTimestamp) {
		t.Errorf("timestamp after: %v", err)
	}
	r.mustAppend(p, records(1, now+3_600_000, "v"))
	r.mustAppend(p, records(1, 0, "v"))
	cfg2 := cfg
	cfg2.TimestampBeforeMs = 1000
	p.Configure(&cfg2)
	if _, err := appendNow(p, records(1, now-1001, "v")); !errors.Is(err, kerr.InvalidTimestamp) {
		t.Errorf("timestamp before: %v", err)
	}
	bad := records(1, now, "v")
	bad[len(bad)-1] ^= 1
	if _, err := appendNow(p, bad); !errors.Is(err, kerr.CorruptMessage) {
		t.Errorf("CRC: %v", err)
	}
	stamped := cfg
	stamped.LogAppendTime = true
	p.Configure(&stamped)
	a := r.mustAppend(p, records(2, 5, "v"))
	if a.LogAppendMs != now {
		t.Errorf("log append time %d", a.LogAppendMs)
	}
	hs := r.all(p, a.BaseOffset, 1<<20) // checks the CRC
	if !hs[0].LogAppendTime() || hs[0].MaxTimestamp != now {
		t.Errorf("stored header %+v", hs[0])
	}
	compacted := cfg
	compacted.Policy.Compact = true
	p.Configure(&compacted)
	if _, err := appendNow(p, records(1, now, "v")); !errors.Is(err, kerr.InvalidRecord) {
		t.Errorf("no key in a compacted topic: %v", err)
	}
}

func TestTimestampLookup(t *testing.T) {
	for _, tail := range []int64{1 << 20, 1} {
		r, _ := start(t, stream.Config{TailBytesMax: tail}, &memLog{})
		p := r.open(key(0), 2, nil)
		if _, ok, err := p.OffsetForTimestamp(t.Context(), 0); ok || err != nil {
			t.Errorf("empty: %v %v", ok, err)
		}
		if _, ok, err := p.MaxTimestamp(t.Context()); ok || err != nil {
			t.Errorf("empty: %v %v", ok, err)
		}
		r.mustAppend(p, records(3, 100, "a")) // 0..2: 100 101 102
		r.mustAppend(p, records(3, 50, "b"))  // 3..5: 50 51 52
		r.mustAppend(p, records(3, 200, "c")) // 6..8: 200 201 202
		r.mustAppend(p, records(3, 200, "d")) // 9..11: 200 201 202
		for ts, want := range map[int64]int64{0: 0, 100: 0, 101: 1, 102: 2, 103: 6, 201: 7, 202: 8, 203: -1} {
			o, ok, err := p.OffsetForTimestamp(t.Context(), ts)
			if err != nil || ok != (want >= 0) || ok && (o.Offset != want || o.Epoch != 2 || o.TimestampMs < ts) {
				t.Errorf("timestamp %d: %+v %v %v, want %d", ts, o, ok, err, want)
			}
		}
		if o, ok, err := p.MaxTimestamp(t.Context()); err != nil || !ok || o.Offset != 8 || o.TimestampMs != 202 {
			t.Errorf("max: %+v %v %v", o, ok, err)
		}
		r.stop()
	}
}

func TestEpochs(t *testing.T) {
	log1, log2 := &memLog{}, &memLog{}
	r, _ := start(t, stream.Config{}, log1)
	p := r.open(key(0), 2, nil)
	r.mustAppend(p, records(10, 1, "v"))
	r.stop()
	r, state := start(t, stream.Config{}, log2, log1)
	p = r.open(key(0), 5, state[key(0).WAL()])
	r.mustAppend(p, records(10, 1, "v"))
	type answer struct {
		epoch metadata.LeaderEpoch
		end   int64
	}
	for ask, want := range map[metadata.LeaderEpoch]answer{-1: {-1, -1}, 1: {1, 0}, 2: {2, 10}, 3: {2, 10}, 5: {5, 20}, 6: {-1, -1}} {
		if e, end := p.EpochEnd(ask); e != want.epoch || end != want.end {
			t.Errorf("EpochEnd(%d) = %d, %d; want %v", ask, e, end, want)
		}
	}
	for offset, want := range map[int64]metadata.LeaderEpoch{0: 2, 9: 2, 10: 5, 19: 5, 20: 5} {
		if e := p.EpochAt(offset); e != want {
			t.Errorf("EpochAt(%d) = %d, want %d", offset, e, want)
		}
	}
	// Reads go on through both streams.
	if n := len(r.all(p, 0, 1<<20)); n != 2 {
		t.Errorf("%d batches", n)
	}
	r.stop()
	r, state = start(t, stream.Config{}, &memLog{}, log1, log2)
	cfg := DefaultLogConfig()
	err := r.leaders.Open(Opening{Key: key(0), Epoch: 4, State: state[key(0).WAL()], Config: &cfg})
	if !errors.Is(err, kerr.FencedLeaderEpoch) {
		t.Errorf("opened with an older epoch: %v", err)
	}
}

func TestCloseWakesAndRefuses(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(1, 1, "v"))
	woken := make(chan struct{}, 10)
	stop := p.OnAdvance(func() { woken <- struct{}{} })
	r.leaders.Close(p.key, kerr.UnknownTopicOrPartition, true)
	<-woken
	stop()
	stop() // twice is harmless
	if _, err := p.Read(t.Context(), ReadRequest{ClientEpoch: -1}); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("read: %v", err)
	}
	if _, err := appendNow(p, records(1, 1, "v")); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("append: %v", err)
	}
	if _, err := r.leaders.Get(p.key); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("get: %v", err)
	}
	r.stop()
	_, state := start(t, stream.Config{}, &memLog{}, log)
	if len(state) != 0 {
		t.Errorf("a released partition came back: %v", state)
	}
}

func TestWatchersAreWokenOncePerCommit(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(1, 1, "v"))
	r.settle()
	entered, gate := make(chan struct{}), make(chan struct{})
	log.setFault(func([]wal.Entry) error { log.setFault(nil); close(entered); <-gate; return nil })
	var calls int // only the committer writes it while it runs
	p.OnAdvance(func() { calls++ })
	gone := p.OnAdvance(func() { t.Error("a stopped watcher was called") })
	gone()
	first, _ := appendAsync(p, records(1, 1, "v"))
	<-entered
	var rest []<-chan result
	for range 10 {
		ch, _ := appendAsync(p, records(1, 1, "v"))
		rest = append(rest, ch)
	}
	close(gate)
	<-first
	for _, ch := range rest {
		<-ch
	}
	r.stop()
	if calls != 2 {
		t.Errorf("%d calls for 2 commits", calls)
	}
}

func TestAwaitWaitsForOpen(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	got := make(chan *Partition)
	go func() {
		p, _ := r.leaders.Await(t.Context(), key(0))
		got <- p
	}()
	p := r.open(key(0), 0, nil)
	if q := <-got; q != p {
		t.Error("another partition")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.leaders.Await(ctx, key(9)); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Error(err)
	}
}

// L5: what the disk gives back is checked.
func TestCorruptReadIsAnError(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{TailBytesMax: 1}, log)
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(3, 1, "value"))
	r.settle()
	for _, at := range []int{3, 10, 20, 40, 70} {
		log.mu.Lock()
		log.flip = func(p []byte) { p[at] ^= 0x40 }
		log.mu.Unlock()
		recs, err := p.Read(t.Context(), ReadRequest{MaxBytes: 1 << 20, ClientEpoch: -1})
		if !errors.Is(err, kerr.KafkaStorageError) || !errors.Is(err, wal.ErrCorrupt) || recs.Bytes != 0 {
			t.Errorf("flipped byte %d: %d bytes, %v", at, recs.Bytes, err)
		}
	}
}

// Many producers append and readers follow; run with -race. Checks L1, L3 and P1, and that pooled buffers are not used after release.
func TestConcurrentProducersAndReaders(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{TailBytesMax: 20 << 10}, log)
	const partitions, producers, rounds = 3, 6, 60
	ps := make([]*Partition, partitions)
	for i := range ps {
		ps[i] = r.open(key(int32(i)), 1, nil)
	}
	var wg sync.WaitGroup
	for id := range producers {
		wg.Go(func() {
			for seq := range rounds {
				for _, p := range ps {
					b := idempotent(int64(id), 0, int32(seq), 1)
					buf := r.pool.Get(len(b))
					copy(buf.Bytes(), b)
					done := make(chan result, 1)
					if err := p.Append(Append{Batches: buf.Bytes(), Buffer: buf}, func(a Appended, err error) { done <- result{a, err} }); err != nil {
						t.Error(err)
						return
					}
					buf.Release()
					if seq%7 == 0 { // a retry
						if a, err := appendNow(p, idempotent(int64(id), 0, int32(seq), 1)); err != nil || !a.Duplicate {
							t.Errorf("retry: %+v, %v", a, err)
						}
					}
					if x := <-done; x.err != nil {
						t.Error(x.err)
					}
				}
			}
		})
	}
	for i := range ps {
		wg.Go(func() {
			p, offset := ps[i], int64(0)
			advanced := make(chan struct{}, 1)
			defer p.OnAdvance(func() {
				select {
				case advanced <- struct{}{}:
				default:
				}
			})()
			for offset < producers*rounds {
				recs, err := p.Read(t.Context(), ReadRequest{Offset: offset, MaxBytes: 1000, AtLeastOne: true, ClientEpoch: 1})
				if err != nil {
					t.Error(err)
					return
				}
				for _, seg := range recs.Segments {
					for len(seg) > 0 {
						h, one, rest, err := batch.Next(seg)
						if err == nil {
							err = batch.CheckCRC(one)
						}
						if err != nil || h.BaseOffset != offset || h.LastOffset() >= recs.Offsets.HighWatermark {
							t.Errorf("at %d: %+v, %v", offset, h, err)
							return
						}
						offset, seg = h.LastOffset()+1, rest
					}
				}
				recs.Release()
				if recs.Bytes == 0 && offset < producers*rounds {
					<-advanced
				}
			}
		})
	}
	wg.Wait()
	r.stop()
	// What replay finds is what was served (one apply).
	_, state := start(t, stream.Config{}, &memLog{}, log)
	for _, p := range ps {
		if diff := cmp.Diff(p.state, state[p.key.WAL()], cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Errorf("%v: %s", p.key, diff)
		}
	}
}
