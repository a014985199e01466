package stream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"weir/storage/wal"
)

// Logs numbers the files of all the streams a broker reads from, its own and its older ones, so that an extent can name its file
// in four bytes. It is safe for concurrent use; reading takes no lock.
type Logs struct {
	mu    sync.Mutex // orders writers
	files atomic.Pointer[[]file]
}

type file struct {
	log wal.Log
	seq uint64
}

// NewLogs returns an empty Logs.
func NewLogs() *Logs {
	l := &Logs{}
	l.files.Store(new([]file))
	return l
}

// Number returns the number of the file seq of log, a new one if it was not seen before. Files come in order, so only the newest
// is looked at: a caller that goes back gets a new number for an old file, which is harmless.
func (l *Logs) Number(log wal.Log, seq uint64) uint32 {
	f := file{log, seq}
	if files := *l.files.Load(); len(files) > 0 && files[len(files)-1] == f {
		return uint32(len(files) - 1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	files := *l.files.Load()
	if n := len(files); n > 0 && files[n-1] == f {
		return uint32(n - 1)
	}
	grown := append(files, f) //nolint:gocritic // readers of the shorter slice never look at what lies behind it
	l.files.Store(&grown)
	return uint32(len(grown) - 1)
}

// ReadAt fills p with the payload bytes from off on in the numbered file.
func (l *Logs) ReadAt(ctx context.Context, p []byte, number, off uint32) error {
	files := *l.files.Load()
	if int(number) >= len(files) {
		return fmt.Errorf("stream: read file number %d of %d: %w", number, len(files), wal.ErrCorrupt)
	}
	f := files[number]
	return f.log.ReadAt(ctx, p, wal.Position{Seq: f.seq, Off: off})
}
