package partition

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/stream"
)

// TimestampOffset is an offset found by timestamp.
type TimestampOffset struct {
	Offset, TimestampMs int64
	Epoch               metadata.LeaderEpoch
}

// OffsetForTimestamp finds the first record whose timestamp is ts or later; ok is false if there is none.
// It looks at durable records from the log start on.
func (p *Partition) OffsetForTimestamp(ctx context.Context, ts int64) (o TimestampOffset, ok bool, err error) {
	p.mu.Lock()
	from := p.state.LogStart
	p.mu.Unlock()
	for {
		// Nearly always the first extent has it. Not if its records before the log start were the reason to look at it.
		p.mu.Lock()
		if p.closed != nil {
			p.mu.Unlock()
			return o, false, fmt.Errorf("partition %v: look up timestamp: %w", p.key, p.closed)
		}
		e, found := stream.Extent{}, false
		for c := range p.since(from, ts) {
			e, found = c, true
			break
		}
		p.mu.Unlock()
		if !found {
			return o, false, nil
		}
		if o, ok, err = p.search(ctx, e, from, ts); ok || err != nil {
			return o, ok, err
		}
		from = e.Last() + 1
	}
}

// since yields the extents that hold offsets from on and may hold a record of timestamp ts or later.
func (p *Partition) since(from, ts int64) func(yield func(stream.Extent) bool) {
	return func(yield func(stream.Extent) bool) {
		first, ok := p.state.Extents.Since(ts)
		if !ok {
			return
		}
		for e := range p.state.Extents.From(max(from, first.Base)) {
			if e.MaxTimestamp >= ts && !yield(e) {
				return
			}
		}
	}
}

// MaxTimestamp finds the first record with the largest timestamp (KIP-734); ok is false for an empty partition, or if no record
// has a timestamp.
func (p *Partition) MaxTimestamp(ctx context.Context) (o TimestampOffset, ok bool, err error) {
	p.mu.Lock()
	if p.closed != nil {
		p.mu.Unlock()
		return o, false, fmt.Errorf("partition %v: look up timestamp: %w", p.key, p.closed)
	}
	from := p.state.LogStart
	e, found := p.state.Extents.Newest()
	p.mu.Unlock()
	if !found || e.MaxTimestamp < 0 {
		return o, false, nil
	}
	o, ok, err = p.search(ctx, e, from, e.MaxTimestamp)
	if err == nil && !ok { // the header of a compressed batch claims more than its records have
		offset := max(e.Base, from)
		o, ok = TimestampOffset{Offset: offset, TimestampMs: e.MaxTimestamp, Epoch: p.EpochAt(offset)}, true
	}
	return o, ok, err
}

// search finds the first record of the extent with an offset of at least from and a timestamp of at least ts.
func (p *Partition) search(ctx context.Context, e stream.Extent, from, ts int64) (TimestampOffset, bool, error) {
	data, err := p.extent(ctx, e)
	if err != nil {
		return TimestampOffset{}, false, fmt.Errorf("partition %v: look up timestamp %d: %w", p.key, ts, err)
	}
	defer data.Release()
	for _, rest := range data.Segments {
		for len(rest) > 0 {
			h, one, after, err := batch.Next(rest)
			if err != nil {
				return TimestampOffset{}, false, fmt.Errorf("partition %v: look up timestamp %d: %w", p.key, ts, err)
			}
			rest = after
			if h.LastOffset() < from || h.MaxTimestamp < ts {
				continue
			}
			if offset, at, ok := p.searchBatch(&h, one, from, ts); ok {
				return TimestampOffset{Offset: offset, TimestampMs: at, Epoch: p.EpochAt(offset)}, true, nil
			}
		}
	}
	return TimestampOffset{}, false, nil
}

func (p *Partition) searchBatch(h *batch.Header, b []byte, from, ts int64) (offset, at int64, ok bool) {
	start := max(h.BaseOffset, from)
	if h.LogAppendTime() {
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

// extent returns the whole batches of one extent, from the tail cache or the log.
func (p *Partition) extent(ctx context.Context, e stream.Extent) (Records, error) {
	var out Records
	r := ReadRequest{Offset: e.Base, MaxBytes: int32(min(e.Len, 1<<31-1)), AtLeastOne: true, ClientEpoch: -1}
	p.mu.Lock()
	if es, ok := p.tail.from(e.Base); ok && len(es) > 0 && es[0].base == e.Base {
		out.fill(es[:1], &r)
		p.mu.Unlock()
		return out, nil
	}
	p.mu.Unlock()
	if err := p.readLog(ctx, &out, []stream.Extent{e}, &r); err != nil {
		out.Release()
		return Records{}, fmt.Errorf("%w: %w", kerr.KafkaStorageError, err)
	}
	return out, nil
}
