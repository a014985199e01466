package tier

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"weir/storage/segment"
	"weir/storage/stream"
)

// chunk is what a new container gets of one partition.
type chunk struct {
	p          Partition
	base, last int64 // offsets covered
	// fill appends the batches. If what it reads is damaged or missing, the error is a *PartitionError.
	fill func(ctx context.Context, w *segment.Writer) error
	// commit puts the piece in its place; an error that is stream.ErrMoved means that something else was faster.
	commit func(s *stream.PartitionState, piece segment.Piece) error
}

// errGone means that what was to be moved was dropped meanwhile. Nothing is wrong.
var errGone = errors.New("tier: the data are gone")

// errPreempted means that something more urgent is to be done. Nothing is wrong.
var errPreempted = errors.New("tier: flushing goes first")

// build writes a container with the chunks, which must be in the order of the directory, makes it durable, and lets the partitions refer to it. A
// partition whose data cannot be read is left out, and noted as stuck. What comes of a container that nobody refers to in the end is
// Collect's.
func (e *Engine) build(ctx context.Context, kind segment.Kind, chunks []chunk) error {
	chunks = slices.Clone(chunks)
	for len(chunks) > 0 {
		err := e.tryBuild(ctx, kind, chunks)
		pe, ok := asPartitionError(err)
		if !ok {
			return err
		}
		if !errors.Is(pe, errGone) {
			e.stick(pe)
		}
		chunks = slices.DeleteFunc(chunks, func(c chunk) bool { return c.p.Name() == pe.Partition })
	}
	return nil
}

func (e *Engine) tryBuild(ctx context.Context, kind segment.Kind, chunks []chunk) error {
	e.mu.Lock()
	e.last++
	id := segment.ID{Incarnation: e.deps.Incarnation, Number: e.last}
	key := segment.BundleKey(id)
	if kind == segment.Segment {
		key = segment.SegmentKey(chunks[0].p.Name(), id)
	}
	e.building[key] = true
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.building, key)
	}()
	pieces, err := e.write(ctx, kind, id, key, chunks)
	if err == nil && e.cfg.ReadBack {
		err = e.readBack(ctx, key)
	}
	if err != nil {
		return err
	}
	for i, c := range chunks {
		err := e.edit(c.p, func(s *stream.PartitionState) error { return c.commit(s, pieces[i]) })
		switch {
		case err == nil:
			e.unstick(c.p.Name())
		case errors.Is(err, stream.ErrMoved):
		default:
			e.log.Debug("a new container was not taken", "key", key, "err", err)
		}
	}
	return nil
}

// readBack verifies the container that was written, while what it was written from is still there: a step that fails is done again.
func (e *Engine) readBack(ctx context.Context, key string) error {
	obj, err := e.deps.Store.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("tier: read back %s: %w", key, err)
	}
	defer closeObject(obj)
	if found := segment.Verify(obj, obj.Size()); len(found) > 0 {
		return fmt.Errorf("tier: read back %s, which is not referred to yet: %w", key, errors.Join(found...))
	}
	return nil
}

// write writes the container and makes it durable.
func (e *Engine) write(ctx context.Context, kind segment.Kind, id segment.ID, key string, chunks []chunk) ([]segment.Piece, error) {
	file, err := e.deps.Store.Create(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("tier: create %s: %w", key, err)
	}
	out := &counted{Writer: file}
	defer out.Abort()
	w := segment.NewWriter(out, kind, id)
	for _, c := range chunks {
		if err := w.Begin(c.p.Name(), c.base, c.last); err != nil {
			return nil, fmt.Errorf("tier: write %s: %w", key, err)
		}
		if err := c.fill(ctx, w); err != nil {
			if _, ok := asPartitionError(err); ok {
				return nil, err
			}
			return nil, fmt.Errorf("tier: write %s: %w", key, err)
		}
	}
	pieces, err := w.Finish()
	if err != nil {
		return nil, fmt.Errorf("tier: write %s: %w", key, err)
	}
	if len(pieces) != len(chunks) {
		return nil, fmt.Errorf("tier: write %s: %d pieces of %d chunks", key, len(pieces), len(chunks))
	}
	if err := out.Commit(ctx); err != nil {
		return nil, fmt.Errorf("tier: commit %s: %w", key, err)
	}
	e.note(out)
	return pieces, nil
}

// buffer returns n bytes to read into, for one who has the turn to move.
func (e *Engine) buffer(n int) []byte {
	if cap(e.buf) < n {
		e.buf = make([]byte, max(n, readBytes))
	}
	return e.buf[:n]
}

// readBytes is how much is read at once at most, unless one append is larger.
const readBytes = 1 << 20
