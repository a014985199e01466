package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/storage/batch"
	"weir/storage/segment"
	"weir/storage/wal"
)

// memJournal is a log of one stream in memory, whose files hold some entries each.
type memJournal struct {
	gateLog
	name    string
	entries []wal.Entry
	at      wal.Position // of the next entry
}

func newMemJournal(name string) *memJournal {
	return &memJournal{name: name, at: wal.Position{Seq: 1, Off: 4096 + 72}}
}

func (j *memJournal) add(e wal.Entry) *wal.Entry {
	e.At = j.at
	j.at.Off += 40 + uint32(len(e.Payload))
	j.entries = append(j.entries, e)
	return &j.entries[len(j.entries)-1]
}

func (j *memJournal) roll() { j.at = wal.Position{Seq: j.at.Seq + 1, Off: 4096 + 72} }

func (j *memJournal) Read(_ context.Context, from wal.Position) iter.Seq2[wal.Entry, error] {
	return func(yield func(wal.Entry, error) bool) {
		for _, e := range j.entries {
			if e.At.Compare(from) >= 0 && !yield(e, nil) {
				return
			}
		}
		yield(wal.Entry{Type: wal.Seal, At: j.at}, nil)
	}
}

// viewer is a partition that may be looked at.
type viewer struct {
	name wal.Partition
	s    *PartitionState
	hook func() // before View
}

func (v *viewer) Name() wal.Partition { return v.name }

func (v *viewer) View(fn func(*PartitionState)) bool {
	if v.hook != nil {
		v.hook()
	}
	if v.s == nil {
		return false
	}
	fn(v.s)
	return true
}

func viewers(vs ...*viewer) iter.Seq[Viewer] {
	return func(yield func(Viewer) bool) {
		for _, v := range vs {
			if !yield(v) {
				return
			}
		}
	}
}

func part(n int) wal.Partition {
	return wal.Partition{Topic: [16]byte{0xaa, byte(n >> 8), byte(n)}, Index: int32(n % 7)}
}

// plain is a state in a form that can be compared: what it means, not how it is kept.
type plain struct {
	LogStart, End int64
	Epochs        []EpochStart
	Producers     map[int64]Producer
	SweepAt       int
	Open          []OpenTransaction
	Aborted       []segment.Aborted
	Pieces        []segment.Piece
	Extents       []Extent
	Applied       Mark
}

func plainly(s *PartitionState) plain {
	p := plain{
		LogStart: s.LogStart, End: s.End, Epochs: s.Epochs, Producers: map[int64]Producer{}, SweepAt: s.Producers.sweepAt,
		Open: s.Open, Aborted: s.Aborted, Pieces: s.Pieces, Applied: s.Applied,
	}
	for id, one := range s.Producers.byID {
		q := *one
		clear(q.batches[q.count:]) // remains
		p.Producers[id] = q
	}
	for e := range s.Extents.From(0) {
		p.Extents = append(p.Extents, e)
	}
	return p
}

func diffStates(want, got State) string {
	a, b := map[wal.Partition]plain{}, map[wal.Partition]plain{}
	for p, s := range want {
		a[p] = plainly(s)
	}
	for p, s := range got {
		b[p] = plainly(s)
	}
	return diff(a, b)
}

// diff is cmp.Diff, which takes its time, where there is one.
func diff[T any](a, b T) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(a, b, cmp.AllowUnexported(Producer{})) + "."
}

func piece(p wal.Partition, n uint64, base, last int64) segment.Piece {
	return segment.Piece{Kind: segment.Segment, ID: segment.ID{Incarnation: 9, Number: n}, Chunk: segment.Chunk{
		Partition: p, Base: base, Last: last, Records: last - base + 1, Batches: uint32(n), MinTimestamp: 5, MaxTimestamp: int64(n), FirstEpoch: 1, LastEpoch: 2,
		Pos: 64, Len: 1 << 33, CRC: 0xc4c, IndexPos: 77, IndexLen: 99, AbortedPos: 100, AbortedLen: 3, Flags: segment.HasTombstones, DeleteHorizon: 12, FirstDirtyMs: 13,
	}}
}

// marker is the control batch that ends a transaction.
func marker(base int64, epoch int32, pid int64, commit bool) wal.Entry {
	b := batch.NewBuilder()
	b.Control, b.Transactional, b.ProducerID, b.ProducerEpoch = true, true, pid, 0
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	b.Add(1000, key, make([]byte, 6))
	one := b.Batch()
	batch.SetOffsets(one, base, epoch)
	return wal.Entry{Type: wal.Data, LeaderEpoch: epoch, BaseOffset: base, Batches: 1, Payload: one}
}

