package partition

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/batch"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Transactions in one partition (KIP-98, KIP-890): data of a transaction is taken only after its coordinator has said that the partition belongs to it,
// and a marker ends it.

// Guard stands for one question to a transaction's coordinator. It is good for beginning the producer's transaction in the partition, once, unless
// a marker comes in between that may have ended what the coordinator's answer was about.
type Guard uint64

// verification is a question under way, or answered, of a producer in an epoch.
type verification struct {
	epoch int16
	guard Guard
}

// verifyingMax bounds the producers whose transactions are about to begin in a partition. What is forgotten is asked again.
const verifyingMax = 16_384

// Verify tells whether the transaction's coordinator has to be asked before data of the producer's transaction may be appended; if so, Guard goes
// with the append. It does not if the transaction is open here already.
func (p *Partition) Verify(producer int64, epoch int16) (g Guard, needed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return 0, false, fmt.Errorf("partition %v: verify transaction: %w", p.key, p.closed)
	}
	if p.openLocked(producer, epoch) {
		return 0, false, nil
	}
	if len(p.verifying) >= verifyingMax {
		p.verifying = nil
	}
	if p.verifying == nil {
		p.verifying = make(map[int64]verification)
	}
	p.guards++
	p.verifying[producer] = verification{epoch, p.guards}
	return p.guards, true, nil
}

// openLocked tells whether the producer has an open transaction of that epoch, with what is in flight.
func (p *Partition) openLocked(producer int64, epoch int16) bool {
	pending, flies := p.pending[producer]
	if flies && pending.part != noPart {
		return pending.part == inTransaction && (!pending.known || pending.epoch == epoch)
	}
	if known := p.state.Producers.Get(producer); known != nil && known.Epoch != epoch {
		return false
	}
	return slices.ContainsFunc(p.state.Open, func(t stream.OpenTransaction) bool { return t.ProducerID == producer })
}

// mayJoinLocked decides whether data of a transaction may be appended.
func (p *Partition) mayJoinLocked(s *sequence, from Origin, g Guard) error {
	if from == FromCoordinator { // it has asked, and checks markers itself
		if epoch, _, known := p.epochLocked(s.producer); known && s.epoch < epoch {
			return fmt.Errorf("partition %v: producer %d has epoch %d, known is %d: %w", p.key, s.producer, s.epoch, epoch, kerr.InvalidProducerEpoch)
		}
		return nil
	}
	if p.openLocked(s.producer, s.epoch) {
		return nil
	}
	v, ok := p.verifying[s.producer]
	if !ok || v.guard != g || v.epoch != s.epoch {
		return fmt.Errorf("partition %v: producer %d epoch %d: the transaction's coordinator was not asked: %w", p.key, s.producer, s.epoch, kerr.InvalidTxnState)
	}
	delete(p.verifying, s.producer)
	return nil
}

// epochLocked is the newest epoch of a producer, and that of the coordinator which wrote its last marker, with what is in flight.
func (p *Partition) epochLocked(producer int64) (epoch int16, coordinator int32, known bool) {
	if pending, flies := p.pending[producer]; flies && pending.known {
		return pending.epoch, pending.coordinator, true
	}
	if known := p.state.Producers.Get(producer); known != nil {
		return known.Epoch, known.Coordinator, true
	}
	return -1, -1, false
}

// Marker is the end of a producer's transaction, as its coordinator writes it.
type Marker struct {
	ProducerID    int64
	ProducerEpoch int16
	Coordinator   int32 // the coordinator's epoch
	Commit        bool
	// Bumped says that ProducerEpoch is that of the producer's next transaction (KIP-890): nothing that came before it can come after it.
	Bumped bool
	// Premise is as in Append: the decision, if it was queued before and is not known to be durable.
	Premise *Premise
}

// Ends tells whether the marker may end a transaction of that epoch that began, or was asked about, before it. A marker with the bumped epoch of a transaction
// that is about to begin ends the one before.
func (m *Marker) Ends(epoch int16) bool { return !m.Bumped || m.ProducerEpoch > epoch }

