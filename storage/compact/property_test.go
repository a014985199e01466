package compact

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/storage/batch"
	"weir/storage/segment"
)

// world is a log under random operations, and what must be true of it.
type world struct {
	t   *rapid.T
	c   *Cleaner
	now time.Time

	log       []stored
	end       int64
	dirty     int64 // first offset behind what was cleaned
	originals map[int64]rec
	ranges    map[int64]batch.Header // of the batches as they were appended, by each of their offsets
	sizes     map[int64]int          // their bytes
	last      map[string]rec         // committed records by key, tombstones included
	keyless   map[int64]bool
	unread    map[int64]bool      // offsets in batches that nobody can decode
	seen      map[int64]time.Time // tombstones that a cleaning covered: when the first did
	producers map[int64]Last
	seqs      map[int64]int32
	open      map[int64]*openTxn
	consumers []*consumer
	maxBatch  int
	oversize  bool // a batch was not stamped because it would have grown, or grew
	veiled    bool // a batch could not be decoded
}

type openTxn struct {
	first   int64
	records []rec
}

const (
	retention = time.Hour
	plainPid  = 100 // idempotent producers from here on, transactional ones from txnPid on
	txnPid    = 200
)

func (w *world) append(s spec) {
	s.base = w.end
	b := s.build()
	h, _ := batch.Parse(b)
	w.log = append(w.log, stored{bytes: b, unread: s.corrupt})
	for i := range s.records {
		r := s.records[i]
		r.offset = w.end + int64(i)
		if s.appendMs != 0 {
			r.ts = s.appendMs
		}
		w.originals[r.offset] = r
		w.ranges[r.offset] = h
		w.sizes[r.offset] = len(b)
		w.unread[r.offset] = s.corrupt
		w.keyless[r.offset] = r.key == "<null>"
		if !s.txn && !s.corrupt && r.key != "<null>" {
			w.last[r.key] = r
		}
	}
	w.end = h.LastOffset() + 1
	if s.pid >= 0 && !s.control {
		w.producers[s.pid] = Last{h.LastOffset(), s.epoch}
		w.seqs[s.pid] = h.LastSequence()
	}
}

func (w *world) draw(n int, name string) int { return rapid.IntRange(0, n).Draw(w.t, name) }

func (w *world) drawRecords() []rec {
	rs := make([]rec, 1+w.draw(6, "more records"))
	for i := range rs {
		rs[i] = rec{ts: w.now.UnixMilli() - int64(w.draw(100, "age")), key: fmt.Sprint("k", w.draw(8, "key")), value: fmt.Sprint("v", len(w.originals)+i)}
		switch w.draw(9, "kind") {
		case 0, 1, 2:
			rs[i].value = "<null>"
		case 3:
			rs[i].value = strings.Repeat("long ", w.draw(40, "length"))
		case 4:
			if w.draw(2, "keyless") == 0 {
				rs[i].key = "<null>"
			}
		}
	}
	return rs
}

func (w *world) produce() {
	s := spec{pid: -1, codec: batch.Codec(w.draw(4, "codec")), records: w.drawRecords()}
	switch w.draw(9, "batch") {
	case 0, 1, 2:
		s.pid = plainPid + int64(w.draw(2, "producer"))
		if _, ok := w.seqs[s.pid]; ok {
			s.seq = w.seqs[s.pid] + 1
		}
	case 3:
		s.appendMs = w.now.UnixMilli()
	case 4:
		s.codec, s.corrupt = batch.Zstd, true
	}
	w.veiled = w.veiled || s.corrupt
	w.append(s)
}

func (w *world) produceInTransaction() {
	pid := txnPid + int64(w.draw(2, "producer"))
	s := spec{pid: pid, txn: true, codec: batch.Codec(w.draw(4, "codec")), records: w.drawRecords()}
	if _, ok := w.seqs[pid]; ok {
		s.seq = w.seqs[pid] + 1
	}
	o := w.open[pid]
	if o == nil {
		o = &openTxn{first: w.end}
		w.open[pid] = o
	}
	at := w.end
	w.append(s)
	for off := at; off < w.end; off++ {
		o.records = append(o.records, w.originals[off])
	}
}

