package tier

import (
	"math"
	"slices"

	"weir/storage/segment"
)

// move is a run of a partition's pieces that become one.
type move struct {
	run  []segment.Piece
	kind segment.Kind
}

// planner decides which pieces of a partition move. It looks at nothing but its fields.
type planner struct {
	cfg    *Config
	policy Policy
	limit  int64 // bytes of a segment
	nowMs  int64
	sparse func(segment.ID) bool
}

// promotions returns the runs of chunks in bundles that are to move out of them: into a segment, or, where they are tiny, into a newer bundle.
func (p *planner) promotions(pieces []segment.Piece) (out []move) {
	var size int64
	count, oldest, sparse := 0, int64(math.MaxInt64), false
	for i := range pieces {
		if c := &pieces[i]; c.Kind == segment.Bundle {
			size += int64(c.Len)
			count++
			oldest = min(oldest, c.FirstDirtyMs)
			sparse = sparse || p.sparse(c.ID)
		}
	}
	crowded := p.cfg.PromoteChunks >= 0 && count > p.cfg.PromoteChunks
	old := count > 0 && p.cfg.PromoteAge >= 0 && oldest <= p.nowMs-p.cfg.PromoteAge.Milliseconds()
	if count == 0 || !crowded && !old && !sparse && !due(size, p.cfg.PromoteBytes) {
		return nil
	}
	for _, run := range runs(pieces, segment.Bundle) {
		for len(run) > 0 {
			n := p.fill(run)
			part := run[:n]
			run = run[n:]
			switch {
			case sizeOf(part) >= p.cfg.TinyBytes:
				out = append(out, move{part, segment.Segment})
			case crowded && len(part) > 1:
				out = append(out, move{part, segment.Bundle})
			default:
				out = append(out, p.tiny(part)...)
			}
		}
	}
	return out
}

// tiny returns what moves of a run that is too small for a segment: what lies in bundles that are hardly used, and what merging makes worth it.
func (p *planner) tiny(run []segment.Piece) (out []move) {
	for len(run) > 0 {
		if i, j, ok := p.window(run); ok && i == 0 {
			out = append(out, move{run[:j], segment.Bundle})
			run = run[j:]
			continue
		}
		if p.sparse(run[0].ID) {
			out = append(out, move{run[:1], segment.Bundle})
		}
		run = run[1:]
	}
	return out
}

// merges returns the runs of segments that become one each. Chunks in bundles between them go along.
func (p *planner) merges(pieces []segment.Piece) (out []move) {
	for _, run := range runs(pieces, segment.Bundle, segment.Segment) {
		if p.policy.Compact && run[0].Flags&segment.Compacted == 0 && len(run) <= p.cfg.PromoteChunks {
			continue // compaction will write these anew, and decides by their ages
		}
		for {
			i, j, ok := p.window(run)
			if !ok {
				break
			}
			if slices.ContainsFunc(run[i:j], func(c segment.Piece) bool { return c.Kind == segment.Segment }) {
				out = append(out, move{run[i:j], segment.Segment})
			}
			run = run[j:]
		}
	}
	return out
}

// runs cuts pieces into the longest runs of the kinds that are all compacted or all not.
func runs(pieces []segment.Piece, kinds ...segment.Kind) (out [][]segment.Piece) {
	for i := 0; i < len(pieces); {
		j := i
		for j < len(pieces) && slices.Contains(kinds, pieces[j].Kind) && (pieces[j].Flags^pieces[i].Flags)&segment.Compacted == 0 {
			j++
		}
		if j > i {
			out = append(out, pieces[i:j])
		}
		i = max(j, i+1)
	}
	return out
}

// fill returns how many of the first pieces make one that is not too large and does not span too much time, at least one.
func (p *planner) fill(pieces []segment.Piece) int {
	size, first, last := int64(0), int64(math.MaxInt64), int64(math.MinInt64)
	for i := range pieces {
		size += int64(pieces[i].Len)
		first, last = min(first, pieces[i].MinTimestamp), max(last, pieces[i].MaxTimestamp)
		if i > 0 && (size > p.limit || !p.within(last-first)) {
			return i
		}
	}
	return len(pieces)
}

// window finds the first run of pieces that is worth merging: at least MergeCount, not larger than a segment in all, not spanning more time than
// retention can do with, and none more than half of the whole. The last makes what is written to merge logarithmic: whatever is written again ends
// up in a piece at least twice as large as before.
func (p *planner) window(run []segment.Piece) (from, to int, ok bool) {
	for i := range run {
		var size, largest int64
		first, last := int64(math.MaxInt64), int64(math.MinInt64)
		for j := i; j < len(run); j++ {
			n := int64(run[j].Len)
			size += n
			largest = max(largest, n)
			first, last = min(first, run[j].MinTimestamp), max(last, run[j].MaxTimestamp)
			if size > p.limit || !p.within(last-first) {
				break
			}
			if j-i+1 >= p.cfg.MergeCount && 2*largest <= size {
				from, to, ok = i, j+1, true
			}
		}
		if ok {
			return from, to, true
		}
	}
	return 0, 0, false
}

// within reports whether a piece may span so much time: retention drops whole pieces, so a long one keeps what is old.
func (p *planner) within(spanMs int64) bool {
	if !p.policy.Delete || p.policy.RetentionTime < 0 {
		return true
	}
	limit := p.policy.RetentionTime / retentionParts
	if p.policy.SegmentTime > 0 {
		limit = min(limit, p.policy.SegmentTime)
	}
	return spanMs <= max(limit.Milliseconds(), 1)
}

// retentionParts is into how many pieces retention cuts what it keeps, at least, as far as merging is concerned.
const retentionParts = 4
