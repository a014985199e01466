package stream

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"weir/storage/batch"
	"weir/storage/wal"
)

func data(base int64, epoch int32, pid int64, seq int32, counts ...int) wal.Entry {
	var payload []byte
	end := base
	for _, n := range counts {
		b := batch.NewBuilder()
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = pid, 0, seq
		for i := range n {
			b.Add(1000+end+int64(i), nil, nil)
		}
		one := b.Batch()
		end = batch.SetOffsets(one, end, epoch)
		payload = append(payload, one...)
		seq = AdvanceSequence(seq, int32(n))
	}
	return wal.Entry{
		Type: wal.Data, LeaderEpoch: epoch, BaseOffset: base, LastDelta: uint32(end - base - 1), Batches: uint32(len(counts)), Payload: payload,
	}
}

func adopt(base int64, epoch int32) wal.Entry {
	return wal.Entry{Type: wal.Adopt, LeaderEpoch: epoch, BaseOffset: base}
}

func TestApply(t *testing.T) {
	var p PartitionState
	for i, e := range []wal.Entry{adopt(0, 2), data(0, 2, 7, 0, 3, 2), adopt(5, 4), adopt(5, 6), data(5, 6, 7, 5, 1)} {
		if err := p.Apply(&e, uint32(i)); err != nil {
			t.Fatal(err)
		}
	}
	if p.End != 6 || p.LogStart != 0 || p.Epoch() != 6 {
		t.Errorf("%+v", p)
	}
	if diff := cmp.Diff([]EpochStart{{2, 0}, {6, 5}}, p.Epochs); diff != "" { // 4 has no records
		t.Error(diff)
	}
	if pr := p.Producers.Get(7); pr == nil || pr.LastSeq() != 5 {
		t.Errorf("producer %+v", pr)
	} else if b, ok := pr.Find(3, 4); !ok || b.BaseOffset() != 3 || b.LastOffset != 4 {
		t.Errorf("its second batch: %+v %v", b, ok)
	}
	if p.Extents.Len() != 2 {
		t.Errorf("%d extents", p.Extents.Len())
	}
	e := wal.Entry{Type: wal.LogStart, BaseOffset: 5, LeaderEpoch: 6}
	if err := p.Apply(&e, 0); err != nil || p.LogStart != 5 || p.Extents.Len() != 1 {
		t.Errorf("log start: %v, %+v", err, p)
	}
}

