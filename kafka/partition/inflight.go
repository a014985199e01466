package partition

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/buffer"
	"weir/storage/stream"
	"weir/storage/wal"
)

// inflight is an entry between Append and the committer's report. Fields behind the partition's mutex: next, cancelled, waiters.
type inflight struct {
	p         *Partition
	entry     wal.Entry
	buf       *buffer.Buffer // a reference of its own to what holds the payload, or nil
	done      func(Appended, error)
	seq       sequence
	premise   *Premise // nil: none
	stampMs   int64    // LogAppendMs of the outcome
	maxMs     int64    // the same of a retry
	next      *inflight
	cancelled bool
	waiters   []func(Appended, error) // retries that wait for this one
}

var _ stream.Write = (*inflight)(nil)

func (f *inflight) Entry() wal.Entry { return f.entry }

// Cancelled is called from the committer's goroutine, which is also the one that cancels (in Failed): no lock is needed.
func (f *inflight) Cancelled() bool { return f.cancelled || f.premise.Failed() }

// Committed implements stream.Write.
func (f *inflight) Committed(c *stream.Commit, e *wal.Entry) error {
	p := f.p
	p.mu.Lock()
	if err := p.state.Apply(e, c.File(e.At.Seq)); err != nil {
		p.mu.Unlock()
		f.answer(Appended{}, fmt.Errorf("partition %v: %w: %w", p.key, kerr.KafkaStorageError, err))
		return err
	}
	if !f.cancelled { // or it is in the list no more: a full disk took it away with what came behind it, and then had room for it
		p.first = f.next
		if p.first == nil {
			p.last = nil
		}
	}
	f.next = nil
	p.settleLocked(f.seq)
	if e.Type == wal.Data {
		p.traffic.in.Add(int64(len(e.Payload)))
		p.cacheLocked(c, f)
		p.wakeLocked(c)
	}
	outcome := Appended{
		BaseOffset: e.BaseOffset, LastOffset: e.BaseOffset + int64(e.LastDelta),
		LogAppendMs: f.stampMs, LogStartOffset: p.state.LogStart,
	}
	p.mu.Unlock()
	f.answer(outcome, nil)
	return nil
}

// Failed implements stream.Write.
func (f *inflight) Failed(cause error) {
	p := f.p
	p.mu.Lock()
	if !f.cancelled {
		p.dropLocked(f)
	}
	p.mu.Unlock()
	err := kerr.KafkaStorageError
	if errors.Is(cause, wal.ErrFenced) {
		err = kerr.NotLeaderForPartition
	}
	if f.buf != nil {
		f.buf.Release()
		f.buf = nil
	}
	f.answer(Appended{}, fmt.Errorf("partition %v: append at %d: %w: %w", p.key, f.entry.BaseOffset, err, cause))
}

// dropLocked takes f, which is the first of the partition to fail, out of what is in flight, and with it all that follow: they have offsets behind the gap. What
// comes before f is being written with the same commit, which f has no part in: its premise has failed, or the disk takes nothing but what has no payload.
func (p *Partition) dropLocked(f *inflight) {
	var before *inflight
	clear(p.pending)
	g := p.first
	for ; g != nil && g != f; g = g.next {
		before = g
		p.flyLocked(g.seq)
	}
	for ; g != nil; g = g.next {
		g.cancelled = true
		p.refuseLocked(g.seq)
	}
	p.end = f.entry.BaseOffset
	if p.last = before; before != nil {
		before.next = nil // ADOPT is before it, or durable
		return
	}
	p.first = nil
	p.adopted = p.state.Epoch() == int32(p.epoch)
}

// answer gives the outcome to everyone who waits for it. The entry is out of the partition's list, so nobody adds a waiter any more.
func (f *inflight) answer(a Appended, err error) {
	if f.done != nil {
		f.done(a, err)
	}
	a.Duplicate, a.LogAppendMs = true, f.maxMs
	for _, done := range f.waiters {
		done(a, err)
	}
}

// turn answers a retry of a durable batch from the committer's goroutine, as Append promises.
type turn struct {
	outcome Appended
	done    func(Appended, error)
}

var _ stream.Write = (*turn)(nil)

func (t *turn) Entry() wal.Entry                           { return wal.Entry{} }
func (t *turn) Cancelled() bool                            { return false }
func (t *turn) Committed(*stream.Commit, *wal.Entry) error { t.done(t.outcome, nil); return nil }

// Failed implements stream.Write. The batch is durable whatever happened to the stream.
func (t *turn) Failed(error) { t.done(t.outcome, nil) }
