package partition

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/batch"
	"weir/storage/stream"
)

// sequence is what an append means for its producer: the span of its sequence numbers, and its part in a transaction. The zero value stands
// for none.
type sequence struct {
	idempotent  bool // first and last are set
	part        part
	producer    int64
	epoch       int16
	first, last int32
	coordinator int32 // of a marker: the epoch of the transaction's coordinator
}

// part is what an append is in a transaction.
type part uint8

const (
	noPart part = iota
	inTransaction
	endsTransaction // a marker
)

func sequenceOf(h *batch.Header) sequence {
	if h.ProducerID < 0 || h.Control() {
		return sequence{}
	}
	s := sequence{producer: h.ProducerID, epoch: h.ProducerEpoch, coordinator: -1}
	if h.Transactional() {
		s.part = inTransaction
	}
	if h.BaseSequence >= 0 {
		s.idempotent, s.first, s.last = true, h.BaseSequence, h.LastSequence()
	}
	return s
}

// tracked tells whether the append matters to later ones of its producer.
func (s *sequence) tracked() bool { return s.idempotent || s.part != noPart }

// pendingProducer is what the appends in flight say of a producer.
type pendingProducer struct {
	epoch       int16
	known       bool // lastSeq is: something of this epoch is known
	lastSeq     int32
	coordinator int32
	part        part  // of the last append that has one; noPart: as it is durably
	count       int32 // appends in flight
}

// checkSequenceLocked decides whether s comes next from its producer (invariant P1), following ProducerAppendInfo and UnifiedLog of Apache
// Kafka 4. If it is a retry it returns the batch that it repeats: one that is durable, or one in flight.
func (p *Partition) checkSequenceLocked(s sequence) (durable *stream.ProducerBatch, flying *inflight, err error) {
	known := p.state.Producers.Get(s.producer)
	pending, flies := p.pending[s.producer]
	if known == nil && flies && !pending.known {
		return nil, nil, nil
	}
	if known == nil && !flies {
		if r, ok := p.refused[s.producer]; ok && s.epoch == r.epoch && s.first != r.first {
			return nil, nil, fmt.Errorf("partition %v: producer %d epoch %d: sequence %d, its first was refused with sequence %d: %w",
				p.key, s.producer, s.epoch, s.first, r.first, kerr.OutOfOrderSequenceNumber)
		}
		return nil, nil, nil // never seen, or long ago: any sequence may be its first
	}
	var epoch int16
	var last int32
	if flies {
		epoch, last = pending.epoch, pending.lastSeq
	} else {
		epoch, last = known.Epoch, known.LastSeq()
	}
	switch {
	case s.epoch < epoch:
		return nil, nil, fmt.Errorf("partition %v: producer %d has epoch %d, known is %d: %w",
			p.key, s.producer, s.epoch, epoch, kerr.InvalidProducerEpoch)
	case s.epoch > epoch:
		if s.first != 0 {
			return nil, nil, fmt.Errorf("partition %v: producer %d begins epoch %d with sequence %d: %w",
				p.key, s.producer, s.epoch, s.first, kerr.OutOfOrderSequenceNumber)
		}
		return nil, nil, nil
	case s.first == stream.AdvanceSequence(last, 1): // 0 if there is no batch of this epoch but a marker
		return nil, nil, nil
	}
	if known != nil && known.Epoch == s.epoch {
		if b, ok := known.Find(s.first, s.last); ok {
			return &b, nil, nil
		}
	}
	if flies {
		for f := p.first; f != nil; f = f.next {
			if f.seq == s {
				return nil, f, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("partition %v: producer %d epoch %d: sequence %d after %d: %w",
		p.key, s.producer, s.epoch, s.first, last, kerr.OutOfOrderSequenceNumber)
}

// flyLocked notes an append that is in flight now.
func (p *Partition) flyLocked(s sequence) {
	if !s.tracked() {
		return
	}
	if p.pending == nil {
		p.pending = make(map[int64]pendingProducer)
	}
	next, flies := p.pending[s.producer]
	if !flies {
		next.coordinator, next.lastSeq = -1, -1
		if known := p.state.Producers.Get(s.producer); known != nil {
			next.epoch, next.known, next.lastSeq, next.coordinator = known.Epoch, true, known.LastSeq(), known.Coordinator
		}
	}
	next.count++
	if s.part != noPart {
		next.part = s.part
	}
	switch {
	case s.idempotent:
		next.epoch, next.known, next.lastSeq = s.epoch, true, s.last
	case s.part == endsTransaction:
		if !next.known || next.epoch != s.epoch {
			next.epoch, next.known, next.lastSeq = s.epoch, true, -1
		}
		next.coordinator = s.coordinator
	}
	p.pending[s.producer] = next
}

// settleLocked notes that an append is durable.
func (p *Partition) settleLocked(s sequence) {
	if !s.tracked() {
		return
	}
	delete(p.refused, s.producer)
	pending := p.pending[s.producer]
	if pending.count--; pending.count == 0 {
		delete(p.pending, s.producer)
		return
	}
	p.pending[s.producer] = pending
}

// refusedMax bounds the producers that are remembered as refused; a disk that refuses more of them at once has other troubles.
const refusedMax = 1000

// refuseLocked notes that an append failed. If nothing else is known of its producer, only a retry may be the producer's first: the batches
// that it had sent behind the failed one may still arrive, and must not overtake it.
func (p *Partition) refuseLocked(s sequence) {
	if !s.idempotent || p.state.Producers.Get(s.producer) != nil {
		return
	}
	if r, ok := p.refused[s.producer]; ok && r.epoch == s.epoch {
		return // the older one counts
	}
	if p.refused == nil || len(p.refused) >= refusedMax {
		p.refused = make(map[int64]sequence)
	}
	p.refused[s.producer] = s
}
