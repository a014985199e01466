package partition

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/cache"
	"weir/storage/segment"
	"weir/storage/wal"
)

// TimestampOffset is an offset found by timestamp.
type TimestampOffset struct {
	Offset, TimestampMs int64
	Epoch               metadata.LeaderEpoch
}

// OffsetForTimestamp finds the first record whose timestamp is ts or later; ok is false if there is none.
// It looks at durable records from the log start on.
func (p *Partition) OffsetForTimestamp(ctx context.Context, ts int64) (o TimestampOffset, ok bool, err error) {
	return p.lookUp(ctx, ts, math.MinInt64)
}

// MaxTimestamp finds the first record with the largest timestamp (KIP-734); ok is false for an empty partition, or if no record
// has a timestamp.
func (p *Partition) MaxTimestamp(ctx context.Context) (o TimestampOffset, ok bool, err error) {
	newest, err := p.newest(ctx)
	if err != nil || newest.MaxTimestamp < 0 {
		return o, false, err
	}
	o, ok, err = p.lookUp(ctx, newest.MaxTimestamp, newest.Base)
	if err == nil && !ok { // the header of a compressed batch claims more than its records have
		o, ok = TimestampOffset{Offset: newest.Base, TimestampMs: newest.MaxTimestamp, Epoch: p.EpochAt(newest.Base)}, true
	}
	return o, ok, err
}

// stretch is an extent of the journal, or a piece.
type stretch struct {
	extent // of a piece Base and MaxTimestamp only
	piece  *segment.Piece
	last   int64
}

// lookUp finds the first record from the offset from on, and from the log start, whose timestamp is ts or later.
func (p *Partition) lookUp(ctx context.Context, ts, from int64) (o TimestampOffset, ok bool, err error) {
	for plans := 0; ; {
		// Nearly always the first one has it. Not if its records before the log start were the reason to look at it.
		p.mu.Lock()
		if p.closed != nil {
			p.mu.Unlock()
			return o, false, fmt.Errorf("partition %v: look up timestamp: %w", p.key, p.closed)
		}
		from = max(from, p.state.LogStart)
		s, found := p.sinceLocked(from, ts)
		p.mu.Unlock()
		if !found {
			return o, false, nil
		}
		o, ok, err = p.search(ctx, &s, from, ts)
		switch plans++; {
		case err != nil && plans < plansMax && (cache.Gone(err) || errors.Is(err, wal.ErrTrimmed)):
			continue // the data were moved
		case err != nil:
			return o, false, fmt.Errorf("partition %v: look up timestamp %d: %w: %w", p.key, ts, kerr.KafkaStorageError, err)
		case ok:
			return o, true, nil
		}
		from, plans = s.last+1, 0
	}
}

// sinceLocked returns the first stretch that holds offsets from from on and may hold a record of timestamp ts or later.
func (p *Partition) sinceLocked(from, ts int64) (stretch, bool) {
	pieces := p.state.PiecesFrom(from)
	for i := range pieces {
		if pc := &pieces[i]; pc.Len > 0 && pc.MaxTimestamp >= ts {
			return stretch{extent: extent{Base: pc.Base, MaxTimestamp: pc.MaxTimestamp}, piece: pc, last: pc.Last}, true
		}
	}
	first, ok := p.state.Extents.Since(ts)
	if !ok {
		return stretch{}, false
	}
	for e := range p.state.Extents.From(max(from, first.Base)) {
		if e.MaxTimestamp >= ts {
			return stretch{extent: e, last: e.Last()}, true
		}
	}
	return stretch{}, false
}

// search finds the first record of the stretch with an offset of at least from and a timestamp of at least ts.
func (p *Partition) search(ctx context.Context, s *stretch, from, ts int64) (o TimestampOffset, ok bool, err error) {
	if s.piece != nil {
		err = p.eachBlock(ctx, s.piece, from, ts, func(data []byte) (bool, error) {
			o, ok, err = p.searchBatches(data, from, ts)
			return !ok, err
		})
		return o, ok, err
	}
	data, err := p.extent(ctx, s.extent)
	if err != nil {
		return o, false, err
	}
	defer data.Release()
	return p.searchBatches(data.data, from, ts)
}

