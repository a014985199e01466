package cache

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"weir/storage/blob"
	"weir/storage/buffer"
	"weir/storage/segment"
)

// Config says what a Cache works with. Store and Pool are required; a limit of zero means its default.
type Config struct {
	Store blob.Store
	Pool  *buffer.Pool // for blocks on their way to being checked
	Log   *slog.Logger // of damage, once for each chunk; nil: none

	// Own is the incarnation of this process: containers that bear it were checked when they were written. 0: none.
	Own uint64

	ObjectsMax    int   // objects kept open; 512
	IndexBytesMax int64 // memory of indexes; 64 MiB, which is enough for about 50 GiB of data
}

// Cache is safe for concurrent use.
type Cache struct {
	cfg Config

	mu         sync.Mutex
	objects    map[segment.ID]*object
	byKey      map[string]*object // the same
	openOrder  *list.List         // of *object, the one used last in front
	indexes    map[indexKey]*index
	useOrder   *list.List // of *index, the one used last in front
	indexBytes int64

	checked, retried, damaged atomic.Int64
}

// Stats counts what a cache holds and did.
type Stats struct {
	Objects    int   // open, without those that were dropped and are still in use
	Indexes    int   // in memory
	IndexBytes int64 // that they take
	Checked    int64 // bytes of blocks that were read to compare their checksums
	Retried    int64 // reads that were repeated because they failed or gave the wrong checksum
	Damaged    int64 // reads that failed for good
}

// New returns an empty cache.
func New(cfg Config) *Cache {
	if cfg.ObjectsMax <= 0 {
		cfg.ObjectsMax = 512
	}
	if cfg.IndexBytesMax <= 0 {
		cfg.IndexBytesMax = 64 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Cache{
		cfg:     cfg,
		objects: make(map[segment.ID]*object), byKey: make(map[string]*object), openOrder: list.New(),
		indexes: make(map[indexKey]*index), useOrder: list.New(),
	}
}

// Stats returns the present figures.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{len(c.objects), len(c.indexes), c.indexBytes, c.checked.Load(), c.retried.Load(), c.damaged.Load()}
}

// object is an open container. All but o and err is guarded by Cache.mu; those are set before ready is closed.
type object struct {
	c     *Cache
	id    segment.ID
	key   string
	ready chan struct{}
	o     blob.Object
	err   error
	refs  int           // users
	place *list.Element // in openOrder; nil once it was dropped
}

// open returns the container of p, with a reference that release gives back.
func (c *Cache) open(ctx context.Context, p *segment.Piece) (*object, error) {
	c.mu.Lock()
	o, ok := c.objects[p.ID]
	if !ok {
		o = &object{c: c, id: p.ID, key: p.Key(), ready: make(chan struct{})}
		c.objects[o.id], c.byKey[o.key] = o, o
		o.place = c.openOrder.PushFront(o)
		o.refs = 1
		unused := c.shrinkObjectsLocked()
		c.mu.Unlock()
		closeAll(unused)
		o.o, o.err = c.cfg.Store.Open(context.WithoutCancel(ctx), o.key)
		close(o.ready)
	} else {
		o.refs++
		c.openOrder.MoveToFront(o.place)
		c.mu.Unlock()
		select {
		case <-o.ready:
		case <-ctx.Done():
			o.release()
			return nil, fmt.Errorf("cache: open %s: %w", o.key, context.Cause(ctx))
		}
	}
	if o.err != nil {
		c.mu.Lock()
		c.dropLocked(o) // the next one tries again
		c.mu.Unlock()
		o.release()
		return nil, fmt.Errorf("cache: open %s: %w", o.key, o.err)
	}
	return o, nil
}

// release ends a use.
func (o *object) release() {
	o.c.mu.Lock()
	o.refs--
	last := o.refs == 0 && o.place == nil
	o.c.mu.Unlock()
	if last {
		o.close()
	}
}

// close is called when nobody can reach o any more.
func (o *object) close() {
	if o.o == nil {
		return
	}
	if err := o.o.Close(); err != nil {
		o.c.cfg.Log.Warn("closing a container failed", "key", o.key, "err", err)
	}
}

// dropLocked forgets o, so that it is closed with its last use. It reports whether there is none.
func (c *Cache) dropLocked(o *object) (unused bool) {
	if o.place == nil {
		return false // whoever dropped it sees to it
	}
	c.openOrder.Remove(o.place)
	o.place = nil
	delete(c.objects, o.id)
	delete(c.byKey, o.key)
	return o.refs == 0
}

// shrinkObjectsLocked drops what was not used for longest, and returns what is to be closed, without the lock: the last close of a large file
// that was deleted takes its time.
func (c *Cache) shrinkObjectsLocked() (unused []*object) {
	for len(c.objects) > c.cfg.ObjectsMax {
		if o := c.openOrder.Back().Value.(*object); c.dropLocked(o) { //nolint:errcheck // the list holds nothing else
			unused = append(unused, o)
		}
	}
	return unused
}

func closeAll(os []*object) {
	for _, o := range os {
		o.close()
	}
}

// Close drops everything. Objects in use are closed with their last use.
func (c *Cache) Close() {
	c.mu.Lock()
	var unused []*object
	for _, o := range c.objects {
		if c.dropLocked(o) {
			unused = append(unused, o)
		}
	}
	clear(c.indexes)
	c.useOrder.Init()
	c.indexBytes = 0
	c.mu.Unlock()
	closeAll(unused)
}

// Store returns the cache's store for those who delete containers: an object that is deleted by way of it is not kept open longer than it is in
// use, so that the disk gets its space back.
func (c *Cache) Store() blob.Store { return deleting{c.cfg.Store, c} }

type deleting struct {
	blob.Store
	c *Cache
}

func (d deleting) Delete(ctx context.Context, key string) error {
	err := d.Store.Delete(ctx, key)
	d.c.mu.Lock()
	o, ok := d.c.byKey[key]
	unused := ok && d.c.dropLocked(o)
	d.c.mu.Unlock()
	if unused {
		o.close()
	}
	return err
}

// Gone reports whether err says that a container is not there: whoever knew of it must look again where the data are now.
func Gone(err error) bool { return errors.Is(err, blob.ErrNotFound) }
