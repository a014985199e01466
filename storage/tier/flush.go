package tier

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"weir/storage/batch"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Flush moves everything that the journal holds now into bundles and segments, the oldest files first, but for partitions whose retention
// ends sooner than a flush is due. Partitions whose data cannot be read are noted as stuck and left out.
func (e *Engine) Flush(ctx context.Context) error {
	if err := e.moving.take(ctx); err != nil {
		return fmt.Errorf("tier: flush: %w", err)
	}
	defer e.moving.leave()
	files := e.deps.Journal.Files()
	if len(files) == 0 {
		return nil
	}
	end := files[len(files)-1].Number
	for {
		to, ok := e.unit(e.look(), files)
		if !ok {
			return nil
		}
		if err := e.flush(ctx, min(to, end)); err != nil || to >= end {
			return err
		}
	}
}

// look is what one pass over all partitions shows.
type look struct {
	waits   bool   // something is to be flushed
	oldest  uint32 // the oldest journal file with it
	extents int64  // memory that they take, roughly, in bytes
	pieces  int64
}

// extentBytes is what an extent takes, packed.
const extentBytes = 10

func (e *Engine) look() look {
	var l look
	for p := range e.deps.Partitions {
		moved := e.moves(p)
		p.View(func(s *stream.PartitionState) {
			l.pieces += int64(len(s.Pieces))
			if !moved {
				return
			}
			l.extents += int64(s.Extents.Len()) * extentBytes
			for x := range s.Extents.From(s.LogStart) {
				if !l.waits || x.File < l.oldest {
					l.waits, l.oldest = true, x.File
				}
				break
			}
		})
	}
	return l
}

// moves reports whether a partition's data are flushed: not those whose retention will drop them sooner, as long as the journal has room, and not those
// that could not be read a moment ago.
func (e *Engine) moves(p Partition) bool {
	if pol := p.Policy(); pol.Delete && pol.RetentionTime >= 0 && e.cfg.FlushAge >= 0 && pol.RetentionTime < e.cfg.FlushAge && !e.pressed() {
		return false
	}
	return !e.isStuck(p.Name())
}

// pressed reports whether the journal is near its limit, or takes much of a small volume.
func (e *Engine) pressed() bool {
	kept := e.count.journal.Load()
	if v := e.volume.Load(); v > 0 && kept >= v/4 {
		return true
	}
	return e.cfg.JournalLimit > 0 && kept >= e.cfg.JournalLimit/2
}

// unit returns the last of the files that the next flush empties.
func (e *Engine) unit(l look, files []File) (to uint32, ok bool) {
	if !l.waits {
		return 0, false
	}
	to = l.oldest
	n, size := 0, int64(0)
	for _, f := range files {
		if f.Number < l.oldest {
			continue
		}
		if n++; n > 1 && (n > e.cfg.UnitFiles || size+f.Bytes > e.cfg.UnitBytes) {
			break
		}
		size += f.Bytes
		to = f.Number
	}
	return to, true
}

// span is a run of a partition's extents that becomes one chunk.
type span struct {
	p          Partition
	name       wal.Partition
	base, last int64
	size       int64
}

// flush moves what lies in journal files up to number to.
func (e *Engine) flush(ctx context.Context, to uint32) error {
	started := e.now()
	written := e.deps.Journal.Written()
	var small []span
	large := map[wal.Partition][]span{}
	for p := range e.deps.Partitions {
		if !e.moves(p) {
			continue
		}
		spans, total := e.spans(p, to)
		switch {
		case len(spans) == 0:
		case total >= e.cfg.OwnBytes || e.wasStuck(p.Name()):
			large[p.Name()] = spans
		default:
			small = append(small, spans...)
		}
	}
	for _, f := range e.deps.Journal.Files() {
		if f.Number <= to {
			e.deps.Journal.WillNeed(f.Number)
		}
	}
	if err := e.flushBundles(ctx, small, to); err != nil {
		return err
	}
	for _, name := range sortedPartitions(large) {
		for _, s := range large[name] {
			if err := e.build(ctx, segment.Segment, []chunk{e.fromJournal(s, to)}); err != nil {
				return err
			}
		}
	}
	e.emptied(to, started, written)
	e.count.flushes.Add(1)
	return nil
}

