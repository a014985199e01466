// Package buffer hands out reference-counted byte buffers in size classes. A produce request is read into one buffer, whose slices
// then serve the journal write, the tail cache and fetch responses without being copied; the last Release returns it.
//
// Non-obvious: the memory of a buffer is reused, its Buffer is not. A Buffer that was released for the last time stays dead, so a second
// Release panics even if the memory already belongs to someone else. Built with -race or the tag invariants, memory is overwritten
// when it is released, so that a reader without a reference sees garbage in tests rather than stale data that looks right.
package buffer

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Size classes have four steps for each power of two, so that at most a fifth of a buffer is waste: 1024, 1280, 1536, 1792, 2048, 2560 ...
// Buffers above the largest class are made to measure and never kept.
const (
	minShift = 10 // the smallest class is 1 KiB
	maxShift = 25 // the largest class is 32 MiB
	steps    = 4
	classes  = (maxShift-minShift)*steps + 1
)

// Pool keeps free buffers by size class. The zero value is not usable; use NewPool. It is safe for concurrent use.
type Pool struct {
	keep int64

	mu   sync.Mutex
	free [classes][][]byte
	held int64 // bytes in free
}

// NewPool returns a pool that keeps at most keep bytes of free buffers; what is released beyond that is left to the garbage collector.
// It does not bound the bytes in use: that is the budget of the caller.
func NewPool(keep int64) *Pool { return &Pool{keep: keep} }

// Get returns a buffer of n bytes, with undefined contents and one reference. n must not be negative.
func (p *Pool) Get(n int) *Buffer {
	b := &Buffer{pool: p, class: classOf(n)}
	b.refs.Store(1)
	if b.class < 0 {
		b.mem = make([]byte, n)
		b.n = n
		return b
	}
	b.n = n
	p.mu.Lock()
	if l := p.free[b.class]; len(l) > 0 {
		b.mem = l[len(l)-1]
		l[len(l)-1] = nil
		p.free[b.class] = l[:len(l)-1]
		p.held -= int64(len(b.mem))
	}
	p.mu.Unlock()
	if b.mem == nil {
		b.mem = make([]byte, classSize(b.class))
	}
	return b
}

// Held returns the bytes of free buffers that the pool keeps now.
func (p *Pool) Held() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

func (p *Pool) put(mem []byte, class int) {
	if class < 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held+int64(len(mem)) > p.keep {
		return
	}
	p.free[class] = append(p.free[class], mem)
	p.held += int64(len(mem))
}

// Buffer is a byte buffer that lives until its references are released.
type Buffer struct {
	pool  *Pool
	mem   []byte
	n     int
	class int
	refs  atomic.Int64
}

// Bytes is the content; it must not be used after the caller's reference is released.
func (b *Buffer) Bytes() []byte { return b.mem[:b.n:b.n] }

// Cap is the memory that the buffer holds, which is what a budget should charge: at least len(Bytes()).
func (b *Buffer) Cap() int { return len(b.mem) }

// Retain adds a reference. The caller must hold one; retaining a buffer without references panics.
func (b *Buffer) Retain() {
	if b.refs.Add(1) <= 1 {
		b.refs.Add(-1) // it stays released: a Release that follows must panic too
		panic("buffer: Retain of a released buffer")
	}
}

// Release gives a reference back. Releasing more often than retaining panics.
func (b *Buffer) Release() {
	switch n := b.refs.Add(-1); {
	case n > 0:
	case n < 0:
		panic("buffer: Release of a released buffer")
	default:
		mem := b.mem
		b.mem, b.n = nil, 0 // use after the last Release panics or sees nothing
		if poison {
			for i := range mem {
				mem[i] = 0xDB
			}
		}
		b.pool.put(mem, b.class)
	}
}

// CapFor is the memory that a buffer of n bytes will hold, for charging a budget before Get.
func CapFor(n int) int {
	if c := classOf(n); c >= 0 {
		return classSize(c)
	}
	return n
}

// classOf returns the smallest class of at least n bytes, -1 if there is none.
func classOf(n int) int {
	if n <= 1<<minShift {
		return 0
	}
	if n > 1<<maxShift {
		return -1
	}
	shift := bits.Len(uint(n-1)) - 1 // 1<<shift < n <= 1<<(shift+1)
	step := (n - 1 - 1<<shift) >> (shift - 2)
	return (shift-minShift)*steps + step + 1
}

func classSize(c int) int {
	shift := minShift + c/steps
	return (steps + c%steps) << (shift - 2)
}
