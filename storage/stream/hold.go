package stream

import (
	"errors"
	"fmt"

	"weir/storage/buffer"
	"weir/storage/wal"
)

// Held is a journal file that can be read, or sent to connections, until Release.
type Held interface {
	buffer.File
	Release()
}

// Hold returns the numbered file. It fails with wal.ErrTrimmed if the file was forgotten: whoever asks must look again where the data are; and with
// errors.ErrUnsupported if its log cannot be held: there is ReadAt then.
func (l *Logs) Hold(number uint32) (Held, error) {
	n := l.files.Load()
	f, ok := n.get(number)
	switch {
	case !ok && number >= n.next():
		return nil, fmt.Errorf("stream: hold journal file number %d of %d: %w", number, n.next(), wal.ErrCorrupt)
	case !ok:
		return nil, fmt.Errorf("stream: hold journal file number %d: %w", number, wal.ErrTrimmed)
	}
	log, ok := f.log.(interface {
		Hold(seq uint64) (*wal.Held, error)
	})
	if !ok {
		return nil, errors.ErrUnsupported
	}
	held, err := log.Hold(f.seq)
	if err != nil {
		return nil, err // not held: a nil *wal.Held in an interface is not nil
	}
	return held, nil
}
