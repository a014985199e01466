package txn

import (
	"math"
	"sync"

	"weir/internal/planted"
	"weir/kafka/coordinator"
	"weir/kafka/partition"
	"weir/metadata"
)

// decision is the end of a transaction on its way into the journal: Prepare*, behind it the markers of the partitions that this broker leads, and behind
// those, if they are all, Complete*. All of it is queued at once and mostly becomes durable with one write. What the journal refuses takes with it
// what comes after: the premise of each is all that was queued before it.
type decision struct {
	s       *state
	t       *transaction
	next    facts // Prepare*
	premise partition.Premise
	over    *facts // Complete*, if it was queued

	mu       sync.Mutex
	left     int // outcomes that are not known, and prepare itself until all is queued
	decided  bool
	complete bool
	marked   []TopicPartition // have their marker
}

// prepare decides the end of t's transaction and has its markers written. done gets the outcome when the end is decided.
func (s *state) prepare(t *transaction, next facts, done func(error)) {
	d := &decision{s: s, t: t, next: next, left: 2}
	s.write(t, next, func(err error) {
		if err != nil {
			d.premise.Fail()
		}
		done(err)
		if d.outcome(func() { d.decided = err == nil }) {
			d.settle()
		}
	})
	if !d.premise.Failed() && s.queue != nil {
		d.queue()
	}
	if d.outcome(func() {}) { // the decision was refused at once
		d.settle()
	}
}

// queue queues what follows the decision.
func (d *decision) queue() {
	s, all := d.s, true
	m := markerOf(&d.next, s.shard.Epoch())
	for _, tp := range d.next.partitions {
		all = d.queueMarker(tp, partition.Marker{
			ProducerID: m.producerID, ProducerEpoch: m.epoch, Coordinator: m.coordinator, Commit: m.commit, Bumped: m.version >= 2, Premise: &d.premise,
		}) && all
	}
	if !all {
		return
	}
	over := d.next.over()
	d.over = &over
	d.expect()
	s.shard.AppendOn(&d.premise, []coordinator.Record{recordOf(d.t.id, d.over)}, func(err error) {
		if d.outcome(func() { d.complete = err == nil }) {
			d.settle()
		}
	})
}

// queueMarker reports whether the marker was queued.
func (d *decision) queueMarker(tp TopicPartition, m partition.Marker) bool {
	d.expect()
	ok := d.s.queue(tp, m, func(err error) {
		if err != nil {
			d.premise.Fail()
		}
		if d.outcome(func() {
			if err == nil {
				d.marked = append(d.marked, tp)
			}
		}) {
			_ = d.s.shard.Locked(d.settle) // a shard that serves no more: its successor does what is left
		}
	})
	if !ok {
		d.outcome(func() {})
	}
	return ok
}

func (d *decision) expect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left++
}

// outcome takes one and reports whether it was the last.
func (d *decision) outcome(note func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	note()
	d.left--
	return d.left == 0
}

// settle is called under the shard's lock when all outcomes are known. A transaction that is prepared is nobody else's to change.
func (d *decision) settle() {
	s, t := d.s, d.t
	switch {
	case !d.decided || s.closed: // what there is, is in the log
	case d.complete:
		s.become(t, *d.over)
		s.resume(t)
	default:
		t.partitions = t.without(d.marked)
		s.mark(t)
	}
}

// markerOf is the marker of a prepared transaction.
func markerOf(f *facts, coordinator metadata.LeaderEpoch) marker {
	return marker{
		producerID: f.producerID, epoch: f.epoch, coordinator: int32(coordinator), version: int8(f.version),
		commit: f.status == PrepareCommit || planted.Is(planted.CommitAborted),
	}
}

// mark has the markers of a prepared transaction sent, or completes it if there are none to write.
func (s *state) mark(t *transaction) {
	if len(t.partitions) == 0 {
		s.complete(t)
		return
	}
	decided := t.facts
	s.sender.send(&order{
		marker:     markerOf(&t.facts, s.shard.Epoch()),
		partitions: t.partitions,
		written: func(tps []TopicPartition) {
			_ = s.shard.Locked(func() { // a shard that serves no more: its successor writes them again
				if s.ids[t.id] != t || !t.status.prepared() || t.producerID != decided.producerID || t.epoch != decided.epoch {
					return
				}
				if t.partitions = t.without(tps); len(t.partitions) == 0 {
					s.complete(t)
				}
			})
		},
	})
}

// complete ends t's transaction: all of its markers are written. See the package's non-obvious chapter for why nobody waits for the record.
func (s *state) complete(t *transaction) {
	next := t.over()
	next.updateMs = nowMs()
	s.become(t, next)
	s.shard.Append(recordsOf(t), func(err error) {
		if err != nil && !s.closed {
			s.log.Warn("the end of a transaction is not in the log: its markers may be written again", "txn", t.id, "err", err)
		}
	})
	s.resume(t)
}

// over are the facts when all markers of a prepared transaction are written.
func (f *facts) over() facts {
	next := *f
	next.partitions = nil
	if next.status = CompleteAbort; f.status == PrepareCommit {
		next.status = CompleteCommit
	}
	if next.nextID != none {
		next.previousID, next.producerID, next.nextID = f.producerID, f.nextID, none
		next.epoch, next.lastEpoch = 0, math.MaxInt16
	}
	return next
}
