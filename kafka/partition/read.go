package partition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/planted"
	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/cache"
	"weir/storage/wal"
)

// ReadRequest asks for batches from Offset on.
type ReadRequest struct {
	Offset      int64
	MaxBytes    int32
	AtLeastOne  bool                 // return the first batch even if it is larger than MaxBytes (KIP-74)
	Committed   bool                 // read_committed: stop at the last stable offset
	ClientEpoch metadata.LeaderEpoch // -1: not checked

	Files    bool // what lies in files may be returned as ranges of them: see Records.Files
	TailOnly bool // return nothing, and Records.Deferred, rather than read what is not in the tail cache
}

// Aborted is an aborted transaction in the range read.
type Aborted struct{ ProducerID, FirstOffset int64 }

// Records is the result of a Read. Segments are whole batches in offset order; they must not be modified, and Release must be called once they are
// written out. The first batch holds the offset asked for, or is the first behind it where compaction took what it names. A segment that is nil lies
// in a file: it is the next of Files.
type Records struct {
	Segments  [][]byte
	Files     []buffer.Range // only if the request says so; usable until Release
	Bytes     int            // of all
	FileBytes int            // of Files
	Offsets   Offsets
	Aborted   []Aborted // by first offset
	Deferred  bool      // there are batches, but not in the tail cache, which the request is restricted to

	pieces int // that were opened
	held   []releaser
}

type releaser interface{ Release() }

// Release gives back what is behind Segments. The zero Records needs no Release, and a second one does nothing.
func (r *Records) Release() {
	for _, h := range r.held {
		h.Release()
	}
	r.held, r.Segments, r.Files = nil, nil, nil
}

// Bounds of one Read.
const (
	// extentsMax is how many entries of the log are looked at together; what follows is planned anew.
	extentsMax = 4096
	// plansMax is how often one Read looks where data lie without coming any further: it does if they are moved between look and read.
	plansMax = 8
	// piecesMax is how many pieces one answer is made of: those of a partition that gets little are small and many.
	piecesMax = 64
)

// Read returns durable batches only. It returns kerr.OffsetOutOfRange, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, wrapped; after the
// partition was closed, the reason given then; and kerr.KafkaStorageError if the data cannot be read back.
// A read at the high watermark, or for a committed read at the last stable offset, returns no segments and no error.
func (p *Partition) Read(ctx context.Context, r ReadRequest) (Records, error) {
	rd := reading{p: p, r: r, next: r.Offset}
	p.mu.Lock()
	rd.out.Offsets = p.offsetsLocked()
	if err := p.checkReadLocked(&r); err != nil {
		p.mu.Unlock()
		return rd.out, err
	}
	rd.limit = rd.out.Offsets.HighWatermark
	if r.Committed && !planted.Is(planted.ReadPastStable) {
		rd.limit = rd.out.Offsets.LastStable
	}
	if r.Offset >= rd.limit || rd.tailLocked() {
		rd.abortedLocked()
		p.mu.Unlock()
		p.traffic.out.Add(int64(rd.out.Bytes))
		return rd.out, nil
	}
	p.mu.Unlock()
	if r.TailOnly {
		rd.out.Deferred = true
		return rd.out, nil
	}
	return rd.deep(ctx)
}

// deep is the part of a Read that is not about the tail cache only. It works on a copy: what goes that deep lies on the heap.
func (rd reading) deep(ctx context.Context) (Records, error) {
	p, out := rd.p, &rd.out
	if err := rd.below(ctx); err != nil {
		if out.Bytes == 0 {
			out.Release()
			return Records{Offsets: out.Offsets}, fmt.Errorf("partition %v: read at %d: %w", p.key, rd.r.Offset, err)
		}
		// What lies in front is good. The next read begins where this one failed, and has to say so.
	}
	if rd.r.Committed {
		p.mu.Lock()
		rd.abortedLocked()
		p.mu.Unlock()
	}
	p.traffic.out.Add(int64(out.Bytes))
	return *out, nil
}

func (p *Partition) checkReadLocked(r *ReadRequest) error {
	switch {
	case p.closed != nil:
		return fmt.Errorf("partition %v: read: %w", p.key, p.closed)
	case r.ClientEpoch >= 0 && r.ClientEpoch < p.epoch:
		return fmt.Errorf("partition %v: read with leader epoch %d, it is %d: %w", p.key, r.ClientEpoch, p.epoch, kerr.FencedLeaderEpoch)
	case r.ClientEpoch > p.epoch:
		return fmt.Errorf("partition %v: read with leader epoch %d, it is %d: %w", p.key, r.ClientEpoch, p.epoch, kerr.UnknownLeaderEpoch)
	case p.fenced != nil && r.Offset > p.state.End: // the next leader may be there already, and have it
		return fmt.Errorf("partition %v: read at %d: %w", p.key, r.Offset, p.fenced)
	case r.Offset < p.state.LogStart || r.Offset > p.end:
		return fmt.Errorf("partition %v: read at %d, the log is [%d, %d): %w",
			p.key, r.Offset, p.state.LogStart, p.state.End, kerr.OffsetOutOfRange)
	}
	return nil
}

