package tier

import (
	"context"
	"fmt"
	"time"

	"weir/storage/stream"
)

// Checkpoint takes a checkpoint, makes it current, and then lets go what only earlier ones needed: journal files, older checkpoints. If it fails
// nothing is lost but room: the checkpoint before stays current, or, if publishing failed, this one may have become so, and all that
// either needs is kept.
func (e *Engine) Checkpoint(ctx context.Context) error {
	if err := e.taking.take(ctx); err != nil {
		return fmt.Errorf("tier: checkpoint: %w", err)
	}
	defer e.taking.leave()
	e.mu.Lock()
	e.takes++
	number := e.takes
	now := saved{edits: e.edits, written: e.deps.Journal.Written(), at: time.Now()}
	e.mu.Unlock()
	mark, err := e.deps.Journal.Mark(ctx)
	if err != nil {
		return fmt.Errorf("tier: checkpoint: mark the journal: %w", err)
	}
	p, err := e.deps.Checkpoints.Take(ctx, mark, e.viewers)
	if err != nil {
		return fmt.Errorf("tier: checkpoint: %w", err)
	}
	if err := e.deps.Publish(ctx, p); err != nil {
		return fmt.Errorf("tier: publish checkpoint %d: %w", p.Number, err)
	}
	garbage, needed := e.deps.Checkpoints.Published(p)
	e.mu.Lock()
	e.current, e.saved = number, now
	e.mu.Unlock()
	e.count.checkpoints.Add(1)
	e.count.taken.Store(int64(now.at.Sub(e.start)))
	// What follows makes room and is no part of the checkpoint.
	if err := e.deps.Journal.Trim(ctx, mark, needed); err != nil {
		_ = e.report(ctx, "trim the journal", err)
	}
	for _, key := range garbage {
		if err := e.deps.Store.Delete(ctx, key); err != nil {
			_ = e.report(ctx, "delete an old checkpoint", fmt.Errorf("tier: delete %s: %w", key, err))
		}
	}
	return nil
}

func (e *Engine) viewers(yield func(stream.Viewer) bool) {
	for p := range e.deps.Partitions {
		if !yield(p) {
			return
		}
	}
}

// dirty reports whether a checkpoint would say something new, or is what deleting containers waits for: on a disk that is full nothing is appended until
// they are gone.
func (e *Engine) dirty() bool {
	written := e.deps.Journal.Written()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current == 0 || written != e.saved.written || e.edits != e.saved.edits || e.awaitedLocked()
}

// awaitedLocked reports whether a container that nobody refers to waits for a checkpoint.
func (e *Engine) awaitedLocked() bool {
	for _, d := range e.doomed {
		if d.takes >= e.current {
			return true
		}
	}
	return false
}

// checkpointDue says whether it is time for a checkpoint. dirtySince is when the engine was first seen dirty.
func (e *Engine) checkpointDue(dirtySince time.Time) bool {
	written := e.deps.Journal.Written()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current == 0 || due(written-e.saved.written, e.ofVolume(e.cfg.CheckpointBytes)) || due(time.Since(dirtySince), e.cfg.CheckpointInterval) ||
		e.edits != e.saved.edits && e.pressed() // what was flushed makes room only then
}

// checkpointer takes checkpoints, and collects behind them.
func (e *Engine) checkpointer(ctx context.Context) {
	var dirtySince time.Time
	collected := time.Now()
	_ = e.report(ctx, "measure", e.measure(ctx)) // Collect counts as well
	e.every(ctx, e.cfg.Tick, "checkpoint", func(ctx context.Context) error {
		if !e.dirty() {
			dirtySince = time.Time{}
		} else {
			if dirtySince.IsZero() {
				dirtySince = time.Now()
			}
			if e.checkpointDue(dirtySince) {
				if err := e.Checkpoint(ctx); err != nil {
					return err
				}
				dirtySince = time.Time{}
			}
		}
		if !due(time.Since(collected), e.cfg.CollectInterval) || !e.collectable() {
			return nil
		}
		collected = time.Now()
		_ = e.report(ctx, "collect", e.Collect(ctx)) // checkpoints go on at their pace
		return nil
	})
}
