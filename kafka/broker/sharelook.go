package broker

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/partition"
	"weir/kafka/share"
	"weir/storage/batch"
)

// A shareLook is one pass over the partitions of a share fetch: those that have something for the member are reserved, read, and, if there is enough
// in all, acquired.
type shareLook struct {
	op     *shareFetchOp
	budget int64
	bytes  int64 // of records that were acquired
	waited time.Duration
	wake   chan<- struct{} // gets a token when it is worth to look again; nil before the wait
}

// shareGot is what a look found in one partition.
type shareGot struct {
	led     led
	part    *share.Partition
	offset  int64
	records partition.Records
	ranges  []share.Range
	batches [][]byte // to be sent
}

func (g *shareGot) bytes() []byte { return slices.Concat(g.batches...) }

// release gives back what the last look took.
func (l *shareLook) release() {
	if l.op == nil {
		return
	}
	for _, p := range l.op.parts {
		p.got.records.Release()
		p.got.records, p.got.batches = partition.Records{}, nil
	}
	l.op.b.fetchBudget.give(l.budget)
	l.budget = 0
}

// collect looks for records until there are some or the time is over.
func (op *shareFetchOp) collect(ctx context.Context) error {
	op.look.op = op
	if len(op.parts) == 0 || op.req.MaxRecords <= 0 || op.req.MaxBytes <= 0 {
		return nil
	}
	op.resolve()
	if op.hopeless() {
		return nil
	}
	deadline := op.began.Add(time.Duration(max(op.req.MaxWaitMillis, 0)) * time.Millisecond)
	if found, err := op.lookOnce(ctx, time.Until(deadline) <= 0); found || err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	wake, leave := op.wait()
	defer leave()
	for last := false; ; {
		if found, err := op.lookOnce(ctx, last); found || last || err != nil || op.hopeless() {
			return err
		}
		began := time.Now()
		select {
		case <-wake:
		case <-op.r.conn.lost:
			return net.ErrClosed
		case <-timer.C:
			last = true // with less than it asked for
		case <-ctx.Done():
			last = true
		}
		op.look.waited += time.Since(began)
	}
}

// resolve finds the partitions.
func (op *shareFetchOp) resolve() {
	for _, p := range op.parts {
		p.got.led, p.got.part, p.err = op.b.sharePartition(op.group, p.TopicPartition)
		p.err = shareError(p.err)
	}
}

// hopeless tells whether nothing can come any more.
func (op *shareFetchOp) hopeless() bool {
	return !slices.ContainsFunc(op.parts, func(p *sharePart) bool { return p.err == nil })
}

// wait registers with all partitions.
func (op *shareFetchOp) wait() (wake <-chan struct{}, leave func()) {
	watch := make([]watching, 0, len(op.parts))
	for _, p := range op.parts {
		if p.err == nil {
			watch = append(watch, watching{partition.Key{Topic: p.Topic, Index: p.Partition}, p.got.led})
		}
	}
	w := op.b.purgatory.wait(watch)
	op.look.wake = w.wake
	var parts []*share.Partition
	for _, p := range op.parts {
		if p.err == nil {
			p.got.part.Watch(w.wake)
			parts = append(parts, p.got.part)
		}
	}
	return w.wake, func() {
		op.b.purgatory.leave(w)
		for _, p := range parts {
			p.Unwatch(w.wake)
		}
	}
}

// lookOnce looks at all partitions, and tells whether records were acquired. last: those of an answer smaller than asked for will do.
func (op *shareFetchOp) lookOnce(ctx context.Context, last bool) (bool, error) {
	op.look.release()
	var held []*sharePart
	defer func() {
		for _, p := range held {
			p.got.part.End()
		}
	}()
	for _, p := range op.parts {
		if p.err != nil {
			continue
		}
		at := p.got.led.Offsets()
		p.got.part.Trim(at.LogStart)
		offset, ok, err := p.got.part.Next()
		if err == nil && ok && offset < op.end(at) {
			offset, ok, err = p.got.part.Begin(op.look.wake)
		} else if ok { // nothing was written since
			_, err = op.b.leaders.get(partition.Key{Topic: p.Topic, Index: p.Partition})
			ok = false
		}
		if err != nil {
			p.err = shareError(err)
			continue
		}
		if !ok {
			continue
		}
		p.got.offset = offset
		held = append(held, p)
	}
	if len(held) == 0 {
		return false, nil
	}
	want := min(int64(op.req.MaxBytes), int64(op.b.props.fetchBytesMax), op.b.quotas.FetchMax(anonymous, op.r.ClientID), op.b.fetchBudget.max/4)
	var err error
	if op.look.budget, err = op.b.fetchBudget.takeUpTo(ctx, max(want, 1), readLeast); err != nil {
		return false, nil //nolint:nilerr // the broker closes, or the client went away: that ends the fetch elsewhere
	}
	got := op.read(ctx, held, min(want, op.look.budget))
	if got == 0 || !last && got < int64(min(op.req.MinBytes, op.req.MaxBytes)) {
		op.look.release()
		return false, nil
	}
	return op.acquire(held), nil
}

