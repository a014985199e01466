package compact

import (
	"fmt"
	"math"

	"weir/storage/batch"
	"weir/storage/segment"
)

// Rewrite gives emit, in order, what stays of whole batches, the next ones of the log. Errors of emit end it and are returned as they are.
func (c *Cleaner) Rewrite(batches []byte, emit func(*Out) error) error {
	for rest := batches; len(rest) > 0; {
		h, one, after, err := batch.Next(rest)
		if err != nil {
			return fmt.Errorf("compact: rewrite: %w", err)
		}
		rest = after
		c.stats.BatchesIn++
		c.stats.BytesIn += int64(len(one))
		if err := c.rewrite(&h, one, emit); err != nil {
			return err
		}
	}
	return nil
}

// fate is what becomes of a batch.
type fate struct {
	aborted   *segment.Aborted
	unneeded  bool // none of its records is needed
	idle      bool // it is a marker that says nothing any more, and goes when its horizon has passed
	keepEmpty bool // it stays even if no record does
}

func (c *Cleaner) rewrite(h *batch.Header, one []byte, emit func(*Out) error) error {
	if h.LastOffset() >= c.end {
		return c.pass(h, one, emit)
	}
	var f fate
	readable := true
	c.records = c.records[:0]
	if h.Control() {
		readable = c.read(h, one)
		var key []byte
		if len(c.records) > 0 {
			key = c.records[0].Key
		}
		// One that has no record any more was cleaned before.
		f.idle = readable && (c.txns.marker(h, key) || len(c.records) == 0)
		horizon, stamped := h.DeleteHorizon()
		f.unneeded = f.idle && (len(c.records) == 0 || stamped && horizon <= c.rules.Now.UnixMilli())
	} else {
		f.aborted = c.txns.data(h)
		f.unneeded = f.aborted != nil
	}
	f.keepEmpty = c.lastOfProducer(h) || h.LastOffset()+1 == c.end
	switch {
	case f.unneeded:
		c.countUnneeded(h)
		return c.leaveEmpty(h, one, &f, emit)
	case readable && !h.Control():
		readable = c.read(h, one)
	}
	if !readable {
		c.stats.Unreadable++
		c.veiled = true
		return c.emit(emit, &Out{Header: *h, Bytes: one, DeleteHorizon: horizonOf(h)})
	}
	return c.sift(h, one, &f, emit)
}

// pass lets a batch behind the cleaned range through.
func (c *Cleaner) pass(h *batch.Header, one []byte, emit func(*Out) error) error {
	out := Out{Header: *h, Bytes: one, DeleteHorizon: horizonOf(h)}
	if !h.Control() {
		out.Aborted = c.txns.data(h)
	}
	return c.emit(emit, &out)
}

// lastOfProducer reports whether the state of a live producer rests on the batch.
func (c *Cleaner) lastOfProducer(h *batch.Header) bool {
	if h.ProducerID < 0 {
		return false
	}
	last, live := c.rules.Producers[h.ProducerID]
	switch {
	case !live:
		return false
	case last.Offset >= 0:
		return h.LastOffset() == last.Offset
	default:
		return h.Control() && h.ProducerEpoch == last.Epoch
	}
}

// read decodes the batch into c.records, and reports whether that went well.
func (c *Cleaner) read(h *batch.Header, one []byte) bool {
	c.records = c.records[:0]
	for r, err := range c.ordered(h, one) {
		if err != nil {
			return false
		}
		c.records = append(c.records, r)
	}
	return true
}

func (c *Cleaner) countUnneeded(h *batch.Header) {
	c.stats.RecordsIn += int64(h.Count)
	if h.Control() {
		c.stats.Markers += int64(h.Count)
	} else {
		c.stats.Aborted += int64(h.Count)
	}
}

// sift keeps the records of the batch, which are in c.records, that are needed.
func (c *Cleaner) sift(h *batch.Header, one []byte, f *fate, emit func(*Out) error) error {
	c.stats.RecordsIn += int64(len(c.records))
	horizon, stamped := h.DeleteHorizon()
	tombstonesGo := stamped && horizon <= c.rules.Now.UnixMilli() && !c.veiled
	tombstones := false
	kept := c.keep[:0]
	if h.Control() {
		kept = append(kept, c.records...)
	} else {
		for i := range c.records {
			switch r := &c.records[i]; {
			case r.Key == nil:
				c.stats.Keyless++
			case c.keys.last(hashOf(r.Key)) > r.Offset:
				c.stats.Superseded++
			case r.Value == nil && tombstonesGo:
				c.stats.Tombstones++
			default:
				tombstones = tombstones || r.Value == nil
				kept = append(kept, *r)
			}
		}
	}
	c.keep = kept
	if len(kept) == 0 {
		return c.leaveEmpty(h, one, f, emit)
	}
	out := Out{Header: *h, Bytes: one, Tombstones: tombstones}
	stamp := (tombstones || f.idle) && !stamped
	if len(kept) < len(c.records) || stamp {
		return c.encode(&out, kept, stamp, emit)
	}
	out.DeleteHorizon = horizonOf(h)
	c.stats.RecordsOut += int64(len(kept))
	return c.emit(emit, &out)
}

