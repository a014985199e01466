// Package wal makes appends durable. A log multiplexes the partitions of one broker incarnation; records in it are frames of one
// group commit each (storage-engine design, section 3). It owns the file format, torn-tail detection and sealing; it knows nothing of
// Kafka beyond opaque payloads, offsets and epochs.
package wal

import (
	"context"
	"errors"
	"iter"
)

// Position is a place in a stream: the number of a file (or object) and a byte offset in it.
type Position struct {
	Seq uint64
	Off uint32
}

// Type is the kind of an Entry. Values are part of the format.
type Type uint8

// The entry types. BIND is internal to the format and never seen here.
const (
	Data     Type = 2 // verbatim record batches of one partition
	Ref      Type = 3 // reserved: like Data, payload in another object
	LogStart Type = 4 // new log start offset, in BaseOffset
	Adopt    Type = 5 // the partition enters the stream; BaseOffset is its log end offset
	Release  Type = 6 // the partition leaves the stream
	Noop     Type = 7 // liveness barrier
	Seal     Type = 8 // end of the stream
)

// Partition names a partition by topic id.
type Partition struct {
	Topic [16]byte
	Index int32
}

// Entry is one record of the log.
type Entry struct {
	Type        Type
	Partition   Partition
	LeaderEpoch int32
	BaseOffset  int64
	LastDelta   uint32 // offset of the last record in Payload, relative to BaseOffset
	Batches     uint32
	AppendMs    int64    // Unix milliseconds
	Payload     []byte   // Data: one or more record batches; not modified or kept by the log after Append returns
	At          Position // where Payload lies; set by Append and Read
}

var (
	// ErrFenced means that the stream was sealed: the writer must stop serving.
	ErrFenced = errors.New("wal: stream is sealed")
	// ErrCorrupt means that bytes which were acknowledged cannot be read back; nothing is served from such a log.
	ErrCorrupt = errors.New("wal: corrupt")
	// ErrFull means that the file system has no room for the entries; nothing was written and later appends may succeed.
	ErrFull = errors.New("wal: no space left")
)

// Log is one stream. Append calls come from one goroutine (the committer); the other methods are safe for concurrent use.
type Log interface {
	// Append makes es durable as one frame, in order, and sets At of each. It returns once they are on stable storage. After any error
	// but ErrFull the log accepts no more appends.
	Append(ctx context.Context, es []Entry) error
	// Read yields the entries from position from on, in order. It checks every checksum.
	Read(ctx context.Context, from Position) iter.Seq2[Entry, error]
	// ReadAt fills p with payload bytes that start at position at.
	ReadAt(ctx context.Context, p []byte, at Position) error
	// Trim allows the log to drop what lies before the position. Idempotent.
	Trim(ctx context.Context, before Position) error
	// Close waits for calls in flight and releases the files.
	Close() error
}
