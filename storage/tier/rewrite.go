package tier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/storage/blob"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Promote moves what should not stay in bundles into segments, or, where it is tiny, together with others of its kind into newer bundles.
func (e *Engine) Promote(ctx context.Context) error {
	if err := e.moving.take(ctx); err != nil {
		return fmt.Errorf("tier: promote: %w", err)
	}
	defer e.moving.leave()
	return preempted(e.rewriteAll(ctx, (*planner).promotions))
}

// Merge makes few large segments of many small ones.
func (e *Engine) Merge(ctx context.Context) error {
	if err := e.moving.take(ctx); err != nil {
		return fmt.Errorf("tier: merge: %w", err)
	}
	defer e.moving.leave()
	return preempted(e.rewriteAll(ctx, (*planner).merges))
}

// preempted takes it for no failure that something went first.
func preempted(err error) error {
	if errors.Is(err, errPreempted) {
		return nil
	}
	return err
}

// rewriteAll rewrites what plan finds in each partition.
func (e *Engine) rewriteAll(ctx context.Context, plan func(*planner, []segment.Piece) []move) error {
	now, _ := e.clock.now()
	e.mu.Lock()
	sparse := e.sparse
	e.mu.Unlock()
	var tiny []rewrite // for bundles
	here := map[wal.Partition]bool{}
	for p := range e.deps.Partitions {
		here[p.Name()] = true
		if e.isStuck(p.Name()) {
			continue
		}
		var pieces []segment.Piece
		p.View(func(s *stream.PartitionState) { pieces = s.PiecesFrom(s.LogStart) })
		pol := p.Policy()
		pl := planner{
			cfg: &e.cfg, policy: pol, limit: e.mergeLimit(pol), nowMs: now.UnixMilli(),
			sparse: func(id segment.ID) bool { return sparse[id] },
		}
		moves := plan(&pl, pieces)
		if len(moves) == 0 {
			e.unstick(p.Name()) // whatever it was
		}
		for _, m := range moves {
			r := rewrite{p: p, name: p.Name(), run: m.run}
			if m.kind == segment.Bundle && !e.wasStuck(r.name) {
				tiny = append(tiny, r)
				continue
			}
			if err := e.build(ctx, segment.Segment, []chunk{e.fromPieces(r)}); err != nil {
				return err
			}
		}
	}
	e.forgetStuck(here)
	return e.rewriteBundles(ctx, tiny)
}

// forgetStuck forgets the partitions that are not here any more.
func (e *Engine) forgetStuck(here map[wal.Partition]bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name := range e.stuck {
		if !here[name] {
			delete(e.stuck, name)
		}
	}
}

// mergeLimit is how large a piece may grow by being written again: retention drops whole pieces, so for a small log they are smaller.
func (e *Engine) mergeLimit(pol Policy) int64 {
	limit := e.segmentLimit(pol)
	if pol.Delete && pol.RetentionBytes >= 0 {
		limit = min(limit, max(pol.RetentionBytes/retentionParts, 1))
	}
	return limit
}

// rewrite is a run of pieces of a partition that becomes one.
type rewrite struct {
	p    Partition
	name wal.Partition
	run  []segment.Piece
}

func (e *Engine) rewriteBundles(ctx context.Context, rs []rewrite) error {
	slices.SortFunc(rs, func(a, b rewrite) int {
		return cmp.Or(comparePartitions(a.name, b.name), cmp.Compare(a.run[0].Base, b.run[0].Base))
	})
	var chunks []chunk
	var size int64
	for i, r := range rs {
		chunks = append(chunks, e.fromPieces(r))
		size += sizeOf(r.run)
		if i+1 == len(rs) || size+sizeOf(rs[i+1].run) > e.cfg.BundleBytes {
			if err := e.build(ctx, segment.Bundle, chunks); err != nil {
				return err
			}
			chunks, size = nil, 0
		}
	}
	return nil
}

// fromPieces is the chunk that a run of pieces becomes.
func (e *Engine) fromPieces(r rewrite) chunk {
	first, last := &r.run[0], &r.run[len(r.run)-1]
	return chunk{
		p: r.p, base: first.Base, last: last.Last,
		fill: func(ctx context.Context, w *segment.Writer) error {
			aborted := map[segment.Aborted]bool{} // one that touches two pieces is in both
			for i := range r.run {
				if err := e.appendPiece(ctx, r, &r.run[i], w, aborted); err != nil {
					return err
				}
			}
			return nil
		},
		commit: func(s *stream.PartitionState, piece segment.Piece) error {
			err := s.Replace(r.run, []segment.Piece{piece})
			if err == nil {
				count := &e.count.merged
				if first.Kind == segment.Bundle {
					count = &e.count.promoted
				}
				count.Add(sizeOf(r.run))
			}
			return err
		},
	}
}

