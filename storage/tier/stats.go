package tier

import (
	"sync/atomic"
	"time"
)

// Stats are counters since the process started, and gauges as of the last look. They are read one by one, so they may be from slightly different
// moments.
type Stats struct {
	Checkpoints   int64         // published
	CheckpointAge time.Duration // since the last one was begun
	Flushes       int64
	FlushedBytes  int64
	PromotedBytes int64 // out of bundles
	MergedBytes   int64 // of segments
	RetainedStart int64 // partitions whose log start retention moved
	Collected     int64 // containers deleted
	Reclaimed     int64 // their bytes
	Scrubbed      int64 // bytes read by the scrubber

	JournalBytes   int64 // that the journal keeps
	UnflushedBytes int64 // of it, in files with data that was not flushed
	Pieces         int64
	Containers     int64
	ContainerBytes int64
	Orphans        int64 // containers that wait to be deleted

	Errors  int64 // steps that failed
	Stuck   int64 // partitions whose data cannot be moved
	Damaged int64 // containers in which the scrubber found damage
	Held    bool  // retention holds back because the clock jumped
}

type counters struct {
	checkpoints, flushes, flushed, promoted, merged, retained, collected, reclaimed, scrubbed atomic.Int64
	journal, unflushed, pieces, containers, containerBytes, orphans, failures, damaged        atomic.Int64
	made                                                                                      atomic.Int64 // bytes of containers
	held                                                                                      atomic.Bool
	taken                                                                                     atomic.Int64 // when the last published checkpoint was begun: time.Since(Engine.start)
}

// Stats returns what the engine did and what there is.
func (e *Engine) Stats() Stats {
	c := &e.count
	e.mu.Lock()
	stuck := int64(len(e.stuck))
	e.mu.Unlock()
	return Stats{
		Checkpoints: c.checkpoints.Load(), CheckpointAge: time.Since(e.start) - time.Duration(c.taken.Load()),
		Flushes: c.flushes.Load(), FlushedBytes: c.flushed.Load(), PromotedBytes: c.promoted.Load(), MergedBytes: c.merged.Load(),
		RetainedStart: c.retained.Load(), Collected: c.collected.Load(), Reclaimed: c.reclaimed.Load(), Scrubbed: c.scrubbed.Load(),
		JournalBytes: c.journal.Load(), UnflushedBytes: c.unflushed.Load(), Pieces: c.pieces.Load(), Containers: c.containers.Load(),
		ContainerBytes: c.containerBytes.Load(), Orphans: c.orphans.Load(),
		Errors: c.failures.Load(), Stuck: stuck, Damaged: c.damaged.Load(), Held: c.held.Load(),
	}
}
