package stream

import (
	"slices"
	"sort"
)

// Extent says where the batches of one DATA entry lie. A partition has one for each of its entries in the log, hence 32 bytes.
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

// extentsPerBlock bounds what growing copies (16 KiB) and what a look-up by time walks.
const extentsPerBlock = 512

type extentBlock struct {
	maxTimestamp int64
	extents      []Extent
}

// Extents is the list of a partition's extents in offset order. The zero value is empty.
type Extents struct {
	blocks []extentBlock // all but the last hold extentsPerBlock, or did before TrimBefore
}

func (x *Extents) add(e Extent) {
	n := len(x.blocks)
	if n == 0 || len(x.blocks[n-1].extents) == extentsPerBlock {
		x.blocks = append(x.blocks, extentBlock{maxTimestamp: e.MaxTimestamp})
		n++
	}
	b := &x.blocks[n-1]
	b.extents = append(b.extents, e)
	b.maxTimestamp = max(b.maxTimestamp, e.MaxTimestamp)
}

// Len is the number of extents.
func (x *Extents) Len() int {
	n := 0
	for i := range x.blocks {
		n += len(x.blocks[i].extents)
	}
	return n
}

// From yields the extents from the one that holds offset, or the first behind it, to the end.
func (x *Extents) From(offset int64) func(yield func(Extent) bool) {
	return func(yield func(Extent) bool) {
		i := sort.Search(len(x.blocks), func(i int) bool {
			ext := x.blocks[i].extents
			return ext[len(ext)-1].Last() >= offset
		})
		if i == len(x.blocks) {
			return
		}
		ext := x.blocks[i].extents
		j := sort.Search(len(ext), func(j int) bool { return ext[j].Last() >= offset })
		for ; i < len(x.blocks); i, j = i+1, 0 {
			for _, e := range x.blocks[i].extents[j:] {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Since returns the first extent that holds a record with timestamp ts or later.
func (x *Extents) Since(ts int64) (Extent, bool) {
	for i := range x.blocks {
		if x.blocks[i].maxTimestamp < ts {
			continue
		}
		for _, e := range x.blocks[i].extents {
			if e.MaxTimestamp >= ts {
				return e, true
			}
		}
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
	i := sort.Search(len(x.blocks), func(i int) bool {
		ext := x.blocks[i].extents
		return ext[len(ext)-1].Last() >= offset
	})
	x.blocks = slices.Delete(x.blocks, 0, i)
	if len(x.blocks) == 0 {
		x.blocks = nil
		return
	}
	b := &x.blocks[0]
	j := sort.Search(len(b.extents), func(j int) bool { return b.extents[j].Last() >= offset })
	b.extents = slices.Delete(b.extents, 0, j)
	b.maxTimestamp = b.extents[0].MaxTimestamp
	for _, e := range b.extents {
		b.maxTimestamp = max(b.maxTimestamp, e.MaxTimestamp)
	}
}