// transactional is a batch of a transaction.
func transactional(base int64, epoch int32, pid int64, seq int32, n int) wal.Entry {
	b := batch.NewBuilder()
	b.Transactional, b.ProducerID, b.ProducerEpoch, b.BaseSequence = true, pid, 0, seq
	for i := range n {
		b.Add(1000+base+int64(i), nil, nil)
	}
	one := b.Batch()
	batch.SetOffsets(one, base, epoch)
	return wal.Entry{Type: wal.Data, LeaderEpoch: epoch, BaseOffset: base, LastDelta: uint32(n - 1), Batches: 1, Payload: one}
}

// KIP-98: the last stable offset is the first offset of the oldest open transaction, and aborted ones are remembered while they can be read.
func TestTransactions(t *testing.T) {
	var p PartitionState
	apply := func(e wal.Entry) {
		t.Helper()
		if err := p.Apply(&e, 0); err != nil {
			t.Fatal(err)
		}
	}
	apply(adopt(0, 1))
	apply(data(0, 1, -1, -1, 2))
	apply(transactional(2, 1, 7, 0, 3))
	apply(transactional(5, 1, 8, 0, 1))
	apply(transactional(6, 1, 7, 3, 1))
	if p.LastStable() != 2 || len(p.Open) != 2 {
		t.Fatalf("stable to %d, open %+v", p.LastStable(), p.Open)
	}
	apply(marker(7, 1, 7, false))
	want := []segment.Aborted{{ProducerID: 7, FirstOffset: 2, LastOffset: 7, LastStable: 5}}
	if diff := cmp.Diff(want, p.Aborted); diff != "" || p.LastStable() != 5 {
		t.Fatalf("stable to %d: %s", p.LastStable(), diff)
	}
	apply(marker(8, 1, 8, true))
	apply(marker(9, 1, 99, false)) // of a transaction without records here
	if p.LastStable() != 10 || len(p.Aborted) != 1 || p.Open != nil {
		t.Fatalf("%+v", p)
	}
	apply(transactional(10, 1, 8, 1, 1))
	apply(marker(11, 1, 8, false))
	if got := p.AbortedIn(0, 5); len(got) != 1 || got[0].ProducerID != 7 {
		t.Errorf("aborted in [0, 5): %+v", got)
	}
	if got := p.AbortedIn(8, 12); len(got) != 1 || got[0].ProducerID != 8 {
		t.Errorf("aborted in [8, 12): %+v", got)
	}
	apply(wal.Entry{Type: wal.LogStart, BaseOffset: 8, LeaderEpoch: 1})
	if len(p.Aborted) != 1 || p.Aborted[0].ProducerID != 8 {
		t.Errorf("behind the log start: %+v", p.Aborted)
	}
	apply(transactional(12, 1, 5, 0, 1))
	apply(data(13, 1, -1, -1, 1))
	apply(wal.Entry{Type: wal.LogStart, BaseOffset: 14, LeaderEpoch: 1})
	if p.LastStable() != 14 {
		t.Errorf("stable to %d, before the log start", p.LastStable())
	}
	bad := transactional(14, 1, 5, 0, 1)
	bad.Payload = slices.Clone(marker(14, 1, 5, true).Payload)
	bad.Payload[batch.HeaderBytes+4] = 2 // length of the key: 1
	if err := p.Apply(&bad, 0); !errors.Is(err, wal.ErrCorrupt) {
		t.Errorf("a marker without a type: %v", err)
	}
}

// Whatever the order and size, the same producers are left.
func TestProducersAreBounded(t *testing.T) {
	var ps Producers
	for id := range int64(ProducersMax) {
		ps.add(id, 0, ProducerBatch{}, 1000+id%100)
	}
	if ps.Len() != ProducersMax {
		t.Fatalf("%d producers", ps.Len())
	}
	ps.add(1<<40, 0, ProducerBatch{}, 2000)
	if want := ProducersMax - ProducersMax/8 + 1; ps.Len() != want {
		t.Errorf("%d producers are left, want %d", ps.Len(), want)
	}
	if ps.Get(0) != nil || ps.Get(11) != nil || ps.Get(99) == nil || ps.Get(1<<40) == nil {
		t.Error("not the oldest went")
	}
}

// rig is a broker's stream and its partitions.
type checkpointRig struct {
	t       testing.TB
	store   *memStore
	logs    *Logs
	journal *memJournal
	parts   []*viewer
	c       *Checkpoints
}

