package tier

import (
	"context"
	"time"

	"weir/storage/stream"
	"weir/storage/wal"
)

// Partition is one partition as the tiers see it. It is implemented by kafka/partition, and by models in tests. Methods are safe for
// concurrent use.
type Partition interface {
	Name() wal.Partition
	// Policy is what the topic's configs ask for now.
	Policy() Policy
	// View calls fn with the partition's state, under the partition's lock. fn must be quick, must not call the partition and must not keep
	// what it is given. It returns false, without calling fn, if the partition is not led here any more.
	View(fn func(*stream.PartitionState)) bool
	// Edit is View for changing where the data lie (Pieces, and Extents that pieces take the place of). The partition is marked as changed for the
	// next checkpoint. If fn returns an error it must have changed nothing; Edit returns it.
	Edit(fn func(*stream.PartitionState) error) error
	// SetLogStart makes offset the first readable one: it queues a LOGSTART entry and returns when that is durable. An offset at or before the
	// present start does nothing.
	SetLogStart(ctx context.Context, offset int64) error
}

// KeepAll is the policy of data that are kept for somebody else: nothing of them goes.
func KeepAll() Policy {
	return Policy{
		RetentionTime: -1, RetentionBytes: -1, SegmentBytes: 1 << 30, SegmentTime: -1, MinCompactionLag: -1, MaxCompactionLag: -1, DeleteRetention: -1,
	}
}

// Policy says what becomes of a partition's data. Durations that are negative have no limit.
type Policy struct {
	Delete         bool          // cleanup.policy names delete
	Compact        bool          // cleanup.policy names compact
	RetentionTime  time.Duration // retention.ms
	RetentionBytes int64         // retention.bytes; negative: no limit
	SegmentBytes   int64         // segment.bytes: no segment grows larger by merging
	SegmentTime    time.Duration // segment.ms: data older than this may be compacted whatever their size

	MinCleanableRatio float64       // min.cleanable.dirty.ratio
	MinCompactionLag  time.Duration // min.compaction.lag.ms
	MaxCompactionLag  time.Duration // max.compaction.lag.ms
	DeleteRetention   time.Duration // delete.retention.ms
	FileDeleteDelay   time.Duration // file.delete.delay.ms: grace before an unreferenced container goes
	MaxBatchBytes     int           // max.message.bytes: compaction writes no larger batch than the input had
}