func (w *world) endTransaction() {
	pids := slices.Sorted(maps.Keys(w.open))
	if len(pids) == 0 {
		return
	}
	pid := pids[w.draw(len(pids)-1, "which")]
	o := w.open[pid]
	delete(w.open, pid)
	commit := w.draw(1, "commit") == 1
	at := w.end
	m := marker(at, pid, 0, commit, w.now.UnixMilli())
	w.log = append(w.log, stored{bytes: m})
	h, _ := batch.Parse(m)
	w.ranges[at], w.sizes[at] = h, len(m)
	w.end++
	if commit {
		for _, r := range o.records {
			if old, ok := w.last[r.key]; r.key != "<null>" && (!ok || old.offset < r.offset) {
				w.last[r.key] = r
			}
		}
		return
	}
	a := &segment.Aborted{ProducerID: pid, FirstOffset: o.first, LastOffset: at, LastStable: o.first}
	for i := range w.log {
		if h := w.log[i].header(); h.ProducerID == pid && h.BaseOffset >= o.first && h.LastOffset() < at {
			w.log[i].aborted = a
		}
	}
	if w.draw(1, "index names the marker's chunk") == 1 {
		w.log[len(w.log)-1].aborted = a
	}
}

// lso is the last stable offset.
func (w *world) lso() int64 {
	lso := w.end
	for _, o := range w.open {
		lso = min(lso, o.first)
	}
	return lso
}

// cleanable is the part of the log that may be cleaned, and the rest.
func (w *world) cleanable() (part, rest []stored) {
	i := slices.IndexFunc(w.log, func(s stored) bool { h := s.header(); return h.LastOffset() >= w.lso() })
	if i < 0 {
		i = len(w.log)
	}
	return slices.Clone(w.log[:i]), slices.Clone(w.log[i:])
}

func (w *world) rules() Rules {
	r := Rules{Now: w.now, DeleteRetention: retention, MaxBatchBytes: w.maxBatch, Producers: map[int64]Last{}}
	maps.Copy(r.Producers, w.producers)
	return r
}

func (w *world) clean() {
	part, rest := w.cleanable()
	r, per, dirty := w.rules(), 1+w.draw(4, "chunk"), w.dirty
	out, err := run(w.c, part, dirty, r, per)
	if err != nil {
		w.t.Fatal(err)
	}
	end := max(w.c.End(), w.dirty)
	w.oversize = w.oversize || w.c.Stats().Oversize > 0
	if w.c.End() > 0 {
		for off, o := range w.originals {
			if _, ok := w.seen[off]; !ok && o.value == "<null>" && off < end {
				w.seen[off] = w.now
			}
		}
		w.dirty = end
		// Once more, without anything new: only markers may be stamped.
		again, err := run(w.c, out, dirty, r, per)
		if err != nil {
			w.t.Fatal(err)
		}
		if w.c.End() == end && !w.oversize {
			w.same(out, again)
		}
	}
	w.log = slices.Concat(out, rest)
	w.check(end)
}

func (w *world) same(a, b []stored) {
	drop := func(s stored) bool { h := s.header(); return h.Control() }
	a, b = slices.DeleteFunc(slices.Clone(a), drop), slices.DeleteFunc(slices.Clone(b), drop)
	if !slices.EqualFunc(a, b, func(x, y stored) bool { return bytes.Equal(x.bytes, y.bytes) }) {
		w.t.Fatalf("a second cleaning changes something: %d batches, then %d", len(a), len(b))
	}
}

// check looks at the log after a cleaning up to end.
func (w *world) check(end int64) {
	t := w.t
	found := map[int64]bool{}
	newest := map[string]int64{}
	next := int64(0)
	lastOf := map[int64]int32{}
	for i := range w.log {
		s := &w.log[i]
		h := s.header()
		in, ok := w.ranges[h.BaseOffset]
		if h.BaseOffset < next || !ok || h.LastOffset() > in.LastOffset() || h.ProducerID != in.ProducerID || h.ProducerEpoch != in.ProducerEpoch {
			t.Fatalf("batch [%d, %d] behind %d, appended as %+v", h.BaseOffset, h.LastOffset(), next, in)
		}
		next = h.LastOffset() + 1
		if len(s.bytes) > max(w.sizes[h.BaseOffset], w.maxBatch) && (h.Count > 1 || h.Codec() == batch.None) {
			t.Fatalf("batch [%d, %d] has %d bytes, had %d", h.BaseOffset, h.LastOffset(), len(s.bytes), w.sizes[h.BaseOffset])
		}
		if h.ProducerID >= 0 && !h.Control() {
			lastOf[h.ProducerID] = h.LastSequence()
		}
		rs, err := s.records()
		if s.unread || h.Control() {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			if r != w.originals[r.offset] {
				t.Fatalf("record %+v was %+v", r, w.originals[r.offset])
			}
			found[r.offset] = true
			if old, ok := newest[r.key]; ok && r.offset < end {
				t.Fatalf("key %s is at %d and %d, below the end of what was cleaned, %d", r.key, old, r.offset, end)
			}
			newest[r.key] = r.offset
			if w.keyless[r.offset] && r.offset < end {
				t.Fatalf("record %d has no key", r.offset)
			}
		}
	}
	if n := len(w.log); n == 0 || next != w.end {
		t.Fatalf("the log ends at %d, want %d", next, w.end)
	}
	for key, r := range w.last {
		seen, covered := w.seen[r.offset]
		if !found[r.offset] && (r.value != "<null>" || !covered || w.now.Before(seen.Add(retention))) {
			t.Fatalf("the last record of %s, %+v, is gone; it was covered first %v ago", key, r, w.now.Sub(seen))
		}
	}
	for pid, seq := range w.seqs {
		if got, ok := lastOf[pid]; !ok || got != seq {
			t.Fatalf("the last batch of producer %d says sequence %d, %v, want %d", pid, got, ok, seq)
		}
	}
	w.consume(newConsumer(w.now), len(w.log))
}

