package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"weir/storage/segment"
	"weir/storage/wal"
)

// decoder reads fields one after another. After a field that is not there it is bad, and reads zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) i32() int32 { return int32(d.u32()) }
func (d *decoder) i64() int64 { return int64(d.u64()) }
func (d *decoder) mark() Mark { return Mark{File: d.u32(), Off: d.u32()} }

// count returns n if what is left has room for so many fields of at least size bytes each, else 0.
func (d *decoder) count(n uint32, size int) int {
	if int64(n)*int64(size) > int64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) partition() (p wal.Partition) {
	copy(p.Topic[:], d.bytes(len(p.Topic)))
	p.Index = d.i32()
	return p
}

// Sizes of parts of a partition's record.
const (
	epochBytes         = 4 + 8
	producerBytes      = 8 + 2 + 8 + 1 // at least
	producerBatchBytes = 8 + 8 + 4 + 4
	openBytes          = 8 + 8
	abortedBytes       = 4 * 8
	extentsBytes       = 1 + 2 // of a block, at least
)

// state reads the state of a partition into s, which is zero. It says where the pieces are that the record does not have.
func (d *decoder) state(s *PartitionState) (name wal.Partition, at inManifest) {
	name = d.partition()
	s.LogStart, s.End = d.i64(), d.i64()
	s.Applied = d.mark()
	epochs, producers, sweepAt, open, aborted, blocks := d.u32(), d.u32(), d.u32(), d.u32(), d.u32(), d.u32()
	if n := d.count(epochs, epochBytes); n > 0 {
		s.Epochs = make([]EpochStart, n)
		for i := range s.Epochs {
			s.Epochs[i] = EpochStart{Epoch: d.i32(), Start: d.i64()}
			if i > 0 && (s.Epochs[i].Epoch <= s.Epochs[i-1].Epoch || s.Epochs[i].Start <= s.Epochs[i-1].Start) {
				d.bad = true
			}
		}
	}
	d.producers(&s.Producers, producers, sweepAt)
	if n := d.count(open, openBytes); n > 0 {
		s.Open = make([]OpenTransaction, n)
		for i := range s.Open {
			s.Open[i] = OpenTransaction{ProducerID: d.i64(), FirstOffset: d.i64()}
		}
	}
	if n := d.count(aborted, abortedBytes); n > 0 {
		s.Aborted = make([]segment.Aborted, n)
		for i := range s.Aborted {
			s.Aborted[i] = segment.Aborted{ProducerID: d.i64(), FirstOffset: d.i64(), LastOffset: d.i64(), LastStable: d.i64()}
		}
	}
	d.extents(&s.Extents, blocks)
	at.key = string(d.bytes(int(d.u16())))
	at.covered = int(d.u32())
	s.Pieces = d.pieces(name, d.u32())
	if at.covered > 0 && at.key == "" {
		d.bad = true
	}
	return name, at
}

func (d *decoder) producers(ps *Producers, count, sweepAt uint32) {
	n := d.count(count, producerBytes)
	if n == 0 {
		return
	}
	ps.byID = make(map[int64]*Producer, n)
	ps.sweepAt = int(min(sweepAt, ProducersMax))
	all := make([]Producer, n)
	for i := range all {
		id := d.i64()
		p := &all[i]
		p.Epoch, p.LastMs, p.count = int16(d.u16()), d.i64(), d.u8()
		p.Coordinator = -1
		marked := p.count&markedProducer != 0
		if p.count &^= markedProducer; marked {
			p.Coordinator = d.i32()
		}
		if p.count == 0 && !marked || p.count > BatchesPerProducer || p.Coordinator < -1 || ps.byID[id] != nil {
			d.bad = true
			return
		}
		for j := range p.batches[:p.count] {
			p.batches[j] = ProducerBatch{LastOffset: d.i64(), Timestamp: d.i64(), LastDelta: d.i32(), LastSeq: d.i32()}
		}
		ps.byID[id] = p
	}
}

func (d *decoder) extents(x *Extents, count uint32) {
	n := d.count(count, extentsBytes)
	if n == 0 {
		return
	}
	x.blocks = make([]extentBlock, n)
	next := int64(-1)
	for i := range x.blocks {
		want := int(d.u8())
		packed := d.bytes(int(d.u16()))
		b := &x.blocks[i]
		open := i == n-1 && want < extentsPerBlock
		if open {
			b.plain = make([]Extent, 0, want)
		}
		first := true
		got, err := unpackExtents(packed, func(e Extent) {
			if first && next >= 0 && e.Base != next || first && i > 0 && e.File < x.blocks[i-1].files.last {
				d.bad = true
			}
			b.files.add(e.File, first)
			if first || e.MaxTimestamp > b.maxTimestamp {
				b.maxTimestamp = e.MaxTimestamp
			}
			b.last, first = e.Last(), false
			if open {
				b.plain = append(b.plain, e)
			}
		})
		if err != nil || got != want || got == 0 {
			d.bad = true
			return
		}
		b.count = got
		if !open {
			b.packed = slices.Clone(packed)
		}
		next = b.last + 1
	}
}

func (d *decoder) pieces(p wal.Partition, count uint32) []segment.Piece {
	n := d.count(count, pieceBytes)
	if n == 0 {
		return nil
	}
	pieces := make([]segment.Piece, n)
	for i := range pieces {
		pieces[i] = d.piece(p)
	}
	return pieces
}

func (d *decoder) piece(p wal.Partition) segment.Piece {
	return segment.Piece{
		Kind: segment.Kind(d.u8()), ID: segment.ID{Incarnation: d.u64(), Number: d.u64()},
		Chunk: segment.Chunk{
			Partition: p, Base: d.i64(), Last: d.i64(), Records: d.i64(), Batches: d.u32(), MinTimestamp: d.i64(), MaxTimestamp: d.i64(),
			FirstEpoch: d.i32(), LastEpoch: d.i32(), Pos: d.u64(), Len: d.u64(), CRC: d.u32(), IndexPos: d.u64(), IndexLen: d.u32(),
			AbortedPos: d.u64(), AbortedLen: d.u32(), Flags: segment.Flags(d.u32()), DeleteHorizon: d.i64(), FirstDirtyMs: d.i64(),
		},
	}
}

var errState = errors.New("the state contradicts itself")

// check checks what must hold of every state: that it has a place for each offset from that of its first data on, and no two.
func (p *PartitionState) check() error {
	if p.LogStart < 0 || p.LogStart > p.End || p.End == math.MaxInt64 {
		return fmt.Errorf("%w: log start %d, end %d", errState, p.LogStart, p.End)
	}
	next := int64(-1) // -1: no data yet
	for i := range p.Pieces {
		c := &p.Pieces[i]
		if c.Base < 0 || c.Last < c.Base || next >= 0 && c.Base != next {
			return fmt.Errorf("%w: piece [%d, %d] where %d should follow", errState, c.Base, c.Last, next)
		}
		next = c.Last + 1
	}
	for e := range p.Extents.From(0) {
		if next >= 0 && e.Base != next {
			return fmt.Errorf("%w: the journal's data begin at %d, the pieces end before %d", errState, e.Base, next)
		}
		next = p.Extents.blocks[len(p.Extents.blocks)-1].last + 1
		break
	}
	if next >= 0 && next != p.End {
		return fmt.Errorf("%w: the data end before %d, the log before %d", errState, next, p.End)
	}
	return nil
}
