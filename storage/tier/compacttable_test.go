package tier_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"weir/storage/batch"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// table is what a compacted partition must say.
type table struct {
	m       *model
	last    map[string]cell // by key
	history map[int64]cell  // by offset
	seqs    map[int64]int32 // last sequence number of each producer
	end     int64           // one past what was acknowledged
	sent    int
}

// cell is a record. An empty value is a tombstone.
type cell struct {
	key, value string
	offset     int64
	at         time.Time
}

func newTable(w *world, policy tier.Policy) *table {
	return &table{m: w.topic(policy), last: map[string]cell{}, history: map[int64]cell{}, seqs: map[int64]int32{}}
}

func compacted() tier.Policy {
	p := keepAll()
	p.Compact, p.MinCleanableRatio, p.DeleteRetention, p.MaxBatchBytes = true, 0.5, time.Hour, 1<<20
	p.MaxCompactionLag = unlimited
	p.SegmentBytes = 1 << 30
	return p
}

func (tb *table) part(l *life) *part {
	for _, p := range l.parts {
		if p.m == tb.m {
			return p
		}
	}
	panic("no such partition")
}

// put appends one batch of keys with values; empty values are tombstones. A producer of -1 is none.
func (tb *table) put(l *life, producer int64, codec batch.Codec, pairs ...string) error {
	p := tb.part(l)
	if err := p.adopt(); err != nil {
		return err
	}
	b := batch.NewBuilder()
	b.ProducerID = producer
	if producer >= 0 {
		b.ProducerEpoch, b.BaseSequence = 0, 0
		if last, ok := tb.seqs[producer]; ok {
			b.BaseSequence = stream.AdvanceSequence(last, 1)
		}
	}
	cells := map[string]cell{}
	for i := 0; i < len(pairs); i += 2 {
		var value []byte
		if pairs[i+1] != "" {
			value = []byte(pairs[i+1])
		}
		b.Add(l.w.now.UnixMilli(), []byte(pairs[i]), value)
	}
	raw := encodeAs(b.Batch(), codec)
	h, err := batch.Parse(raw)
	if err != nil {
		return err
	}
	base := p.end
	batch.SetOffsets(raw, base, p.l.epoch)
	for i := 0; i < len(pairs); i += 2 {
		cells[pairs[i]] = cell{pairs[i], pairs[i+1], base + int64(i/2), l.w.now}
	}
	if err := p.write(wal.Entry{Type: wal.Data, BaseOffset: base, LastDelta: uint32(h.LastOffsetDelta), Batches: 1, Payload: raw}); err != nil {
		return err
	}
	for i := 0; i < len(pairs); i += 2 {
		tb.history[base+int64(i/2)] = cell{pairs[i], pairs[i+1], base + int64(i/2), l.w.now}
	}
	maps.Copy(tb.last, cells)
	tb.end = base + int64(h.LastOffsetDelta) + 1
	if producer >= 0 {
		tb.seqs[producer] = h.LastSequence()
	}
	return nil
}

func encodeAs(plain []byte, codec batch.Codec) []byte {
	h, err := batch.Parse(plain)
	if err != nil {
		panic(err)
	}
	var rs []batch.Record
	for r, err := range batch.NewDecoder(1 << 24).Records(plain) {
		if err != nil {
			panic(err)
		}
		rs = append(rs, r)
	}
	h.Attributes |= int16(codec)
	var e batch.Encoder
	out, err := e.Encode(nil, &h, rs)
	if err != nil {
		panic(err)
	}
	return out
}