// encode writes the batch, which o holds as it was, anew with the records given, as several if one would be too large. A horizon for which even a
// single record would be too large is not stamped; a record is never dropped for its size.
func (c *Cleaner) encode(o *Out, kept []batch.Record, stamp bool, emit func(*Out) error) error {
	limit := max(len(o.Bytes), c.rules.MaxBatchBytes)
	horizon := c.rules.Now.Add(c.rules.DeleteRetention).UnixMilli()
	var parts []part
	for {
		h := o.Header
		if stamp {
			h.SetDeleteHorizon(horizon)
		}
		var fits bool
		var err error
		if parts, fits, err = c.split(nil, h, kept, limit); err != nil {
			return err
		}
		if fits {
			break
		}
		c.stats.Oversize++
		if !stamp {
			break // what was compressed better than we can
		}
		stamp = false
		if int(o.Header.Count) == len(kept) {
			c.stats.RecordsOut += int64(len(kept))
			o.DeleteHorizon = horizonOf(&o.Header)
			return c.emit(emit, o)
		}
	}
	c.stats.Rewritten++
	c.stats.RecordsOut += int64(len(kept))
	if stamp {
		c.stats.Stamped++
	}
	for i := range parts {
		h := &parts[i].h
		if len(parts) > 1 { // else it is what c.out holds
			if err := c.encodeOne(h, parts[i].records); err != nil {
				return err
			}
		}
		if err := c.emit(emit, &Out{Header: *h, Bytes: c.out, Tombstones: o.Tombstones, DeleteHorizon: horizonOf(h)}); err != nil {
			return err
		}
	}
	return nil
}

// part is one of the batches that a batch is written as.
type part struct {
	h       batch.Header
	records []batch.Record
}

// split appends to parts how the records of the batch h are written so that no batch is larger than limit, and reports whether that could be done.
// What was written last is in c.out.
func (c *Cleaner) split(parts []part, h batch.Header, rs []batch.Record, limit int) ([]part, bool, error) {
	if err := c.encodeOne(&h, rs); err != nil {
		return nil, false, err
	}
	if len(c.out) <= limit || len(rs) == 1 {
		return append(parts, part{h, rs}), len(c.out) <= limit, nil
	}
	left, right := h, h
	at := len(rs) / 2
	taken := rs[at].Offset - h.BaseOffset
	left.LastOffsetDelta = int32(taken - 1)
	right.BaseOffset = rs[at].Offset
	right.LastOffsetDelta = int32(h.LastOffset() - right.BaseOffset)
	if h.BaseSequence >= 0 {
		right.BaseSequence = int32((int64(h.BaseSequence) + taken) & math.MaxInt32)
	}
	parts, leftFits, err := c.split(parts, left, rs[:at], limit)
	if err != nil {
		return nil, false, err
	}
	parts, rightFits, err := c.split(parts, right, rs[at:], limit)
	return parts, leftFits && rightFits, err
}

// encodeOne writes h with the records to c.out.
func (c *Cleaner) encodeOne(h *batch.Header, rs []batch.Record) error {
	if !h.LogAppendTime() {
		h.MaxTimestamp = math.MinInt64
		for i := range rs {
			h.MaxTimestamp = max(h.MaxTimestamp, rs[i].Timestamp)
		}
	}
	var err error
	c.out, err = c.enc.Encode(c.out[:0], h, rs)
	return err
}

// leaveEmpty drops the batch, or what is in it if its header is needed.
func (c *Cleaner) leaveEmpty(h *batch.Header, one []byte, f *fate, emit func(*Out) error) error {
	if !f.keepEmpty {
		return nil
	}
	out := Out{Header: *h, Bytes: one, Aborted: f.aborted}
	if h.Count > 0 {
		out.Header.ClearRecords()
		var err error
		if out.Bytes, err = c.enc.Encode(c.out[:0], &out.Header, nil); err != nil {
			return err
		}
		c.out = out.Bytes
	}
	c.stats.Emptied++
	return c.emit(emit, &out)
}

func (c *Cleaner) emit(emit func(*Out) error, o *Out) error {
	c.stats.BatchesOut++
	c.stats.BytesOut += int64(len(o.Bytes))
	return emit(o)
}

func horizonOf(h *batch.Header) int64 {
	if ms, ok := h.DeleteHorizon(); ok {
		return ms
	}
	return 0
}
