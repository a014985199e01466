package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/stream"
	"weir/storage/wal"
)

// cut moves the log start. It has no place among the appends in flight: it lies within what is durable, whatever becomes of them.
type cut struct {
	p       *Partition
	entry   wal.Entry
	settled chan struct{} // closed when err is known
	err     error
}

var _ stream.Write = (*cut)(nil)

func (c *cut) Entry() wal.Entry { return c.entry }
func (c *cut) Cancelled() bool  { return false }

// Committed implements stream.Write.
func (c *cut) Committed(commit *stream.Commit, e *wal.Entry) error {
	c.p.mu.Lock()
	err := c.p.state.Apply(e, commit.File(e.At.Seq))
	c.p.wakeLocked(commit)
	c.p.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("partition %v: %w: %w", c.p.key, kerr.KafkaStorageError, err)
	}
	c.settle(err)
	return err
}

// Failed implements stream.Write.
func (c *cut) Failed(cause error) {
	err := kerr.KafkaStorageError
	if errors.Is(cause, wal.ErrFenced) {
		err = kerr.NotLeaderForPartition
	}
	c.settle(fmt.Errorf("partition %v: move the log start to %d: %w: %w", c.p.key, c.entry.BaseOffset, err, cause))
}

func (c *cut) settle(err error) {
	c.p.mu.Lock()
	if c.p.cut == c {
		c.p.cut = nil
	}
	c.p.mu.Unlock()
	c.err = err
	close(c.settled)
}

// SetLogStart makes offset the first readable one: it queues a LOGSTART entry and returns when that is durable, and with it what all reads see. An
// offset at or before the present start does nothing. It fails with kerr.OffsetOutOfRange beyond the high watermark, and if the log takes no entries,
// wrapped. If ctx ends first, the log start may move all the same.
func (p *Partition) SetLogStart(ctx context.Context, offset int64) error {
	p.mu.Lock()
	c, err := p.cutLocked(offset)
	p.mu.Unlock()
	if c == nil {
		return err
	}
	return c.wait(ctx)
}

func (c *cut) wait(ctx context.Context) error {
	select {
	case <-c.settled:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("partition %v: move the log start to %d: %w", c.p.key, c.entry.BaseOffset, context.Cause(ctx))
	}
}

// cutLocked queues the entry. Log starts in the log must not fall, so an offset that one in flight covers waits for that one.
func (p *Partition) cutLocked(offset int64) (*cut, error) {
	switch {
	case p.barredLocked() != nil:
		return nil, fmt.Errorf("partition %v: move the log start: %w", p.key, p.barredLocked())
	case offset <= p.state.LogStart:
		return nil, nil
	case offset > p.state.End:
		return nil, fmt.Errorf("partition %v: cannot move the log start to %d, which is larger than the high watermark %d: %w",
			p.key, offset, p.state.End, kerr.OffsetOutOfRange)
	case p.cut != nil && offset <= p.cut.entry.BaseOffset:
		return p.cut, nil
	}
	if !p.adopted {
		if err := p.adoptLocked(); err != nil {
			return nil, err
		}
	}
	c := &cut{p: p, settled: make(chan struct{}), entry: wal.Entry{
		Type: wal.LogStart, Partition: p.key.WAL(), LeaderEpoch: int32(p.epoch), BaseOffset: offset, AppendMs: p.leaders.cfg.Now().UnixMilli(),
	}}
	if err := p.leaders.cfg.Stream.Enqueue(c); err != nil {
		return nil, p.queueError(err)
	}
	p.cut = c
	return c, nil
}

// ToHighWatermark as the offset of DeleteRecords deletes everything that is readable.
const ToHighWatermark = -1

// DeleteRecords begins to delete the records before offset (KIP-107). What it returns waits until that is durable and tells the log start, -1 with an
// error: kerr.OffsetOutOfRange for an offset that is negative or beyond the high watermark, kerr.PolicyViolation if the topic is compacted
// and not deleted from, and those of SetLogStart.
func (p *Partition) DeleteRecords(offset int64) (wait func(context.Context) (lowWatermark int64, err error)) {
	c, err := p.deleteRecords(offset)
	return func(ctx context.Context) (int64, error) {
		if c != nil {
			err = c.wait(ctx)
		}
		if err != nil {
			return -1, err
		}
		return p.Offsets().LogStart, nil
	}
}

func (p *Partition) deleteRecords(offset int64) (*cut, error) {
	policy := &p.config.Load().Policy
	if policy.Compact && !policy.Delete {
		return nil, fmt.Errorf("partition %v: its records cannot be deleted: cleanup.policy is compact: %w", p.key, kerr.PolicyViolation)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if offset == ToHighWatermark {
		offset = p.state.End
	}
	if offset < 0 {
		return nil, fmt.Errorf("partition %v: the offset %d is not valid: %w", p.key, offset, kerr.OffsetOutOfRange)
	}
	return p.cutLocked(offset)
}