// batches returns the partition's batches, wherever they lie, from the log start on.
func (tb *table) batches(l *life) (out [][]byte, pieces []segment.Piece) {
	t := l.w.t
	t.Helper()
	var xs []stream.Extent
	tb.part(l).View(func(s *stream.PartitionState) {
		pieces = slices.Clone(s.PiecesFrom(s.LogStart))
		for x := range s.Extents.From(s.LogStart) {
			xs = append(xs, x)
		}
	})
	split := func(b []byte) {
		for len(b) > 0 {
			_, one, rest, err := batch.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, bytes.Clone(one))
			b = rest
		}
	}
	for i := range pieces {
		obj, err := l.store.Open(context.Background(), pieces[i].Key())
		if err != nil {
			t.Fatal(err)
		}
		if errs := segment.Verify(obj, obj.Size()); len(errs) > 0 {
			t.Fatal(errs)
		}
		for run, err := range segment.Runs(obj, &pieces[i].Chunk) {
			if err != nil {
				t.Fatal(err)
			}
			split(run)
		}
		_ = obj.Close()
	}
	for _, x := range xs {
		b := make([]byte, x.Len)
		if err := l.logs.ReadAt(context.Background(), b, x.File, x.Off); err != nil {
			t.Fatal(err)
		}
		split(b)
	}
	return out, pieces
}

// check reads the partition from its start and compares what a consumer makes of it with the table.
func (tb *table) check(l *life) {
	t := l.w.t
	t.Helper()
	bs, pieces := tb.batches(l)
	got := map[string]string{}
	seqs := map[int64]int32{}
	next := int64(0)
	var start int64
	tb.part(l).View(func(s *stream.PartitionState) { start = s.LogStart })
	cleaned := map[string]int64{}
	cleanTo := int64(0)
	for i := range pieces {
		if pieces[i].Flags&segment.Compacted == 0 {
			break
		}
		cleanTo = pieces[i].Last + 1
	}
	d := batch.NewDecoder(1 << 24)
	for _, b := range bs {
		h, err := batch.Parse(b)
		if err != nil || h.BaseOffset < next {
			t.Fatalf("batch at %d behind %d: %v", h.BaseOffset, next, err)
		}
		next = h.LastOffset() + 1
		if h.ProducerID >= 0 {
			seqs[h.ProducerID] = h.LastSequence()
		}
		for r, err := range d.Records(b) {
			if err != nil {
				t.Fatal(err)
			}
			want, ok := tb.history[r.Offset]
			if !ok && r.Offset >= tb.end {
				want = cell{string(r.Key), string(r.Value), r.Offset, l.w.now} // durable without an answer
				tb.history[r.Offset], tb.last[want.key] = want, want
				tb.end = r.Offset + 1
				if h.ProducerID >= 0 {
					tb.seqs[h.ProducerID] = h.LastSequence()
				}
			} else if !ok || want.key != string(r.Key) || want.value != string(r.Value) || want.at.UnixMilli() != r.Timestamp {
				t.Fatalf("record %d is %q=%q of %d, was %+v", r.Offset, r.Key, r.Value, r.Timestamp, want)
			}
			if want.value == "" {
				delete(got, want.key)
			} else {
				got[want.key] = want.value
			}
			if before, twice := cleaned[want.key]; twice && r.Offset < cleanTo {
				t.Fatalf("key %q is at %d and %d, below the end of what was cleaned, %d", want.key, before, r.Offset, cleanTo)
			}
			cleaned[want.key] = r.Offset
		}
	}
	if next != tb.end && start < tb.end {
		t.Fatalf("the log ends at %d, want %d", next, tb.end)
	}
	want := map[string]string{}
	for k, c := range tb.last {
		if c.value != "" && c.offset >= start {
			want[k] = c.value
		}
		if offset, there := cleaned[k]; c.offset >= start && (c.value != "" || l.w.now.Sub(c.at) < tb.m.policy.DeleteRetention) && (!there || offset != c.offset) {
			t.Fatalf("the last record of %q, %+v, is not there: %d, %v", k, c, offset, there)
		}
	}
	if !maps.Equal(got, want) {
		t.Fatalf("a consumer has %d keys, want %d", len(got), len(want))
	}
	for id, seq := range tb.seqs {
		if s, ok := seqs[id]; (!ok || s != seq) && start == 0 {
			t.Fatalf("the last batch of producer %d says sequence %d, %v, want %d", id, s, ok, seq)
		}
	}
}
