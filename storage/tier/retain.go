package tier

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"weir/storage/segment"
	"weir/storage/stream"
)

// Retain moves the log start of partitions behind what their retention does not keep any more: whole pieces and extents from the head. By size, it
// keeps at least retention.bytes; by time, all that has a record which is young enough. What a producer dated in the future counts
// as dated when it was appended.
func (e *Engine) Retain(ctx context.Context) error {
	if err := e.retaining.take(ctx); err != nil {
		return fmt.Errorf("tier: retention: %w", err)
	}
	defer e.retaining.leave()
	now, held := e.clock.now()
	e.count.held.Store(held)
	type move struct {
		p     Partition
		start int64
	}
	var moves []move
	for p := range e.deps.Partitions {
		pol := p.Policy()
		if !pol.Delete || pol.RetentionTime < 0 && pol.RetentionBytes < 0 {
			continue
		}
		r := retention{policy: pol, nowMs: now.UnixMilli(), after: e.appendedBefore}
		start, drops := int64(0), false
		p.View(func(s *stream.PartitionState) { start, drops = r.start(s) })
		if drops {
			moves = append(moves, move{p, start})
		}
	}
	// Each waits for a commit, and commits take many.
	errs := make([]error, len(moves))
	for i := 0; i < len(moves); i += retainTogether {
		var wg sync.WaitGroup
		for j := i; j < min(i+retainTogether, len(moves)); j++ {
			step := func() {
				if err := moves[j].p.SetLogStart(ctx, moves[j].start); err != nil {
					errs[j] = &PartitionError{moves[j].p.Name(), fmt.Errorf("retention: set the log start to %d: %w", moves[j].start, err)}
					return
				}
				e.count.retained.Add(1)
			}
			if len(moves) < retainTogether { // few: one after the other, as tests like it
				step()
				continue
			}
			wg.Go(step)
		}
		wg.Wait()
	}
	return errors.Join(errs...)
}

const retainTogether = 64

// keeper applies retention.
func (e *Engine) keeper(ctx context.Context) {
	e.every(ctx, e.cfg.RetainInterval, "retention", e.Retain)
}

// appendedBefore returns a time at or after which nothing was appended to the journal file, Unix milliseconds.
func (e *Engine) appendedBefore(file uint32) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s, ok := e.seen[file+1]; ok {
		return s.firstMs
	}
	return math.MaxInt64
}

// retention decides what a policy drops.
type retention struct {
	policy Policy
	nowMs  int64
	after  func(file uint32) int64 // a time after which nothing was appended to a journal file
}

// start returns the log start that the policy asks for, and whether it is behind the present one.
func (r *retention) start(s *stream.PartitionState) (int64, bool) {
	surplus := int64(-1)
	if r.policy.RetentionBytes >= 0 {
		surplus = -r.policy.RetentionBytes
		for i := range s.Pieces {
			surplus += int64(s.Pieces[i].Len)
		}
		for x := range s.Extents.From(s.LogStart) {
			surplus += int64(x.Len)
		}
	}
	start, drops := s.LogStart, false
	for i := range s.Pieces {
		p := &s.Pieces[i]
		if !r.drops(int64(p.Len), r.newest(s, i), &surplus) {
			return start, drops
		}
		start, drops = p.Last+1, true
	}
	for x := range s.Extents.From(s.LogStart) {
		if !r.drops(int64(x.Len), r.dated(x.MaxTimestamp, r.after(x.File)), &surplus) {
			break
		}
		start, drops = x.Last()+1, true
	}
	return start, drops && start > s.LogStart
}

// drops reports whether data of size bytes, the newest of newestMs, go.
func (r *retention) drops(size, newestMs int64, surplus *int64) bool {
	if *surplus >= size {
		*surplus -= size
		return true
	}
	if r.policy.RetentionTime >= 0 && newestMs >= 0 && newestMs < r.nowMs-r.policy.RetentionTime.Milliseconds() {
		*surplus -= size
		return true
	}
	return false
}

// newest says when the newest record of the piece i is from. A timestamp in the future is taken for the time at which what follows it was appended;
// so is that of records that carry none. Without such a time the piece is kept.
func (r *retention) newest(s *stream.PartitionState, i int) int64 {
	p := &s.Pieces[i]
	bound := int64(math.MaxInt64)
	if i+1 < len(s.Pieces) {
		if ms := s.Pieces[i+1].FirstDirtyMs; ms > 0 {
			bound = ms
		}
	} else {
		for x := range s.Extents.From(p.Last + 1) {
			bound = r.after(x.File)
			break
		}
	}
	return r.dated(p.MaxTimestamp, bound)
}

// dated is a newest timestamp, given a time after which the data were not appended.
func (r *retention) dated(newestMs, bound int64) int64 {
	switch {
	case newestMs < 0:
		return bound
	case newestMs > r.nowMs:
		return min(newestMs, bound)
	default:
		return newestMs
	}
}

// sizeOf is the bytes of a run of pieces.
func sizeOf(pieces []segment.Piece) (n int64) {
	for i := range pieces {
		n += int64(pieces[i].Len)
	}
	return n
}