// reading is one Read under way. It walks up the log: pieces, extents of the journal, tail cache.
type reading struct {
	p     *Partition
	r     ReadRequest
	out   Records
	next  int64 // where to go on
	limit int64 // batches from here on are not for this read
}

// room is how much more may be returned. It is negative after a first batch that was larger than asked for.
func (rd *reading) room() int { return int(rd.r.MaxBytes) - rd.out.Bytes }

// below reads what is not in the tail cache. Where the data lie is looked up under the lock, and they are read without it; if they were moved
// meanwhile, and what they were moved from is gone, they are looked up again.
func (rd *reading) below(ctx context.Context) error {
	p := rd.p
	var moved error
	for plans := 0; plans < plansMax; plans++ {
		from := rd.next
		p.mu.Lock()
		switch {
		case p.closed != nil:
			p.mu.Unlock()
			return fmt.Errorf("closed while it was read: %w", p.closed)
		case rd.next < p.state.LogStart:
			p.mu.Unlock()
			return fmt.Errorf("the log start moved to %d: %w", p.state.LogStart, kerr.OffsetOutOfRange)
		case rd.tailLocked():
			p.mu.Unlock()
			return nil
		}
		pieces := p.state.PiecesFrom(rd.next)
		var few [16]planned
		var extents []planned
		if len(pieces) == 0 {
			extents = rd.planLocked(few[:0])
		}
		p.mu.Unlock()

		var full bool
		var err error
		if len(pieces) > 0 {
			full, err = rd.pieces(ctx, pieces)
		} else {
			full, err = rd.log(ctx, extents)
		}
		switch {
		case err != nil && (cache.Gone(err) || errors.Is(err, wal.ErrTrimmed)):
			moved = err
		case err != nil:
			return fmt.Errorf("%w: %w", kerr.KafkaStorageError, err)
		case full || rd.next >= rd.limit || rd.room() <= 0:
			return nil
		}
		if rd.next > from {
			plans = 0
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%w: the data moved %d times: %w", kerr.KafkaStorageError, plansMax, moved)
}

// tailLocked takes the rest from the tail cache, and reports false if rd.next is older than it, or was compacted.
func (rd *reading) tailLocked() bool {
	if rd.next < rd.p.cleaned {
		return false
	}
	es, ok := rd.p.tail.from(rd.next)
	if !ok {
		return false
	}
	out := &rd.out
	if out.Segments == nil {
		n := min(len(es), 16) // most reads are of little
		out.Segments, out.held = make([][]byte, 0, n), make([]releaser, 0, n)
	}
	for i := range es {
		e := &es[i]
		part, full := rd.cut(e.data, e.base, e.last)
		if len(part) > 0 {
			if e.buf != nil {
				e.buf.Retain()
				out.held = append(out.held, e.buf)
			}
			rd.add(part)
		}
		if full {
			break
		}
	}
	return true
}

func (rd *reading) add(data []byte) {
	rd.out.Segments = append(rd.out.Segments, data)
	rd.out.Bytes += len(data)
}

func (rd *reading) addFile(r buffer.Range) {
	out := &rd.out
	out.Segments, out.Files = append(out.Segments, nil), append(out.Files, r)
	out.Bytes += int(r.Len)
	out.FileBytes += int(r.Len)
}

// cut returns the batches in data, which hold the offsets from base to last, that this read is to return, and moves rd.next behind them; full says that no
// more fit behind them, or are for it.
func (rd *reading) cut(data []byte, base, last int64) (part []byte, full bool) {
	room := rd.room()
	if base >= rd.next && last < rd.limit && len(data) <= room { // nearly always
		rd.next = last + 1
		return data, false
	}
	skip, n := 0, 0
	for rest := data; len(rest) > 0 && n <= room; {
		h, one, after, err := batch.Next(rest)
		switch {
		case err != nil, h.BaseOffset >= rd.limit:
			return data[skip : skip+n : skip+n], true
		case h.LastOffset() < rd.next:
			skip += len(one)
		case n+len(one) > room && (n+rd.out.Bytes > 0 || !rd.r.AtLeastOne):
			return data[skip : skip+n : skip+n], true
		default:
			n += len(one)
			rd.next = h.LastOffset() + 1
		}
		rest = after
	}
	if n <= room {
		rd.next = max(rd.next, last+1)
	}
	return data[skip : skip+n : skip+n], n > room
}

// abortedLocked notes the aborted transactions of which records may lie in what was read.
func (rd *reading) abortedLocked() {
	if !rd.r.Committed || rd.out.Bytes == 0 || planted.Is(planted.ForgetAborted) {
		return
	}
	for _, a := range rd.p.state.AbortedIn(rd.r.Offset, rd.next) {
		rd.out.Aborted = append(rd.out.Aborted, Aborted{a.ProducerID, a.FirstOffset})
	}
	slices.SortFunc(rd.out.Aborted, func(a, b Aborted) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
}