// flushBundles writes the spans into bundles.
func (e *Engine) flushBundles(ctx context.Context, small []span, to uint32) error {
	slices.SortFunc(small, func(a, b span) int { return cmp.Or(comparePartitions(a.name, b.name), cmp.Compare(a.base, b.base)) })
	var chunks []chunk
	var size int64
	for i, s := range small {
		chunks = append(chunks, e.fromJournal(s, to))
		size += s.size
		if i+1 == len(small) || size+small[i+1].size > e.cfg.BundleBytes {
			if err := e.build(ctx, segment.Bundle, chunks); err != nil {
				return err
			}
			chunks, size = nil, 0
		}
	}
	return nil
}

// emptied notes that the files up to to hold nothing that was appended before started and is to be flushed.
func (e *Engine) emptied(to uint32, started instant, written int64) {
	files := e.deps.Journal.Files()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sinceLocked(started, func(n uint32) bool { return n <= to })
	if len(files) > 0 && to >= files[len(files)-1].Number {
		e.flushedAt = written
	}
}

// sinceLocked notes that the files hold nothing that was appended before, and is to be flushed.
func (e *Engine) sinceLocked(before instant, files func(number uint32) bool) {
	for n, age := range e.seen {
		if files(n) {
			e.seen[n] = fileAge{age.firstMs, before}
		}
	}
}

// now is the present, as journal files are dated.
func (e *Engine) now() instant {
	now, _ := e.clock.now()
	return instant{at: time.Now(), wallMs: now.UnixMilli()}
}

// seenFile returns since when a journal file may hold data that are to be flushed. One that was not seen before is new.
func (e *Engine) seenFile(number uint32) instant {
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	age, ok := e.seen[number]
	if !ok {
		age = fileAge{now.wallMs, now}
		e.seen[number] = age
	}
	return age.since
}

// stepExtents is how many extents are looked at in one go under a partition's lock.
const stepExtents = 1024

// extents appends to xs extents of p from the offset on that lie in files up to to, some at a time.
func extents(p Partition, xs []stream.Extent, offset int64, to uint32) []stream.Extent {
	p.View(func(s *stream.PartitionState) {
		for x := range s.Extents.From(offset) {
			if x.File > to || len(xs) == stepExtents {
				return
			}
			xs = append(xs, x)
		}
	})
	return xs
}

// spans cuts what p has in files up to to into chunks of at most a segment.
func (e *Engine) spans(p Partition, to uint32) (out []span, total int64) {
	limit := max(e.segmentLimit(p.Policy()), e.cfg.OwnBytes)
	cur := span{p: p, name: p.Name(), base: -1}
	xs := make([]stream.Extent, 0, 64)
	for offset := int64(0); ; {
		xs = extents(p, xs[:0], offset, to)
		if len(xs) == 0 {
			break
		}
		for _, x := range xs {
			if cur.base >= 0 && cur.size+int64(x.Len) > limit {
				out = append(out, cur)
				cur = span{p: p, name: cur.name, base: -1}
			}
			if cur.base < 0 {
				cur.base = x.Base
			}
			cur.last = x.Last()
			cur.size += int64(x.Len)
			total += int64(x.Len)
		}
		offset = cur.last + 1
	}
	if cur.base >= 0 {
		out = append(out, cur)
	}
	return out, total
}

// segmentLimit is how large a segment of a topic may grow.
func (e *Engine) segmentLimit(pol Policy) int64 {
	limit := e.cfg.SegmentBytes
	if pol.SegmentBytes > 0 {
		limit = min(limit, pol.SegmentBytes)
	}
	return limit
}

// fromJournal is the chunk that a span becomes.
func (e *Engine) fromJournal(s span, to uint32) chunk {
	return chunk{
		p: s.p, base: s.base, last: s.last,
		fill: func(ctx context.Context, w *segment.Writer) error { return e.fillFromJournal(ctx, s, to, w) },
		commit: func(state *stream.PartitionState, piece segment.Piece) error {
			err := state.Sink([]segment.Piece{piece})
			if err == nil {
				e.count.flushed.Add(s.size)
			}
			return err
		},
	}
}

