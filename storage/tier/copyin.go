package tier

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"weir/storage/segment"
	"weir/storage/stream"
)

// CopyIn writes a segment with data that come from elsewhere, which begin at base, makes it durable and appends it to p's pieces. p has nothing in the
// journal. fill appends whole batches to the writer and says which offset the data end before: there may be no batch right in front of it, if compaction
// removed it. A fill that ends at base has added nothing. The edit is permanent with the next checkpoint. It fails with stream.ErrMoved if p does not end
// at base any more.
func (e *Engine) CopyIn(ctx context.Context, p Partition, base int64, fill func(context.Context, *segment.Writer) (end int64, err error)) (end int64, err error) {
	end = base
	c := chunk{p: p, base: base, last: math.MaxInt64 - 1}
	c.fill = func(ctx context.Context, w *segment.Writer) (err error) {
		if end, err = fill(ctx, w); err != nil {
			return err
		}
		if end <= base {
			return errGone
		}
		w.Note(0, 0, max(time.Now().UnixMilli(), 1))
		return w.Cover(end - 1)
	}
	lost := fmt.Errorf("%w: the partition is gone", stream.ErrMoved)
	c.commit = func(s *stream.PartitionState, piece segment.Piece) error {
		lost = s.CopyIn(piece)
		return lost
	}
	err = e.tryBuild(ctx, segment.Segment, []chunk{c})
	switch {
	case err != nil && end <= base && errors.Is(err, errGone):
		return base, nil // nothing to add
	case err == nil:
		err = lost
	}
	if err != nil {
		return base, fmt.Errorf("tier: copy in from offset %d: %w", base, err)
	}
	return end, nil
}
