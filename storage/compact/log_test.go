package compact

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"weir/storage/batch"
	"weir/storage/segment"
)

// rec is a record as consumers see it.
type rec struct {
	offset, ts int64
	key, value string // null is "<null>"
}

// stored is a batch in the log under test.
type stored struct {
	bytes   []byte
	aborted *segment.Aborted
	unread  bool // made so that it cannot be decoded
}

func (s *stored) header() batch.Header {
	h, err := batch.Parse(s.bytes)
	if err != nil {
		panic(err)
	}
	return h
}

func text(b []byte) string {
	if b == nil {
		return "<null>"
	}
	return string(b)
}

func field(s string) []byte {
	if s == "<null>" {
		return nil
	}
	return []byte(s)
}

// spec describes a batch to be made.
type spec struct {
	base      int64
	pid       int64 // -1: none
	epoch     int16
	seq       int32
	codec     batch.Codec
	txn       bool
	control   bool
	appendMs  int64 // not 0: LogAppendTime
	records   []rec
	corrupt   bool // the records are nonsense
	leadEpoch int32
}

var testDecoder = batch.NewDecoder(16 << 20)

func (s spec) build() []byte {
	b := batch.NewBuilder()
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = s.pid, s.epoch, s.seq
	if s.pid < 0 {
		b.ProducerEpoch, b.BaseSequence = -1, -1
	}
	b.Transactional, b.Control = s.txn, s.control
	for _, r := range s.records {
		b.Add(r.ts, field(r.key), field(r.value))
	}
	plain := b.Batch()
	batch.SetOffsets(plain, s.base, s.leadEpoch)
	var rs []batch.Record
	for r, err := range testDecoder.Records(plain) {
		if err != nil {
			panic(err)
		}
		rs = append(rs, r)
	}
	h, _ := batch.Parse(plain)
	h.Attributes |= int16(s.codec)
	var e batch.Encoder
	out, err := e.Encode(nil, &h, rs)
	if err != nil {
		panic(err)
	}
	if s.appendMs != 0 {
		batch.SetLogAppendTime(out, s.appendMs)
	}
	if s.corrupt {
		copy(out[batch.HeaderBytes:], bytes.Repeat([]byte{0xff}, len(out)))
		batch.SetLogAppendTime(out, 1) // computes the CRC
	}
	return out
}

// marker is a transaction marker's batch.
func marker(base, pid int64, epoch int16, commit bool, ts int64) []byte {
	key := "\x00\x00\x00\x00"
	if commit {
		key = "\x00\x00\x00\x01"
	}
	return spec{base: base, pid: pid, epoch: epoch, seq: -1, txn: true, control: true, records: []rec{{ts: ts, key: key, value: "\x00\x00\x00\x00\x00\x01"}}}.build()
}

// records decodes one stored batch.
func (s *stored) records() ([]rec, error) {
	var out []rec
	for r, err := range testDecoder.Records(s.bytes) {
		if err != nil {
			return nil, err
		}
		out = append(out, rec{r.Offset, r.Timestamp, text(r.Key), text(r.Value)})
	}
	return out, nil
}

// run cleans log, whose batches from dirty on are dirty, in chunks of per batches, and returns what is left.
func run(c *Cleaner, log []stored, dirty int64, r Rules, per int) ([]stored, error) {
	c.Begin(r)
	for chunk := range slices.Chunk(log, per) {
		chunk = slices.DeleteFunc(slices.Clone(chunk), func(s stored) bool { h := s.header(); return h.BaseOffset < dirty })
		c.Abort(abortedOf(chunk))
		more, err := c.Learn(joined(chunk))
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	c.Rewind()
	var out []stored
	for chunk := range slices.Chunk(log, per) {
		c.Abort(abortedOf(chunk))
		err := c.Rewrite(joined(chunk), func(o *Out) error {
			if err := checkOut(o); err != nil {
				return err
			}
			s := stored{bytes: bytes.Clone(o.Bytes)}
			if o.Aborted != nil {
				a := *o.Aborted
				s.aborted = &a
			}
			for i := range log {
				if log[i].unread && bytes.Equal(log[i].bytes, s.bytes) {
					s.unread = true
				}
			}
			out = append(out, s)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkOut compares what an output says of its batch with the batch.
func checkOut(o *Out) error {
	h, one, rest, err := batch.Next(o.Bytes)
	if err != nil || len(rest) > 0 {
		return fmt.Errorf("output is not one batch: %w, %d bytes left", err, len(rest))
	}
	if err := batch.CheckCRC(one); err != nil {
		return err
	}
	if h != o.Header {
		return fmt.Errorf("output's header is %+v, its bytes say %+v", o.Header, h)
	}
	if ms, ok := h.DeleteHorizon(); ok && ms != o.DeleteHorizon || !ok && o.DeleteHorizon != 0 {
		return fmt.Errorf("horizon %d, the batch says %d, %v", o.DeleteHorizon, ms, ok)
	}
	return nil
}

func abortedOf(chunk []stored) []segment.Aborted {
	var as []segment.Aborted
	for i := range chunk {
		if a := chunk[i].aborted; a != nil && !slices.Contains(as, *a) {
			as = append(as, *a)
		}
	}
	return as
}

func joined(chunk []stored) []byte {
	var b []byte
	for i := range chunk {
		b = append(b, chunk[i].bytes...)
	}
	return b
}

// consumer is one that reads committed records as Kafka's clients do: what the broker lists as aborted is left out from its first offset to the
// abort marker.
type consumer struct {
	next  int64
	skip  map[int64]bool
	began time.Time
	table map[string]string
}

func newConsumer(now time.Time) *consumer {
	return &consumer{skip: map[int64]bool{}, began: now, table: map[string]string{}}
}

// read reads up to n batches of the log from the consumer's position on.
func (c *consumer) read(log []stored, n int) error {
	aborted := abortedOf(log)
	for i := range log {
		s := &log[i]
		h := s.header()
		if h.LastOffset() < c.next {
			continue
		}
		if n--; n < 0 {
			return nil
		}
		c.next = h.LastOffset() + 1
		for _, a := range aborted {
			if a.FirstOffset <= h.LastOffset() && a.LastOffset >= h.BaseOffset {
				c.skip[a.ProducerID] = true
			}
		}
		rs, err := s.records()
		if s.unread {
			continue
		} else if err != nil {
			return err
		}
		if h.Control() {
			if len(rs) == 1 && rs[0].key == "\x00\x00\x00\x00" {
				delete(c.skip, h.ProducerID)
			}
			continue
		}
		if h.Transactional() && c.skip[h.ProducerID] {
			continue
		}
		for _, r := range rs {
			if r.key == "<null>" {
				continue
			}
			if r.value == "<null>" {
				delete(c.table, r.key)
			} else {
				c.table[r.key] = r.value
			}
		}
	}
	return nil
}
