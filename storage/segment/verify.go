package segment

import (
	"fmt"
	"io"
	"math"

	"weir/storage/batch"
)

// Verify checks every byte of a container: checksums, order, framing and CRC of each batch, and that directory, indexes and data agree.
// It returns all that it finds, each with the chunk concerned. It holds one block at a time.
func Verify(r io.ReaderAt, size int64) []error {
	c, err := ReadContents(r, size)
	if err != nil {
		return []error{err}
	}
	var found []error
	for i := range c.Chunks {
		found = append(found, verifyChunk(r, &c.Chunks[i])...)
	}
	return found
}

func verifyChunk(r io.ReaderAt, c *Chunk) (found []error) {
	if _, err := ReadAborted(r, c); err != nil {
		found = append(found, err)
	}
	x, err := ReadIndex(r, c)
	if err != nil {
		return append(found, err) // the directory and the index are all that says where its blocks are
	}
	sum := Chunk{Partition: c.Partition, Base: c.Base, Last: c.Last, MinTimestamp: math.MaxInt64, MaxTimestamp: noTimestamp}
	var buf []byte
	damaged := false
	for i := range x.Entries {
		e := &x.Entries[i]
		if uint64(cap(buf)) < uint64(e.Len) {
			buf = make([]byte, e.Len)
		}
		p := buf[:e.Len]
		err := ReadBlock(r, e, p)
		if err == nil {
			err = sum.count(e, p)
		}
		if err != nil {
			found, damaged = append(found, fmt.Errorf("%v: %w", c, err)), true
		}
	}
	if damaged {
		return found // so the sums are wrong as well
	}
	if sum.Batches == 0 {
		sum.MinTimestamp, sum.FirstEpoch, sum.LastEpoch = noTimestamp, noEpoch, noEpoch
	}
	for _, f := range [...]struct {
		name      string
		says, has int64
	}{
		{"batches", int64(c.Batches), int64(sum.Batches)},
		{"records", c.Records, sum.Records},
		{"min timestamp", c.MinTimestamp, sum.MinTimestamp},
		{"max timestamp", c.MaxTimestamp, sum.MaxTimestamp},
		{"first leader epoch", int64(c.FirstEpoch), int64(sum.FirstEpoch)},
		{"last leader epoch", int64(c.LastEpoch), int64(sum.LastEpoch)},
		{"transactions flag", int64(c.Flags & HasTransactions), int64(sum.Flags)},
	} {
		if f.says != f.has {
			found = append(found, corrupt("%v: %s: the directory says %d, the batches %d", c, f.name, f.says, f.has))
		}
	}
	return found
}

// count adds up the batches of a block, and says what is wrong with them.
func (c *Chunk) count(e *Entry, p []byte) error {
	next := e.Base
	for rest := p; len(rest) > 0; {
		h, one, after, err := batch.Next(rest)
		if err != nil {
			return corrupt("byte %d of the block at %d: %v", len(p)-len(rest), e.Pos, err)
		}
		if err := batch.CheckCRC(one); err != nil {
			return corrupt("batch %d: %v", h.BaseOffset, err)
		}
		if h.Magic != 2 || h.Count < 0 || h.LastOffsetDelta < 0 || h.BaseOffset < next || h.LastOffset() > e.Last ||
			len(rest) == len(p) && h.BaseOffset != e.Base || len(after) == 0 && h.LastOffset() != e.Last {
			return corrupt("batch of offsets %d to %d in the block of %d to %d, where %d is next", h.BaseOffset, h.LastOffset(), e.Base, e.Last, next)
		}
		next = h.LastOffset() + 1
		if c.Batches == 0 {
			c.FirstEpoch = h.LeaderEpoch
		}
		c.LastEpoch = h.LeaderEpoch
		c.Batches++
		c.Records += int64(h.Count)
		c.MinTimestamp = min(c.MinTimestamp, minTimestamp(&h))
		c.MaxTimestamp = max(c.MaxTimestamp, h.MaxTimestamp)
		if h.Transactional() || h.Control() {
			c.Flags |= HasTransactions
		}
		rest = after
	}
	if c.MaxTimestamp != e.MaxTimestamp {
		return corrupt("largest timestamp up to offset %d: the index says %d, the batches %d", e.Last, e.MaxTimestamp, c.MaxTimestamp)
	}
	return nil
}
