package txn

import (
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Init is an InitProducerId request with a transactional id.
type Init struct {
	ID      string
	Timeout time.Duration
	// What the producer has already (KIP-360); none if it begins.
	ProducerID    int64
	ProducerEpoch int16
}

// initialize handles an Init. fresh is a producer id that nobody has, none if there is none at hand: reply gets errNeedsID if one is needed then.
func (s *state) initialize(r Init, fresh int64, late bool, reply func(id int64, epoch int16, err error)) {
	refuse := func(err error) { reply(none, none, err) }
	if s.closed {
		refuse(kerr.NotCoordinator)
		return
	}
	t := s.ids[r.ID]
	if t == nil {
		switch {
		case fresh == none:
			refuse(errNeedsID)
			return
		case len(s.ids) >= s.settings.IDsMax:
			refuse(kerr.CoordinatorNotAvailable)
			return
		}
		t = &transaction{id: r.ID, facts: facts{
			producerID: fresh, previousID: none, nextID: none, epoch: none, lastEpoch: none, startMs: none,
		}}
		s.ids[r.ID] = t
	}
	if s.await(t, late, func(late bool) { s.initialize(r, fresh, late, reply) }) {
		return
	}
	named := r.ProducerID != none
	switch {
	case t.busy, t.status.prepared():
		refuse(kerr.ConcurrentTransactions)
		return
	case named && t.epoch != none && r.ProducerID != t.producerID && (r.ProducerID != t.previousID || !exhausted(r.ProducerEpoch)):
		refuse(kerr.ProducerFenced)
		return
	case t.status == Ongoing:
		if named && r.ProducerID == t.producerID && r.ProducerEpoch != t.epoch && r.ProducerEpoch != t.lastEpoch {
			refuse(kerr.ProducerFenced)
			return
		}
		// The one before may still be at it: what it has begun is aborted, and it is fenced.
		last := int16(none)
		if named {
			last = t.epoch
		}
		s.fence(t, last, func(err error) {
			if err != nil {
				refuse(err)
				return
			}
			if !s.await(t, false, func(late bool) { s.initialize(r, fresh, late, reply) }) {
				refuse(kerr.ConcurrentTransactions)
			}
		})
		return
	}
	next := t.facts
	next.status, next.partitions, next.nextID, next.startMs = Empty, nil, none, none
	next.timeoutMs, next.updateMs = int32(r.Timeout.Milliseconds()), nowMs()
	switch {
	case exhausted(t.epoch) && (!named || r.ProducerID == t.producerID && r.ProducerEpoch == t.epoch):
		if fresh == none {
			refuse(errNeedsID)
			return
		}
		next.producerID, next.previousID, next.epoch, next.lastEpoch = fresh, t.producerID, 0, none
		if named {
			next.lastEpoch = t.epoch
		}
	case t.epoch == none:
		next.epoch, next.lastEpoch = 0, none
	case named && r.ProducerID == t.previousID && r.ProducerID != t.producerID:
		// A retry of what gave it the producer id that it has now.
	case !named:
		next.epoch, next.lastEpoch = t.epoch+1, none
	case r.ProducerEpoch == t.epoch:
		next.epoch, next.lastEpoch = t.epoch+1, t.epoch
	case r.ProducerEpoch == t.lastEpoch:
		// A retry of what gave it the epoch that it has now.
	default:
		refuse(kerr.ProducerFenced)
		return
	}
	s.write(t, next, func(err error) {
		if err != nil {
			refuse(err)
			return
		}
		reply(next.producerID, next.epoch, nil)
	})
}

// fence aborts the ongoing transaction of t, which is not busy, with a new epoch, so that its producer can do nothing any more but begin anew if it names the
// epoch last. done gets the outcome when the
// abort is decided; markers follow.
func (s *state) fence(t *transaction, last int16, done func(error)) {
	next := t.facts
	next.status, next.updateMs = PrepareAbort, nowMs()
	next.lastEpoch = last
	if next.epoch < math.MaxInt16 {
		next.epoch++
	}
	s.prepare(t, next, done)
}