func (op *shareFetchOp) committed() bool {
	return op.b.shareConfigs(op.group).GroupString("share.isolation.level") == "read_committed"
}

// end is the offset up to which the group may read.
func (op *shareFetchOp) end(at partition.Offsets) int64 {
	if op.committed() {
		return at.LastStable
	}
	return at.HighWatermark
}

// read reads from each partition its part of room, and returns how much it is together.
func (op *shareFetchOp) read(ctx context.Context, held []*sharePart, room int64) int64 {
	each := int32(min(max(room/int64(len(held)), 1), 1<<31-1))
	committed := op.committed()
	var got int64
	for _, p := range held {
		r := partition.ReadRequest{Offset: p.got.offset, MaxBytes: each, AtLeastOne: true, Committed: committed, ClientEpoch: -1, TailOnly: true}
		recs, err := p.got.led.Read(ctx, r)
		if err == nil && recs.Deferred {
			if op.b.bulk.Acquire(ctx, 1) != nil {
				continue
			}
			r.TailOnly = false
			recs, err = p.got.led.Read(ctx, r)
			op.b.bulk.Release(1)
		}
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange):
			p.got.part.Trim(p.got.led.Offsets().LogStart)
			continue
		case err != nil:
			p.err = err
			continue
		}
		p.got.records = recs
		got += int64(recs.Bytes)
	}
	return got
}

// acquire locks what was read for the member, as much as it takes.
func (op *shareFetchOp) acquire(held []*sharePart) bool {
	left := int(op.req.MaxRecords)
	committed := op.committed()
	found := false
	for _, p := range held {
		g := &p.got
		if g.records.Bytes == 0 {
			continue
		}
		batches, raw, err := logBatches(g.records, committed)
		if err != nil {
			p.err = err
			continue
		}
		g.ranges = g.part.Acquire(share.Acquisition{
			Member: op.id, Offset: g.offset, Batches: batches, MaxRecords: left, Strict: op.req.ShareAcquireMode == 1,
			BatchSize: int(op.req.BatchSize),
		})
		if len(g.ranges) == 0 {
			g.records.Release()
			continue
		}
		first, last := g.ranges[0].First, g.ranges[len(g.ranges)-1].Last
		for i, b := range batches {
			if b.Last >= first && b.First <= last {
				g.batches = append(g.batches, raw[i])
				op.look.bytes += int64(len(raw[i]))
			}
		}
		for _, r := range g.ranges {
			left -= int(min(r.Last-r.First+1, 1<<30))
		}
		left = max(left, 0)
		found = true
	}
	return found
}

// logBatches tells the batches apart, and which of them belong to aborted transactions, if that is of interest.
func logBatches(recs partition.Records, committed bool) (batches []share.LogBatch, raw [][]byte, err error) {
	aborted := make(map[int64]bool)
	next := recs.Aborted
	for _, rest := range recs.Segments {
		for len(rest) > 0 {
			h, one, more, err := batch.Next(rest)
			if err != nil {
				return nil, nil, err
			}
			rest = more
			b := share.LogBatch{First: h.BaseOffset, Last: h.LastOffset()}
			if committed {
				for len(next) > 0 && next[0].FirstOffset <= b.Last {
					aborted[next[0].ProducerID] = true
					next = next[1:]
				}
				switch {
				case h.Control(): // it ends the producer's transaction
					delete(aborted, h.ProducerID)
				case h.Transactional():
					b.Aborted = aborted[h.ProducerID]
				}
			}
			batches, raw = append(batches, b), append(raw, one)
		}
	}
	return batches, raw, nil
}
