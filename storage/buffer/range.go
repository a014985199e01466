package buffer

import (
	"io"
	"syscall"
)

// File is something immutable that is read at offsets, or sent to a connection without passing through memory.
type File interface {
	io.ReaderAt
	// SendTo copies n bytes from off to the connection and returns how many it sent. It fails with errors.ErrUnsupported, having sent nothing,
	// where that is impossible: the caller then reads and writes.
	SendTo(c syscall.RawConn, off, n int64) (int64, error)
}

// Range is Len bytes of a file from Off on, a part of an answer that need not be in memory. It does not keep the file open: whoever hands it
// out says until when it may be used.
type Range struct {
	File File
	Off  int64
	Len  int64
}
