package stream

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sort"
	"unsafe"
)

// Extent says where the batches of one DATA entry lie.
type Extent struct {
	Base         int64
	MaxTimestamp int64 // largest timestamp of its records, in Unix milliseconds
	File         uint32
	Off          uint32 // of the payload in the file
	Len          uint32
	LastDelta    uint32
}

// Last is the offset of the last record.
func (e Extent) Last() int64 { return e.Base + int64(e.LastDelta) }

// extentsPerBlock is what is packed together. It bounds what an open block takes (4 KiB) and what a look-up unpacks.
const extentsPerBlock = 128

// extentBlock holds neighbouring extents. A full one is packed, which takes 8 to 10 bytes for each instead of 32: a partition has an extent for
// every small append since its data were last moved out of the log.
type extentBlock struct {
	last         int64 // offset
	maxTimestamp int64
	count        int
	packed       []byte // differences to the extent before, as varints; nil if not packed
	plain        []Extent
	files        fileRange
}

// fileRange are the numbers of the files that a block's extents lie in, ascending as those are.
type fileRange struct {
	first, last uint32
	between     []uint32 // what lies strictly between the two
}

func (r *fileRange) add(n uint32, isFirst bool) {
	switch {
	case isFirst:
		r.first, r.last = n, n
	case n != r.last:
		if r.last != r.first {
			r.between = append(r.between, r.last)
		}
		r.last = n
	}
}

// appendTo appends the numbers to dst, but for the first one if dst ends with it.
func (r *fileRange) appendTo(dst []uint32) []uint32 {
	if n := len(dst); n == 0 || dst[n-1] != r.first {
		dst = append(dst, r.first)
	}
	dst = append(dst, r.between...)
	if r.last != r.first {
		dst = append(dst, r.last)
	}
	return dst
}

// all yields the block's extents in order.
func (b *extentBlock) all(yield func(Extent) bool) bool {
	for _, e := range b.plain {
		if !yield(e) {
			return false
		}
	}
	var e Extent
	for rest := b.packed; len(rest) > 0; {
		next := func() uint64 {
			v, n := binary.Uvarint(rest)
			rest = rest[n:]
			return v
		}
		e.Base = e.Last() + unzigzag(next())
		e.File += uint32(next())
		e.Off = uint32(int64(e.Off) + int64(e.Len) + unzigzag(next()))
		e.Len = uint32(next())
		e.LastDelta = uint32(next())
		e.MaxTimestamp += unzigzag(next())
		if !yield(e) {
			return false
		}
	}
	return true
}

func (b *extentBlock) pack() {
	var buf [extentsPerBlock * extentBytesMax]byte
	b.packed, b.plain = slices.Clone(packExtents(buf[:0], b.plain)), nil
}

// extentBytesMax is what an extent takes packed, at most.
const extentBytesMax = 6 * binary.MaxVarintLen64

func packExtents(out []byte, plain []Extent) []byte {
	var prev Extent
	for _, e := range plain {
		out = binary.AppendUvarint(out, zigzag(e.Base-prev.Last()))
		out = binary.AppendUvarint(out, uint64(e.File-prev.File))
		out = binary.AppendUvarint(out, zigzag(int64(e.Off)-int64(prev.Off)-int64(prev.Len)))
		out = binary.AppendUvarint(out, uint64(e.Len))
		out = binary.AppendUvarint(out, uint64(e.LastDelta))
		out = binary.AppendUvarint(out, zigzag(e.MaxTimestamp-prev.MaxTimestamp))
		prev = e
	}
	return out
}

var errExtents = errors.New("extents are not what was packed")