// AppendMarker queues the marker; done is called as that of Append. A marker that the partition has already is not written again. Errors are
// TRANSACTION_COORDINATOR_FENCED and INVALID_PRODUCER_EPOCH for a marker older than what the partition knows, and those of Append.
func (p *Partition) AppendMarker(m Marker, done func(Appended, error)) error {
	now := p.leaders.cfg.Now().UnixMilli()
	marker := batch.Marker{Commit: m.Commit, Coordinator: m.Coordinator}
	a := Append{Batches: marker.Batch(now, m.ProducerID, m.ProducerEpoch), Origin: FromCoordinator}
	f := &inflight{p: p, done: done, premise: m.Premise, stampMs: -1, seq: sequence{
		part: endsTransaction, producer: m.ProducerID, epoch: m.ProducerEpoch, coordinator: m.Coordinator,
	}}
	f.entry = wal.Entry{
		Type: wal.Data, Partition: p.key.WAL(), LeaderEpoch: int32(p.epoch), Batches: 1, AppendMs: now, Payload: a.Batches,
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return fmt.Errorf("partition %v: append marker: %w", p.key, p.closed)
	}
	if p.fenced != nil {
		return fmt.Errorf("partition %v: append marker: %w", p.key, p.fenced)
	}
	if v, ok := p.verifying[m.ProducerID]; ok && m.Ends(v.epoch) {
		delete(p.verifying, m.ProducerID)
	}
	epoch, coordinator, known := p.epochLocked(m.ProducerID)
	switch {
	case known && m.Coordinator < coordinator:
		return fmt.Errorf("partition %v: marker of producer %d with coordinator epoch %d, known is %d: %w",
			p.key, m.ProducerID, m.Coordinator, coordinator, kerr.TransactionCoordinatorFenced)
	case known && m.ProducerEpoch < epoch:
		return fmt.Errorf("partition %v: marker of producer %d with epoch %d, known is %d: %w",
			p.key, m.ProducerID, m.ProducerEpoch, epoch, kerr.InvalidProducerEpoch)
	case m.Bumped && known && m.ProducerEpoch == epoch:
		if p.openLocked(m.ProducerID, epoch) {
			return fmt.Errorf("partition %v: marker of producer %d with epoch %d, which has a transaction of its own: %w",
				p.key, m.ProducerID, m.ProducerEpoch, kerr.InvalidProducerEpoch)
		}
		for g := p.first; g != nil; g = g.next {
			if g.seq == f.seq {
				g.waiters = append(g.waiters, done)
				return nil
			}
		}
		return p.queueError(p.leaders.cfg.Stream.Enqueue(&turn{done: done, outcome: Appended{
			BaseOffset: -1, LastOffset: -1, LogAppendMs: -1, LogStartOffset: p.state.LogStart, Duplicate: true,
		}}))
	}
	return p.queueLocked(f, a, 1)
}

// ActiveProducer is a producer as DescribeProducers shows it (KIP-664).
type ActiveProducer struct {
	ID              int64
	Epoch           int16
	LastSequence    int32
	LastTimestampMs int64
	Coordinator     int32 // epoch of the coordinator that wrote its last marker, -1 if none did
	FirstOffset     int64 // of its open transaction, -1 if it has none
}

// ActiveProducers returns the producers that the partition knows, by id.
func (p *Partition) ActiveProducers() []ActiveProducer {
	p.mu.Lock()
	defer p.mu.Unlock()
	open := make(map[int64]int64, len(p.state.Open))
	for _, t := range p.state.Open {
		open[t.ProducerID] = t.FirstOffset
	}
	out := make([]ActiveProducer, 0, p.state.Producers.Len())
	for _, id := range p.state.Producers.IDs() {
		known := p.state.Producers.Get(id)
		a := ActiveProducer{
			ID: id, Epoch: known.Epoch, LastSequence: known.LastSeq(), LastTimestampMs: known.LastMs, Coordinator: known.Coordinator, FirstOffset: -1,
		}
		if last, ok := known.Last(); ok && known.Coordinator < 0 {
			a.LastTimestampMs = last.Timestamp
		}
		if first, ok := open[id]; ok {
			a.FirstOffset = first
		}
		out = append(out, a)
	}
	return out
}
