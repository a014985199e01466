package stream

import (
	"context"
	"fmt"

	"weir/storage/wal"
)

// control is a write that belongs to no partition's order, with someone waiting for it.
type control struct {
	entry   wal.Entry
	outcome chan error // buffered: the committer never waits
}

func (c *control) Entry() wal.Entry                    { return c.entry }
func (c *control) Cancelled() bool                     { return false }
func (c *control) Committed(*Commit, *wal.Entry) error { c.outcome <- nil; return nil }
func (c *control) Failed(err error)                    { c.outcome <- err }

// Barrier returns once everything that was queued before it has its outcome and the log has proved that it still takes entries.
func (s *Stream) Barrier(ctx context.Context, nowMs int64) error {
	c := &control{entry: wal.Entry{Type: wal.Noop, AppendMs: nowMs}, outcome: make(chan error, 1)}
	if err := s.Enqueue(c); err != nil {
		return fmt.Errorf("stream: barrier: %w", err)
	}
	select {
	case err := <-c.outcome:
		if err != nil {
			return fmt.Errorf("stream: barrier: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stream: barrier: %w", context.Cause(ctx))
	}
}
