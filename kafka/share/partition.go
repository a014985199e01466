package share

import (
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/sharestate"
)

// Limits are a group's.
type Limits struct {
	Deliveries   int           // of a record
	Locks        int           // records between the share-partition start and end offset
	LockDuration time.Duration // of an acquisition
	Renew        bool          // members may renew locks (KIP-1222)
}

// Partition is a share partition of a leader. It is safe for concurrent use.
type Partition struct {
	key    sharestate.Key
	epoch  int32 // of the leader
	limits func() Limits
	owner  owner
	now    func() time.Time

	mu         sync.Mutex
	loaded     bool
	closed     error
	stateEpoch int32
	start, end int64 // share-partition start offset, and the offset behind the end offset
	runs       []run // cover [start, end)
	scratch    []run
	fetching   bool              // somebody reads records to acquire them
	contenders []chan<- struct{} // and they wanted to
	waiters    map[chan<- struct{}]struct{}

	queued  []*change // to be written
	writing bool
}

// owner is what a Partition needs of Partitions.
type owner interface {
	// write makes a goroutine that calls p.flush. It reports whether it could.
	write(p *Partition) bool
	// at calls p.expire at that time or soon after it.
	at(p *Partition, t time.Time)
}

func newPartition(key sharestate.Key, epoch int32, limits func() Limits, o owner, now func() time.Time) *Partition {
	return &Partition{key: key, epoch: epoch, limits: limits, owner: o, now: now, waiters: make(map[chan<- struct{}]struct{})}
}

// Key names the share partition.
func (p *Partition) Key() sharestate.Key { return p.key }

// load takes over what the coordinator knows. start is the share-partition start offset if it knows none.
func (p *Partition) load(s *sharestate.State, start int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return p.closed
	}
	if s.Start >= 0 {
		start = s.Start
	}
	at := start
	var runs []run
	for _, b := range s.Batches {
		if b.Last < at {
			return fmt.Errorf("share partition %v: state batches of [%d, %d] behind %d: %w", p.key, b.First, b.Last, at, kerr.UnknownServerError)
		}
		first := max(b.First, at)
		if first > at { // never delivered, as far as the coordinator knows
			runs = appendRun(runs, run{first: at, last: first - 1, batch: &span{at, first - 1}})
		}
		r := run{first: first, last: b.Last, count: b.Count, batch: &span{first, b.Last}}
		switch b.State {
		case sharestate.Available:
		case sharestate.Acknowledged:
			r.fate = acknowledged
		case sharestate.Archived:
			r.fate = archived
		default:
			return fmt.Errorf("share partition %v: delivery state %d: %w", p.key, b.State, kerr.UnknownServerError)
		}
		runs = appendRun(runs, r)
		at = b.Last + 1
	}
	p.stateEpoch, p.start, p.end, p.runs, p.loaded = s.StateEpoch, start, at, runs, true
	p.advanceLocked()
	p.wakeLocked()
	return nil
}

// close ends the share partition: what is still to be written fails with reason, and who waits is woken.
func (p *Partition) close(reason error) {
	p.mu.Lock()
	if p.closed == nil {
		p.closed = reason
	}
	failed := p.queued
	p.queued = nil
	p.wakeLocked()
	p.mu.Unlock()
	for _, c := range failed {
		c.finish(reason)
	}
}

// idle tells whether nothing is on its way to the coordinator.
func (p *Partition) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.writing && len(p.queued) == 0
}

// Next returns where a fetch would read now. ok is false if there is nothing to get: all that is in flight is held or pending and there is no room for
// more, or the state is being loaded.
func (p *Partition) Next() (offset int64, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return 0, false, p.closed
	}
	offset = p.nextLocked()
	if !p.loaded || offset == p.end && p.end-p.start >= int64(p.limits().Locks) {
		return 0, false, nil
	}
	return offset, true, nil
}

