package share

import (
	"time"

	"weir/internal/planted"
	"weir/kafka/sharestate"
)

// fate is the state of a record in flight.
type fate int8

const (
	available fate = iota
	acquired
	acknowledged
	archived
)

func (f fate) terminal() bool { return f == acknowledged || f == archived }

// kept is what the coordinator is told.
func (f fate) kept() sharestate.DeliveryState {
	switch f {
	case acknowledged:
		return sharestate.Acknowledged
	case archived:
		return sharestate.Archived
	case available, acquired:
	}
	return sharestate.Available
}

// span is a batch of offsets that were acquired together for the first time. The sizes of later acquisitions follow from it.
type span struct{ first, last int64 }

func (s *span) size() int64 { return s.last - s.first + 1 }

// run is a range of offsets, both ends included, with one fate.
type run struct {
	first, last int64
	fate        fate
	count       int16 // deliveries
	batch       *span

	// Of acquired ones: whose they are, and until when.
	member   string
	deadline time.Time

	// What they will be when the coordinator knows; nil if nothing is pending.
	pending *change
	next    fate
}

func (r *run) size() int64 { return r.last - r.first + 1 }

// free tells whether the run can be acquired.
func (r *run) free() bool {
	return (r.fate == available || r.fate == acquired && planted.Is(planted.ShareUnlocked)) && r.pending == nil
}

// done tells whether the run will never be delivered again.
func (r *run) done() bool { return r.fate.terminal() && r.pending == nil }

// held tells whether the run is acquired and can be acknowledged.
func (r *run) held() bool { return r.fate == acquired && r.pending == nil }

// release makes the run available, or archives it if it was delivered often enough.
func (r *run) release(deliveries int) {
	r.fate = afterRelease(r.count, deliveries)
	r.member, r.deadline = "", time.Time{}
}

func afterRelease(count int16, deliveries int) fate {
	if int(count) >= deliveries {
		return archived
	}
	return available
}

// joins tells whether next, which follows r, is the same in all but its offsets.
func (r *run) joins(next *run) bool {
	return r.last+1 == next.first && r.fate == next.fate && r.count == next.count && r.batch == next.batch && r.member == next.member &&
		r.deadline.Equal(next.deadline) && r.pending == next.pending && r.next == next.next
}

func appendRun(out []run, r run) []run {
	if n := len(out); n > 0 && out[n-1].joins(&r) {
		out[n-1].last = r.last
		return out
	}
	return append(out, r)
}

// piece is a range of offsets to which something is to be done.
type piece struct {
	first, last int64
	ack         Ack
}

// edit calls fn for the parts of the runs that pieces, which are disjoint and sorted, cover. fn may change all but the offsets.
func edit(runs, scratch []run, pieces []piece, fn func(r *run, p *piece)) []run {
	out := scratch[:0]
	for i := range runs {
		r := runs[i]
		for r.first <= r.last {
			for len(pieces) > 0 && pieces[0].last < r.first {
				pieces = pieces[1:]
			}
			if len(pieces) == 0 || pieces[0].first > r.last {
				break
			}
			p := &pieces[0]
			if p.first > r.first {
				before := r
				before.last = p.first - 1
				out = appendRun(out, before)
				r.first = p.first
			}
			part := r
			part.last = min(r.last, p.last)
			r.first = part.last + 1
			fn(&part, p)
			out = appendRun(out, part)
		}
		if r.first <= r.last {
			out = appendRun(out, r)
		}
	}
	return out
}
