package compact

import (
	"errors"
	"fmt"
	"time"

	"weir/storage/batch"
	"weir/storage/segment"
)

// ErrMapTooSmall means that not even one batch's keys fit into the map, so that nothing can be cleaned.
var ErrMapTooSmall = errors.New("compact: the map of keys is too small")

// Rules are what one cleaning follows.
type Rules struct {
	Now             time.Time
	DeleteRetention time.Duration // delete.retention.ms
	MaxBatchBytes   int           // max.message.bytes
	// Producers are the live ones: Rewrite keeps the batch that says the last of each. Nil if there are none.
	Producers map[int64]Last
}

// Last says which batch of a producer holds its last sequence number.
type Last struct {
	Offset int64 // last offset of its last batch with data; -1: it has none, but markers with its epoch
	Epoch  int16
}

// Stats counts what a cleaning met and did.
type Stats struct {
	Keys                           int64 // in the map
	LearnedBatches, LearnedRecords int64

	BatchesIn, BatchesOut int64
	BytesIn, BytesOut     int64
	RecordsIn, RecordsOut int64 // of batches that could be decoded

	Superseded int64 // records dropped: a later one has the key
	Tombstones int64 // ... their horizon has passed
	Aborted    int64 // ... their transaction was aborted
	Keyless    int64 // ... they have no key
	Markers    int64 // markers dropped

	Rewritten  int64 // batches written anew
	Stamped    int64 // ... which got a delete horizon
	Emptied    int64 // batches that stay without records
	Unreadable int64 // batches that could not be decoded and stay as they are
	Oversize   int64 // batches that were not stamped, or grew beyond what they should, because a record would have become too large
}

// Add adds the counts of o.
func (s *Stats) Add(o *Stats) {
	s.Keys += o.Keys
	s.LearnedBatches += o.LearnedBatches
	s.LearnedRecords += o.LearnedRecords
	s.BatchesIn += o.BatchesIn
	s.BatchesOut += o.BatchesOut
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.RecordsIn += o.RecordsIn
	s.RecordsOut += o.RecordsOut
	s.Superseded += o.Superseded
	s.Tombstones += o.Tombstones
	s.Aborted += o.Aborted
	s.Keyless += o.Keyless
	s.Markers += o.Markers
	s.Rewritten += o.Rewritten
	s.Stamped += o.Stamped
	s.Emptied += o.Emptied
	s.Unreadable += o.Unreadable
	s.Oversize += o.Oversize
}

// Out is one batch that stays.
type Out struct {
	Header        batch.Header
	Bytes         []byte // the whole batch; valid until the function that is given it returns
	Tombstones    bool   // it holds records without a value
	DeleteHorizon int64  // 0: none
	// Aborted is the transaction that it belongs to if that was aborted: the index of the chunk that takes the batch must name it. Nil if none.
	Aborted *segment.Aborted
}

// Cleaner cleans partitions, one after the other. It is not safe for concurrent use.
type Cleaner struct {
	keys *KeyMap
	dec  *batch.Decoder
	enc  batch.Encoder

	rules Rules
	stats Stats
	end   int64
	txns  transactions
	// veiled says that Rewrite met a batch that it could not look into. It may hold values that a later tombstone hides.
	veiled bool

	hashes  []hashAt
	records []batch.Record
	keep    []batch.Record
	out     []byte
}

type hashAt struct {
	hash   keyHash
	offset int64
}

// New returns a cleaner that uses keys. What decompresses to more than dec allows is not cleaned.
func New(keys *KeyMap, dec *batch.Decoder) *Cleaner {
	return &Cleaner{keys: keys, dec: dec}
}

// Begin begins a cleaning. Learn comes next.
func (c *Cleaner) Begin(r Rules) {
	c.keys.Reset()
	c.rules, c.stats, c.end, c.txns, c.veiled = r, Stats{}, 0, transactions{}, false
}

// Abort tells of aborted transactions that touch the chunk that is read next, in either pass. Those of all its chunks must be told.
func (c *Cleaner) Abort(as []segment.Aborted) { c.txns.add(as) }

// Learn notes the keys of whole batches, the next ones of the dirty part. It reports false if the map is full: the pass is over then. Batches
// whose framing is broken are an error; that should have been noticed below.
func (c *Cleaner) Learn(batches []byte) (more bool, err error) {
	for rest := batches; len(rest) > 0; {
		h, one, after, err := batch.Next(rest)
		if err != nil {
			return false, fmt.Errorf("compact: learn keys from offset %d on: %w", c.end, err)
		}
		rest = after
		if !c.learn(&h, one) {
			if c.end == 0 {
				return false, fmt.Errorf("%w: it takes %d keys, the batch at offset %d has %d", ErrMapTooSmall, c.keys.full, h.BaseOffset, h.Count)
			}
			return false, nil
		}
		c.end = h.LastOffset() + 1
		c.stats.LearnedBatches++
		c.stats.Keys = int64(c.keys.Len())
	}
	return true, nil
}

// learn reports false if the map has no room for the batch's keys. Those that it took do no harm: their records lie behind End and stay.
func (c *Cleaner) learn(h *batch.Header, one []byte) bool {
	if h.Control() {
		return true // markers matter in Rewrite only
	}
	if c.txns.data(h) != nil {
		return true
	}
	c.hashes = c.hashes[:0]
	for r, err := range c.ordered(h, one) {
		if err != nil {
			return true // Rewrite counts it
		}
		c.stats.LearnedRecords++
		if r.Key != nil {
			c.hashes = append(c.hashes, hashAt{hashOf(r.Key), r.Offset})
		}
	}
	// Only now is it known that the whole batch can be read.
	for i := range c.hashes {
		if !c.keys.put(c.hashes[i].hash, c.hashes[i].offset) {
			return false
		}
	}
	return true
}

// End is the end of what the cleaning cleans: one past the last batch that Learn took, 0 if it took none.
func (c *Cleaner) End() int64 { return c.end }

// Rewind ends the first pass. Rewrite comes next, from the log's first batch on.
func (c *Cleaner) Rewind() { c.txns, c.veiled = transactions{}, false }

// Stats is what happened since Begin.
func (c *Cleaner) Stats() Stats { return c.stats }

// Finish gives the memory back that a cleaning needs.
func (c *Cleaner) Finish() {
	c.keys.Reset()
	clear(c.records[:cap(c.records)])
	clear(c.keep[:cap(c.keep)])
	const worthKeeping = 1 << 20
	if cap(c.out) > worthKeeping {
		c.out = nil
	}
}

// ordered yields the records of the one batch, and an error where they do not ascend within it.
func (c *Cleaner) ordered(h *batch.Header, one []byte) func(yield func(batch.Record, error) bool) {
	return func(yield func(batch.Record, error) bool) {
		before := h.BaseOffset - 1
		for r, err := range c.dec.Records(one) {
			if err == nil && (r.Offset <= before || r.Offset > h.LastOffset()) {
				err = fmt.Errorf("compact: batch [%d, %d] holds offset %d after %d", h.BaseOffset, h.LastOffset(), r.Offset, before)
			}
			if !yield(r, err) || err != nil {
				return
			}
			before = r.Offset
		}
	}
}
