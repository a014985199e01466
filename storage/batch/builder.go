package batch

import "encoding/binary"

// Builder makes one uncompressed batch, for the broker's own records. Use NewBuilder; fields may be set until Batch is called.
type Builder struct {
	Control       bool
	Transactional bool
	ProducerID    int64 // -1: none
	ProducerEpoch int16
	BaseSequence  int32

	buf      []byte
	count    int32
	baseTime int64
	maxTime  int64
}

// NewBuilder returns a builder of a batch without a producer id.
func NewBuilder() *Builder { return &Builder{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1} }

// Add appends a record, whose offset is the next in the batch. Nil key or value is null. The bytes are copied.
func (b *Builder) Add(timestampMs int64, key, value []byte) {
	if b.count == 0 {
		b.buf = append(b.buf, make([]byte, HeaderBytes)...)
		b.baseTime, b.maxTime = timestampMs, timestampMs
	}
	b.maxTime = max(b.maxTime, timestampMs)
	timeDelta, offsetDelta := timestampMs-b.baseTime, int64(b.count)
	size := 1 + varintLen(timeDelta) + varintLen(offsetDelta) + fieldLen(key) + fieldLen(value) + varintLen(0)
	b.buf = binary.AppendVarint(b.buf, int64(size))
	b.buf = append(b.buf, 0)
	b.buf = binary.AppendVarint(b.buf, timeDelta)
	b.buf = binary.AppendVarint(b.buf, offsetDelta)
	b.buf = appendField(b.buf, key)
	b.buf = appendField(b.buf, value)
	b.buf = binary.AppendVarint(b.buf, 0) // headers
	b.count++
}

// Count is the number of records added.
func (b *Builder) Count() int { return int(b.count) }

// Size is the bytes of the batch so far; 0 without records.
func (b *Builder) Size() int { return len(b.buf) }

// Batch returns the batch, with base offset 0 and leader epoch -1, and empties the builder. Without records it returns nil.
func (b *Builder) Batch() []byte {
	if b.count == 0 {
		return nil
	}
	out := b.buf
	var attributes int16
	if b.Control {
		attributes |= controlBit
	}
	if b.Transactional {
		attributes |= transactionalBit
	}
	be := binary.BigEndian
	be.PutUint32(out[atLength:], uint32(len(out)-beforeLength))
	be.PutUint32(out[atLeaderEpoch:], 0xffffffff)
	out[atMagic] = supportedMagic
	be.PutUint16(out[atAttributes:], uint16(attributes))
	be.PutUint32(out[atLastDelta:], uint32(b.count-1))
	be.PutUint64(out[atBaseTime:], uint64(b.baseTime))
	be.PutUint64(out[atMaxTime:], uint64(b.maxTime))
	be.PutUint64(out[atProducer:], uint64(b.ProducerID))
	be.PutUint16(out[atEpoch:], uint16(b.ProducerEpoch))
	be.PutUint32(out[atSequence:], uint32(b.BaseSequence))
	be.PutUint32(out[atCount:], uint32(b.count))
	seal(out)
	b.buf, b.count = nil, 0
	return out
}

func appendField(buf, f []byte) []byte {
	if f == nil {
		return binary.AppendVarint(buf, -1)
	}
	return append(binary.AppendVarint(buf, int64(len(f))), f...)
}

func fieldLen(f []byte) int {
	if f == nil {
		return varintLen(-1)
	}
	return varintLen(int64(len(f))) + len(f)
}

func varintLen(v int64) int {
	n := 1
	for u := uint64(v)<<1 ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
