package segment

import (
	"io"

	"weir/storage/wal"
)

// Writer writes a container in one pass. It is used by one goroutine. After an error the container is of no use.
type Writer struct{}

// NewWriter begins a container on w.
func NewWriter(w io.Writer, kind Kind, id ID) *Writer { panic("not built yet") }

// Begin begins the chunk of p that covers the offsets base to last, which must follow the chunk before it in the order of the directory
// (partition, then base). A segment takes one partition only.
func (w *Writer) Begin(p wal.Partition, base, last int64) error { panic("not built yet") }

// Append adds whole batches to the chunk that was begun, in offset order, inside of what it covers. Their CRCs are checked: what is damaged does not
// get into a container. Flags that headers show (transactional, control) are set.
func (w *Writer) Append(batches []byte) error { panic("not built yet") }

// Note adds what the batches' headers do not show to the chunk that was begun.
func (w *Writer) Note(flags Flags, deleteHorizon, firstDirtyMs int64) { panic("not built yet") }

// Abort adds an aborted transaction to the chunk that was begun.
func (w *Writer) Abort(a Aborted) { panic("not built yet") }

// Bytes is how much was written so far.
func (w *Writer) Bytes() int64 { panic("not built yet") }

// Finish writes indexes, directory and footer, and returns the pieces that the container holds. It does not commit what is below.
func (w *Writer) Finish() ([]Piece, error) { panic("not built yet") }
