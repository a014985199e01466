package stream

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"weir/storage/segment"
	"weir/storage/wal"
)

func handedOver() (wal.Partition, *PartitionState) {
	p := &PartitionState{
		LogStart: 10, End: 100, Epochs: []EpochStart{{2, 0}, {5, 40}}, Open: []OpenTransaction{{ProducerID: 7, FirstOffset: 90}},
		Aborted: []segment.Aborted{{ProducerID: 8, FirstOffset: 20, LastOffset: 30, LastStable: 31}}, Applied: Mark{3, 4}, Changes: 9,
	}
	p.Producers.add(7, 1, ProducerBatch{LastOffset: 95, LastDelta: 5, LastSeq: 17}, 1_000)
	p.Extents.add(Extent{Base: 0, LastDelta: 99, Len: 10})
	return wal.Partition{Index: 3, Topic: [16]byte{1}}, p
}

func copied(base, last int64) segment.Piece {
	return segment.Piece{Kind: segment.Segment, ID: segment.ID{Incarnation: 5, Number: uint64(base)}, Chunk: segment.Chunk{Base: base, Last: last}}
}

// Whoever takes a state over knows what the former leader knew, and has its data where it copied them to.
func TestStateIsHandedOver(t *testing.T) {
	name, from := handedOver()
	to := &PartitionState{Applied: Mark{8, 8}}
	to.Restart(5)
	for _, pc := range []segment.Piece{copied(5, 8), copied(9, 49), copied(50, 99)} {
		if err := to.CopyIn(pc); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.CopyIn(copied(200, 300)); !errors.Is(err, ErrMoved) {
		t.Errorf("a piece behind a hole: %v", err)
	}
	if err := to.TakeOver(name, from.HandOver(name)); err != nil {
		t.Fatal(err)
	}
	want := *from
	want.Pieces, want.Extents, want.Applied, want.Changes = []segment.Piece{copied(9, 49), copied(50, 99)}, Extents{}, Mark{8, 8}, to.Changes
	if !reflect.DeepEqual(*to, want) {
		t.Errorf("got\n%+v\nwant\n%+v", *to, want)
	}
	if err := to.check(); err != nil {
		t.Error(err)
	}
}

func TestTakeOverNeedsAllData(t *testing.T) {
	name, from := handedOver()
	b := from.HandOver(name)
	for _, pieces := range [][]segment.Piece{{copied(0, 98)}, {copied(0, 100)}, {copied(20, 99)}, nil} {
		to := &PartitionState{}
		for _, pc := range pieces {
			to.Restart(max(pc.Base, to.End))
			if err := to.CopyIn(pc); err != nil {
				t.Fatal(err)
			}
		}
		before := *to
		if err := to.TakeOver(name, b); !errors.Is(err, ErrMoved) {
			t.Errorf("%v: %v", pieces, err)
		}
		if !reflect.DeepEqual(before, *to) {
			t.Error("it was changed")
		}
	}
	if err := (&PartitionState{}).TakeOver(wal.Partition{}, b); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the state of another partition: %v", err)
	}
}

func FuzzTakeOver(f *testing.F) {
	name, from := handedOver()
	f.Add(from.HandOver(name))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		to := &PartitionState{}
		if err := to.CopyIn(copied(0, 99)); err != nil {
			t.Fatal(err)
		}
		if err := to.TakeOver(name, bytes.Clone(b)); err != nil {
			return
		}
		if err := to.check(); err != nil {
			t.Error(err)
		}
	})
}
