package tier

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"weir/storage/compact"
	"weir/storage/segment"
	"weir/storage/stream"
)

// writeError is an error of the output, to tell it from one of the input.
type writeError struct{ err error }

func (w *writeError) Error() string { return w.err.Error() }

// output is the segments that a cleaning writes. Those that are durable are referred to by nobody before commit: until then Collect is told to spare
// them, and if it never comes they are Collect's.
type output struct {
	c      *Compactor
	j      *job
	end    int64 // of what is cleaned; what lies behind it in the last piece is copied
	keys   []string
	pieces []segment.Piece

	key        string
	object     *counted // of the segment that was begun; nil: none was
	w          *segment.Writer
	base, last int64                    // what the next, or the present one covers; base -1: from the next piece on
	copied     bool                     // it is behind end
	aborted    map[segment.Aborted]bool // that the segment names
	stays      map[segment.Aborted]bool // that any segment names
}

// rewrite writes what stays of the job's pieces. Neighbours that are not larger than a segment together become one, as Kafka does it; where retention may
// drop the head meanwhile, pieces stay for themselves, and Merge is for the small ones.
func (o *output) rewrite(ctx context.Context) error {
	limit := o.c.e.segmentLimit(o.j.policy)
	for rest := o.j.pieces; len(rest) > 0; {
		n, size := 1, int64(rest[0].Len)
		for n < len(rest) && !o.j.policy.Delete && size+int64(rest[n].Len) <= limit {
			size += int64(rest[n].Len)
			n++
		}
		if o.base < 0 {
			o.base = rest[0].Base
		}
		o.last = min(rest[n-1].Last, o.end-1)
		for i := range rest[:n] {
			p := &rest[i]
			err := o.c.eachRun(ctx, o.j, p, func(run []byte) (bool, error) {
				return true, o.c.cleaner.Rewrite(run, func(b *compact.Out) error { return o.add(ctx, p, b) })
			})
			if err != nil {
				return err
			}
		}
		rest = rest[n:]
		if o.object == nil && len(rest) == 0 {
			if err := o.begin(ctx); err != nil { // not one batch is left
				return o.fault(err)
			}
		}
		if err := o.finish(ctx); err != nil {
			return o.fault(err)
		}
	}
	return nil
}

// fault is the error that an error of a segment is for the cleaning.
func (o *output) fault(err error) error {
	if w := (*writeError)(nil); errors.As(err, &w) {
		return w.err
	}
	return &PartitionError{o.j.name, err}
}

// add takes a batch that stays of piece p.
func (o *output) add(ctx context.Context, p *segment.Piece, b *compact.Out) error {
	if b.Header.BaseOffset >= o.end && !o.copied {
		if err := o.finish(ctx); err != nil {
			return err
		}
		o.base, o.last, o.copied = o.end, p.Last, true
	}
	if o.object == nil {
		if err := o.begin(ctx); err != nil {
			return err
		}
		if o.copied {
			o.w.Note(p.Flags&^segment.Compacted, 0, p.FirstDirtyMs)
		}
	}
	if b.Tombstones {
		o.w.Note(segment.HasTombstones, 0, 0)
	}
	if a := b.Aborted; a != nil && !o.aborted[*a] {
		o.w.Abort(*a)
		o.aborted[*a], o.stays[*a] = true, true
	}
	o.c.buf = append(o.c.buf, b.Bytes...)
	if len(o.c.buf) >= writeBytes {
		return o.flush(ctx)
	}
	return nil
}

// writeBytes is how much is gathered for one write.
const writeBytes = 1 << 20

func (o *output) flush(ctx context.Context) error {
	if len(o.c.buf) == 0 {
		return nil
	}
	n := len(o.c.buf)
	err := o.w.Append(o.c.buf)
	o.c.buf = o.c.buf[:0]
	switch {
	case errors.Is(err, segment.ErrCorrupt):
		return fmt.Errorf("tier: compact into %s: %w", o.key, err) // it was so in what was read
	case err == nil:
		err = o.c.throttle(ctx, n)
	}
	if err != nil {
		return &writeError{fmt.Errorf("tier: compact into %s: %w", o.key, err)}
	}
	return nil
}

// begin begins a segment.
func (o *output) begin(ctx context.Context) error {
	e := o.c.e
	e.mu.Lock()
	e.last++
	id := segment.ID{Incarnation: e.deps.Incarnation, Number: e.last}
	o.key = segment.SegmentKey(o.j.name, id)
	e.building[o.key] = true
	e.mu.Unlock()
	o.keys = append(o.keys, o.key)
	file, err := e.deps.Store.Create(ctx, o.key)
	if err != nil {
		return &writeError{fmt.Errorf("tier: create %s: %w", o.key, err)}
	}
	object := &counted{Writer: file}
	o.object, o.w, o.aborted = object, segment.NewWriter(object, segment.Segment, id), map[segment.Aborted]bool{}
	if err := o.w.Begin(o.j.name, o.base, o.last); err != nil {
		return &writeError{fmt.Errorf("tier: write %s: %w", o.key, err)}
	}
	if !o.copied {
		o.w.Note(segment.Compacted, 0, 0)
	}
	return nil
}

// finish makes the segment durable, if one was begun. If none was, nothing stays of what it was to cover, and the next one covers that too.
func (o *output) finish(ctx context.Context) error {
	if o.object == nil {
		return nil
	}
	if err := o.flush(ctx); err != nil {
		return err
	}
	pieces, err := o.w.Finish()
	if err == nil {
		err = o.object.Commit(ctx)
	}
	if err != nil {
		return &writeError{fmt.Errorf("tier: write %s: %w", o.key, err)}
	}
	o.c.e.note(o.object)
	o.pieces = append(o.pieces, pieces...)
	o.object, o.base = nil, -1
	return nil
}

// commit puts what was written in the place of what was read. What retention dropped meanwhile is left out, if the segments end where it ended.
func (o *output) commit(s *stream.PartitionState) error {
	old := o.j.pieces
	for len(old) > 0 && old[0].Last < s.LogStart {
		old = old[1:]
	}
	if len(old) == 0 {
		return fmt.Errorf("%w: all that was compacted is gone", stream.ErrMoved)
	}
	for i := range o.pieces {
		if o.pieces[i].Base != old[0].Base {
			continue
		}
		if err := s.Replace(old, o.pieces[i:]); err != nil {
			return err
		}
		// Consumers must not be told of transactions of which nothing is left: without the marker, they would take later ones of the producer for aborted.
		s.Aborted = slices.DeleteFunc(slices.Clone(s.Aborted), func(a segment.Aborted) bool { return a.LastOffset < o.end && !o.stays[a] })
		return nil
	}
	return fmt.Errorf("%w: the log begins at %d now", stream.ErrMoved, s.LogStart)
}

// release ends the output, whatever came of it.
func (o *output) release() {
	if o.object != nil {
		o.object.Abort()
	}
	if cap(o.c.buf) > 4*writeBytes {
		o.c.buf = nil
	}
	o.c.buf = o.c.buf[:0]
	o.c.e.mu.Lock()
	defer o.c.e.mu.Unlock()
	for _, key := range o.keys {
		delete(o.c.e.building, key)
	}
}
