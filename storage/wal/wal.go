package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
)

// Position is a place in a stream: the number of a file (or object) and a byte offset in it.
type Position struct {
	Seq uint64
	Off uint32
}

// Compare orders positions: negative if p lies before q.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Seq, q.Seq), cmp.Compare(p.Off, q.Off))
}

func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Seq, p.Off) }

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
	// ErrFailed means that the disk failed a write or a sync. What it holds is unknown until a recovery reads it: the process must
	// exit, and must not retry (reliability design, F2).
	ErrFailed = errors.New("wal: the disk failed")
	// ErrNewer means that the log was written by a newer version, in a way that this one must not guess at.
	ErrNewer = errors.New("wal: written by a newer version")
	// ErrTrimmed means that what is to be read was dropped by Trim: whoever still knew of it must look again where it is now.
	ErrTrimmed = errors.New("wal: dropped")
	// ErrClosed means that the log was used after Close.
	ErrClosed = errors.New("wal: closed")
)

// Log is one stream. Append calls come from one goroutine (the committer); the other methods are safe for concurrent use.
type Log interface {
	// Append makes es durable as one frame, in order, and sets At of each. It returns once they are on stable storage. After any error
	// but ErrFull the log accepts no more appends.
	Append(ctx context.Context, es []Entry) error
	// Read yields the entries whose payload lies at from or later, in order, up to what is durable when it is called; the zero Position
	// is the start. A Payload is valid until the next step of the iteration. It checks every checksum and ends after the first error.
	Read(ctx context.Context, from Position) iter.Seq2[Entry, error]
	// ReadAt fills p with payload bytes that start at position at.
	ReadAt(ctx context.Context, p []byte, at Position) error
	// Trim allows the log to drop what lies before the position. Idempotent.
	Trim(ctx context.Context, before Position) error
	// Close waits for calls in flight and releases the files.
	Close() error
}