func newCheckpointRig(t testing.TB, partitions int) *checkpointRig {
	r := &checkpointRig{t: t, store: newMemStore(), logs: NewLogs(), journal: newMemJournal("1-5")}
	r.logs.Name(r.journal, r.journal.name)
	r.c = NewCheckpoints(r.store, r.journal.name, r.logs, nil)
	for i := range partitions {
		v := &viewer{name: part(i), s: &PartitionState{}}
		r.parts = append(r.parts, v)
		r.apply(v, adopt(0, 1))
	}
	return r
}

func (r *checkpointRig) apply(v *viewer, e wal.Entry) {
	r.t.Helper()
	e.Partition = v.name
	one := r.journal.add(e)
	if err := v.s.Apply(one, r.logs.Number(r.journal, one.At.Seq)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *checkpointRig) mark() Mark {
	return Mark{File: r.logs.Number(r.journal, r.journal.at.Seq), Off: r.journal.at.Off}
}

func (r *checkpointRig) take() Pointer {
	r.t.Helper()
	p, err := r.c.Take(r.t.Context(), r.mark(), viewers(r.parts...))
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *checkpointRig) state() State {
	s := State{}
	for _, v := range r.parts {
		s[v.name] = v.s
	}
	return s
}

func (r *checkpointRig) load(p Pointer) *Checkpoint {
	r.t.Helper()
	c, err := Load(r.t.Context(), r.store, r.journal.name, p)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *checkpointRig) same(p Pointer) *Checkpoint {
	r.t.Helper()
	c := r.load(p)
	if diff := diffStates(r.state(), c.Partitions); diff != "" {
		r.t.Fatal(diff)
	}
	return c
}

func TestCheckpointGivesTheStateBack(t *testing.T) {
	r := newCheckpointRig(t, 3)
	v := r.parts[0]
	for i := range int64(300) { // more than two blocks
		r.apply(v, data(i, 1, i%100, int32(i/100), 1))
		if i%100 == 99 {
			r.journal.roll()
		}
	}
	r.apply(v, transactional(300, 1, 500, 0, 2))
	r.apply(v, transactional(302, 1, 501, 0, 2))
	r.apply(v, marker(304, 1, 500, false))
	r.apply(v, wal.Entry{Type: wal.LogStart, BaseOffset: 7, LeaderEpoch: 1})
	if err := v.s.Sink([]segment.Piece{piece(v.name, 1, 7, 49), piece(v.name, 2, 50, 99)}); err != nil {
		t.Fatal(err)
	}
	r.apply(r.parts[1], data(0, 1, -1, -1, 4))
	first := r.take()
	c := r.same(first)
	if len(c.Files) != 3 || c.Files[0].Number != 1 || c.NextFile != 4 { // file 0 has nothing any more
		t.Errorf("files %+v, next %d", c.Files, c.NextFile)
	}
	garbage, needed := r.c.Published(first)
	if len(garbage) != 0 || !slices.Equal(needed, c.Files) {
		t.Errorf("garbage %v, needed %v", garbage, needed)
	}

	before := len(r.store.objects[checkpointKey("1-5", 1)])
	r.apply(r.parts[2], data(0, 1, -1, -1, 1))
	second := r.take()
	r.same(second)
	if delta := len(r.store.objects[checkpointKey("1-5", 2)]); delta > 500 || delta > before/4 {
		t.Errorf("a delta of one partition takes %d bytes, the base %d", delta, before)
	}
	if garbage, _ := r.c.Published(second); len(garbage) != 0 {
		t.Errorf("garbage %v", garbage)
	}
	// A base comes in time, and frees the chain before it.
	var freed []string
	for range deltasMax + 1 {
		p := r.take()
		r.same(p)
		garbage, _ := r.c.Published(p)
		freed = append(freed, garbage...)
		for _, k := range garbage {
			_ = r.store.Delete(t.Context(), k)
		}
	}
	if len(freed) != 17 || len(r.store.objects) != 2 {
		t.Errorf("freed %v, there are %d", freed, len(r.store.objects))
	}
}

func TestPiecesMoveToManifests(t *testing.T) {
	r := newCheckpointRig(t, 1)
	v := r.parts[0]
	step := func() Pointer {
		p := r.take()
		r.same(p)
		garbage, _ := r.c.Published(p)
		for _, k := range garbage {
			_ = r.store.Delete(t.Context(), k)
		}
		r.same(p)
		return p
	}
	manifests := func() (n int) {
		for k := range r.store.objects {
			if strings.HasPrefix(k, ManifestPrefix) {
				n++
			}
		}
		return n
	}
	written := map[string]bool{}
	for i := range int64(100) {
		r.apply(v, data(i, 1, -1, -1, 1))
		if err := v.s.Sink([]segment.Piece{piece(v.name, uint64(i), i, i)}); err != nil {
			t.Fatal(err)
		}
		step()
		for k := range r.store.objects {
			if strings.HasPrefix(k, ManifestPrefix) {
				written[k] = true
			}
		}
	}
	if len(written) > 6 || manifests() != 1 {
		t.Errorf("%d manifests were written for 100 pieces, %d are left", len(written), manifests())
	}
	r.apply(v, wal.Entry{Type: wal.LogStart, BaseOffset: 20, LeaderEpoch: 1})
	step()
	if err := v.s.Replace(slices.Clone(v.s.Pieces[3:4]), []segment.Piece{piece(v.name, 999, 23, 23)}); err != nil {
		t.Fatal(err)
	}
	step()
	if err := v.s.Replace(slices.Clone(v.s.Pieces[:50]), []segment.Piece{piece(v.name, 1000, 20, 69)}); err != nil {
		t.Fatal(err)
	}
	p := step()
	if manifests() != 0 || len(v.s.Pieces) != 31 {
		t.Errorf("%d manifests are left for %d pieces", manifests(), len(v.s.Pieces))
	}
	// The next incarnation takes manifests over.
	for i := int64(100); i < 140; i++ {
		r.apply(v, data(i, 1, -1, -1, 1))
		if err := v.s.Sink([]segment.Piece{piece(v.name, uint64(i), i, i)}); err != nil {
			t.Fatal(err)
		}
		p = step()
	}
	if manifests() != 1 {
		t.Fatalf("%d manifests", manifests())
	}
	last := r.same(p)
	r.journal = newMemJournal("1-6")
	logs := NewLogs()
	logs.Name(r.journal, "1-6")
	old := newMemJournal("1-5")
	logs.Name(old, "1-5")
	if err := logs.Restore(last); err != nil {
		t.Fatal(err)
	}
	r.logs, r.c, v.s = logs, NewCheckpoints(r.store, "1-6", logs, last), last.Partitions[v.name]
	step()
	if manifests() != 1 || len(r.store.objects) != 2 {
		t.Errorf("after the restart: %v", slices.Sorted(maps.Keys(r.store.objects)))
	}
}

func TestReleasedPartitions(t *testing.T) {
	r := newCheckpointRig(t, 3)
	first := r.take()
	r.c.Published(first)
	gone := r.parts[1]
	// It leaves, and an entry of it lies behind the mark.
	from := r.mark()
	r.apply(gone, data(0, 1, -1, -1, 1))
	r.logs.Release(gone.name, Forever())
	all := viewers(r.parts...)
	r.parts = slices.Delete(slices.Clone(r.parts), 1, 2)
	p, err := r.c.Take(t.Context(), from, all)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c := r.load(p)
		logs := NewLogs()
		logs.Name(r.journal, "1-5")
		if err := logs.Restore(c); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Replay(t.Context(), logs, r.journal, p.From); err != nil {
			t.Fatal(err)
		}
		if diff := diffStates(r.state(), c.Partitions); diff != "" {
			t.Fatal(diff)
		}
		p = r.take() // now it is not among the partitions
	}
	// One that is just gone is a mistake: entries of it could not be replayed.
	keep := r.parts
	r.parts = r.parts[:1]
	if _, err := r.c.Take(t.Context(), r.mark(), viewers(r.parts...)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%x-%d", keep[1].name.Topic, keep[1].name.Index)) {
		t.Errorf("a partition is gone: %v", err)
	}
	r.parts = keep
	for i := range departureTakes + 2 {
		r.c.rebase = true
		c := r.same(r.take())
		if len(c.Released) != 0 && i >= departureTakes {
			t.Errorf("tombstones stay for ever: %v", c.Released)
		}
	}
}

