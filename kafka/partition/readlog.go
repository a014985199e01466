package partition

import (
	"context"
	"fmt"

	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/stream"
	"weir/storage/wal"
)

type extent = stream.Extent

// gapBytesMax is how much of other partitions' data in the journal is read along rather than reading twice.
const gapBytesMax = 16 << 10

// planLocked chooses the extents to read next.
func (rd *reading) planLocked(plan []extent) []extent {
	bytes, room := int64(0), int64(rd.room())
	for e := range rd.p.state.Extents.From(rd.next) {
		bytes += int64(e.Len)
		if bytes > room && (len(plan) > 0 || rd.out.Bytes > 0 || !rd.r.AtLeastOne) || len(plan) == extentsMax || e.Base >= rd.limit {
			break
		}
		plan = append(plan, e)
	}
	return plan
}

// log reads the extents, neighbours together, checks them and adds what is asked for.
func (rd *reading) log(ctx context.Context, extents []extent) (full bool, err error) {
	if len(extents) == 0 {
		return true, nil
	}
	for len(extents) > 0 {
		n := run(extents)
		buf, err := rd.p.readRun(ctx, extents[:n])
		if err != nil {
			return false, err
		}
		rd.out.held = append(rd.out.held, buf)
		base := extents[0].Off
		for _, e := range extents[:n] {
			data := buf.Bytes()[e.Off-base:][:e.Len:e.Len]
			if err := check(data, e); err != nil {
				return false, err
			}
			part, full := rd.cut(data, e.Base, e.Last())
			if len(part) > 0 {
				rd.add(part)
			}
			if full {
				return true, nil
			}
		}
		extents = extents[n:]
	}
	return false, nil
}

// run is how many of the extents are read at once: those that follow each other closely in one file.
func run(extents []extent) int {
	n := 1
	for ; n < len(extents); n++ {
		e, prev := extents[n], extents[n-1]
		end := prev.Off + prev.Len
		if e.File != prev.File || e.Off < end || e.Off-end > max(gapBytesMax, prev.Len) {
			break
		}
	}
	return n
}

func (p *Partition) readRun(ctx context.Context, extents []extent) (*buffer.Buffer, error) {
	first, last := extents[0], extents[len(extents)-1]
	buf := p.leaders.cfg.Pool.Get(int(last.Off - first.Off + last.Len))
	if err := p.leaders.cfg.Logs.ReadAt(ctx, buf.Bytes(), first.File, first.Off); err != nil {
		buf.Release()
		return nil, err
	}
	return buf, nil
}

// check compares what was read back with what was written: invariant L5.
func check(data []byte, e extent) error {
	next := e.Base
	for rest := data; len(rest) > 0; {
		h, one, after, err := batch.Next(rest)
		if err != nil {
			return fmt.Errorf("%w: %w", wal.ErrCorrupt, err)
		}
		if h.BaseOffset != next {
			return fmt.Errorf("%w: batch at offset %d where %d should be", wal.ErrCorrupt, h.BaseOffset, next)
		}
		if err := batch.CheckCRC(one); err != nil {
			return fmt.Errorf("%w: %w", wal.ErrCorrupt, err)
		}
		next = h.LastOffset() + 1
		rest = after
	}
	if next != e.Last()+1 {
		return fmt.Errorf("%w: batches end at offset %d, should at %d", wal.ErrCorrupt, next-1, e.Last())
	}
	return nil
}
