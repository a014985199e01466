package wal

import (
	"context"
	"errors"
	"fmt"

	"weir/storage/disk"
)

// FileReport is what Inspect found in one file.
type FileReport struct {
	Name    string
	Stream  string
	Bytes   int64 // size of the file
	Frames  int
	Entries int
	End     int64 // where the last good frame ends
	Sealed  bool
	// Problem is what keeps the log from being read, nil if nothing does. A torn frame is none: see Torn.
	Problem error
	// Torn means that something lies behind the last good frame that is neither a frame nor zeros: a torn frame, or what is left of an earlier
	// use of the file.
	Torn bool
}

// Inspect reads the log in dir without its lock and without changing anything, and reports on each file, as far as it gets in each. The end of a log
// that is being written to may look torn. visit, if not nil, is called for each entry but BINDs; its payload is valid during the call.
// An error is about the directory as a whole; what is wrong in a file is in its report.
func Inspect(ctx context.Context, fsys disk.FS, dir string, visit func(*Entry)) ([]FileReport, error) {
	l := &File{fs: fsys, dir: dir}
	names, err := l.list()
	if err != nil {
		return nil, err
	}
	if visit == nil {
		visit = func(*Entry) {}
	}
	var out []FileReport
	var before *scan
	for i, n := range names {
		if i > 0 && n.seq != names[i-1].seq+1 {
			return out, fmt.Errorf("wal: %s: file %s is missing: %w", dir, spanName(names[i-1].seq+1), ErrCorrupt)
		}
		if err := ctx.Err(); err != nil {
			return out, fmt.Errorf("wal: inspect %s: %w", dir, err)
		}
		s, err := l.openSpan(n)
		if err != nil {
			out = append(out, FileReport{Name: n.name, Problem: err})
			before = nil
			continue
		}
		r := FileReport{Name: n.name, Stream: l.cfg.Stream}
		sc, err := r.inspect(s, visit)
		r.Problem = errors.Join(err, s.f.Close())
		if r.Problem == nil && before != nil && sc.known {
			if start := sc.pos - uint64(sc.off-blockBytes); start != before.pos {
				out[len(out)-1].Problem = fmt.Errorf("wal: %s ends at byte %d of the stream, the next file begins at %d: %w",
					before.name, before.pos, start, ErrCorrupt)
			}
		}
		before = nil
		if sc != nil && sc.known {
			before = sc
		}
		out = append(out, r)
	}
	return out, nil
}

func (r *FileReport) inspect(s *span, visit func(*Entry)) (*scan, error) {
	size, err := s.f.Size()
	if err != nil {
		return nil, err
	}
	r.Bytes = size
	sc := scanOf(s, size)
	for {
		at := Position{Seq: s.seq, Off: uint32(sc.off + frameHeaderBytes)}
		h, body, ok, err := sc.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		r.Frames++
		r.End = sc.off
		err = parseRecords(body, h.records, at, &sc.bound, func(e *Entry) bool {
			r.Entries++
			r.Sealed = e.Type == Seal
			visit(e)
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("frame at %d: %w", sc.off-h.size(), err)
		}
	}
	if b, err := sc.bytes(sc.off, frameHeaderBytes); err != nil {
		return nil, err
	} else if b != nil {
		r.Torn = !isZero(b)
	}
	later, err := sc.later()
	if err != nil || later >= 0 {
		return nil, corruptOr(err, s, sc.off, later)
	}
	return sc, nil
}
