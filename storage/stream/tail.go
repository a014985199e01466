package stream

import (
	"slices"

	"weir/storage/buffer"
)

// Cacher is a partition that keeps committed batches in memory.
type Cacher interface {
	// Evict drops the oldest entry that was counted with Commit.Cache and not yet dropped.
	Evict()
}

// tail accounts for what all partitions keep in memory and decides what goes: the oldest first, whoever holds it. It is used by the
// committer only.
type tail struct {
	budget int64
	held   int64
	queue  []cached // oldest first, from head on
	head   int
	recent [recentBuffers]*buffer.Buffer // charged last; compared only
	next   int                           // place in recent
}

const (
	// recentBuffers is how many buffers are remembered as charged. Entries of one request follow each other, mixed with those of a few
	// other connections.
	recentBuffers = 16
	// entryBytes is what an entry costs beside its data: the partition's note of it, ours, and the buffer's header.
	entryBytes = 160
)

type cached struct {
	owner  Cacher
	charge int64
}

// add charges a buffer to the first of the entries that lie in it: a small entry may be what keeps a large buffer alive.
func (t *tail) add(owner Cacher, data []byte, buf *buffer.Buffer) {
	charge := int64(entryBytes)
	switch {
	case buf == nil:
		charge += int64(cap(data))
	case !slices.Contains(t.recent[:], buf):
		charge += int64(buf.Cap())
		t.recent[t.next] = buf
		t.next = (t.next + 1) % recentBuffers
	}
	t.queue = append(t.queue, cached{owner, charge})
	t.held += charge
}

// shrink evicts until the budget holds.
func (t *tail) shrink() {
	for t.held > t.budget && t.head < len(t.queue) {
		c := t.queue[t.head]
		t.queue[t.head] = cached{}
		t.head++
		t.held -= c.charge
		c.owner.Evict()
	}
	if t.head > len(t.queue)/2 { // as many were read as are moved now: constant on average
		n := copy(t.queue, t.queue[t.head:])
		clear(t.queue[n:])
		t.queue, t.head = t.queue[:n], 0
	}
}
