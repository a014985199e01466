package txn

import "github.com/twmb/franz-go/pkg/kerr"

// End is an EndTxn request.
type End struct {
	ID            string
	ProducerID    int64
	ProducerEpoch int16
	Commit        bool
	Version       int16 // 2: the producer gets a new epoch with it (KIP-890); 0: it keeps the one that it has
}

// end handles an End; fresh is as in initialize. reply gets what the producer goes on with, when the end is decided.
func (s *state) end(r End, fresh int64, late bool, reply func(id int64, epoch int16, err error)) {
	refuse := func(err error) { reply(none, none, err) }
	t, err := s.find(r.ID)
	if err != nil {
		refuse(err)
		return
	}
	bumps := r.Version >= 2
	// A retry names the epoch, or the producer id, that the first try has replaced already.
	again := bumps && t.status != Ongoing && (r.ProducerID == t.producerID && r.ProducerEpoch+1 == t.epoch ||
		r.ProducerID == t.previousID && exhausted(r.ProducerEpoch) && t.epoch == 0)
	if again && !t.busy && r.Commit == (t.status == PrepareCommit || t.status == CompleteCommit) && t.status != Empty {
		id, epoch := t.goesOnWith()
		reply(id, epoch, nil)
		return
	}
	if s.await(t, late, func(late bool) { s.end(r, fresh, late, reply) }) {
		return
	}
	switch {
	case t.busy:
		err = kerr.ConcurrentTransactions
	case t.producerID != r.ProducerID && !again:
		err = kerr.InvalidProducerIDMapping
	case t.epoch != r.ProducerEpoch && !again:
		err = kerr.ProducerFenced
	case t.status.prepared():
		if err = kerr.InvalidTxnState; r.Commit == (t.status == PrepareCommit) {
			err = kerr.ConcurrentTransactions
		}
	case t.status == Ongoing:
	case again:
		err = kerr.InvalidTxnState // the other way than it was decided
	case !bumps && (t.status == CompleteCommit && r.Commit || t.status == CompleteAbort && !r.Commit):
		reply(t.producerID, t.epoch, nil)
		return
	case bumps && !r.Commit && (t.status == Empty || t.status == CompleteCommit || t.status == CompleteAbort):
		// The producer cannot know whether anything of its transaction arrived.
	default:
		err = kerr.InvalidTxnState
	}
	if err != nil {
		refuse(err)
		return
	}
	next := t.facts
	next.updateMs, next.version = nowMs(), r.Version
	if t.status != Ongoing {
		next.partitions, next.startMs = nil, none
	}
	if next.status = PrepareAbort; r.Commit {
		next.status = PrepareCommit
	}
	if bumps {
		if exhausted(t.epoch) {
			if fresh == none {
				refuse(errNeedsID)
				return
			}
			next.nextID = fresh
		}
		next.epoch, next.lastEpoch = t.epoch+1, t.epoch
	}
	s.prepare(t, next, func(err error) {
		if err != nil {
			refuse(err)
			return
		}
		id, epoch := next.goesOnWith()
		reply(id, epoch, nil)
	})
}

// goesOnWith is what the producer has in its next transaction.
func (f *facts) goesOnWith() (id int64, epoch int16) {
	if f.nextID != none {
		return f.nextID, 0
	}
	return f.producerID, f.epoch
}
