package stream

import (
	"encoding/binary"
	"errors"
	"slices"
	"sort"

	"weir/storage/batch"
	"weir/storage/segment"
)

// OpenTransaction is a transaction that has records in the partition and no marker yet (KIP-98).
type OpenTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// LastStable is the last stable offset: what lies before it belongs to no transaction whose end is still unknown.
func (p *PartitionState) LastStable() int64 {
	if len(p.Open) > 0 {
		return max(p.LogStart, p.Open[0].FirstOffset)
	}
	return p.End
}

// AbortedIn returns the aborted transactions with an offset in [from, to), by the offset of their marker. It may be kept.
func (p *PartitionState) AbortedIn(from, to int64) []segment.Aborted {
	var found []segment.Aborted
	i := sort.Search(len(p.Aborted), func(i int) bool { return p.Aborted[i].LastOffset >= from })
	for ; i < len(p.Aborted); i++ {
		if p.Aborted[i].FirstOffset < to {
			found = append(found, p.Aborted[i])
		}
	}
	return found
}

// transact notes what a batch means for transactions.
func (p *PartitionState) transact(h *batch.Header, b []byte, nowMs int64) error {
	if !h.Transactional() || h.ProducerID < 0 {
		return nil
	}
	i := slices.IndexFunc(p.Open, func(t OpenTransaction) bool { return t.ProducerID == h.ProducerID })
	if !h.Control() {
		if i < 0 {
			p.Open = append(p.Open, OpenTransaction{h.ProducerID, h.BaseOffset})
		}
		return nil
	}
	kind, coordinator, err := markerOf(b)
	if err != nil {
		return err
	}
	if kind == abortMarker || kind == commitMarker {
		p.Producers.mark(h.ProducerID, h.ProducerEpoch, coordinator, nowMs)
	}
	if i < 0 || kind != abortMarker && kind != commitMarker {
		return nil // a transaction without records here, or a control record that is no marker
	}
	first := p.Open[i].FirstOffset
	p.Open = slices.Delete(p.Open, i, i+1)
	if len(p.Open) == 0 {
		p.Open = nil
	}
	if kind == abortMarker {
		stable := h.LastOffset() + 1
		if len(p.Open) > 0 {
			stable = p.Open[0].FirstOffset
		}
		p.Aborted = append(p.Aborted, segment.Aborted{ProducerID: h.ProducerID, FirstOffset: first, LastOffset: h.LastOffset(), LastStable: stable})
	}
	return nil
}

// forgetAborted drops the aborted transactions that lie wholly before offset.
func (p *PartitionState) forgetAborted(offset int64) {
	n := sort.Search(len(p.Aborted), func(i int) bool { return p.Aborted[i].LastOffset >= offset })
	if p.Aborted = p.Aborted[n:]; len(p.Aborted) == 0 {
		p.Aborted = nil
	}
}

// Types of control records.
const (
	abortMarker  = 0
	commitMarker = 1
)

var errMarker = errors.New("control record without a key")

// markerOf reads a control batch's only record: its key is version i16, type i16, and its value, of a marker, version i16, coordinator epoch i32. Control
// batches are not compressed. A value that is no marker's has the coordinator epoch 0.
func markerOf(b []byte) (kind uint16, coordinator int32, err error) {
	rest := b[batch.HeaderBytes:]
	varint := func() int64 {
		v, n := binary.Varint(rest)
		rest = rest[max(n, 0):]
		return v
	}
	_ = varint() // length
	if len(rest) == 0 {
		return 0, 0, errMarker
	}
	rest = rest[1:] // attributes
	_, _ = varint(), varint()
	key := varint()
	if key < 4 || key > int64(len(rest)) {
		return 0, 0, errMarker
	}
	kind = binary.BigEndian.Uint16(rest[2:])
	rest = rest[key:]
	if value := varint(); value >= 6 && value <= int64(len(rest)) {
		coordinator = max(int32(binary.BigEndian.Uint32(rest[2:])), 0)
	}
	return kind, coordinator, nil
}
