package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"weir/storage/disk"
)

// Recover takes over the log in dir of a writer that is dead: it takes the lock (disk.ErrLocked if the writer lives after all), finds the
// end, makes the last frame durable and puts a SEAL after it. The log returned is for reading. Recovering again, after a crash in
// between too, finds the same entries and the same End.
//
// A torn last frame was never acknowledged and is cut off. Anything else that cannot be read is ErrCorrupt, naming file and position; of files
// before the last one only the headers are read here, and Read finds what is wrong with the rest. Files may have been dropped by Trim: cfg.Trusted
// says from where on the log must be whole. ErrNewer means that nothing was written.
// cfg.Stream, if set, must be the stream's name.
func Recover(ctx context.Context, fsys disk.FS, dir string, cfg Config) (*File, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	if err := fsys.CheckLocal(); err != nil {
		return nil, fmt.Errorf("wal: recover %s: %w", dir, err)
	}
	if _, err := fsys.ReadDir(dir); err != nil { // do not make a directory for the lock
		return nil, fmt.Errorf("wal: recover %s: %w", dir, err)
	}
	l, err := newFile(fsys, dir, cfg)
	if err != nil {
		return nil, err
	}
	l.sealed = true
	if err := l.recover(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *File) recover(ctx context.Context) error {
	// The writer may have died before it synced the names that are seen here.
	err := makeDir(l.fs, l.dir)
	if err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	if err != nil {
		return fmt.Errorf("wal: recover %s: %w: %w", l.dir, ErrFailed, err)
	}
	names, err := l.list()
	if err != nil {
		return err
	}
	for i, n := range names {
		if i > 0 && n.seq != names[i-1].seq+1 {
			return fmt.Errorf("wal: %s: file %s is missing before %s: %w", l.dir, spanName(names[i-1].seq+1), path.Base(n.name), ErrCorrupt)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wal: recover %s: %w", l.dir, err)
		}
		s, err := l.openSpan(n)
		if err != nil {
			return err
		}
		l.spans = append(l.spans, s)
	}
	if len(l.spans) == 0 { // the writer died in Create
		return l.checkEnd(Position{})
	}
	if first, t := l.spans[0].seq, l.cfg.Trusted; t.Seq != 0 && first > t.Seq {
		return fmt.Errorf("wal: %s begins with file %d, but is needed from %v on: %w", l.dir, first, t, ErrCorrupt)
	}
	tail, sc, err := l.findTail(ctx)
	if err != nil {
		return err
	}
	if err := l.checkEnd(sc.end()); err != nil {
		return err
	}
	if err := l.seal(tail, sc); err != nil {
		return err
	}
	// What the writer made ahead has no frames. The newest goes first, and none after one that stays: a gap in the numbers would look like a
	// lost file to the next recovery.
	for i := len(l.spans) - 1; i > tail; i-- {
		if err := l.drop(l.spans[i]); err != nil {
			for _, s := range l.spans[tail+1 : i] {
				err = errors.Join(err, s.f.Close())
			}
			l.cfg.Log.Warn("leaving unused journal files", "err", err)
			break
		}
	}
	l.spans = l.spans[:tail+1]
	if err := l.fs.Remove(path.Join(l.dir, tempName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.cfg.Log.Warn("leaving a temporary journal file", "err", err)
	}
	return nil
}

// openSpan opens a file for reading and checks its header.
func (l *File) openSpan(n named) (*span, error) {
	f, err := l.fs.Open(n.name, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("wal: recover %s: %w", n.name, err)
	}
	s := &span{f: f, name: n.name, seq: n.seq}
	h, err := s.readHeader()
	if err == nil && h.seq != n.seq {
		err = fmt.Errorf("the header says that it is file %d: %w", h.seq, ErrCorrupt)
	}
	if err == nil && l.cfg.Stream != "" && h.stream != l.cfg.Stream {
		err = fmt.Errorf("it belongs to stream %q, not %q: %w", h.stream, l.cfg.Stream, ErrCorrupt)
	}
	if err == nil {
		s.made, err = f.Size()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wal: recover %s: %w", n.name, err), f.Close())
	}
	s.of = newSalted(h.salt)
	l.cfg.Stream = h.stream
	return s, nil
}

func (s *span) readHeader() (h fileHeader, err error) {
	b := make([]byte, blockBytes)
	for range 3 { // see "Non-obvious"
		clear(b)
		if _, err := s.f.ReadAt(b, 0); errors.Is(err, io.EOF) {
			return h, fmt.Errorf("file header is cut: %w", ErrCorrupt)
		} else if err != nil {
			return h, err
		}
		if h, err = decodeFileHeader(b); err == nil {
			break
		}
	}
	return h, err
}

// findTail returns the last file that has frames, and a scan that stands behind the last of them. If none has, it is the first file.
func (l *File) findTail(ctx context.Context) (int, *tailScan, error) {
	for i := len(l.spans) - 1; ; i-- {
		s := l.spans[i]
		t := &tailScan{scan: scanOf(s, s.made)}
		hopping := s.seq == l.cfg.Trusted.Seq
		for {
			if err := ctx.Err(); err != nil {
				return 0, nil, fmt.Errorf("wal: recover %s: %w", l.dir, err)
			}
			if hopping {
				var err error
				if hopping, err = t.hop(int64(l.cfg.Trusted.Off)); err != nil {
					return 0, nil, err
				}
				continue
			}
			more, err := t.step()
			if err != nil {
				return 0, nil, err
			}
			if !more {
				break
			}
		}
		later, err := t.later()
		if err != nil || later >= 0 {
			return 0, nil, corruptOr(err, s, t.off, later)
		}
		if t.known || i == 0 {
			return i, t, nil
		}
	}
}

// tailScan is a scan that remembers the last frame.
type tailScan struct {
	*scan
	last   []byte // its bytes, without padding
	sealed bool
}

// end is where the seal is, or will be.
func (t *tailScan) end() Position {
	off := t.off
	if t.sealed {
		off -= blockBytes
	}
	return Position{Seq: t.seq, Off: uint32(off)}
}

func (t *tailScan) step() (bool, error) {
	at := Position{Seq: t.seq, Off: uint32(t.off + frameHeaderBytes)}
	h, body, ok, err := t.next()
	if err != nil || !ok {
		return false, err
	}
	if t.sealed {
		return false, fmt.Errorf("wal: %s: frame at %d after the seal: %w", t.name, t.off-h.size(), ErrCorrupt)
	}
	t.last = append(append(t.last[:0], make([]byte, frameHeaderBytes)...), body...)
	h.encode(t.last, t.of)
	err = parseRecords(body, h.records, at, &t.bound, func(e *Entry) bool {
		t.sealed = e.Type == Seal
		return true
	})
	if err != nil {
		return false, fmt.Errorf("wal: %s: frame at %d: %w", t.name, t.off-h.size(), err)
	}
	return true, nil
}

// seal makes the last frame durable and appends SEAL, unless it is there. Then a recovery before this one made sure of the frame before it.
func (l *File) seal(tail int, t *tailScan) error {
	s := l.spans[tail]
	if t.sealed {
		s.end = t.off
		return nil
	}
	w, err := l.fs.Open(s.name, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("wal: seal %s: %w", s.name, err)
	}
	err = l.writeSeal(w, s, t)
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("wal: seal %s: %w: %w", s.name, ErrFailed, err)
	}
	return nil
}

func (l *File) writeSeal(w disk.File, s *span, t *tailScan) error {
	if len(t.last) > 0 { // else it lies before what is trusted, or there is none
		size := padded(int64(len(t.last)))
		if _, err := w.WriteAt(t.last, t.off-size); err != nil {
			return err
		}
		if err := w.Datasync(); err != nil {
			return err
		}
	}
	l.pos = t.pos
	size, _, err := l.encode([]Entry{{Type: Seal}}, s, t.off)
	if err != nil {
		return err
	}
	l.finish(s.of)
	if _, err := w.WritevAt(l.bufs, t.off); err != nil {
		return err
	}
	if err := w.Datasync(); err != nil {
		return err
	}
	s.end = t.off + size
	return nil
}

// checkEnd compares the end with what the caller knows.
func (l *File) checkEnd(end Position) error {
	for _, known := range []Position{l.cfg.AtLeast, l.cfg.Trusted} {
		if end.Compare(known) < 0 {
			return fmt.Errorf("wal: %s ends at %v, but was durable up to %v: %w", l.dir, end, known, ErrCorrupt)
		}
	}
	return nil
}
