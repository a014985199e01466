package tier

import (
	"context"

	"weir/storage/stream"
)

// Journal is what the tiers need of a broker's journal: the files of its streams, its own and older ones, as stream.Logs numbers them. It is safe for
// concurrent use.
type Journal interface {
	// Mark returns a place such that every entry before it has been applied to its partition. What is appended after the call lies behind it.
	// It works after the stream has stopped, too.
	Mark(ctx context.Context) (stream.Mark, error)
	// Written counts what was appended since the process started, in bytes.
	Written() int64
	// Busy reports whether appends wait for the disk now.
	Busy() bool
	// Files are the files kept, in the order of their numbers. The last is the one that is written to.
	Files() []File
	// ReadAt is stream.Logs.ReadAt.
	ReadAt(ctx context.Context, p []byte, number, off uint32) error
	// WillNeed tells that all of a file will be read soon. It is a hint.
	WillNeed(number uint32)
	// Trim lets all files go that lie before the mark and are not needed.
	Trim(ctx context.Context, before stream.Mark, needed []stream.JournalFile) error
}

// File is a file of the journal.
type File struct {
	Number uint32
	Bytes  int64 // that it takes on the disk
}