// consume lets a consumer read; at the log's end its table must be the model's.
func (w *world) consume(c *consumer, n int) {
	part, _ := w.cleanable() // what is stable, as read_committed reads
	if err := c.read(part, n); err != nil {
		w.t.Fatal(err)
	}
	if c.next < w.lso() {
		return
	}
	want := map[string]string{}
	for key, r := range w.last {
		if r.offset < c.next {
			if r.value != "<null>" {
				want[key] = r.value
			}
		}
	}
	// A later record of the key that is not stable yet hides the one that is.
	for key, r := range w.last {
		if r.offset >= c.next {
			delete(c.table, key)
		}
	}
	if !maps.Equal(c.table, want) {
		w.t.Fatalf("a consumer that began %v ago and read to %d of %d has %v, want %v", w.now.Sub(c.began), c.next, w.end, c.table, want)
	}
}

func TestCleaningsKeepWhatConsumersMayExpect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SampledFrom([]int{8, 9, 12, 100}).Draw(t, "map")
		w := &world{
			t: t, now: start, c: New(NewKeyMap(int64(keys)*slotBytes, 0.99), testDecoder),
			originals: map[int64]rec{}, ranges: map[int64]batch.Header{}, sizes: map[int64]int{}, last: map[string]rec{},
			keyless: map[int64]bool{}, unread: map[int64]bool{}, seen: map[int64]time.Time{}, producers: map[int64]Last{},
			seqs: map[int64]int32{}, open: map[int64]*openTxn{}, maxBatch: rapid.SampledFrom([]int{80, 200, 1 << 20}).Draw(t, "max.message.bytes"),
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch w.draw(12, "step") {
			case 0, 1, 2, 3:
				w.produce()
			case 4, 5:
				w.produceInTransaction()
			case 6:
				w.endTransaction()
			case 7, 8:
				w.clean0()
			case 9, 10:
				w.now = w.now.Add(time.Duration(w.draw(90, "minutes")) * time.Minute)
				w.consumers = slices.DeleteFunc(w.consumers, func(c *consumer) bool { return w.now.Sub(c.began) >= retention })
			case 11:
				w.consumers = append(w.consumers, newConsumer(w.now))
			case 12:
				for _, c := range w.consumers {
					w.consume(c, w.draw(5, "batches"))
				}
			}
		}
		w.settle()
	})
}

func (w *world) clean0() {
	if part, _ := w.cleanable(); len(part) > 0 {
		w.clean()
	}
}

// settle lets all transactions end and all horizons pass: what is left then is what must be.
func (w *world) settle() {
	for len(w.open) > 0 {
		w.endTransaction()
	}
	for range 40 {
		if w.dirty == w.end {
			w.append(spec{pid: -1, records: []rec{{ts: 1, key: "last", value: fmt.Sprint(w.end)}}})
		}
		w.clean()
		w.now = w.now.Add(retention)
	}
	if w.dirty != w.end {
		w.t.Fatalf("cleaned up to %d of %d", w.dirty, w.end)
	}
	kept := map[int64]bool{}
	for i := range w.log {
		h := w.log[i].header()
		if h.Control() {
			continue
		}
		if h.Transactional() {
			kept[h.ProducerID] = true
		}
		rs, err := w.log[i].records()
		if err != nil {
			continue
		}
		for _, r := range rs {
			if w.last[r.key] != r || r.value == "<null>" && !w.oversize && !w.veiled {
				w.t.Fatalf("record %+v is still there", r)
			}
		}
	}
	for i := range w.log {
		if h := w.log[i].header(); h.Control() && !kept[h.ProducerID] && h.LastOffset()+1 != w.end && !w.oversize {
			w.t.Fatalf("the marker at %d is still there", h.BaseOffset)
		}
	}
}
