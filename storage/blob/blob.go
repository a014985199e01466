// Package blob is the seam to where immutable objects are kept: files below a directory now, an S3-compatible store later. Objects are
// written once, whole, under a name that is never used again, and they are read in ranges. Nothing in it is ever changed in place.
// Names and files are drawn in docs/format/blob.md.
//
// # Non-obvious
//
//   - A name is linked, not renamed, to the finished file: of two writers one loses, and an object is never replaced.
//
//   - A sync of a directory makes the names in it durable, not its own. FS syncs upwards until it reaches a directory that it has seen durable itself:
//     that it exists says nothing, an earlier process may have made it and been killed before its sync. That happens after the link, because from
//     then on the directory has something in it and cannot be taken away by Delete.
//
//   - A deleted object may come back with a power cut: removals are not synced. It is garbage then, as it was before.
//
//   - Large objects are written past the page cache, so the first reads of them come from the disk. What is in them has mostly been read already.
//
//   - After a failed sync the object is given up. Syncing again would "succeed" and prove nothing (reliability design, F2).
//
// # Measured
//
// On 2 virtual CPUs and a virtual disk (ext4), writing and committing, CPU seconds per GB and MB/s: objects of 64 MiB 0.18 and 680, of 4 MiB 0.37 and
// 430, of 256 KiB (2 ms each) 2.1 and 130.
package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"syscall"
)

var (
	// ErrNotFound means that there is no object of that name.
	ErrNotFound = errors.New("blob: no such object")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("blob: the object exists")
)

// Store keeps objects by key. Keys are slash-separated, as CheckKey allows; none is, with a slash behind it, the beginning of another. It is safe for
// concurrent use.
type Store interface {
	// Create begins an object. Nobody sees it before Writer.Commit, which fails with ErrExists if the key is taken by then.
	Create(ctx context.Context, key string) (Writer, error)
	// Put is Create, Write and Commit of a small object. Of several at once for one key exactly one wins; the others get ErrExists.
	Put(ctx context.Context, key string, data []byte) error
	// Open opens an object for reading, or returns ErrNotFound.
	Open(ctx context.Context, key string) (Object, error)
	// List yields the objects whose keys begin with prefix, in the order of their keys. What is committed or deleted meanwhile may be missed.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object; one that is not there is no error. Readers that have it open may go on.
	Delete(ctx context.Context, key string) error
}

// Writer writes one object. It is used by one goroutine. Exactly one of Commit and Abort ends it; Abort after either does nothing.
type Writer interface {
	io.Writer
	// Commit makes the object durable under its key: data, then name. After an error it is not known whether it exists.
	Commit(ctx context.Context) error
	// Abort drops what was written.
	Abort()
}

// Object is an open object. It is safe for concurrent use; Close comes after all reads.
type Object interface {
	io.ReaderAt
	Size() int64
	// SendTo is disk.File.SendTo: it fails with errors.ErrUnsupported, having sent nothing, where the object has no file.
	SendTo(c syscall.RawConn, off, n int64) (int64, error)
	// WillNeed tells that the range will be read soon. It is a hint.
	WillNeed(off, n int64)
	Close() error
}

// Info names an object.
type Info struct {
	Key  string
	Size int64
}
