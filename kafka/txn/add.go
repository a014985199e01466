package txn

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Add is one transaction of an AddPartitionsToTxn request.
type Add struct {
	ID            string
	ProducerID    int64
	ProducerEpoch int16
	Partitions    []TopicPartition
	VerifyOnly    bool  // only ask whether they are in the transaction (KIP-890)
	Version       int16 // of the client's transactions: 2 if its leaders add partitions for it
	// Queued is called, if it is set, when the partitions are as good as added: all that misses is that the journal takes what was queued. Then done
	// tells the outcome, on the goroutine that writes the journal.
	Queued func()
}

// add handles an Add. reply gets an error for each partition, or one for all.
func (s *state) add(r *Add, late bool, reply func([]error, error)) {
	t, err := s.find(r.ID)
	if err != nil {
		reply(nil, err)
		return
	}
	if s.await(t, late, func(late bool) { s.add(r, late, reply) }) {
		return
	}
	switch {
	case t.busy:
		err = kerr.ConcurrentTransactions
	case t.producerID != r.ProducerID:
		err = kerr.InvalidProducerIDMapping
	case t.epoch != r.ProducerEpoch:
		err = kerr.ProducerFenced
	case t.status.prepared():
		err = kerr.ConcurrentTransactions
	}
	if err != nil {
		reply(nil, err)
		return
	}
	if r.VerifyOnly {
		each := make([]error, len(r.Partitions))
		for i, tp := range r.Partitions {
			if t.status != Ongoing || !t.has(tp) {
				each[i] = kerr.TransactionAbortable
			}
		}
		reply(each, nil)
		return
	}
	if t.status == Ongoing && !slices.ContainsFunc(r.Partitions, func(tp TopicPartition) bool { return !t.has(tp) }) {
		reply(make([]error, len(r.Partitions)), nil)
		return
	}
	next := t.facts
	next.updateMs = nowMs()
	if t.status != Ongoing {
		next.status, next.startMs, next.partitions = Ongoing, next.updateMs, nil
	}
	next.partitions, next.version = next.with(r.Partitions), r.Version
	refused := false
	s.write(t, next, func(err error) {
		if err != nil {
			refused = true
			reply(nil, err)
			return
		}
		reply(make([]error, len(r.Partitions)), nil)
	})
	if r.Queued != nil && !refused { // nobody hears of the outcome before we let go of the lock
		r.Queued()
	}
}
