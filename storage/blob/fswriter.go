package blob

import (
	"context"
	"errors"
	"fmt"

	"weir/storage/disk"
)

const (
	stagingBytes = 1 << 20 // gathered for one write
	directBytes  = 1 << 20 // objects of this size and more are written past the page cache
)

// fsWriter writes one object of an FS.
type fsWriter struct {
	s    *FS
	key  string
	temp string
	f    disk.File // nil after Commit or Abort
	buf  *[]byte   // staging; nil before the first Write
	n    int       // bytes in buf
	off  int64     // where in the file they go
	err  error
}

// Write implements Writer. The one copy it makes is into the staging buffer, from where the disk fetches the bytes.
func (w *fsWriter) Write(p []byte) (int, error) {
	if w.f == nil {
		return 0, fmt.Errorf("blob: write %s: %w", w.key, errEnded)
	}
	if w.buf == nil && w.err == nil {
		w.buf = w.s.staging.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	}
	wrote := 0
	for len(p) > 0 && w.err == nil {
		if w.n == stagingBytes {
			w.direct(stagingBytes)
			continue
		}
		k := copy((*w.buf)[w.n:], p)
		w.n += k
		wrote += k
		p = p[k:]
	}
	return wrote, w.err
}

// errEnded means that a writer was used after Commit or Abort.
var errEnded = errors.New("the writer was ended")

// direct writes the first n bytes of the staging buffer, a multiple of disk.DirectAlign, past the page cache.
func (w *fsWriter) direct(n int) {
	if w.err == nil {
		if err := w.f.WriteDirect((*w.buf)[:n], w.off); err != nil {
			w.err = fmt.Errorf("blob: write %s at byte %d: %w", w.key, w.off, err)
			return
		}
		w.off += int64(n)
		w.n -= n
	}
}

// rest writes what is left in the staging buffer.
func (w *fsWriter) rest() {
	tail := 0
	if w.off+int64(w.n) >= directBytes {
		tail = w.n &^ (disk.DirectAlign - 1)
		if tail > 0 {
			w.direct(tail)
		}
	}
	if w.n > 0 && w.err == nil {
		if _, err := w.f.WriteAt((*w.buf)[tail:tail+w.n], w.off); err != nil {
			w.err = fmt.Errorf("blob: write %s at byte %d: %w", w.key, w.off, err)
		}
	}
}

// Commit implements Writer.
func (w *fsWriter) Commit(ctx context.Context) error {
	if w.f == nil {
		return fmt.Errorf("blob: commit %s: %w", w.key, errEnded)
	}
	defer w.Abort()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("blob: commit %s: %w", w.key, err)
	}
	w.rest()
	if w.err != nil {
		return w.err
	}
	// What a failed sync leaves is unknown: the file goes, and nobody syncs it again (reliability design, F2).
	if err := w.f.Datasync(); err != nil {
		return fmt.Errorf("blob: commit %s: %w", w.key, err)
	}
	f := w.f
	w.f = nil
	w.release()
	if err := f.Close(); err != nil {
		_ = w.s.fsys.Remove(w.temp)
		return fmt.Errorf("blob: commit %s: %w", w.key, err)
	}
	if err := w.s.publish(w.temp, w.key); err != nil {
		_ = w.s.fsys.Remove(w.temp)
		return fmt.Errorf("blob: commit %s: %w", w.key, err)
	}
	return nil
}

// Abort implements Writer. A file that it cannot remove is swept later.
func (w *fsWriter) Abort() {
	w.release()
	if w.f == nil {
		return
	}
	_ = w.f.Close()
	_ = w.s.fsys.Remove(w.temp)
	w.f = nil
}

func (w *fsWriter) release() {
	if w.buf != nil {
		w.s.staging.Put(w.buf)
		w.buf = nil
	}
}