func TestFailedTakeLeavesTheOneBefore(t *testing.T) {
	r := newCheckpointRig(t, 3)
	first := r.take()
	r.c.Published(first)
	want := r.load(first)
	r.apply(r.parts[0], data(0, 1, -1, -1, 1))
	r.store.fail = errors.New("EIO")
	if _, err := r.c.Take(t.Context(), r.mark(), viewers(r.parts...)); !errors.Is(err, r.store.fail) {
		t.Fatal(err)
	}
	r.store.fail = nil
	if diff := diffStates(want.Partitions, r.load(first).Partitions); diff != "" {
		t.Fatal(diff)
	}
	p := r.take()
	r.same(p)
	garbage, _ := r.c.Published(p)
	if !slices.Contains(garbage, checkpointKey("1-5", 1)) || !slices.Contains(garbage, checkpointKey("1-5", 2)) {
		t.Errorf("garbage %v", garbage)
	}
}

// A checkpoint that could not be published is built upon.
func TestTakenButNotPublished(t *testing.T) {
	r := newCheckpointRig(t, 3)
	r.take()
	r.apply(r.parts[0], data(0, 1, -1, -1, 1))
	r.take()
	r.apply(r.parts[1], data(0, 1, -1, -1, 1))
	p := r.take()
	if garbage, _ := r.c.Published(p); len(garbage) != 0 {
		t.Errorf("garbage %v", garbage)
	}
	r.same(p)
}

