package stream

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"weir/storage/segment"
)

// ErrMoved means that what was to be replaced is not there any more: retention, or another edit, was faster. Nothing was changed.
var ErrMoved = errors.New("stream: the data to be replaced have moved")

// Flushed is the first offset whose data lie in the journal: where the pieces end.
func (p *PartitionState) Flushed() int64 {
	if n := len(p.Pieces); n > 0 {
		return p.Pieces[n-1].Last + 1
	}
	for e := range p.Extents.From(p.LogStart) {
		return min(e.Base, p.End)
	}
	return p.End
}

// Sink puts pieces, which must continue the present ones without a hole, in the place of the extents that they cover. Their last offset must be
// the last one of an extent.
func (p *PartitionState) Sink(pieces []segment.Piece) error {
	if len(pieces) == 0 {
		return nil
	}
	last := pieces[len(pieces)-1].Last
	if last < p.LogStart || last >= p.End {
		return fmt.Errorf("%w: pieces up to %d, the log is [%d, %d)", ErrMoved, last, p.LogStart, p.End)
	}
	next := p.Flushed()
	for i := range pieces {
		if pieces[i].Last < p.LogStart {
			continue // retention was faster with these
		}
		if pieces[i].Base > next || len(p.Pieces) > 0 && pieces[i].Base != next {
			return fmt.Errorf("%w: piece from %d, the journal begins at %d", ErrMoved, pieces[i].Base, next)
		}
		next = pieces[i].Last + 1
	}
	for i := range pieces {
		if pieces[i].Last >= p.LogStart {
			p.Pieces = append(p.Pieces, pieces[i])
		}
	}
	p.Extents.trimBefore(last + 1)
	p.Changes++
	return nil
}

// Replace puts pieces in the place of the run of present pieces that equals old; together they must cover the same offsets. No pieces at all drop
// the run, which must be the first.
func (p *PartitionState) Replace(old, pieces []segment.Piece) error {
	if len(old) == 0 {
		return nil
	}
	i := p.pieceAt(old[0].Base)
	if i+len(old) > len(p.Pieces) {
		return fmt.Errorf("%w: pieces from %d on", ErrMoved, old[0].Base)
	}
	for j := range old {
		if have := &p.Pieces[i+j]; have.ID != old[j].ID || have.Base != old[j].Base || have.Last != old[j].Last {
			return fmt.Errorf("%w: piece [%d, %d]", ErrMoved, old[j].Base, old[j].Last)
		}
	}
	next := old[0].Base
	for j := range pieces {
		if pieces[j].Base != next || pieces[j].Last < pieces[j].Base {
			return fmt.Errorf("stream: replace pieces: [%d, %d] where %d should follow", pieces[j].Base, pieces[j].Last, next)
		}
		next = pieces[j].Last + 1
	}
	switch end := old[len(old)-1].Last + 1; {
	case len(pieces) == 0 && i > 0:
		return fmt.Errorf("stream: replace pieces: dropping [%d, %d) would leave a hole", old[0].Base, end)
	case len(pieces) > 0 && next != end:
		return fmt.Errorf("stream: replace pieces: they end at %d, not %d", next, end)
	}
	p.Pieces = slices.Replace(slices.Clone(p.Pieces), i, i+len(old), pieces...) // readers may hold the old slice
	p.Changes++
	return nil
}

// pieceAt returns the place of the piece that covers offset, or is the first behind it.
func (p *PartitionState) pieceAt(offset int64) int {
	return sort.Search(len(p.Pieces), func(i int) bool { return p.Pieces[i].Last >= offset })
}

// PiecesFrom returns the pieces from the one that covers offset on. The slice is not modified any more and may be kept.
func (p *PartitionState) PiecesFrom(offset int64) []segment.Piece {
	return p.Pieces[p.pieceAt(offset):len(p.Pieces):len(p.Pieces)]
}

// dropBefore drops the pieces and extents that lie wholly before offset.
func (p *PartitionState) dropBefore(offset int64) {
	p.Pieces = p.Pieces[p.pieceAt(offset):]
	if len(p.Pieces) == 0 {
		p.Pieces = nil
	}
	p.Extents.trimBefore(offset)
}
