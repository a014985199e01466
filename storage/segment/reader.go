package segment

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"slices"
	"sort"
)

// Contents is what a container's header, footer and directory say.
type Contents struct {
	Kind   Kind
	ID     ID
	Chunks []Chunk // by partition and base
}

// ReadContents reads and checks header, footer and directory of the container of size bytes. It reads 64 KiB at the end, which mostly hold all
// of that but the header. Errors wrap ErrCorrupt or ErrNewer, or are r's own; none names the container.
func ReadContents(r io.ReaderAt, size int64) (*Contents, error) {
	if size < headerBytes+chunkBytes+footerBytes {
		return nil, corrupt("%d bytes are less than the smallest container has", size)
	}
	tail := make([]byte, min(size, tailBytes))
	if err := readFull(r, tail, uint64(size)-uint64(len(tail))); err != nil {
		return nil, err
	}
	f, err := decodeFooter(tail[len(tail)-footerBytes:], size)
	if err != nil {
		return nil, err
	}
	dir, err := part(r, tail, uint64(size)-uint64(len(tail)), f.dirPos, uint64(f.dirLen))
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(dir, castagnoli) != f.dirCRC {
		return nil, corrupt("directory: checksum")
	}
	head, err := part(r, tail, uint64(size)-uint64(len(tail)), 0, headerBytes)
	if err != nil {
		return nil, err
	}
	h, err := decodeHeader(head)
	if err != nil {
		return nil, err
	}
	if h != f.header {
		return nil, corrupt("header of container %v of kind %d, footer of %v of kind %d", h.id, h.kind, f.id, f.kind)
	}
	c := &Contents{Kind: f.kind, ID: f.id, Chunks: make([]Chunk, f.chunks)}
	for i := range c.Chunks {
		c.Chunks[i] = decodeChunk(dir[i*chunkBytes:])
	}
	if err := c.check(f.dirPos); err != nil {
		return nil, err
	}
	return c, nil
}

// part returns n bytes at pos, which lie inside of the container: from its tail, which begins at tailPos, or read.
func part(r io.ReaderAt, tail []byte, tailPos, pos, n uint64) ([]byte, error) {
	if pos >= tailPos {
		return tail[pos-tailPos:][:n], nil
	}
	b := make([]byte, n)
	return b, readFull(r, b, pos)
}

// readFull fills p. An end inside of it is damage: the container's size said that the bytes are there.
func readFull(r io.ReaderAt, p []byte, pos uint64) error {
	n, err := r.ReadAt(p, int64(pos))
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return corrupt("it ends at byte %d, bytes up to %d were to be read", pos+uint64(n), pos+uint64(len(p)))
	default:
		return err
	}
}

// check goes through the directory: everything lies where the format puts it, one behind the other, from the header to the directory at dirPos.
func (c *Contents) check(dirPos uint64) error {
	pos := uint64(headerBytes)
	for i := range c.Chunks {
		k := &c.Chunks[i]
		switch {
		case i > 0 && !k.follows(&c.Chunks[i-1]):
			return corrupt("directory: %v after %v", k, &c.Chunks[i-1])
		case c.Kind == Segment && k.Partition != c.Chunks[0].Partition:
			return corrupt("directory: %v in a segment of another partition", k)
		case k.Pos != pos || k.Len > dirPos-pos:
			return corrupt("directory: %v has %d bytes at %d, where %d is next and the directory begins at %d", k, k.Len, k.Pos, pos, dirPos)
		}
		if err := k.check(); err != nil {
			return err
		}
		pos += k.Len
	}
	for _, section := range [...]func(*Chunk) (uint64, uint64){
		func(k *Chunk) (uint64, uint64) { return k.IndexPos, uint64(k.IndexLen) },
		func(k *Chunk) (uint64, uint64) { return k.AbortedPos, uint64(k.AbortedLen) },
	} {
		for i := range c.Chunks {
			at, n := section(&c.Chunks[i])
			if n == 0 {
				continue
			}
			if at != pos || n > dirPos-pos {
				return corrupt("directory: %v has a section of %d bytes at %d, where %d is next and the directory begins at %d", &c.Chunks[i], n, at, pos, dirPos)
			}
			pos += n
		}
	}
	if pos != dirPos {
		return corrupt("directory: its chunks end at %d, it begins at %d", pos, dirPos)
	}
	return nil
}

