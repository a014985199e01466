package compact

import (
	"cmp"
	"encoding/binary"
	"slices"

	"weir/storage/batch"
	"weir/storage/segment"
)

// Types of control records (KIP-98).
const (
	abortMarker  = 0
	commitMarker = 1
)

// transactions follows the transactions of a partition through one pass, whose batches come in the order of their offsets.
type transactions struct {
	coming    []segment.Aborted         // not reached yet, by first offset
	aborted   map[int64]*abortedBatches // by producer: its open transaction, which will be aborted
	committed map[int64]struct{}        // producers with a batch in their open transaction, which will be committed
}

// abortedBatches is an aborted transaction, and whether one of its batches was met.
type abortedBatches struct {
	segment.Aborted
	met bool
}

// add tells of aborted transactions, before the first batch of a chunk that they touch is looked at. One that touches several chunks may be told
// with each.
func (t *transactions) add(as []segment.Aborted) {
	t.coming = append(t.coming, as...)
	slices.SortFunc(t.coming, func(a, b segment.Aborted) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
}

// reach moves on to the batch h.
func (t *transactions) reach(h *batch.Header) {
	for len(t.coming) > 0 && t.coming[0].FirstOffset <= h.LastOffset() {
		a := t.coming[0]
		t.coming = t.coming[1:]
		if known := t.aborted[a.ProducerID]; a.LastOffset < h.BaseOffset || known != nil && known.FirstOffset == a.FirstOffset {
			continue // ended already, or told again
		}
		if t.aborted == nil {
			t.aborted = map[int64]*abortedBatches{}
		}
		t.aborted[a.ProducerID] = &abortedBatches{Aborted: a}
	}
}

// data looks at a batch that is no marker, and returns the aborted transaction that it belongs to, nil if none.
func (t *transactions) data(h *batch.Header) *segment.Aborted {
	t.reach(h)
	if !h.Transactional() {
		return nil
	}
	if a := t.aborted[h.ProducerID]; a != nil && h.BaseOffset < a.LastOffset {
		a.met = true
		return &a.Aborted
	}
	if t.committed == nil {
		t.committed = map[int64]struct{}{}
	}
	t.committed[h.ProducerID] = struct{}{}
	return nil
}

// marker looks at a control batch, whose only record has the key given, and reports whether it ended a transaction of which no batch was met, so
// that it says nothing any more.
func (t *transactions) marker(h *batch.Header, key []byte) bool {
	t.reach(h)
	if len(key) < 4 { // version i16 | type i16
		return false
	}
	switch binary.BigEndian.Uint16(key[2:]) {
	case abortMarker:
		a := t.aborted[h.ProducerID]
		delete(t.aborted, h.ProducerID)
		return a == nil || !a.met
	case commitMarker:
		_, met := t.committed[h.ProducerID]
		delete(t.committed, h.ProducerID)
		return !met
	default:
		return false
	}
}
