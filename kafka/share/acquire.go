package share

// Range is a range of records, both ends included, that a member has acquired, and how often they were delivered, this time included.
type Range struct {
	First, Last int64
	Count       int16
}

// LogBatch is a batch of the log as far as acquisitions are concerned.
type LogBatch struct {
	First, Last int64
	Aborted     bool // of an aborted transaction, and the group reads committed records only
}

// Acquisition is a member's wish for records that were read from the log.
type Acquisition struct {
	Member  string
	Offset  int64      // where the log was read, from Begin
	Batches []LogBatch // in order; without any nothing is acquired
	// MaxRecords is the most records to acquire; to keep batches together they may be more, unless Strict (KIP-1206).
	MaxRecords int
	Strict     bool
	// BatchSize is how many records a batch of new ones should have at most, where batches of the log allow that.
	BatchSize int
}

// Acquire locks records for the member, and returns them in order of offsets. They are all within what was read.
func (p *Partition) Acquire(a Acquisition) []Range {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil || !p.loaded || len(a.Batches) == 0 || a.MaxRecords <= 0 {
		return nil
	}
	q := acquiring{p: p, a: &a, limits: p.limits(), last: a.Batches[len(a.Batches)-1].Last, left: int64(a.MaxRecords)}
	if q.last < p.start {
		return nil
	}
	if room := int64(q.limits.Locks) - (p.end - p.start); room > 0 {
		q.left = min(q.left, room)
	} else {
		if a.Offset >= p.end {
			return nil
		}
		// Nothing new, but what is in flight already may be had again.
		q.last, q.left = min(q.last, p.end-1), min(q.left, p.end-a.Offset)
	}
	q.first = max(a.Batches[0].First, p.start)
	p.archiveLocked(max(a.Offset, p.start), a.Batches[0].First-1) // compaction or retention took them
	q.known()
	if q.left > 0 && p.end <= q.last {
		q.fresh()
	}
	out := q.out
	if len(out) > 0 {
		p.owner.at(p, p.lockEnd(&q.limits))
	}
	out = p.dropAbortedLocked(out, a.Batches)
	p.advanceLocked()
	return out
}

// archiveLocked ends what is free in a range in which the log holds no records.
func (p *Partition) archiveLocked(first, last int64) {
	if first > last || len(p.runs) == 0 && p.end > last {
		return
	}
	old := p.runs
	p.runs = edit(old, p.scratch, []piece{{first: first, last: last}}, func(r *run, _ *piece) {
		if r.free() {
			r.fate = archived
		}
	})
	p.scratch = old
	p.advanceLocked()
}

// acquiring is one Acquire under way.
type acquiring struct {
	p           *Partition
	a           *Acquisition
	limits      Limits
	first, last int64 // the range in question
	left        int64 // records that may still be acquired
	out         []Range
}

// throttleFrom is the number of deliveries from which on batches are given out in ever smaller parts: some record in them may be what
// nobody can process. The last delivery is of one record alone.
func (q *acquiring) throttleFrom() int { return max(2, (q.limits.Deliveries+1)/2) }

// known acquires what was in flight before and is free.
func (q *acquiring) known() {
	p := q.p
	var pieces []piece
	for i := 0; i < len(p.runs) && q.left > 0; {
		// All runs of one batch.
		j := i
		for j < len(p.runs) && p.runs[j].batch == p.runs[i].batch {
			j++
		}
		group := p.runs[i:j]
		i = j
		if group[len(group)-1].last < q.first {
			continue
		}
		if group[0].first > q.last {
			break
		}
		taken, stop := q.group(group, &pieces)
		q.left -= taken
		if stop {
			q.left = 0
		}
	}
	if len(pieces) == 0 {
		return
	}
	until := p.lockEnd(&q.limits)
	old := p.runs
	p.runs = edit(old, p.scratch, pieces, func(r *run, _ *piece) {
		r.fate, r.member, r.deadline = acquired, q.a.Member, until
		r.count++
	})
	p.scratch = old
}

