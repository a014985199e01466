package stream

import (
	"cmp"
	"math"
	"slices"
)

// BatchesPerProducer is how many batches of a producer a partition remembers, so that a retry is answered with the offsets of the
// first try (KIP-98). Clients keep at most as many requests in flight.
const BatchesPerProducer = 5

// producerExpiryMs is after how much silence a producer is forgotten: the default of producer.id.expiration.ms.
const producerExpiryMs = 24 * 60 * 60 * 1000

// ProducersMax is how many producers a partition remembers. When one more comes, the eighth of them that has been silent for longest is forgotten. A
// producer that was forgotten and comes back may begin at any sequence number; only its retries are not known as such any more.
const ProducersMax = 16_384

// producersBeforeSweep is how many producers a partition gathers before it looks for silent ones.
const producersBeforeSweep = 64

// Producer is what a partition knows of one producer id.
type Producer struct {
	Epoch       int16 // of its newest batch or of the marker behind it, which fences what is older
	LastMs      int64 // when it appended last, or its coordinator did
	Coordinator int32 // epoch of the transaction coordinator that wrote its newest marker; -1: it has none
	count       uint8
	batches     [BatchesPerProducer]ProducerBatch // oldest first; count are in use
}

// ProducerBatch is one batch that a producer appended.
type ProducerBatch struct {
	LastOffset int64
	Timestamp  int64 // the batch's largest
	LastDelta  int32
	LastSeq    int32
}

// BaseOffset is the offset of its first record.
func (b ProducerBatch) BaseOffset() int64 { return b.LastOffset - int64(b.LastDelta) }

// FirstSeq is the sequence number of its first record.
func (b ProducerBatch) FirstSeq() int32 {
	if first := int64(b.LastSeq) - int64(b.LastDelta); first >= 0 {
		return int32(first)
	}
	return int32(int64(b.LastSeq) - int64(b.LastDelta) + math.MaxInt32 + 1)
}

// LastSeq is the sequence number of the last record of its last batch in its epoch, -1 if there is none: what it appends next begins at 0.
func (p *Producer) LastSeq() int32 {
	if p.count == 0 {
		return -1
	}
	return p.batches[p.count-1].LastSeq
}

// Last is the last batch that it appended in its epoch; ok is false if there is only a marker.
func (p *Producer) Last() (b ProducerBatch, ok bool) {
	if p.count == 0 {
		return ProducerBatch{LastOffset: -1}, false
	}
	return p.batches[p.count-1], true
}

// Find returns the remembered batch with exactly these sequence numbers.
func (p *Producer) Find(firstSeq, lastSeq int32) (ProducerBatch, bool) {
	for _, b := range p.batches[:p.count] {
		if b.LastSeq == lastSeq && b.FirstSeq() == firstSeq {
			return b, true
		}
	}
	return ProducerBatch{}, false
}

func (p *Producer) add(epoch int16, b ProducerBatch, nowMs int64) {
	if epoch != p.Epoch {
		p.Epoch, p.count = epoch, 0
	}
	if p.count == BatchesPerProducer {
		copy(p.batches[:], p.batches[1:])
		p.count--
	}
	p.batches[p.count] = b
	p.count++
	p.LastMs = nowMs
}

// AdvanceSequence is the sequence number n after seq. They wrap to 0 after the largest int32.
func AdvanceSequence(seq, n int32) int32 {
	if s := int64(seq) + int64(n); s <= math.MaxInt32 {
		return int32(s)
	}
	return int32(int64(seq) + int64(n) - math.MaxInt32 - 1)
}

// Producers holds a partition's producers by id. The zero value is empty.
type Producers struct {
	byID    map[int64]*Producer
	sweepAt int // size at which to look for silent ones
}

// Get returns the producer, nil if it is unknown.
func (ps *Producers) Get(id int64) *Producer { return ps.byID[id] }

// Len is the number of producers.
func (ps *Producers) Len() int { return len(ps.byID) }

// IDs returns the producer ids, sorted.
func (ps *Producers) IDs() []int64 {
	ids := make([]int64, 0, len(ps.byID))
	for id := range ps.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// add notes a batch of data.
func (ps *Producers) add(id int64, epoch int16, b ProducerBatch, nowMs int64) {
	ps.at(id, epoch, nowMs).add(epoch, b, nowMs)
}

// mark notes the end of a transaction. A marker with a newer epoch than the data's says that the producer goes on with that one, from sequence 0
// (KIP-890); an older epoch was refused.
func (ps *Producers) mark(id int64, epoch int16, coordinator int32, nowMs int64) {
	p := ps.at(id, epoch, nowMs)
	if epoch != p.Epoch {
		p.Epoch, p.count = epoch, 0
	}
	p.Coordinator, p.LastMs = coordinator, nowMs
}

// at finds or makes the producer. It takes time from the log, not from a clock, and sweeps by size: replaying the same entries forgets the same
// producers.
func (ps *Producers) at(id int64, epoch int16, nowMs int64) *Producer {
	p := ps.byID[id]
	if p == nil {
		if ps.byID == nil {
			ps.byID = make(map[int64]*Producer)
			ps.sweepAt = producersBeforeSweep
		}
		if len(ps.byID) >= ps.sweepAt {
			for id, p := range ps.byID {
				if nowMs-p.LastMs > producerExpiryMs {
					delete(ps.byID, id)
				}
			}
			if len(ps.byID) >= ProducersMax {
				ps.evict(ProducersMax / 8)
			}
			ps.sweepAt = min(max(producersBeforeSweep, 2*len(ps.byID)), ProducersMax)
		}
		p = &Producer{Epoch: epoch, Coordinator: -1}
		ps.byID[id] = p
	}
	return p
}

// evict forgets the n producers that have been silent for longest; of those with the same time, the smaller ids.
func (ps *Producers) evict(n int) {
	type silent struct{ ms, id int64 }
	all := make([]silent, 0, len(ps.byID))
	for id, p := range ps.byID {
		all = append(all, silent{p.LastMs, id})
	}
	slices.SortFunc(all, func(a, b silent) int { return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.id, b.id)) })
	for _, s := range all[:n] {
		delete(ps.byID, s.id)
	}
}