// eachBlock calls fn with the blocks of the piece that hold offsets from from on, and records of timestamp ts or later in itself or blocks before it,
// until it returns false.
func (p *Partition) eachBlock(ctx context.Context, pc *segment.Piece, from, ts int64, fn func(data []byte) (more bool, err error)) error {
	if p.leaders.cfg.Containers == nil {
		return errNoContainers
	}
	k, err := p.leaders.cfg.Containers.Open(ctx, pc)
	if err != nil {
		return err
	}
	defer k.Release()
	more := true
	for i := max(k.Since(ts), k.Find(from)); i < len(k.Blocks()) && more; i++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		buf := p.leaders.cfg.Pool.Get(int(k.Blocks()[i].Len))
		if err = k.ReadBlock(i, buf.Bytes()); err == nil {
			more, err = fn(buf.Bytes())
		}
		buf.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Partition) searchBatches(data []byte, from, ts int64) (TimestampOffset, bool, error) {
	for rest := data; len(rest) > 0; {
		h, one, after, err := batch.Next(rest)
		if err != nil {
			return TimestampOffset{}, false, err
		}
		rest = after
		if h.LastOffset() < from || h.MaxTimestamp < ts || h.Count == 0 {
			continue // without records: compaction keeps it for its producer's sequence numbers
		}
		if offset, at, ok := p.searchBatch(&h, one, from, ts); ok {
			return TimestampOffset{Offset: offset, TimestampMs: at, Epoch: p.EpochAt(offset)}, true, nil
		}
	}
	return TimestampOffset{}, false, nil
}

func (p *Partition) searchBatch(h *batch.Header, b []byte, from, ts int64) (offset, at int64, ok bool) {
	start := max(h.BaseOffset, from)
	if h.LogAppendTime() && h.Count > h.LastOffsetDelta { // all are there, and all have the same
		return start, h.MaxTimestamp, true
	}
	for rec, err := range p.leaders.decoder.Records(b) {
		if err != nil {
			return start, h.MaxTimestamp, true // see the package's non-obvious chapter
		}
		if rec.Offset >= from && rec.Timestamp >= ts {
			return rec.Offset, rec.Timestamp, true
		}
	}
	return 0, 0, false
}

// newest returns the first stretch with the largest timestamp that records from the log start on have, its Base not before the log start; with a negative
// timestamp if there is none.
func (p *Partition) newest(ctx context.Context) (best extent, err error) {
	best = extent{Base: -1, MaxTimestamp: -1}
	p.mu.Lock()
	if p.closed != nil {
		p.mu.Unlock()
		return best, fmt.Errorf("partition %v: look up the largest timestamp: %w", p.key, p.closed)
	}
	start := p.state.LogStart
	pieces := p.state.PiecesFrom(start)
	journal, found := p.state.Extents.Newest()
	p.mu.Unlock()
	for i := range pieces {
		pc := &pieces[i]
		at := pc.MaxTimestamp
		if pc.Len == 0 || at <= best.MaxTimestamp {
			continue
		}
		if pc.Base < start {
			// The largest may lie before the log start.
			if at, err = p.newestOf(ctx, pc, start); err != nil {
				return best, fmt.Errorf("partition %v: look up the largest timestamp: %w: %w", p.key, kerr.KafkaStorageError, err)
			}
		}
		if at > best.MaxTimestamp {
			best = extent{Base: max(pc.Base, start), MaxTimestamp: at}
		}
	}
	if found && journal.MaxTimestamp > best.MaxTimestamp {
		best = extent{Base: max(journal.Base, start), MaxTimestamp: journal.MaxTimestamp}
	}
	return best, nil
}

// newestOf is the largest timestamp that the headers of the piece's batches claim from the offset from on.
func (p *Partition) newestOf(ctx context.Context, pc *segment.Piece, from int64) (newest int64, err error) {
	newest = -1
	err = p.eachBlock(ctx, pc, from, math.MinInt64, func(data []byte) (bool, error) {
		for rest := data; len(rest) > 0; {
			h, _, after, err := batch.Next(rest)
			if err != nil {
				return false, err
			}
			if h.LastOffset() >= from {
				newest = max(newest, h.MaxTimestamp)
			}
			rest = after
		}
		return true, nil
	})
	return newest, err
}

// whole is an extent's batches, with what keeps them.
type whole struct {
	data []byte
	buf  *buffer.Buffer // nil if they need none
}

func (w whole) Release() {
	if w.buf != nil {
		w.buf.Release()
	}
}

// extent returns the whole batches of one extent, from the tail cache or the log.
func (p *Partition) extent(ctx context.Context, e extent) (whole, error) {
	p.mu.Lock()
	if es, ok := p.tail.from(e.Base); ok && len(es) > 0 && es[0].base == e.Base {
		w := whole{es[0].data, es[0].buf}
		if w.buf != nil {
			w.buf.Retain()
		}
		p.mu.Unlock()
		return w, nil
	}
	p.mu.Unlock()
	buf, err := p.readRun(ctx, e, e)
	if err != nil {
		return whole{}, err
	}
	if err := check(buf.Bytes(), e); err != nil {
		buf.Release()
		return whole{}, err
	}
	return whole{buf.Bytes(), buf}, nil
}