func TestLogsNumbers(t *testing.T) {
	a, b := newMemJournal("a"), newMemJournal("b")
	l := NewLogs()
	l.Name(a, "a")
	l.Name(b, "b")
	c := &Checkpoint{NextFile: 12, Files: []JournalFile{{5, "a", 3}, {9, "a", 7}}}
	if err := l.Restore(c); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		log  *memJournal
		seq  uint64
		want uint32
	}{{a, 3, 5}, {a, 7, 9}, {a, 8, 12}, {b, 1, 13}, {a, 8, 12}, {b, 2, 14}, {a, 7, 9}} {
		if got := l.Number(tt.log, tt.seq); got != tt.want {
			t.Errorf("file %d of %s has number %d, want %d", tt.seq, tt.log.name, got, tt.want)
		}
	}
	read := func(n uint32) error { return l.ReadAt(t.Context(), nil, n, 0) }
	for n, want := range map[uint32]error{4: wal.ErrTrimmed, 5: nil, 6: wal.ErrTrimmed, 14: nil, 15: wal.ErrCorrupt} {
		if err := read(n); !errors.Is(err, want) {
			t.Errorf("read number %d: %v", n, err)
		}
	}
	l.Forget(Mark{File: 14}, []JournalFile{{Number: 9}})
	for n, want := range map[uint32]error{5: wal.ErrTrimmed, 9: nil, 12: wal.ErrTrimmed, 13: wal.ErrTrimmed, 14: nil, 15: wal.ErrCorrupt} {
		if err := read(n); !errors.Is(err, want) {
			t.Errorf("read number %d after forgetting: %v", n, err)
		}
	}
	if n := l.Number(b, 3); n != 15 {
		t.Errorf("the next file has number %d", n)
	}
	if err := NewLogs().Restore(c); !errors.Is(err, wal.ErrCorrupt) || !strings.Contains(err.Error(), "stream a") {
		t.Errorf("a stream that is not there: %v", err)
	}
}

func benchRig(b *testing.B, partitions int) (*checkpointRig, []*viewer) {
	r := &checkpointRig{store: newMemStore(), logs: NewLogs(), journal: newMemJournal("1-5")}
	r.logs.Name(r.journal, r.journal.name)
	r.c = NewCheckpoints(r.store, r.journal.name, r.logs, nil)
	for i := range partitions {
		v := &viewer{name: part(i), s: &PartitionState{}}
		r.parts = append(r.parts, v)
		for _, e := range []wal.Entry{adopt(0, 1), data(0, 1, int64(i), 0, 1), data(1, 1, int64(i), 1, 1), adopt(2, 3), data(2, 3, int64(i), 2, 1)} {
			e.Partition = v.name
			one := r.journal.add(e)
			if err := v.s.Apply(one, r.logs.Number(r.journal, one.At.Seq)); err != nil {
				b.Fatal(err)
			}
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(r.parts), func(i, j int) { r.parts[i], r.parts[j] = r.parts[j], r.parts[i] })
	return r, r.parts
}

func BenchmarkTake10000Partitions(b *testing.B) {
	for _, kind := range []string{"base", "idle delta"} {
		b.Run(kind, func(b *testing.B) {
			r, parts := benchRig(b, 10_000)
			seq := viewers(parts...)
			b.ReportAllocs()
			take := func() {
				p, err := r.c.Take(b.Context(), r.mark(), seq)
				if err != nil {
					b.Fatal(err)
				}
				r.c.Published(p)
			}
			take()
			for b.Loop() {
				r.c.rebase, r.c.chain = kind == "base", r.c.chain[:1]
				take()
				b.ReportMetric(float64(r.c.out.written), "bytes")
			}
		})
	}
}

func BenchmarkLoad10000Partitions(b *testing.B) {
	r, parts := benchRig(b, 10_000)
	p, err := r.c.Take(b.Context(), r.mark(), viewers(parts...))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(b.Context(), r.store, "1-5", p); err != nil {
			b.Fatal(err)
		}
	}
}