// appendPiece appends the batches of a piece.
func (e *Engine) appendPiece(ctx context.Context, r rewrite, p *segment.Piece, w *segment.Writer, aborted map[segment.Aborted]bool) error {
	fail := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !hasPiece(r.p, p):
			err = errGone
		default:
			err = fmt.Errorf("move offsets %d to %d out of %s: %w", p.Base, p.Last, p.Key(), err)
		}
		return &PartitionError{r.name, err}
	}
	obj, err := e.deps.Store.Open(ctx, p.Key())
	if err != nil {
		return fail(err)
	}
	defer closeObject(obj)
	obj.WillNeed(int64(p.Pos), int64(p.Len))
	for run, err := range segment.Runs(obj, &p.Chunk) {
		if err != nil {
			return fail(err)
		}
		if err := w.Append(run); err != nil {
			if errors.Is(err, segment.ErrCorrupt) {
				return fail(err)
			}
			return err
		}
		if e.pressed() {
			return errPreempted
		}
		if err := e.pace.wait(ctx, int64(len(run))); err != nil {
			return err
		}
	}
	w.Note(p.Flags, p.DeleteHorizon, p.FirstDirtyMs)
	if p.AbortedLen == 0 {
		return nil
	}
	list, err := segment.ReadAborted(obj, &p.Chunk)
	if err != nil {
		return fail(err)
	}
	for _, a := range list {
		if !aborted[a] {
			aborted[a] = true
			w.Abort(a)
		}
	}
	return nil
}

// closeObject closes an object that was read: there is nothing to lose.
func closeObject(o blob.Object) { _ = o.Close() }

// hasPiece reports whether the partition still refers to the piece.
func hasPiece(p Partition, want *segment.Piece) (has bool) {
	p.View(func(s *stream.PartitionState) {
		if from := s.PiecesFrom(want.Base); len(from) > 0 {
			has = from[0].ID == want.ID && from[0].Base == want.Base
		}
	})
	return has
}

// mover flushes when it is due, and otherwise promotes and merges.
func (e *Engine) mover(ctx context.Context) {
	m := moverState{quiet: time.Now(), tidied: time.Now()}
	e.every(ctx, e.cfg.Tick, "move data", func(ctx context.Context) error { return e.moveOnce(ctx, &m) })
}

// moverState is what the mover remembers from one look to the next.
type moverState struct {
	written int64
	quiet   time.Time // since when nothing was appended
	looked  time.Time
	look    look
	tidied  time.Time // when it promoted and merged last
	again   bool      // the last flush changed what there is to promote
}

// lookAtLeast is how often partitions are looked at though nothing was appended: time passes for them.
const (
	lookAtLeast = time.Minute
	lookAtMost  = 5 * time.Second
)

func (e *Engine) moveOnce(ctx context.Context, m *moverState) error {
	for {
		files := e.deps.Journal.Files()
		var kept int64
		for _, f := range files {
			kept += f.Bytes
			e.seenFile(f.Number)
		}
		e.count.journal.Store(kept)
		e.forgetFiles(files)
		written := e.deps.Journal.Written()
		if written != m.written {
			m.written, m.quiet = written, time.Now()
		}
		age := time.Since(m.looked)
		if due(kept, e.ofVolume(e.cfg.FlushBytes)) || e.pressed() || age > lookAtLeast || age > lookAtMost && m.quiet.After(m.looked) {
			before := e.now()
			m.look, m.looked = e.look(), time.Now()
			e.count.pieces.Store(m.look.pieces)
			e.empty(m.look, before)
		}
		if !e.flushDue(m, files, written) {
			break
		}
		to, ok := e.unit(m.look, files)
		if !ok {
			break
		}
		if err := e.flushUnit(ctx, to); err != nil {
			return err
		}
		m.looked, m.again = time.Time{}, true
	}
	if !m.again && time.Since(m.tidied) < lookAtLeast {
		return nil
	}
	m.tidied, m.again = time.Now(), false
	return errors.Join(e.Promote(ctx), e.Merge(ctx))
}

func (e *Engine) flushUnit(ctx context.Context, to uint32) error {
	if err := e.moving.take(ctx); err != nil {
		return fmt.Errorf("tier: flush: %w", err)
	}
	defer e.moving.leave()
	return e.flush(ctx, to)
}

// flushDue says whether it is time to flush.
func (e *Engine) flushDue(m *moverState, files []File, written int64) bool {
	if !m.look.waits {
		e.count.unflushed.Store(0)
		return false
	}
	var kept int64
	for _, f := range files {
		if f.Number >= m.look.oldest {
			kept += f.Bytes
		}
	}
	e.count.unflushed.Store(kept)
	e.mu.Lock()
	since := e.seen[m.look.oldest].since.at
	waiting := kept
	if e.flushedAt >= 0 {
		waiting = min(kept, written-e.flushedAt)
	}
	e.mu.Unlock()
	return due(kept, e.ofVolume(e.cfg.FlushBytes)) || e.pressed() || due(m.look.extents, e.cfg.FlushExtents) ||
		!since.IsZero() && due(time.Since(since), e.cfg.FlushAge) ||
		due(waiting, e.cfg.FlushIdleBytes) && due(time.Since(m.quiet), e.cfg.FlushIdle)
}

// empty notes that before the look nothing waited in the files that come before the oldest with data, or in any.
func (e *Engine) empty(l look, before instant) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sinceLocked(before, func(n uint32) bool { return !l.waits || n < l.oldest })
}

// forgetFiles forgets when files were seen that are gone.
func (e *Engine) forgetFiles(files []File) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.seen) <= len(files) {
		return
	}
	have := make(map[uint32]bool, len(files))
	for _, f := range files {
		have[f.Number] = true
	}
	for n := range e.seen {
		if !have[n] {
			delete(e.seen, n)
		}
	}
}
