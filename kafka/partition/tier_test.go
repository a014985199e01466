package partition

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/segment"
	"weir/storage/stream"
)

func TestViewAndEditEndWithTheData(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 3, nil)
	r.mustAppend(p, records(5, 1, "v"))

	var before uint64
	if !p.View(func(s *stream.PartitionState) { before = s.Changes }) {
		t.Fatal("a partition that is led cannot be viewed")
	}
	piece := segment.Piece{Kind: segment.Bundle, ID: segment.ID{Incarnation: 1, Number: 1}, Chunk: segment.Chunk{Partition: p.Name(), Base: 0, Last: 4}}
	if err := p.Edit(func(s *stream.PartitionState) error { return s.Sink([]segment.Piece{piece}) }); err != nil {
		t.Fatal(err)
	}
	p.View(func(s *stream.PartitionState) {
		if s.Changes == before || len(s.Pieces) != 1 || s.Flushed() != 5 {
			t.Errorf("after the edit: %d changes before, %d now, %d pieces, flushed to %d", before, s.Changes, len(s.Pieces), s.Flushed())
		}
		before = s.Changes
	})
	if err := p.Edit(func(s *stream.PartitionState) error { return s.Sink([]segment.Piece{piece}) }); !errors.Is(err, stream.ErrMoved) {
		t.Errorf("sinking the same data again: %v", err)
	}
	p.View(func(s *stream.PartitionState) {
		if s.Changes != before {
			t.Error("a refused edit was counted as a change")
		}
	})

	r.leaders.Close(key(0), kerr.NotLeaderForPartition, false) // data of a partition that others lead are kept
	if !p.View(func(s *stream.PartitionState) { before = s.Changes }) {
		t.Error("a partition that is kept cannot be viewed")
	}
	if err := p.Edit(func(*stream.PartitionState) error { return nil }); err != nil {
		t.Errorf("edit a partition that is kept: %v", err)
	}

	p = r.open(key(1), 3, nil)
	r.leaders.Close(key(1), kerr.NotLeaderForPartition, true)
	if p.View(func(*stream.PartitionState) { t.Error("viewed after the end") }) {
		t.Error("a closed partition says that it was viewed")
	}
	err := p.Edit(func(*stream.PartitionState) error { t.Error("edited after the end"); return nil })
	if !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("edit after the end: %v", err)
	}
}

// A fetch session that was told of a log start hears of the next one.
func TestWatchersHearOfTheLogStart(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(5, 1, "v"))
	r.settle()
	moved := make(chan int64, 8)
	defer p.OnAdvance(func() { moved <- p.Offsets().LogStart })()
	if err := p.SetLogStart(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if at := <-moved; at != 3 {
		t.Errorf("woken with the log start at %d", at)
	}
}
