package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"weir/storage/buffer"
	"weir/storage/segment"
)

// attempts is how often something is read before it counts as damaged.
const attempts = 3

// Chunk is a chunk that is being read. It keeps its container open until Release.
type Chunk struct {
	piece    *segment.Piece
	x        *index
	o        *object
	released atomic.Bool
}

// Open opens the chunk that p names, which must not change any more. If its container is not in the store, Gone is true of the error. What cannot be
// read back as it was written is an error that wraps segment.ErrCorrupt.
func (c *Cache) Open(ctx context.Context, p *segment.Piece) (*Chunk, error) {
	o, err := c.open(ctx, p)
	if err != nil {
		return nil, err
	}
	x, err := c.load(ctx, p, o)
	if err != nil {
		o.release()
		return nil, err
	}
	return &Chunk{piece: p, x: x, o: o}, nil
}

// Release ends the use of the chunk and of the ranges that Ready returned. A second call does nothing.
func (k *Chunk) Release() {
	if !k.released.Swap(true) {
		k.o.release()
	}
}

// Blocks are the chunk's blocks, one directly behind the other. Callers must not modify them.
func (k *Chunk) Blocks() []segment.Entry { return k.x.entries.Entries }

// Find returns the block that holds offset, or is the first behind it; len(Blocks()) if there is none.
func (k *Chunk) Find(offset int64) int { return k.x.entries.Find(offset) }

// Since returns the first block that holds a record of timestamp ts or later; len(Blocks()) if there is none.
func (k *Chunk) Since(ts int64) int { return k.x.entries.Since(ts) }

// Ready returns the blocks [i, j) as a range of the container, after checking those that this process has not checked before. With an error
// the range is what lies in front of the damaged block; it may be empty. It is usable until Release.
func (k *Chunk) Ready(ctx context.Context, i, j int) (buffer.Range, error) {
	var err error
	end := i
	for ; end < j; end++ {
		if k.x.isChecked(end) {
			continue
		}
		if end, err = k.check(ctx, end, j); err != nil {
			break
		}
		end--
	}
	return k.span(i, end), err
}

// span is the range of the blocks [i, j).
func (k *Chunk) span(i, j int) buffer.Range {
	if i >= j {
		return buffer.Range{File: k.o.o}
	}
	first, last := &k.Blocks()[i], &k.Blocks()[j-1]
	return buffer.Range{File: k.o.o, Off: int64(first.Pos), Len: int64(last.Pos + uint64(last.Len) - first.Pos)}
}

// check checks blocks from i on, up to the first one that was checked before, and returns where it stopped.
func (k *Chunk) check(ctx context.Context, i, j int) (int, error) {
	size := uint32(0)
	end := i
	for ; end < j && !k.x.isChecked(end); end++ {
		size = max(size, k.Blocks()[end].Len)
	}
	// One small buffer for all: the checksum is computed while the block is in the processor's cache.
	buf := k.o.c.cfg.Pool.Get(int(size))
	defer buf.Release()
	for ; i < end; i++ {
		if err := ctx.Err(); err != nil {
			return i, fmt.Errorf("cache: read %s: %w", place(k.piece), context.Cause(ctx))
		}
		if err := k.ReadBlock(i, buf.Bytes()[:k.Blocks()[i].Len]); err != nil {
			return i, err
		}
	}
	return end, nil
}

// ReadBlock reads the block i into p, whose length must be the block's, and checks it, whether or not that was done before.
func (k *Chunk) ReadBlock(i int, p []byte) error {
	e := &k.Blocks()[i]
	c := k.o.c
	err := c.attempt(func() error { return segment.ReadBlock(k.o.o, e, p) })
	c.checked.Add(int64(len(p)))
	if err != nil {
		c.accuse(k.x, k.piece, err)
		return fmt.Errorf("cache: block %d, offsets [%d, %d], of %s: %w", i, e.Base, e.Last, place(k.piece), err)
	}
	k.x.setChecked(i)
	return nil
}

// Ahead tells that the blocks [i, j) are being read, so that a reader who goes on behind them finds the next ones in memory.
func (k *Chunk) Ahead(i, j int) {
	if i >= j {
		return
	}
	r := k.span(i, j)
	if off, n := k.x.ahead.step(r.Off, r.Off+r.Len, int64(k.piece.Pos+k.piece.Len)); n > 0 {
		k.o.o.WillNeed(off, n)
	}
}

// attempt calls read until it succeeds, a few times: what comes back wrong may have been damaged on the way only.
func (c *Cache) attempt(read func() error) error {
	err := read()
	for n := 1; n < attempts && err != nil && !errors.Is(err, segment.ErrNewer); n++ {
		c.retried.Add(1)
		err = read()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: the container ends early: %w", segment.ErrCorrupt, err)
	}
	return err
}

// accuse counts damage, and logs it once for each chunk: someone has to act.
func (c *Cache) accuse(x *index, p *segment.Piece, err error) {
	c.damaged.Add(1)
	if !x.accused.Swap(true) {
		c.cfg.Log.Error("a container cannot be read back", "key", p.Key(), "topic_id", fmt.Sprintf("%x", p.Partition.Topic),
			"partition", p.Partition.Index, "offset", p.Base, "err", err)
	}
}