// check looks at what must hold for a chunk by itself.
func (k *Chunk) check() error {
	const batchBytes = 61 // the smallest batch
	empty := k.Batches == 0
	switch {
	case k.Base < 0 || k.Last < k.Base:
		return corrupt("%v: no such range", k)
	case beyond(k.Pos, k.Len) || beyond(k.IndexPos, uint64(k.IndexLen)) || beyond(k.AbortedPos, uint64(k.AbortedLen)):
		return corrupt("%v: data of %d bytes at %d, index of %d at %d, aborted transactions of %d at %d",
			k, k.Len, k.Pos, k.IndexLen, k.IndexPos, k.AbortedLen, k.AbortedPos)
	case empty != (k.Len == 0) || empty != (k.IndexLen == 0) || uint64(k.Batches) > k.Len/batchBytes:
		return corrupt("%v: %d batches in %d bytes with an index of %d", k, k.Batches, k.Len, k.IndexLen)
	case k.Records < 0 || empty && k.Records > 0:
		return corrupt("%v: %d records in %d batches", k, k.Records, k.Batches)
	case k.IndexLen > 0 && (k.IndexLen%entryBytes != checksumBytes || k.IndexLen == checksumBytes):
		return corrupt("%v: index of %d bytes", k, k.IndexLen)
	case k.IndexLen > 0 && uint64(k.IndexLen/entryBytes) > min(uint64(k.Batches), 2*(k.Len/BlockBytes)+1):
		return corrupt("%v: index of %d bytes for %d batches of %d bytes", k, k.IndexLen, k.Batches, k.Len)
	case k.AbortedLen > 0 && (k.AbortedLen%abortedBytes != checksumBytes || k.AbortedLen == checksumBytes):
		return corrupt("%v: aborted transactions of %d bytes", k, k.AbortedLen)
	case k.Flags&^(HasTombstones|HasTransactions|Compacted) != 0:
		return corrupt("%v: flags %#x", k, uint32(k.Flags))
	}
	return nil
}

// beyond says that no file reaches as far.
func beyond(pos, n uint64) bool { return pos > math.MaxInt64 || n > math.MaxInt64-pos }

// section reads a section of a chunk with its checksum at its end. Its length was believed by no one yet but the chunk.
func (k *Chunk) section(r io.ReaderAt, kind byte, pos uint64, n uint32) ([]byte, error) {
	if s, ok := r.(interface{ Size() int64 }); ok {
		if size := uint64(s.Size()); pos > size || uint64(n) > size-pos {
			return nil, corrupt("%v: section of %d bytes at %d, the container has %d", k, n, pos, size)
		}
	}
	b := make([]byte, n)
	if err := readFull(r, b, pos); err != nil {
		return nil, err
	}
	body, sum := b[:n-checksumBytes], binary.LittleEndian.Uint32(b[n-checksumBytes:])
	if crc32.Update(k.seed(kind), castagnoli, body) != sum {
		what := "index"
		if kind == abortedSection {
			what = "aborted transactions"
		}
		return nil, corrupt("%v: checksum of its %s at byte %d", k, what, pos)
	}
	return body, nil
}

// Index is the index of one chunk.
type Index struct{ Entries []Entry }

