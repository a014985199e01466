package partition

import (
	"context"
	"errors"
	"fmt"

	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/stream"
	"weir/storage/wal"
)

type extent = stream.Extent

// gapBytesMax is how much of other partitions' data in the journal is read along rather than reading twice.
const gapBytesMax = 16 << 10

// sendLeast is the size from which on an entry of the journal is sent from its file: what a system call costs beside copying so much.
const sendLeast = 16 << 10

// planned is an extent to read.
type planned struct {
	extent
	unseen bool // it was read and checked before, and may be sent from the file
}

// planLocked chooses the extents to read next.
func (rd *reading) planLocked(plan []planned) []planned {
	bytes, room := int64(0), int64(rd.room())
	for e := range rd.p.state.Extents.From(rd.next) {
		bytes += int64(e.Len)
		if bytes > room && (len(plan) > 0 || rd.out.Bytes > 0 || !rd.r.AtLeastOne) || len(plan) == extentsMax || e.Base >= rd.limit {
			break
		}
		// Whole ones only: to cut one, its batches have to be looked at.
		unseen := rd.r.Files && e.Len >= sendLeast && e.Base >= rd.next && e.Last() < rd.limit && bytes <= room && rd.p.checked.holds(e.Base, e.Last()+1)
		plan = append(plan, planned{e, unseen})
	}
	return plan
}

// log reads the extents, neighbours together, checks them and adds what is asked for. What was checked before is only pointed at.
func (rd *reading) log(ctx context.Context, extents []planned) (full bool, err error) {
	if len(extents) == 0 {
		return true, nil
	}
	from := rd.next
	defer func() { rd.good(from, rd.next) }()
	var held stream.Held
	var number uint32
	for len(extents) > 0 && !full {
		e := extents[0]
		if e.unseen && (held == nil || e.File != number) {
			if held, err = rd.p.leaders.cfg.Logs.Hold(e.File); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return false, err
			}
			if number = e.File; held != nil {
				rd.out.held = append(rd.out.held, held)
			}
		}
		if e.unseen && held != nil {
			rd.addFile(buffer.Range{File: held, Off: int64(e.Off), Len: int64(e.Len)})
			rd.next = e.Last() + 1
			extents = extents[1:]
			continue
		}
		n := run(extents)
		if full, err = rd.logRun(ctx, extents[:n]); err != nil {
			return false, err
		}
		extents = extents[n:]
	}
	return full, nil
}

// good notes that the data of the journal in [from, to) are what was written. They may not be there any more.
func (rd *reading) good(from, to int64) {
	if from >= to || !rd.r.Files {
		return
	}
	p := rd.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checked.add(from, to, p.state.Flushed())
}

// logRun reads neighbouring extents at once.
func (rd *reading) logRun(ctx context.Context, extents []planned) (full bool, err error) {
	buf, err := rd.p.readRun(ctx, extents[0].extent, extents[len(extents)-1].extent)
	if err != nil {
		return false, err
	}
	rd.out.held = append(rd.out.held, buf)
	base := extents[0].Off
	for _, e := range extents {
		data := buf.Bytes()[e.Off-base:][:e.Len:e.Len]
		if err := check(data, e.extent); err != nil {
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
	return false, nil
}

// run is how many of the extents are read at once: those that follow each other closely in one file.
func run(extents []planned) int {
	n := 1
	for ; n < len(extents); n++ {
		e, prev := extents[n], extents[n-1]
		end := prev.Off + prev.Len
		if e.unseen || e.File != prev.File || e.Off < end || e.Off-end > max(gapBytesMax, prev.Len) {
			break
		}
	}
	return n
}

// readRun reads from the beginning of one extent to the end of another behind it in the same file.
func (p *Partition) readRun(ctx context.Context, first, last extent) (*buffer.Buffer, error) {
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
