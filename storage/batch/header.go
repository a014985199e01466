// Package batch reads, checks, patches and builds record batches of message format 2 (KIP-98), the only format Weir stores. Batches are
// kept as received: offsets and the leader epoch are patched in place (they lie outside the CRC) and compressed records are not
// decompressed on the way in.
//
// Layout, big endian:
//
//	 0 base offset i64 | 8 length i32 (of what follows it) | 12 partition leader epoch i32 | 16 magic i8 | 17 CRC-32C u32 of all from 21 on
//	21 attributes i16 | 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64
//	43 producer id i64 | 51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 | 61 records
//
// Errors about bytes wrap the kerr error that Apache Kafka answers, so that the protocol server need not translate them.
//
// Non-obvious: a client's compressed batch is only as honest as its header. Everything that decompresses later (time look-up, compaction,
// console) must expect garbage inside, and gets it as an error from Decoder, never as a panic or an unbounded allocation.
package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kerr"
)

// HeaderBytes is the size of a batch without records.
const HeaderBytes = 61

// Byte positions in a batch.
const (
	atLength      = 8
	atLeaderEpoch = 12
	atMagic       = 16
	atCRC         = 17
	atAttributes  = 21
	atLastDelta   = 23
	atBaseTime    = 27
	atMaxTime     = 35
	atProducer    = 43
	atEpoch       = 51
	atSequence    = 53
	atCount       = 57

	beforeLength = 12 // bytes that the length field does not count
)

// Bits of the attributes.
const (
	codecMask        = 0x07
	logAppendTimeBit = 0x08
	transactionalBit = 0x10
	controlBit       = 0x20
	deleteHorizonBit = 0x40
	supportedMagic   = 2
	noTimestamp      = -1 // of a record that carries none
)

//nolint:gochecknoglobals // a constant table
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Codec is the compression of a batch's records. Values are Kafka's.
type Codec uint8

// The codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	default:
		return fmt.Sprintf("codec %d", uint8(c))
	}
}

// Header is the fixed part of a batch.
type Header struct {
	BaseOffset      int64
	Length          int32 // bytes after the length field; see Size
	LeaderEpoch     int32
	Magic           int8
	CRC             uint32
	Attributes      int16
	LastOffsetDelta int32
	BaseTimestamp   int64 // Unix milliseconds
	MaxTimestamp    int64 // Unix milliseconds; of all records if LogAppendTime
	ProducerID      int64 // -1: not idempotent
	ProducerEpoch   int16
	BaseSequence    int32
	Count           int32 // records
}

// Size is the bytes of the whole batch.
func (h *Header) Size() int { return int(h.Length) + beforeLength }

// Codec is the compression of the records.
func (h *Header) Codec() Codec { return Codec(h.Attributes & codecMask) }

// Control reports whether the batch holds a transaction marker (or another control record) instead of data.
func (h *Header) Control() bool { return h.Attributes&controlBit != 0 }

// Transactional reports whether the batch belongs to a transaction.
func (h *Header) Transactional() bool { return h.Attributes&transactionalBit != 0 }

// LogAppendTime reports whether MaxTimestamp is the broker's and stands for all records.
func (h *Header) LogAppendTime() bool { return h.Attributes&logAppendTimeBit != 0 }

// LastOffset is the offset of the last record.
func (h *Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// LastSequence is the sequence number of the last record; sequences wrap from the largest int32 to 0.
func (h *Header) LastSequence() int32 {
	return int32((int64(h.BaseSequence) + int64(h.LastOffsetDelta)) & 0x7fffffff)
}

// Parse reads the header at the start of b. It checks only what is needed to walk over the batch: that b holds a header and that the
// length covers one. The batch itself may be longer than b.
func Parse(b []byte) (Header, error) {
	if len(b) < HeaderBytes {
		return Header{}, fmt.Errorf("batch: %d bytes are less than a header: %w", len(b), kerr.CorruptMessage)
	}
	h := Header{
		BaseOffset:      int64(binary.BigEndian.Uint64(b)),
		Length:          int32(binary.BigEndian.Uint32(b[atLength:])),
		LeaderEpoch:     int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])),
		Magic:           int8(b[atMagic]),
		CRC:             binary.BigEndian.Uint32(b[atCRC:]),
		Attributes:      int16(binary.BigEndian.Uint16(b[atAttributes:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[atLastDelta:])),
		BaseTimestamp:   int64(binary.BigEndian.Uint64(b[atBaseTime:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(b[atMaxTime:])),
		ProducerID:      int64(binary.BigEndian.Uint64(b[atProducer:])),
		ProducerEpoch:   int16(binary.BigEndian.Uint16(b[atEpoch:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(b[atSequence:])),
		Count:           int32(binary.BigEndian.Uint32(b[atCount:])),
	}
	if h.Length < HeaderBytes-beforeLength {
		return Header{}, fmt.Errorf("batch: length %d is less than a header's: %w", h.Length, kerr.CorruptMessage)
	}
	return h, nil
}

// Next splits the first batch off b. Neither result is copied. It fails if b does not start with one whole batch.
func Next(b []byte) (h Header, first, rest []byte, err error) {
	h, err = Parse(b)
	if err != nil {
		return h, nil, b, err
	}
	if h.Size() > len(b) {
		return h, nil, b, fmt.Errorf("batch: length %d goes beyond the %d bytes there are: %w", h.Length, len(b), kerr.CorruptMessage)
	}
	return h, b[:h.Size():h.Size()], b[h.Size():], nil
}

// CheckCRC compares the checksum of one whole batch.
func CheckCRC(b []byte) error {
	want := binary.BigEndian.Uint32(b[atCRC:])
	if got := crc32.Checksum(b[atAttributes:], castagnoli); got != want {
		return fmt.Errorf("batch: CRC is %08x, the header says %08x: %w", got, want, kerr.CorruptMessage)
	}
	return nil
}

// SetOffsets gives the batches in b, which Validate accepted, consecutive offsets from base on and the leader epoch, in place. It returns
// the offset after the last.
func SetOffsets(b []byte, base int64, leaderEpoch int32) int64 {
	for len(b) > 0 {
		size := int(binary.BigEndian.Uint32(b[atLength:])) + beforeLength
		binary.BigEndian.PutUint64(b, uint64(base))
		binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(leaderEpoch))
		base += int64(binary.BigEndian.Uint32(b[atLastDelta:])) + 1
		b = b[size:]
	}
	return base
}

// SetLogAppendTime stamps the batches in b, which Validate accepted, with the broker's time, in place. It computes their CRCs anew.
func SetLogAppendTime(b []byte, ms int64) {
	for len(b) > 0 {
		size := int(binary.BigEndian.Uint32(b[atLength:])) + beforeLength
		b[atAttributes+1] |= logAppendTimeBit
		binary.BigEndian.PutUint64(b[atMaxTime:], uint64(ms))
		seal(b[:size])
		b = b[size:]
	}
}

// seal computes the CRC of the one batch b.
func seal(b []byte) {
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
}
