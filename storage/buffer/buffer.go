// Package buffer hands out reference-counted byte buffers in size classes. A produce request is read into one buffer, whose slices
// then serve the journal write, the tail cache and fetch responses without being copied; the last Release returns it.
package buffer

// Pool keeps free buffers by size class. The zero value is not usable; use NewPool.
type Pool struct{}

// NewPool returns a pool that keeps at most keep bytes of free buffers.
func NewPool(keep int64) *Pool { panic("not built yet") }

// Get returns a buffer of n bytes, with undefined contents and one reference.
func (p *Pool) Get(n int) *Buffer { panic("not built yet") }

// Buffer is a byte buffer that lives until its references are released.
type Buffer struct{}

// Bytes is the content; it must not be used after the caller's reference is released.
func (b *Buffer) Bytes() []byte { panic("not built yet") }

// Retain adds a reference.
func (b *Buffer) Retain() { panic("not built yet") }

// Release gives a reference back. Releasing more often than retaining panics.
func (b *Buffer) Release() { panic("not built yet") }
