package stream

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"

	"weir/storage/segment"
	"weir/storage/wal"
)

// The format of a checkpoint, which docs/format/checkpoint.md draws: a header, records, and a trailer.
const (
	checkpointMagic   = "WEIRCKPT"
	checkpointVersion = 1
	trailerMagic      = "WEIRCEND"
	trailerBytes      = 8 + 4 + 4 + 8 + 4 // magic, next file, records, length of the object, CRC of all before

	partitionRecord = 1
	departedRecord  = 2
	fileRecord      = 3

	recordHeaderBytes = 1 + 4
	pieceBytes        = 133
)

//nolint:gochecknoglobals // a constant table
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header begins a checkpoint.
type header struct {
	number   uint64
	stream   string
	from     wal.Position
	fromFile uint32
	newestMs int64
	chain    []uint64 // checkpoints that it builds on, the base first; none if it is a base
}

// output gathers records and writes them in large pieces. Its memory is used again for the next checkpoint.
type output struct {
	w       io.Writer
	buf     []byte
	start   int // of the record that was begun, in buf
	records uint32
	written int64
	crc     uint32
}

const outputBytes = 256 << 10 // at which buf is written

func (o *output) reset(w io.Writer) {
	if cap(o.buf) > 8*outputBytes {
		o.buf = nil // a large partition's
	}
	*o = output{w: w, buf: o.buf[:0]}
}

func (o *output) header(h *header) {
	b := o.buf
	b = append(b, checkpointMagic...)
	b = binary.LittleEndian.AppendUint32(b, checkpointVersion)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, h.number)
	b = binary.LittleEndian.AppendUint64(b, h.from.Seq)
	b = binary.LittleEndian.AppendUint32(b, h.from.Off)
	b = binary.LittleEndian.AppendUint32(b, h.fromFile)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.newestMs))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.stream)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.chain)))
	b = append(b, h.stream...)
	for _, n := range h.chain {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	o.buf = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// begin begins a record: its type, then its length, which end fills in.
func (o *output) begin(kind uint8) {
	o.start = len(o.buf)
	o.buf = append(o.buf, kind, 0, 0, 0, 0)
}

// end ends a record with the CRC of all of it.
func (o *output) end() error {
	r := o.buf[o.start:]
	binary.LittleEndian.PutUint32(r[1:], uint32(len(r)-recordHeaderBytes))
	o.buf = binary.LittleEndian.AppendUint32(o.buf, crc32.Checksum(r, castagnoli))
	o.records++
	if len(o.buf) < outputBytes {
		return nil
	}
	return o.flush()
}

func (o *output) flush() error {
	o.crc = crc32.Update(o.crc, castagnoli, o.buf)
	o.written += int64(len(o.buf))
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

// finish writes the trailer.
func (o *output) finish(nextFile uint32) error {
	b := o.buf
	b = append(b, trailerMagic...)
	b = binary.LittleEndian.AppendUint32(b, nextFile)
	b = binary.LittleEndian.AppendUint32(b, o.records)
	b = binary.LittleEndian.AppendUint64(b, uint64(o.written)+uint64(len(b))+8+4)
	o.buf = binary.LittleEndian.AppendUint32(b, crc32.Update(o.crc, castagnoli, b))
	return o.flush()
}

func (o *output) departed(p wal.Partition, upTo Mark) error {
	o.begin(departedRecord)
	b := o.buf
	b = append(b, p.Topic[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Index))
	b = binary.LittleEndian.AppendUint32(b, upTo.File)
	o.buf = binary.LittleEndian.AppendUint32(b, upTo.Off)
	return o.end()
}

func (o *output) file(f JournalFile) error {
	o.begin(fileRecord)
	b := binary.LittleEndian.AppendUint32(o.buf, f.Number)
	b = binary.LittleEndian.AppendUint64(b, f.Seq)
	b = append(b, f.Stream...)
	o.buf = b
	return o.end()
}

// partition adds the state of a partition, but for its pieces, to the record that was begun. It is called with the partition's lock held, so it only
// copies. Ids is scratch memory, which it returns.
func (o *output) partition(p wal.Partition, s *PartitionState, ids []int64) []int64 {
	le := binary.LittleEndian
	b := o.buf
	b = append(b, p.Topic[:]...)
	b = le.AppendUint32(b, uint32(p.Index))
	b = le.AppendUint64(b, uint64(s.LogStart))
	b = le.AppendUint64(b, uint64(s.End))
	b = le.AppendUint32(b, s.Applied.File)
	b = le.AppendUint32(b, s.Applied.Off)
	b = le.AppendUint32(b, uint32(len(s.Epochs)))
	b = le.AppendUint32(b, uint32(len(s.Producers.byID)))
	b = le.AppendUint32(b, uint32(s.Producers.sweepAt))
	b = le.AppendUint32(b, uint32(len(s.Open)))
	b = le.AppendUint32(b, uint32(len(s.Aborted)))
	b = le.AppendUint32(b, uint32(len(s.Extents.blocks)))
	for _, e := range s.Epochs {
		b = le.AppendUint32(b, uint32(e.Epoch))
		b = le.AppendUint64(b, uint64(e.Start))
	}
	ids = ids[:0]
	for id := range s.Producers.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		b = appendProducer(b, id, s.Producers.byID[id])
	}
	for _, t := range s.Open {
		b = le.AppendUint64(b, uint64(t.ProducerID))
		b = le.AppendUint64(b, uint64(t.FirstOffset))
	}
	for _, a := range s.Aborted {
		b = le.AppendUint64(b, uint64(a.ProducerID))
		b = le.AppendUint64(b, uint64(a.FirstOffset))
		b = le.AppendUint64(b, uint64(a.LastOffset))
		b = le.AppendUint64(b, uint64(a.LastStable))
	}
	for i := range s.Extents.blocks {
		blk := &s.Extents.blocks[i]
		b = append(b, uint8(blk.count))
		at := len(b)
		b = le.AppendUint16(b, 0)
		if blk.packed != nil {
			b = append(b, blk.packed...)
		} else {
			b = packExtents(b, blk.plain)
		}
		le.PutUint16(b[at:], uint16(len(b)-at-2))
	}
	o.buf = b
	return ids
}

// markedProducer is set in the count of batches of a producer that has a marker: the epoch of its coordinator comes before the batches.
const markedProducer = 0x80

func appendProducer(b []byte, id int64, p *Producer) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, uint64(id))
	b = le.AppendUint16(b, uint16(p.Epoch))
	b = le.AppendUint64(b, uint64(p.LastMs))
	if p.Coordinator < 0 {
		b = append(b, p.count)
	} else {
		b = append(b, p.count|markedProducer)
		b = le.AppendUint32(b, uint32(p.Coordinator))
	}
	for _, one := range p.batches[:p.count] {
		b = le.AppendUint64(b, uint64(one.LastOffset))
		b = le.AppendUint64(b, uint64(one.Timestamp))
		b = le.AppendUint32(b, uint32(one.LastDelta))
		b = le.AppendUint32(b, uint32(one.LastSeq))
	}
	return b
}

