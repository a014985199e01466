package tier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"weir/storage/batch"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// part is a partition that is served: the least that tier.Partition and an idempotent producer need.
type part struct {
	l *life
	m *model

	mu      sync.Mutex
	state   *stream.PartitionState
	end     int64
	adopted bool
	gone    bool
}

var _ tier.Partition = (*part)(nil)

func (p *part) Name() wal.Partition { return p.m.name }
func (p *part) Policy() tier.Policy { return p.m.policy }

func (p *part) View(fn func(*stream.PartitionState)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return false
	}
	fn(p.state)
	return true
}

func (p *part) Edit(fn func(*stream.PartitionState) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return errors.New("not led here")
	}
	return fn(p.state)
}

func (p *part) SetLogStart(_ context.Context, offset int64) error {
	p.mu.Lock()
	if p.gone || offset <= p.state.LogStart {
		p.mu.Unlock()
		return nil
	}
	p.mu.Unlock()
	if err := p.adopt(); err != nil {
		return err
	}
	return p.write(wal.Entry{Type: wal.LogStart, BaseOffset: offset})
}

// entry is a stream.Write with someone waiting for it.
type entry struct {
	p    *part
	e    wal.Entry
	done chan error
}

func (w *entry) Entry() wal.Entry { return w.e }
func (w *entry) Cancelled() bool  { return false }
func (w *entry) Failed(err error) { w.done <- err }
func (w *entry) Committed(c *stream.Commit, e *wal.Entry) error {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	var err error
	if e.Type != wal.Release {
		err = w.p.state.Apply(e, c.File(e.At.Seq))
	}
	w.p.end = w.p.state.End
	w.done <- err
	return err
}

// write returns when the committer is done with the entry and idle, which is after its outcome was told: a seed would not repeat otherwise.
func (p *part) write(e wal.Entry) error {
	e.Partition, e.LeaderEpoch, e.AppendMs = p.m.name, p.l.epoch, p.l.w.wallClock().UnixMilli()
	w := &entry{p: p, e: e, done: make(chan error, 1)}
	p.l.mu.Lock()
	p.l.before = p.l.stream.Mark()
	p.l.mu.Unlock()
	if err := p.l.stream.Enqueue(w); err != nil {
		return err
	}
	err := <-w.done
	idle := make(turn, 1)
	if p.l.stream.Enqueue(idle) == nil { // a stream that failed takes nothing, and moves no mark
		<-idle
	}
	return err
}

// turn is a write without an entry.
type turn chan struct{}

func (turn) Entry() wal.Entry { return wal.Entry{} }
func (turn) Cancelled() bool  { return false }
func (t turn) Failed(error)   { t <- struct{}{} }
func (t turn) Committed(*stream.Commit, *wal.Entry) error {
	t <- struct{}{}
	return nil
}

func (p *part) adopt() error {
	if p.adopted {
		return nil
	}
	if err := p.write(wal.Entry{Type: wal.Adopt, BaseOffset: p.end}); err != nil {
		return err
	}
	p.adopted = true
	return nil
}

// produce appends a new batch of n records of a producer, or without one, and takes the outcome into the model.
func (p *part) produce(producer, n, size int, ageMs int64) error {
	b := batch.NewBuilder()
	m, w := p.m, p.l.w
	ms := w.wallClock().UnixMilli() - ageMs
	mb := modelBatch{producer: producer, ms: min(ms, w.wallClock().UnixMilli())} // the future counts as the present
	if producer >= 0 {
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = int64(producer), 0, m.seqs[producer]
		m.seqs[producer] += int32(n)
	}
	w.stats.Appends++
	w.stats.Records += int64(n)
	for i := range n {
		value := fmt.Appendf(nil, "append %d record %d of life %d ", w.stats.Appends, i, w.lives)
		b.Add(ms, nil, append(value, bytes.Repeat([]byte{byte(w.stats.Appends)}, size)...))
	}
	mb.bytes = b.Batch()
	m.pending = append(m.pending, mb)
	if producer >= 0 {
		m.last[producer] = mb
	}
	return p.send(mb)
}

// send appends a batch that is pending, or was acknowledged before: then it must be found to be a duplicate.
func (p *part) send(mb modelBatch) error {
	if err := p.adopt(); err != nil {
		return err
	}
	h, err := batch.Parse(mb.bytes)
	if err != nil {
		return err
	}
	if mb.producer >= 0 {
		if known := p.state.Producers.Get(int64(mb.producer)); known != nil {
			if b, ok := known.Find(h.BaseSequence, h.LastSequence()); ok {
				p.l.w.stats.Duplicates++
				return p.settle(mb, b.BaseOffset())
			}
			if want := stream.AdvanceSequence(known.LastSeq(), 1); h.BaseSequence != want {
				return fmt.Errorf("%w: %d after %d", errSequence, h.BaseSequence, want-1)
			}
		}
	}
	payload := bytes.Clone(mb.bytes)
	base := p.end
	batch.SetOffsets(payload, base, p.l.epoch)
	err = p.write(wal.Entry{Type: wal.Data, BaseOffset: base, LastDelta: uint32(h.LastOffsetDelta), Batches: 1, Payload: payload})
	if err != nil {
		return err
	}
	mb.bytes = payload
	return p.settle(mb, base)
}

var errSequence = errors.New("out of order")

// settle notes that the batch was acknowledged under the offset.
func (p *part) settle(mb modelBatch, base int64) error {
	m := p.m
	h, err := batch.Parse(mb.bytes)
	if err != nil {
		return err
	}
	i, ok := slices.BinarySearchFunc(m.batches, base, func(b modelBatch, o int64) int { return int(b.base - o) })
	if ok {
		if !same(m.batches[i].bytes, mb.bytes) {
			p.l.w.t.Errorf("partition %d: offset %d was given to two batches", m.name.Index, base)
		}
		return nil
	}
	mb.base, mb.last = base, base+int64(h.LastOffsetDelta)
	m.pending = slices.DeleteFunc(m.pending, func(b modelBatch) bool { return same(b.bytes, mb.bytes) })
	m.batches = slices.Insert(m.batches, i, mb)
	m.end = max(m.end, mb.last+1)
	return nil
}

// same compares batches but for what the broker stamps into them.
func same(a, b []byte) bool { return bytes.Equal(a[stamped:], b[stamped:]) }

// stamped is how much of a batch is the broker's: base offset, length, leader epoch.
const stamped = 16

// deleteRecords asks for a log start as a client does.
func (p *part) deleteRecords(offset int64) error {
	p.m.cut = max(p.m.cut, offset) // even if the answer is lost it may have happened
	if err := p.SetLogStart(context.Background(), offset); err != nil {
		return err
	}
	p.m.start = max(p.m.start, offset)
	return nil
}

// release ends the partition: its topic is deleted.
func (p *part) release() error {
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	p.l.logs.Release(p.m.name, stream.Forever())
	p.l.parts = slices.DeleteFunc(p.l.parts, func(q *part) bool { return q == p })
	return p.write(wal.Entry{Type: wal.Release, BaseOffset: p.end})
}

func (p *part) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := fmt.Sprintf("%x-%d [%d, %d) applied %v, %d extents:", p.m.name.Topic[0], p.m.name.Index, p.state.LogStart, p.state.End, p.state.Applied, p.state.Extents.Len())
	for i := range p.state.Pieces {
		c := &p.state.Pieces[i]
		s += fmt.Sprintf(" %d:%v[%d,%d]%d", c.Kind, c.ID.Number, c.Base, c.Last, c.Len)
	}
	return s
}