func (e *Engine) fillFromJournal(ctx context.Context, s span, to uint32, w *segment.Writer) error {
	xs := make([]stream.Extent, 0, 64)
	firstMs := int64(-1)
	for offset := s.base; offset <= s.last; {
		xs = extents(s.p, xs[:0], offset, to)
		if len(xs) == 0 || xs[0].Base != offset {
			return &PartitionError{s.name, errGone}
		}
		for i := 0; i < len(xs) && xs[i].Base <= s.last; {
			n, err := e.appendRun(ctx, s, xs[i:], w)
			if err != nil {
				return err
			}
			if firstMs < 0 {
				firstMs = e.appendedMs(xs[0])
			}
			offset = xs[i+n-1].Last() + 1
			i += n
		}
	}
	w.Note(0, 0, firstMs)
	var aborted []segment.Aborted
	s.p.View(func(state *stream.PartitionState) { aborted = state.AbortedIn(s.base, s.last+1) })
	for _, a := range aborted {
		w.Abort(a)
	}
	return nil
}

// appendedMs says when an extent was appended: what its records say, unless they lie in the future or were old when they came.
func (e *Engine) appendedMs(x stream.Extent) int64 {
	return max(min(max(x.MaxTimestamp, e.seenFile(x.File).wallMs), e.now().wallMs), 1)
}

// gapBytes is how far payloads may lie apart that are read together: the frames of the journal end at multiples of 4 KiB.
const gapBytes = 8 << 10

// appendRun reads the first of the extents, and those that lie close behind it, at once, checks them and appends them. It returns how many they were.
func (e *Engine) appendRun(ctx context.Context, s span, xs []stream.Extent, w *segment.Writer) (int, error) {
	start, end, n := xs[0].Off, xs[0].Off+xs[0].Len, 1
	for ; n < len(xs); n++ {
		x := xs[n]
		if x.Base > s.last || x.File != xs[0].File || x.Off < end || x.Off-end > gapBytes || x.Off+x.Len-start > readBytes {
			break
		}
		end = x.Off + x.Len
	}
	buf := e.buffer(int(end - start))
	if err := e.deps.Journal.ReadAt(ctx, buf, xs[0].File, start); err != nil {
		switch {
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case errors.Is(err, wal.ErrTrimmed) && !hasExtent(s.p, xs[0]):
			err = errGone
		default:
			err = fmt.Errorf("flush offsets %d to %d: %w", xs[0].Base, xs[n-1].Last(), err)
		}
		return 0, &PartitionError{s.name, err}
	}
	for _, x := range xs[:n] {
		payload := buf[x.Off-start:][:x.Len]
		err := checkBatches(x, payload)
		if err == nil {
			err = w.Append(payload)
		}
		switch {
		case err == nil:
		case errors.Is(err, wal.ErrCorrupt) || errors.Is(err, segment.ErrCorrupt):
			return 0, &PartitionError{s.name, fmt.Errorf("flush offsets %d to %d from %d in journal file number %d: %w", x.Base, x.Last(), x.Off, x.File, err)}
		default:
			return 0, err
		}
	}
	return n, e.pace.wait(ctx, int64(end-start))
}

// checkBatches checks that the payload is what the extent says; the CRCs are the writer's to check.
func checkBatches(x stream.Extent, payload []byte) error {
	next := x.Base
	for rest := payload; len(rest) > 0; {
		h, _, after, err := batch.Next(rest)
		if err != nil {
			return fmt.Errorf("%w: %w", wal.ErrCorrupt, err)
		}
		if h.BaseOffset != next || h.LastOffsetDelta < 0 {
			return fmt.Errorf("%w: batch of offsets [%d, %d] where %d should follow", wal.ErrCorrupt, h.BaseOffset, h.LastOffset(), next)
		}
		next = h.LastOffset() + 1
		rest = after
	}
	if next != x.Last()+1 {
		return fmt.Errorf("%w: batches end at offset %d", wal.ErrCorrupt, next-1)
	}
	return nil
}

// hasExtent reports whether the partition still refers to the extent.
func hasExtent(p Partition, want stream.Extent) (has bool) {
	p.View(func(s *stream.PartitionState) {
		for x := range s.Extents.From(want.Base) {
			has = x == want
			return
		}
	})
	return has
}

func comparePartitions(a, b wal.Partition) int {
	return cmp.Or(bytes.Compare(a.Topic[:], b.Topic[:]), cmp.Compare(a.Index, b.Index))
}

func sortedPartitions[V any](m map[wal.Partition]V) []wal.Partition {
	out := make([]wal.Partition, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	slices.SortFunc(out, comparePartitions)
	return out
}
