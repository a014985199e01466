package cache

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"weir/storage/segment"
)

// indexKey names a chunk. Its container's id is unique, and no two chunks have their index at one place.
type indexKey struct {
	id  segment.ID
	pos uint64
}

// index is what is kept in memory of a chunk. All but place is set before ready is closed, and not changed after.
type index struct {
	ready   chan struct{}
	err     error
	entries segment.Index
	trusted bool            // all blocks were checked by whoever wrote them
	checked []atomic.Uint32 // a bit for each block that was read and found good, unless trusted
	bytes   int64

	key     indexKey
	place   *list.Element // in useOrder; guarded by Cache.mu, as counted
	counted bool          // bytes are in Cache.indexBytes
	accused atomic.Bool   // damage was logged

	ahead readAhead
}

// load returns the index of p, which lies in o.
func (c *Cache) load(ctx context.Context, p *segment.Piece, o *object) (*index, error) {
	key := indexKey{p.ID, p.IndexPos}
	c.mu.Lock()
	x, ok := c.indexes[key]
	if ok {
		c.useOrder.MoveToFront(x.place)
		c.mu.Unlock()
		select {
		case <-x.ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("cache: read the index of %s: %w", place(p), context.Cause(ctx))
		}
		return x, x.err
	}
	x = &index{ready: make(chan struct{}), key: key, trusted: c.cfg.Own != 0 && p.ID.Incarnation == c.cfg.Own}
	c.indexes[key] = x
	x.place = c.useOrder.PushFront(x)
	c.mu.Unlock()
	x.err = c.read(x, p, o)
	close(x.ready)

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.indexes[key] != x {
		return x, x.err // the cache was closed meanwhile
	}
	if x.err != nil {
		c.forgetLocked(x)
		return nil, x.err
	}
	x.counted = true
	c.indexBytes += x.bytes
	for c.indexBytes > c.cfg.IndexBytesMax && c.useOrder.Len() > 1 {
		c.forgetLocked(c.useOrder.Back().Value.(*index)) //nolint:errcheck // the list holds nothing else
	}
	return x, nil
}

func (c *Cache) forgetLocked(x *index) {
	delete(c.indexes, x.key)
	c.useOrder.Remove(x.place)
	if x.counted {
		c.indexBytes -= x.bytes
	}
}

// read fills x.
func (c *Cache) read(x *index, p *segment.Piece, o *object) error {
	err := c.attempt(func() error {
		got, err := segment.ReadIndex(o.o, &p.Chunk)
		if err != nil {
			return err
		}
		x.entries = *got
		return nil
	})
	if err != nil {
		c.accuse(x, p, err)
		return fmt.Errorf("cache: read the index of %s: %w", place(p), err)
	}
	n := len(x.entries.Entries)
	if !x.trusted {
		x.checked = make([]atomic.Uint32, (n+31)/32)
	}
	x.bytes = int64(unsafe.Sizeof(index{})) + int64(n)*int64(unsafe.Sizeof(segment.Entry{})) + int64(n/8)
	return nil
}

func (x *index) isChecked(i int) bool {
	return x.trusted || x.checked[i/32].Load()&(1<<(i%32)) != 0
}

func (x *index) setChecked(i int) {
	if !x.trusted {
		x.checked[i/32].Or(1 << (i % 32))
	}
}

// place names a piece in errors.
func place(p *segment.Piece) string {
	return fmt.Sprintf("%s, partition %x-%d, offsets [%d, %d]", p.Key(), p.Partition.Topic, p.Partition.Index, p.Base, p.Last)
}

// readAhead notes how far the readers of a chunk come, to tell the system what is next. It is shared: two readers at different places confuse it,
// and then the system's own read-ahead has to do.
type readAhead struct {
	mu      sync.Mutex
	next    int64 // where a sequential reader goes on
	advised int64 // up to where it was told
	window  int64
}

// The window grows while reading is sequential.
const (
	aheadFirst = 2 << 20
	aheadMax   = 8 << 20
)

// step notes that [from, to) is being read of what ends at end, and returns what to tell the system, if anything.
func (a *readAhead) step(from, to, end int64) (off, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sequential := from == a.next && from != 0
	a.next = to
	if !sequential {
		a.window, a.advised = 0, to
		return 0, 0
	}
	if a.advised-to > a.window/2 {
		return 0, 0 // enough is under way
	}
	a.window = min(max(2*a.window, aheadFirst), aheadMax)
	off = max(a.advised, to)
	n = min(to+a.window, end) - off
	if n <= 0 {
		return 0, 0
	}
	a.advised = off + n
	return off, n
}