// Begin reserves the partition for a fetch and returns where to read; ok is false if there is nothing to get, as Next says, or if somebody else
// reads: then wake, unless it is nil, gets a token when that ends. Who gets true must call End.
func (p *Partition) Begin(wake chan<- struct{}) (offset int64, ok bool, err error) {
	_, ok, err = p.Next()
	if !ok || err != nil {
		return 0, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fetching {
		if wake != nil {
			p.contenders = append(p.contenders, wake)
		}
		return 0, false, nil
	}
	p.fetching = true
	return p.nextLocked(), true, nil
}

// End ends what Begin began. It wakes those only who wanted to read meanwhile: if it woke all that wait, and they found too little, they would wake
// each other for ever.
func (p *Partition) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetching = false
	for i, ch := range p.contenders {
		select {
		case ch <- struct{}{}:
		default:
		}
		p.contenders[i] = nil
	}
	p.contenders = p.contenders[:0]
}

// nextLocked is the first offset that can be acquired.
func (p *Partition) nextLocked() int64 {
	for i := range p.runs {
		if p.runs[i].free() {
			return p.runs[i].first
		}
	}
	return p.end
}

// Watch puts a token into ch whenever there may be something to acquire, until Unwatch. Whoever watches must look once more afterwards.
func (p *Partition) Watch(ch chan<- struct{}) {
	p.mu.Lock()
	p.waiters[ch] = struct{}{}
	p.mu.Unlock()
}

// Unwatch ends Watch.
func (p *Partition) Unwatch(ch chan<- struct{}) {
	p.mu.Lock()
	delete(p.waiters, ch)
	p.mu.Unlock()
}

func (p *Partition) wakeLocked() {
	for ch := range p.waiters {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// Trim forgets what lies in front of the log start: it cannot be delivered any more.
func (p *Partition) Trim(logStart int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if logStart <= p.start || !p.loaded {
		return
	}
	i := 0
	for i < len(p.runs) && p.runs[i].last < logStart {
		i++
	}
	p.runs = append(p.runs[:0], p.runs[i:]...)
	if len(p.runs) > 0 && p.runs[0].first < logStart {
		p.runs[0].first = logStart
	}
	p.start, p.end = logStart, max(p.end, logStart)
	p.advanceLocked()
	p.wakeLocked()
}

// advanceLocked moves the start over what is done, and reports whether it moved.
func (p *Partition) advanceLocked() bool {
	i := 0
	for i < len(p.runs) && p.runs[i].done() {
		i++
	}
	if i == 0 {
		return false
	}
	p.start = p.runs[i-1].last + 1
	p.runs = append(p.runs[:0], p.runs[i:]...)
	return true
}

// completeLocked is how many records from the start on are done, or will be when the coordinator knows.
func (p *Partition) completeLocked() int32 {
	var n int64
	for i := range p.runs {
		r := &p.runs[i]
		if r.pending == nil && r.fate.terminal() || r.pending != nil && r.next.terminal() {
			n += r.size()
		}
	}
	return int32(min(n, 1<<31-1))
}

// expire releases what is locked no longer, and returns when the next lock ends; the zero time if none is held.
func (p *Partition) expire(now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return time.Time{}
	}
	deliveries := p.limits().Deliveries
	var next time.Time
	var batches []sharestate.Batch
	for i := range p.runs {
		r := &p.runs[i]
		if r.fate != acquired {
			continue
		}
		switch {
		case r.pending == nil && !r.deadline.After(now):
			r.release(deliveries)
			batches = appendBatch(batches, r.first, r.last, r.fate, r.count)
		case r.pending != nil: // its end decides
		case next.IsZero() || r.deadline.Before(next):
			next = r.deadline
		}
	}
	if len(batches) > 0 {
		p.compactLocked()
		p.advanceLocked()
		p.queueLocked(&change{batches: batches})
		p.wakeLocked()
	}
	return next
}

// compactLocked joins neighbours that have become equal.
func (p *Partition) compactLocked() {
	out := p.runs[:0]
	for _, r := range p.runs {
		out = appendRun(out, r)
	}
	p.runs = out
}

func appendBatch(out []sharestate.Batch, first, last int64, f fate, count int16) []sharestate.Batch {
	b := sharestate.Batch{First: first, Last: last, State: f.kept(), Count: count}
	if n := len(out); n > 0 && out[n-1].Last+1 == first && out[n-1].State == b.State && out[n-1].Count == count {
		out[n-1].Last = last
		return out
	}
	return append(out, b)
}
