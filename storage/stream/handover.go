package stream

import (
	"fmt"
	"slices"

	"weir/storage/segment"
	"weir/storage/wal"
)

// This is how a partition's state goes from one broker's streams to another's. Where its data lie does not go along: the receiver has copies of its own.

// CopyIn appends a piece with data that come from elsewhere: End is where they end then. It is for a partition that has nothing in the journal.
func (p *PartitionState) CopyIn(piece segment.Piece) error {
	if p.Extents.Len() > 0 || piece.Base != p.End {
		return fmt.Errorf("%w: a piece from %d, the log ends at %d", ErrMoved, piece.Base, p.End)
	}
	p.Pieces = append(slices.Clip(p.Pieces), piece)
	p.End = piece.Last + 1
	p.Changes++
	return nil
}

// Restart makes it a log without data that begins at offset, of which nothing is known.
func (p *PartitionState) Restart(offset int64) {
	*p = PartitionState{LogStart: offset, End: offset, Applied: p.Applied, Changes: p.Changes + 1}
}

// IsCopy reports whether it is of a log that was only copied: nobody ever led it here.
func (p *PartitionState) IsCopy() bool { return len(p.Epochs) == 0 && p.Extents.Len() == 0 }

// Untake makes what TakeOver gave it be as it was before: a copy.
func (p *PartitionState) Untake() {
	p.Epochs, p.Producers, p.Open, p.Aborted = nil, Producers{}, nil, nil
	p.Changes++
}

// Trim drops what lies wholly before offset, which is not behind the end.
func (p *PartitionState) Trim(offset int64) {
	if offset <= p.LogStart {
		return
	}
	p.LogStart = min(offset, p.End)
	p.dropBefore(p.LogStart)
	p.forgetAborted(p.LogStart)
	p.Changes++
}

// HandOver is the state but for where the data lie, for TakeOver.
func (p *PartitionState) HandOver(name wal.Partition) []byte {
	bare := *p
	bare.Pieces, bare.Extents, bare.Applied = nil, Extents{}, Mark{}
	var o output
	_ = o.partition(name, &bare, nil)
	o.pieces(nil, 0, nil)
	return o.buf
}

// TakeOver makes p, which has all the data, the state that HandOver made b of. It fails with ErrMoved, and changes nothing, if the data do not reach
// to the end of that, and with ErrCorrupt if b is no state of the partition.
func (p *PartitionState) TakeOver(name wal.Partition, b []byte) error {
	var next PartitionState
	d := decoder{b: b}
	if got, _ := d.state(&next); d.bad || len(d.b) > 0 || got != name {
		return fmt.Errorf("stream: state of partition %x-%d that is handed over: %w", name.Topic, name.Index, ErrCorrupt)
	}
	start := p.LogStart
	if len(p.Pieces) > 0 {
		start = p.Pieces[0].Base
	}
	if p.End != next.End || start > next.LogStart && next.LogStart < next.End {
		return fmt.Errorf("%w: the copy has [%d, %d), the log is [%d, %d)", ErrMoved, start, p.End, next.LogStart, next.End)
	}
	next.Pieces, next.Extents, next.Applied, next.Changes = p.Pieces, p.Extents, p.Applied, p.Changes+1
	next.dropBefore(next.LogStart)
	if err := next.check(); err != nil {
		return fmt.Errorf("stream: state of partition %x-%d that is handed over: %w: %w", name.Topic, name.Index, err, ErrCorrupt)
	}
	*p = next
	return nil
}
