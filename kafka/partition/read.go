package partition

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/stream"
	"weir/storage/wal"
)

// ReadRequest asks for batches from Offset on.
type ReadRequest struct {
	Offset      int64
	MaxBytes    int32
	AtLeastOne  bool                 // return the first batch even if it is larger than MaxBytes (KIP-74)
	Committed   bool                 // read_committed: stop at the last stable offset
	ClientEpoch metadata.LeaderEpoch // -1: not checked
}

// Aborted is an aborted transaction in the range read.
type Aborted struct{ ProducerID, FirstOffset int64 }

// Records is the result of a Read. Segments are whole batches in offset order, the first of which holds the offset asked for; they must not be
// modified, and Release must be called once they are written out.
type Records struct {
	Segments [][]byte
	Bytes    int
	Offsets  Offsets
	Aborted  []Aborted
	held     []*buffer.Buffer
}

// Release gives the buffers behind Segments back. The zero Records needs no Release, and a second one does nothing.
func (r *Records) Release() {
	for _, b := range r.held {
		b.Release()
	}
	r.held, r.Segments = nil, nil
}

// Bounds of one read from the log.
const (
	// gapBytesMax is how much of other partitions' data is read along rather than reading twice.
	gapBytesMax = 16 << 10
	// extentsMax is how many entries one Read returns at most; the next Read goes on.
	extentsMax = 4096
)

// Read returns durable batches only. It returns kerr.OffsetOutOfRange, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, wrapped; after the
// partition was closed, the reason given then; and kerr.KafkaStorageError if the log cannot be read back.
// A read at the high watermark returns no segments and no error.
func (p *Partition) Read(ctx context.Context, r ReadRequest) (Records, error) {
	var plan [16]stream.Extent
	p.mu.Lock()
	out := Records{Offsets: p.offsetsLocked()}
	if err := p.checkReadLocked(&r); err != nil {
		p.mu.Unlock()
		return out, err
	}
	if r.Offset >= p.state.End {
		p.mu.Unlock()
		return out, nil
	}
	if es, ok := p.tail.from(r.Offset); ok {
		out.fill(es, &r)
		p.mu.Unlock()
		return out, nil
	}
	extents := p.planLocked(plan[:0], &r)
	p.mu.Unlock()
	if err := p.readLog(ctx, &out, extents, &r); err != nil {
		out.Release()
		return Records{Offsets: out.Offsets}, fmt.Errorf("partition %v: read at %d: %w: %w", p.key, r.Offset, kerr.KafkaStorageError, err)
	}
	return out, nil
}

func (p *Partition) checkReadLocked(r *ReadRequest) error {
	switch {
	case p.closed != nil:
		return fmt.Errorf("partition %v: read: %w", p.key, p.closed)
	case r.ClientEpoch >= 0 && r.ClientEpoch < p.epoch:
		return fmt.Errorf("partition %v: read with leader epoch %d, it is %d: %w", p.key, r.ClientEpoch, p.epoch, kerr.FencedLeaderEpoch)
	case r.ClientEpoch > p.epoch:
		return fmt.Errorf("partition %v: read with leader epoch %d, it is %d: %w", p.key, r.ClientEpoch, p.epoch, kerr.UnknownLeaderEpoch)
	case r.Offset < p.state.LogStart || r.Offset > p.end:
		return fmt.Errorf("partition %v: read at %d, the log is [%d, %d): %w",
			p.key, r.Offset, p.state.LogStart, p.state.End, kerr.OffsetOutOfRange)
	}
	return nil
}

// fill takes what r asks for from cached entries.
func (out *Records) fill(es []tailEntry, r *ReadRequest) {
	n := min(len(es), 16) // most reads are of little
	out.Segments, out.held = make([][]byte, 0, n), make([]*buffer.Buffer, 0, n)
	for i := range es {
		e := &es[i]
		data := e.data
		if i == 0 {
			data = from(data, r.Offset)
		}
		part := out.fit(data, r)
		if len(part) == 0 {
			return
		}
		if e.buf != nil {
			e.buf.Retain()
			out.held = append(out.held, e.buf)
		}
		out.Segments = append(out.Segments, part)
		out.Bytes += len(part)
		if len(part) < len(data) {
			return
		}
	}
}

// fit returns the whole batches at the start of data that still fit into the answer.
func (out *Records) fit(data []byte, r *ReadRequest) []byte {
	room := int(r.MaxBytes) - out.Bytes
	if len(data) <= room {
		return data
	}
	n := 0
	for rest := data; len(rest) > 0; {
		h, one, after, err := batch.Next(rest)
		if err != nil || n+h.Size() > room && (n+out.Bytes > 0 || !r.AtLeastOne) {
			break
		}
		n += len(one)
		rest = after
	}
	return data[:n]
}

// from drops the batches before the one that holds offset.
func from(data []byte, offset int64) []byte {
	for len(data) > 0 {
		h, _, rest, err := batch.Next(data)
		if err != nil || h.LastOffset() >= offset {
			break
		}
		data = rest
	}
	return data
}

// planLocked chooses the extents to read for r.
func (p *Partition) planLocked(plan []stream.Extent, r *ReadRequest) []stream.Extent {
	bytes := int64(0)
	for e := range p.state.Extents.From(r.Offset) {
		bytes += int64(e.Len)
		if bytes > int64(r.MaxBytes) && (len(plan) > 0 || !r.AtLeastOne) || len(plan) == extentsMax {
			break
		}
		plan = append(plan, e)
	}
	return plan
}

// readLog reads the extents, neighbours together, checks them and adds what r asks for to out.
func (p *Partition) readLog(ctx context.Context, out *Records, extents []stream.Extent, r *ReadRequest) error {
	for len(extents) > 0 {
		n := run(extents)
		buf, err := p.readRun(ctx, extents[:n])
		if err != nil {
			return err
		}
		out.held = append(out.held, buf)
		base := extents[0].Off
		for _, e := range extents[:n] {
			data := buf.Bytes()[e.Off-base:][:e.Len:e.Len]
			if err := check(data, e); err != nil {
				return err
			}
			if e.Base < r.Offset {
				data = from(data, r.Offset)
			}
			if data = out.fit(data, r); len(data) == 0 {
				return nil
			}
			out.Segments = append(out.Segments, data)
			out.Bytes += len(data)
		}
		extents = extents[n:]
	}
	return nil
}

// run is how many of the extents are read at once: those that follow each other closely in one file.
func run(extents []stream.Extent) int {
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

func (p *Partition) readRun(ctx context.Context, extents []stream.Extent) (*buffer.Buffer, error) {
	first, last := extents[0], extents[len(extents)-1]
	buf := p.leaders.cfg.Pool.Get(int(last.Off - first.Off + last.Len))
	if err := p.leaders.cfg.Logs.ReadAt(ctx, buf.Bytes(), first.File, first.Off); err != nil {
		buf.Release()
		return nil, err
	}
	return buf, nil
}

// check compares what was read back with what was written: invariant L5.
func check(data []byte, e stream.Extent) error {
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
