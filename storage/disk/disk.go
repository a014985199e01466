// Package disk is the seam between the storage engine and the file system: production runs on OS, simulation on a disk that
// loses unsynced writes. No other package of the data plane calls package os for data files.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

var (
	// ErrLocked means that another process, or another Lock of this one, holds the lock.
	ErrLocked = errors.New("disk: locked by another process")
	// ErrNoSpace means that the file system, or the user's quota on it, is full. The system's own error is wrapped beside it.
	ErrNoSpace = errors.New("disk: no space left")
	// ErrNetwork means that the directory lies on a network file system, where a lock proves nothing about other machines.
	ErrNetwork = errors.New("disk: network file system")
)

// FS is the file system below one directory. Names are slash-separated and relative to it; "." is the directory itself.
// A new file, a rename or a removal is durable only after SyncDir of its directory.
// Errors keep the system's cause, so errors.Is works with fs.ErrNotExist, fs.ErrExist and the sentinels above.
type FS interface {
	// Open opens a file with os.OpenFile's flags, without O_APPEND.
	Open(name string, flag int, perm fs.FileMode) (File, error)
	MkdirAll(name string, perm fs.FileMode) error
	ReadDir(name string) ([]fs.DirEntry, error) // sorted by name
	Rename(oldName, newName string) error
	// Link gives a file a second name, and fails with fs.ErrExist if newName exists: of several at once, one wins.
	Link(oldName, newName string) error
	Remove(name string) error
	SyncDir(name string) error
	// Lock takes an exclusive advisory lock on the file, creating it, and returns ErrLocked at once if another process holds it.
	// The lock ends with Close or with the process.
	Lock(name string) (io.Closer, error)
	// Space returns how many bytes can still be written to the file system, and how many it holds in all.
	Space() (free, total int64, err error)
	// CheckLocal returns ErrNetwork if the directory lies on a network file system.
	CheckLocal() error
}

// DirectAlign is what WriteDirect needs starts and lengths to be multiples of.
const DirectAlign = 4096

// Advice says what becomes of a range of a file.
type Advice uint8

// The advices.
const (
	WillNeed Advice = iota // read it ahead
	DontNeed               // drop it from the page cache
)

// File is an open file. Reads and writes at offsets may run concurrently; Close must come after them.
type File interface {
	io.ReaderAt
	io.WriterAt
	// WritevAt writes the buffers one after another at off, with one system call where the system can.
	// It does not modify or keep bufs.
	WritevAt(bufs [][]byte, off int64) (int, error)
	// WriteDirect writes p past the page cache where the file system can, and like WriteAt where not. The start of p, its length and off
	// must be multiples of DirectAlign. What is written is durable only after Datasync.
	WriteDirect(p []byte, off int64) error
	// SendTo copies n bytes from off to the connection without bringing them to user space, and returns how many it sent. It fails with
	// errors.ErrUnsupported, having sent nothing, where that is impossible: the caller then reads and writes.
	SendTo(c syscall.RawConn, off, n int64) (int64, error)
	// Advise tells the system what will be done with the n bytes from off on. It is a hint: nothing fails.
	Advise(off, n int64, a Advice)
	// Datasync makes the written bytes, and the size if it changed, durable. After an error the state of the file is unknown:
	// the caller must not call it again (reliability design, F2).
	Datasync() error
	Truncate(size int64) error
	Size() (int64, error)
	Close() error
}

// DirectSyncer is a File that writes past the page cache and makes what it wrote durable in one step, which costs less than two. Errors mean what
// they mean after Datasync, but for ErrNoSpace: then a part of p may have been written.
type DirectSyncer interface {
	WriteDirectSync(p []byte, off int64) error
}
