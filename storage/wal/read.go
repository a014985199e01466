package wal

import (
	"context"
	"fmt"
	"iter"
)

// Read implements Log. Trim leaves the files alone that are being read. It begins at the start of from's file, because partitions are bound to
// handles there, but of the frames before from it reads only headers: at most 128 MiB (Config.FileBytes) of small records, or 4 KiB for each
// record that is larger than 32 KiB. Checksums of frames that it passes over are not looked at.
func (l *File) Read(ctx context.Context, from Position) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := l.enter(); err != nil {
			yield(Entry{}, err)
			return
		}
		defer l.calls.Done()
		if err := l.read(ctx, from, func(e *Entry) bool { return yield(*e, nil) }); err != nil {
			yield(Entry{}, err)
		}
	}
}

// read calls fn for the entries from from on, until it returns false; then it returns nil.
func (l *File) read(ctx context.Context, from Position, fn func(*Entry) bool) error {
	l.mu.Lock()
	if len(l.spans) == 0 {
		l.mu.Unlock()
		return nil
	}
	last := l.spans[len(l.spans)-1]
	lastEnd := last.end
	seq := l.spans[0].seq
	if from.Seq != 0 && from.Seq < seq {
		l.mu.Unlock()
		return fmt.Errorf("wal: read %s from %v: it begins with file %d: %w", l.dir, from, seq, ErrTrimmed)
	}
	if seq = max(seq, from.Seq); seq > last.seq {
		l.mu.Unlock()
		return nil
	}
	s := l.spans[seq-l.spans[0].seq]
	s.readers++
	l.mu.Unlock()
	defer func() { l.release(s) }()

	var pos uint64 // where the file before ended
	for first := true; ; first = false {
		end := lastEnd // as of the lock: that of the last file grows with each append
		if s != last {
			end = s.end
		}
		sc, more, err := l.readSpan(ctx, s, end, s == last, from, fn)
		if err != nil || !more {
			return err
		}
		if sc.known {
			if start := sc.pos - uint64(sc.off-blockBytes); !first && start != pos || s.seq == 1 && start != 0 {
				return fmt.Errorf("wal: %s begins at byte %d of the stream, the file before it ends at %d: %w", s.name, start, pos, ErrCorrupt)
			}
			pos = sc.pos
		}
		if s == last {
			return nil
		}
		// Trim drops the oldest first, so the next file is there as long as this one is kept.
		next, _, err := l.acquire(s.seq + 1)
		if err != nil {
			return err
		}
		l.release(s)
		s = next
	}
}

// readSpan reads one file up to end, or, if that is 0, up to the first frame that is none.
func (l *File) readSpan(ctx context.Context, s *span, end int64, isLast bool, from Position, fn func(*Entry) bool) (*scan, bool, error) {
	limit := end
	if end == 0 {
		if isLast { // nothing was written
			return scanOf(s, 0), true, nil
		}
		limit = s.made
	}
	sc := scanOf(s, limit)
	hopping := from.Seq == s.seq
	more := true
	for more {
		if err := ctx.Err(); err != nil {
			return nil, false, fmt.Errorf("wal: read %s: %w", s.name, err)
		}
		if hopping {
			var err error
			if hopping, err = sc.hop(int64(from.Off)); err != nil {
				return nil, false, err
			}
			continue
		}
		at := Position{Seq: s.seq, Off: uint32(sc.off + frameHeaderBytes)}
		h, body, ok, err := sc.next()
		if err != nil {
			return nil, false, err
		}
		if !ok {
			// Of a file that has a successor with frames all must be there; the next file's start tells.
			if end != 0 && sc.off != end || !sc.known {
				return nil, false, fmt.Errorf("wal: %s: bad frame at %d, the log goes on after it: %w", s.name, sc.off, ErrCorrupt)
			}
			if end == 0 {
				if later, err := sc.later(); err != nil || later >= 0 {
					return nil, false, corruptOr(err, s, sc.off, later)
				}
			}
			return sc, true, nil
		}
		err = parseRecords(body, h.records, at, &sc.bound, func(e *Entry) bool {
			if e.At.Compare(from) >= 0 {
				more = fn(e)
			}
			return more
		})
		if err != nil {
			return nil, false, fmt.Errorf("wal: %s: frame at %d: %w", s.name, sc.off-h.size(), err)
		}
	}
	return sc, false, nil
}

func corruptOr(err error, s *span, off, later int64) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("wal: %s: bad frame at %d, but a good one at %d: %w", s.name, off, later, ErrCorrupt)
}

// acquire keeps Trim from dropping file seq until release. It returns how far its frames reach, 0 if that is not known.
func (l *File) acquire(seq uint64) (*span, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spans) == 0 || seq < l.spans[0].seq || seq-l.spans[0].seq >= uint64(len(l.spans)) {
		err := ErrTrimmed
		if len(l.spans) == 0 || seq > l.spans[0].seq {
			err = ErrCorrupt
		}
		return nil, 0, fmt.Errorf("wal: %s has no file %d: %w", l.dir, seq, err)
	}
	s := l.spans[seq-l.spans[0].seq]
	s.readers++
	return s, s.end, nil
}

func (l *File) release(s *span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.readers--
}

// ReadAt implements Log. It does not check the log's checksums, which cover whole frames: record batches carry their own.
func (l *File) ReadAt(_ context.Context, p []byte, at Position) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	s, end, err := l.acquire(at.Seq)
	if err != nil {
		return err
	}
	defer l.release(s)
	if end != 0 && int64(at.Off)+int64(len(p)) > end {
		return fmt.Errorf("wal: read %d bytes of %s at %d: its end is %d", len(p), s.name, at.Off, end)
	}
	if _, err := s.f.ReadAt(p, int64(at.Off)); err != nil {
		return fmt.Errorf("wal: read %d bytes of %s at %d: %w", len(p), s.name, at.Off, err)
	}
	return nil
}