// group chooses from the runs of one batch, adds what it chose to pieces and to the result, and reports whether that must be all.
func (q *acquiring) group(group []run, pieces *[]piece) (taken int64, stop bool) {
	throttleFrom := int16(q.throttleFrom())
	var most int16 // deliveries of what is free
	for i := range group {
		if r := &group[i]; r.free() && r.last >= q.first && r.first <= q.last {
			most = max(most, r.count)
		}
	}
	throttled := most >= throttleFrom
	if throttled && len(q.out) > 0 {
		return 0, true // alone, in the next fetch
	}
	lastTry := int16(q.limits.Deliveries - 1)
	upTo := int64(-1) // records of this batch
	begin := len(q.out)
	for i := range group {
		r := &group[i]
		first, last := max(r.first, q.first), min(r.last, q.last)
		if !r.free() || first > last {
			continue
		}
		alone := q.limits.Deliveries > 2 && r.count == lastTry
		if alone && taken > 0 {
			break
		}
		if r.count >= throttleFrom && upTo < 0 {
			upTo = max(1, r.batch.size()>>(r.count-throttleFrom+1))
		}
		n := last - first + 1
		if alone {
			n = 1
		}
		if q.a.Strict {
			n = min(n, q.left-taken)
		}
		if upTo >= 0 {
			n = min(n, upTo-taken)
		}
		if n <= 0 {
			break
		}
		*pieces = append(*pieces, piece{first: first, last: first + n - 1})
		q.add(begin, Range{first, first + n - 1, r.count + 1})
		taken += n
		if alone || n < last-first+1 {
			break
		}
	}
	return taken, throttled && taken > 0
}

// add joins r to the last range if that is of the same batch.
func (q *acquiring) add(begin int, r Range) {
	if n := len(q.out); n > begin && q.out[n-1].Last+1 == r.First && q.out[n-1].Count == r.Count {
		q.out[n-1].Last = r.Last
		return
	}
	q.out = append(q.out, r)
}

// fresh acquires records that were not in flight before.
func (q *acquiring) fresh() {
	p := q.p
	first := max(p.end, q.first)
	if first > p.end { // the log has nothing in between
		if len(p.runs) == 0 {
			p.start = first
		} else {
			p.runs = appendRun(p.runs, run{first: p.end, last: first - 1, fate: archived, batch: &span{p.end, first - 1}})
		}
		p.end = first
	}
	last := q.last
	if q.left < last-first+1 {
		last = q.endOfBatch(first + q.left - 1)
	}
	until := p.lockEnd(&q.limits)
	take := func(from, to int64, batch *span) {
		p.runs = append(p.runs, run{first: from, last: to, fate: acquired, count: 1, batch: batch, member: q.a.Member, deadline: until})
		q.out = append(q.out, Range{from, to, 1})
	}
	p.end = last + 1
	if q.a.Strict {
		batch := &span{first, last}
		stop := min(last, first+q.left-1)
		take(first, stop, batch)
		if stop < last {
			p.runs = append(p.runs, run{first: stop + 1, last: last, batch: batch})
			p.wakeLocked()
		}
		return
	}
	if size := int64(q.a.BatchSize); last-first+1 > size {
		for _, b := range q.a.Batches {
			if b.First > last {
				break
			}
			if b.First-first >= size && b.First > first {
				take(first, b.First-1, &span{first, b.First - 1})
				first = b.First
			}
		}
	}
	take(first, last, &span{first, last})
}

// endOfBatch is the last offset of the log's batch that holds offset, or offset itself.
func (q *acquiring) endOfBatch(offset int64) int64 {
	for _, b := range q.a.Batches {
		if b.First <= offset && offset <= b.Last {
			return b.Last
		}
	}
	return offset
}

// dropAbortedLocked archives what was acquired of aborted batches, and takes it out of the ranges.
func (p *Partition) dropAbortedLocked(ranges []Range, batches []LogBatch) []Range {
	var pieces []piece
	for _, b := range batches {
		if b.Aborted {
			pieces = append(pieces, piece{first: b.First, last: b.Last})
		}
	}
	if len(pieces) == 0 || len(ranges) == 0 {
		return ranges
	}
	var kept []Range
	var gone []piece
	for _, r := range ranges {
		for _, x := range pieces {
			if x.last < r.First || x.first > r.Last {
				continue
			}
			gone = append(gone, piece{first: max(x.first, r.First), last: min(x.last, r.Last)})
			if x.first > r.First {
				kept = append(kept, Range{r.First, x.first - 1, r.Count})
			}
			r.First = x.last + 1
		}
		if r.First <= r.Last {
			kept = append(kept, r)
		}
	}
	old := p.runs
	p.runs = edit(old, p.scratch, gone, func(r *run, _ *piece) {
		if r.held() {
			r.release(int(r.count)) // archives it
		}
	})
	p.scratch = old
	return kept
}