// unpackExtents calls fn for the extents in packed, which came from outside of this process: they are checked to follow each other without a gap.
func unpackExtents(packed []byte, fn func(Extent)) (count int, err error) {
	var e Extent
	rest := packed
	for ; len(rest) > 0; count++ {
		var v [6]uint64
		for i := range v {
			if len(rest) > 0 && rest[0] < 0x80 { // most are one byte
				v[i], rest = uint64(rest[0]), rest[1:]
				continue
			}
			one, n := binary.Uvarint(rest)
			if n <= 0 {
				return count, errExtents
			}
			v[i], rest = one, rest[n:]
		}
		prev := e
		e = Extent{
			Base: prev.Last() + unzigzag(v[0]), File: prev.File + uint32(v[1]), Off: uint32(int64(prev.Off) + int64(prev.Len) + unzigzag(v[2])),
			Len: uint32(v[3]), LastDelta: uint32(v[4]), MaxTimestamp: prev.MaxTimestamp + unzigzag(v[5]),
		}
		if v[3]|v[4] > math.MaxUint32 || v[1] > math.MaxUint32 || e.File < prev.File || e.Base < 0 || e.Last() < e.Base || count > 0 && e.Base != prev.Last()+1 {
			return count, errExtents
		}
		fn(e)
	}
	return count, nil
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// Extents is the list of a partition's extents in offset order. The zero value is empty.
type Extents struct {
	blocks []extentBlock
}

func (x *Extents) add(e Extent) {
	n := len(x.blocks)
	if n > 0 && len(x.blocks[n-1].plain) == extentsPerBlock {
		x.blocks[n-1].pack()
	}
	if n == 0 || x.blocks[n-1].packed != nil {
		x.blocks = append(x.blocks, extentBlock{maxTimestamp: e.MaxTimestamp})
		n++
	}
	x.blocks[n-1].add(e)
}

func (b *extentBlock) add(e Extent) {
	b.files.add(e.File, b.count == 0)
	b.plain = append(b.plain, e)
	b.count++
	b.last = e.Last()
	b.maxTimestamp = max(b.maxTimestamp, e.MaxTimestamp)
}

// Len is the number of extents.
func (x *Extents) Len() int {
	n := 0
	for i := range x.blocks {
		n += x.blocks[i].count
	}
	return n
}

// appendFiles appends the numbers of the files that extents lie in to dst, which is empty: ascending, each once.
func (x *Extents) appendFiles(dst []uint32) []uint32 {
	for i := range x.blocks {
		dst = x.blocks[i].files.appendTo(dst)
	}
	return dst
}

// Files returns the numbers of the journal files that extents lie in: ascending, each once.
func (x *Extents) Files() []uint32 { return x.appendFiles(nil) }

// Bytes is the memory that the extents take, roughly.
func (x *Extents) Bytes() int {
	n := 0
	for i := range x.blocks {
		b := &x.blocks[i]
		n += blockBytes + len(b.packed) + cap(b.plain)*plainBytes + 4*cap(b.files.between)
	}
	return n
}

// What a block and an extent that is not packed take.
const (
	blockBytes = int(unsafe.Sizeof(extentBlock{}))
	plainBytes = int(unsafe.Sizeof(Extent{}))
)

// find returns the block that holds offset, or is the first behind it.
func (x *Extents) find(offset int64) int {
	return sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i].last >= offset })
}

// From yields the extents from the one that holds offset, or the first behind it, to the end.
func (x *Extents) From(offset int64) func(yield func(Extent) bool) {
	return func(yield func(Extent) bool) {
		for i := x.find(offset); i < len(x.blocks); i++ {
			if !x.blocks[i].all(func(e Extent) bool { return e.Last() < offset || yield(e) }) {
				return
			}
		}
	}
}

// Since returns the first extent that holds a record with timestamp ts or later.
func (x *Extents) Since(ts int64) (found Extent, ok bool) {
	for i := range x.blocks {
		if x.blocks[i].maxTimestamp < ts {
			continue
		}
		x.blocks[i].all(func(e Extent) bool {
			found, ok = e, e.MaxTimestamp >= ts
			return !ok
		})
		return found, ok
	}
	return Extent{}, false
}

// Newest returns the first extent that holds the largest timestamp of all.
func (x *Extents) Newest() (Extent, bool) {
	if len(x.blocks) == 0 {
		return Extent{}, false
	}
	newest := x.blocks[0].maxTimestamp
	for i := range x.blocks {
		newest = max(newest, x.blocks[i].maxTimestamp)
	}
	return x.Since(newest)
}

// trimBefore drops the extents that lie wholly before offset.
func (x *Extents) trimBefore(offset int64) {
	x.blocks = slices.Delete(x.blocks, 0, x.find(offset))
	if len(x.blocks) == 0 {
		x.blocks = nil
		return
	}
	old := x.blocks[0]
	kept := extentBlock{}
	old.all(func(e Extent) bool {
		if e.Last() >= offset {
			if kept.count == 0 {
				kept.maxTimestamp = e.MaxTimestamp
			}
			kept.add(e)
		}
		return true
	})
	if old.packed != nil {
		kept.pack()
	}
	x.blocks[0] = kept
}