// ReadIndex reads and checks the index of a chunk. A chunk without batches has no entries.
func ReadIndex(r io.ReaderAt, c *Chunk) (*Index, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.IndexLen == 0 {
		return &Index{}, nil
	}
	b, err := c.section(r, indexSection, c.IndexPos, c.IndexLen)
	if err != nil {
		return nil, err
	}
	x := &Index{Entries: make([]Entry, len(b)/entryBytes)}
	le := binary.LittleEndian
	pos, last, ts, sum := c.Pos, c.Base-1, int64(noTimestamp), uint32(0) // last+1 might be more than an offset can be
	var blocks joiner
	for i := range x.Entries {
		e := &x.Entries[i]
		*e = Entry{
			Base: int64(le.Uint64(b)), Last: int64(le.Uint64(b[8:])), Pos: pos,
			MaxTimestamp: int64(le.Uint64(b[16:])), Len: le.Uint32(b[24:]), CRC: le.Uint32(b[28:]),
		}
		b = b[entryBytes:]
		if e.Base <= last || e.Last < e.Base || e.Last > c.Last || e.MaxTimestamp < ts || e.Len == 0 || uint64(e.Len) > c.Pos+c.Len-pos {
			return nil, corrupt("%v: entry %d of its index: offsets %d to %d in %d bytes", c, i, e.Base, e.Last, e.Len)
		}
		pos, last, ts = pos+uint64(e.Len), e.Last, e.MaxTimestamp
		sum = blocks.combine(sum, e.CRC, uint64(e.Len))
	}
	if pos != c.Pos+c.Len || sum != c.CRC || ts != c.MaxTimestamp {
		return nil, corrupt("%v: its index is of other data", c)
	}
	return x, nil
}

// Find returns the place of the block that holds offset, or is the first behind it; len(Entries) if there is none.
func (x *Index) Find(offset int64) int {
	i, _ := slices.BinarySearchFunc(x.Entries, offset, func(e Entry, offset int64) int { return cmp.Compare(e.Last, offset) })
	return i
}

// Since returns the place of the first block that holds a record of timestamp ts or later; len(Entries) if there is none.
func (x *Index) Since(ts int64) int {
	return sort.Search(len(x.Entries), func(i int) bool { return x.Entries[i].MaxTimestamp >= ts })
}

// ReadBlock reads the block e into p, whose length must be e.Len, and checks it.
func ReadBlock(r io.ReaderAt, e *Entry, p []byte) error {
	if err := readFull(r, p, e.Pos); err != nil {
		return err
	}
	return e.Check(p)
}

// Check compares the checksum of the block's bytes.
func (e *Entry) Check(p []byte) error {
	if uint64(len(p)) != uint64(e.Len) || crc32.Checksum(p, castagnoli) != e.CRC {
		return corrupt("block of offsets %d to %d, %d bytes at %d: checksum", e.Base, e.Last, e.Len, e.Pos)
	}
	return nil
}

// ReadAborted reads and checks the aborted transactions that touch the chunk.
func ReadAborted(r io.ReaderAt, c *Chunk) ([]Aborted, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.AbortedLen == 0 {
		return nil, nil
	}
	b, err := c.section(r, abortedSection, c.AbortedPos, c.AbortedLen)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	aborted := make([]Aborted, len(b)/abortedBytes)
	for i := range aborted {
		a := &aborted[i]
		*a = Aborted{
			ProducerID: int64(le.Uint64(b)), FirstOffset: int64(le.Uint64(b[8:])),
			LastOffset: int64(le.Uint64(b[16:])), LastStable: int64(le.Uint64(b[24:])),
		}
		b = b[abortedBytes:]
		if a.LastOffset < a.FirstOffset {
			return nil, corrupt("%v: aborted transaction of producer %d from %d to %d", c, a.ProducerID, a.FirstOffset, a.LastOffset)
		}
	}
	return aborted, nil
}

// Runs yields the chunk's data in order, some blocks at a time and each block checked. What is yielded is valid until the next step. It ends
// after the first error.
func Runs(r io.ReaderAt, c *Chunk) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		x, err := ReadIndex(r, c)
		if err != nil {
			yield(nil, err)
			return
		}
		var buf []byte
		for rest := x.Entries; len(rest) > 0; {
			n, blocks := uint64(rest[0].Len), 1
			for blocks < len(rest) && n+uint64(rest[blocks].Len) <= runBytes {
				n += uint64(rest[blocks].Len)
				blocks++
			}
			if uint64(cap(buf)) < n {
				buf = make([]byte, max(n, min(runBytes, c.Len)))
			}
			run := buf[:n]
			if err := readFull(r, run, rest[0].Pos); err != nil {
				yield(nil, err)
				return
			}
			for i, p := 0, run; i < blocks; i++ {
				if err := rest[i].Check(p[:rest[i].Len]); err != nil {
					yield(nil, err)
					return
				}
				p = p[rest[i].Len:]
			}
			if !yield(run, nil) {
				return
			}
			rest = rest[blocks:]
		}
	}
}
