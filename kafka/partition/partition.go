// Package partition is one Kafka partition as its leader serves it: offsets, producer state, high watermark, leader epochs, reads.
package partition

import (
	"context"

	"weir/metadata"
	"weir/storage/buffer"
)

// Key names a partition.
type Key struct {
	Topic metadata.TopicID
	Index int32
}

// Origin says who appends: what a batch may contain depends on it.
type Origin uint8

const (
	FromClient      Origin = iota // a produce request
	FromCoordinator               // a coordinator's own records
)

// Append is a request to append. Batches is one or more whole record batches (magic 2); base offset and leader epoch in it are
// overwritten. If Buffer is set, Batches lies in it and the partition takes references of its own; otherwise the partition keeps Batches itself.
type Append struct {
	Batches []byte
	Buffer  *buffer.Buffer
	Origin  Origin
}

// Appended is the outcome of a durable append.
type Appended struct {
	BaseOffset     int64
	LastOffset     int64
	LogAppendMs    int64 // -1 unless the topic stamps records with LogAppendTime
	LogStartOffset int64
	Duplicate      bool // an idempotent retry: the offsets are those of the first append
}

// ReadRequest asks for batches from Offset on.
type ReadRequest struct {
	Offset      int64
	MaxBytes    int32
	AtLeastOne  bool                 // return the first batch even if it is larger than MaxBytes (KIP-74)
	Committed   bool                 // read_committed: stop at the last stable offset
	ClientEpoch metadata.LeaderEpoch // -1: not checked
}

// Aborted is an aborted transaction in the range read.
type Aborted struct{ ProducerID, FirstOffset int64 }

// Records is the result of a Read. Segments are whole batches in offset order, the first of which holds the offset asked for; they must not be
// modified, and Release must be called once they are written out.
type Records struct {
	Segments [][]byte
	Bytes    int
	Offsets  Offsets
	Aborted  []Aborted
}

// Release gives the buffers behind Segments back.
func (r *Records) Release() {}

// Offsets are the bounds of what can be read.
type Offsets struct{ LogStart, HighWatermark, LastStable int64 }

// Partition is safe for concurrent use.
type Partition struct{}

// Key names the partition.
func (p *Partition) Key() Key { panic("not built yet") }

// LeaderEpoch is the epoch in which this broker leads it.
func (p *Partition) LeaderEpoch() metadata.LeaderEpoch { panic("not built yet") }

// Append validates the batches, gives them offsets and queues them for the journal, in call order. An error means that nothing was queued and
// done will not be called. Otherwise done is called once, from the committer's goroutine: it must not block. Errors are kerr errors
// where Kafka has a code (CORRUPT_MESSAGE, OUT_OF_ORDER_SEQUENCE_NUMBER, ...), wrapped.
func (p *Partition) Append(a Append, done func(Appended, error)) error { panic("not built yet") }

// Read returns durable batches only. It returns kerr.OffsetOutOfRange, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, wrapped.
func (p *Partition) Read(ctx context.Context, r ReadRequest) (Records, error) { panic("not built yet") }

// Offsets returns the current bounds.
func (p *Partition) Offsets() Offsets { panic("not built yet") }

// OnAdvance calls fn, once per commit that moves the high watermark, from the committer's goroutine until stop is called: fn must not block.
func (p *Partition) OnAdvance(fn func()) (stop func()) { panic("not built yet") }

// TimestampOffset is an offset found by timestamp.
type TimestampOffset struct {
	Offset, TimestampMs int64
	Epoch               metadata.LeaderEpoch
}

// OffsetForTimestamp finds the first record whose timestamp is ts or later; ok is false if there is none.
func (p *Partition) OffsetForTimestamp(ctx context.Context, ts int64) (o TimestampOffset, ok bool, err error) {
	panic("not built yet")
}

// MaxTimestamp finds the first record with the largest timestamp (KIP-734); ok is false for an empty partition.
func (p *Partition) MaxTimestamp(ctx context.Context) (o TimestampOffset, ok bool, err error) {
	panic("not built yet")
}

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch known that is at most epoch, and the offset at which it ended.
// Both are -1 if the epoch is unknown.
func (p *Partition) EpochEnd(epoch metadata.LeaderEpoch) (metadata.LeaderEpoch, int64) {
	panic("not built yet")
}

// EpochAt is the leader epoch in which the record at offset was appended, -1 if unknown.
func (p *Partition) EpochAt(offset int64) metadata.LeaderEpoch { panic("not built yet") }
