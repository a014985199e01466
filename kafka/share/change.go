package share

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/planted"
	"weir/kafka/sharestate"
)

// change is what the coordinator is to be told of some records.
type change struct {
	batches []sharestate.Batch
	done    func(error) // told the outcome, nil if nobody asks
}

func (c *change) finish(err error) {
	if c.done != nil {
		c.done(err)
	}
}

// queueLocked has c written. Whoever waits for it is told later, also if that is impossible.
func (p *Partition) queueLocked(c *change) {
	p.queued = append(p.queued, c)
	if p.writing {
		return
	}
	p.writing = p.owner.write(p)
}

// Store is the share coordinator of whatever share partition.
type Store interface {
	ReadState(ctx context.Context, k sharestate.Key, leaderEpoch int32) (sharestate.State, error)
	WriteState(ctx context.Context, k sharestate.Key, w sharestate.Write) error
}

// flush writes what is queued until nothing is left. fatal is the error, if there was one, after which this leader is none any more.
// Whoever is told of the last write finds p idle: when that ends a session, the share partition can be dropped at once, and is not found as it
// was by the group's next member, who may come back before this goroutine runs again.
func (p *Partition) flush(ctx context.Context, store Store) (fatal error) {
	for {
		p.mu.Lock()
		if len(p.queued) == 0 {
			p.writing = false
			p.mu.Unlock()
			return nil
		}
		changes := p.queued
		p.queued = nil
		w := sharestate.Write{StateEpoch: p.stateEpoch, LeaderEpoch: p.epoch, Start: p.start, Complete: p.completeLocked()}
		p.mu.Unlock()
		for _, c := range changes {
			w.Batches = append(w.Batches, c.batches...)
		}
		var err error
		if !planted.Is(planted.ForgetSettled) {
			err = store.WriteState(ctx, p.key, w)
		}
		p.settle(changes, err)
		p.mu.Lock()
		fenced := fences(err)
		last := fenced || len(p.queued) == 0
		if last {
			p.writing = false // what is queued from here on gets a flush of its own
		}
		p.mu.Unlock()
		for _, c := range changes {
			c.finish(err)
		}
		switch {
		case fenced:
			return err
		case last:
			return nil
		}
	}
}

// settle gives the records of changes their fate.
func (p *Partition) settle(changes []*change, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, deliveries := p.now(), p.limits().Deliveries
	settled := make(map[*change]struct{}, len(changes))
	for _, c := range changes {
		settled[c] = struct{}{}
	}
	for i := range p.runs {
		r := &p.runs[i]
		if r.pending == nil {
			continue
		}
		if _, ok := settled[r.pending]; !ok {
			continue
		}
		next := r.next
		r.pending, r.next = nil, available
		switch {
		case err == nil:
			r.release(deliveries)
			r.fate = next
		case !r.deadline.After(now): // its lock ran out meanwhile
			r.release(deliveries)
		default:
			p.owner.at(p, r.deadline)
		}
	}
	p.compactLocked()
	p.advanceLocked()
	p.wakeLocked()
}

// fences tells whether the coordinator's error says that somebody else decides now, or that there is nothing to decide on any more.
func fences(err error) bool {
	return is(err, kerr.FencedLeaderEpoch, kerr.FencedStateEpoch, kerr.UnknownTopicOrPartition, kerr.GroupIDNotFound, kerr.InvalidRequest, kerr.NotLeaderForPartition)
}
