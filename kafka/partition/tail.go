package partition

import (
	"sort"

	"weir/storage/buffer"
	"weir/storage/stream"
)

// tail holds the newest durable entries of a partition in memory, without gaps, oldest first.
type tail struct {
	entries []tailEntry // from head on
	head    int
}

type tailEntry struct {
	base, last int64
	data       []byte
	buf        *buffer.Buffer // nil if data is not pooled
}

func (t *tail) live() []tailEntry { return t.entries[t.head:] }

// from returns the entries from the one that holds offset on; ok is false if offset is older than all of them.
func (t *tail) from(offset int64) (es []tailEntry, ok bool) {
	es = t.live()
	if len(es) == 0 || offset < es[0].base {
		return nil, false
	}
	return es[sort.Search(len(es), func(i int) bool { return es[i].last >= offset }):], true
}

func (t *tail) push(e tailEntry) { t.entries = append(t.entries, e) }

func (t *tail) pop() {
	e := &t.entries[t.head]
	if e.buf != nil {
		e.buf.Release()
	}
	*e = tailEntry{}
	t.head++
	switch {
	case t.head == len(t.entries):
		t.entries, t.head = nil, 0
	case t.head > len(t.entries)/2: // as many were popped as are moved now: constant on average
		n := copy(t.entries, t.entries[t.head:])
		clear(t.entries[n:])
		t.entries, t.head = t.entries[:n], 0
	}
}

func (t *tail) drop() {
	for len(t.live()) > 0 {
		t.pop()
	}
}

// cacheLocked moves what f wrote into the tail.
func (p *Partition) cacheLocked(c *stream.Commit, f *inflight) {
	buf := f.buf
	f.buf = nil
	if p.closed != nil {
		if buf != nil {
			buf.Release()
		}
		return
	}
	p.tail.push(tailEntry{
		base: f.entry.BaseOffset, last: f.entry.BaseOffset + int64(f.entry.LastDelta), data: f.entry.Payload, buf: buf,
	})
	c.Cache(p, f.entry.Payload, buf)
}

// Evict implements stream.Cacher.
func (p *Partition) Evict() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tail.live()) > 0 { // a closed partition dropped them itself
		p.tail.pop()
	}
}
