package stream

import (
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
	marker, ok, err := batch.ReadMarker(b)
	if err != nil {
		return err
	}
	if ok {
		p.Producers.mark(h.ProducerID, h.ProducerEpoch, marker.Coordinator, nowMs)
	}
	if i < 0 || !ok {
		return nil // a transaction without records here, or a control record that is no marker
	}
	first := p.Open[i].FirstOffset
	p.Open = slices.Delete(p.Open, i, i+1)
	if len(p.Open) == 0 {
		p.Open = nil
	}
	if !marker.Commit {
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