// I5, L2, L6: what does not continue the state is refused.
func TestApplyRefuses(t *testing.T) {
	wrongEnd := data(3, 2, -1, -1, 2)
	wrongEnd.LastDelta = 5
	cut := data(3, 2, -1, -1, 2)
	cut.Payload = cut.Payload[:len(cut.Payload)-1]
	other := data(3, 2, -1, -1, 2)
	binary.BigEndian.PutUint64(other.Payload, 4)
	tests := map[string]wal.Entry{
		"gap":                     data(4, 2, -1, -1, 1),
		"overlap":                 data(2, 2, -1, -1, 1),
		"older epoch":             data(3, 1, -1, -1, 1),
		"epoch without ADOPT":     data(3, 3, -1, -1, 1),
		"ADOPT elsewhere":         adopt(4, 3),
		"ADOPT of an older epoch": adopt(3, 1),
		"another end":             wrongEnd,
		"cut payload":             cut,
		"batch elsewhere":         other,
		"log start behind":        {Type: wal.LogStart, BaseOffset: 4},
		"unknown type":            {Type: 99},
	}
	for name, e := range tests {
		var p PartitionState
		for _, e := range []wal.Entry{adopt(0, 2), data(0, 2, -1, -1, 3)} {
			if err := p.Apply(&e, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Apply(&e, 0); !errors.Is(err, wal.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := State{}
	e := adopt(9, 1)
	if err := s.Apply(&e, 0); !errors.Is(err, wal.ErrCorrupt) {
		t.Errorf("an unknown partition with records elsewhere: %v", err)
	}
}

func TestEpochEnds(t *testing.T) {
	p := PartitionState{End: 30, Epochs: []EpochStart{{2, 0}, {5, 10}, {6, 20}}}
	type answer struct {
		epoch int32
		end   int64
	}
	for ask, want := range map[int32]answer{1: {-1, -1}, 2: {2, 10}, 3: {2, 10}, 5: {5, 20}, 6: {6, 30}, 9: {6, 30}} {
		if epoch, end := p.EpochEnd(ask); epoch != want.epoch || end != want.end {
			t.Errorf("EpochEnd(%d) = %d, %d", ask, epoch, end)
		}
	}
	for offset, want := range map[int64]int32{0: 2, 9: 2, 10: 5, 19: 5, 25: 6, -1: -1} {
		if got := p.EpochAt(offset); got != want {
			t.Errorf("EpochAt(%d) = %d", offset, got)
		}
	}
}

func TestSilentProducersAreForgotten(t *testing.T) {
	var ps Producers
	for id := range int64(1000) {
		ps.add(id, 0, ProducerBatch{}, id)
	}
	if ps.Len() != 1000 {
		t.Fatalf("%d producers", ps.Len())
	}
	late := int64(producerExpiryMs + 900)
	for id := int64(2000); id < 4000; id++ {
		ps.add(id, 0, ProducerBatch{}, late)
	}
	if ps.Get(0) != nil || ps.Get(899) != nil || ps.Get(900) == nil || ps.Get(2000) == nil {
		t.Errorf("%d producers are left", ps.Len())
	}
}

func TestSequencesWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		firstSeq := rapid.Int32Range(0, math.MaxInt32).Draw(t, "first")
		delta := rapid.Int32Range(0, math.MaxInt32).Draw(t, "delta")
		b := ProducerBatch{LastSeq: AdvanceSequence(firstSeq, delta), LastDelta: delta}
		if b.LastSeq < 0 || b.FirstSeq() != firstSeq {
			t.Fatalf("%+v begins at %d, want %d", b, b.FirstSeq(), firstSeq)
		}
	})
	if AdvanceSequence(math.MaxInt32, 1) != 0 {
		t.Error("sequences do not wrap to 0")
	}
}

// Extents against a plain slice.
func TestExtents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		n := rapid.IntRange(0, 3*extentsPerBlock).Draw(t, "extents")
		var x Extents
		var model []Extent
		base := int64(0)
		for i := range n {
			e := Extent{
				Base: base, LastDelta: uint32(rng.IntN(5)), MaxTimestamp: int64(rng.IntN(1000)) - 1,
				File: uint32(i / 50), Off: rng.Uint32(), Len: rng.Uint32(),
			}
			base = e.Last() + 1
			x.add(e)
			model = append(model, e)
		}
		if rng.IntN(2) == 0 && base > 0 {
			cut := rng.Int64N(base + 1)
			x.trimBefore(cut)
			for len(model) > 0 && model[0].Last() < cut {
				model = model[1:]
			}
		}
		if x.Len() != len(model) {
			t.Fatalf("%d extents, want %d", x.Len(), len(model))
		}
		for range 20 {
			at, ts := rng.Int64N(base+2), rng.Int64N(1100)
			var got, want []Extent
			for e := range x.From(at) {
				if got = append(got, e); len(got) == 5 {
					break
				}
			}
			for _, e := range model {
				if e.Last() >= at && len(want) < 5 {
					want = append(want, e)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("from %d: %s", at, diff)
			}
			since, ok := x.Since(ts)
			var wantSince Extent
			wantOK := false
			for _, e := range model {
				if e.MaxTimestamp >= ts {
					wantSince, wantOK = e, true
					break
				}
			}
			if ok != wantOK || since != wantSince {
				t.Fatalf("since %d: %+v %v, want %+v %v", ts, since, ok, wantSince, wantOK)
			}
		}
		newest, ok := x.Newest()
		if ok != (len(model) > 0) {
			t.Fatal("newest of nothing")
		}
		for _, e := range model {
			if e.MaxTimestamp > newest.MaxTimestamp || e.MaxTimestamp == newest.MaxTimestamp && e.Base < newest.Base {
				t.Fatalf("newest is %+v, there is %+v", newest, e)
			}
		}
	})
}

// A partition that takes small appends for hours keeps little for each.
func TestExtentsAreSmall(t *testing.T) {
	var x Extents
	off := uint32(4096)
	const n = 100 * extentsPerBlock
	for i := range int64(n) {
		if off > 100<<20 {
			off = 4096
		}
		x.add(Extent{Base: i, MaxTimestamp: 1_700_000_000_000 + i, File: uint32(i / 10_000), Off: off, Len: 1100})
		off += 1100 + 4096
	}
	size := 0
	for i := range x.blocks {
		size += len(x.blocks[i].packed) + cap(x.blocks[i].plain)*32
	}
	if size > 12*n {
		t.Errorf("%d extents take %d bytes", n, size)
	}
}

func BenchmarkExtentsFrom(b *testing.B) {
	var x Extents
	for i := range int64(1 << 20) {
		x.add(Extent{Base: i, MaxTimestamp: i, Off: uint32(i * 1200), Len: 1100})
	}
	at := int64(0)
	for b.Loop() {
		for e := range x.From(at) {
			at = (e.Base + 7919) % (1 << 20)
			break
		}
	}
}

// Whatever an entry holds, Apply answers; what it takes continues the offsets.
func FuzzApply(f *testing.F) {
	good := data(0, 0, 7, 0, 3, 2)
	f.Add(good.Payload, int64(0), int64(4))
	f.Add([]byte{}, int64(0), int64(0))
	f.Add(good.Payload[:70], int64(0), int64(2))
	f.Fuzz(func(t *testing.T, payload []byte, base, lastDelta int64) {
		var p PartitionState
		a := adopt(0, 0)
		if err := p.Apply(&a, 0); err != nil {
			t.Fatal(err)
		}
		e := wal.Entry{Type: wal.Data, BaseOffset: base, LastDelta: uint32(lastDelta), Payload: payload}
		if err := p.Apply(&e, 0); err != nil {
			if !errors.Is(err, wal.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if p.End != base+int64(uint32(lastDelta))+1 || p.End <= base || p.Extents.Len() != 1 {
			t.Fatalf("%+v after %d bytes at %d", p, len(payload), base)
		}
	})
}