// pieces ends the record of a partition: the manifest, of which the last covered pieces count, and the pieces after these.
func (o *output) pieces(m *manifest, covered int, inline []segment.Piece) {
	le := binary.LittleEndian
	key := ""
	if m != nil {
		key = m.key
	}
	b := le.AppendUint16(o.buf, uint16(len(key)))
	b = append(b, key...)
	b = le.AppendUint32(b, uint32(covered))
	b = le.AppendUint32(b, uint32(len(inline)))
	for i := range inline {
		b = appendPiece(b, &inline[i])
	}
	o.buf = b
}

func appendPiece(b []byte, p *segment.Piece) []byte {
	le := binary.LittleEndian
	b = append(b, uint8(p.Kind))
	b = le.AppendUint64(b, p.ID.Incarnation)
	b = le.AppendUint64(b, p.ID.Number)
	b = le.AppendUint64(b, uint64(p.Base))
	b = le.AppendUint64(b, uint64(p.Last))
	b = le.AppendUint64(b, uint64(p.Records))
	b = le.AppendUint32(b, p.Batches)
	b = le.AppendUint64(b, uint64(p.MinTimestamp))
	b = le.AppendUint64(b, uint64(p.MaxTimestamp))
	b = le.AppendUint32(b, uint32(p.FirstEpoch))
	b = le.AppendUint32(b, uint32(p.LastEpoch))
	b = le.AppendUint64(b, p.Pos)
	b = le.AppendUint64(b, p.Len)
	b = le.AppendUint32(b, p.CRC)
	b = le.AppendUint64(b, p.IndexPos)
	b = le.AppendUint32(b, p.IndexLen)
	b = le.AppendUint64(b, p.AbortedPos)
	b = le.AppendUint32(b, p.AbortedLen)
	b = le.AppendUint32(b, uint32(p.Flags))
	b = le.AppendUint64(b, uint64(p.DeleteHorizon))
	return le.AppendUint64(b, uint64(p.FirstDirtyMs))
}
