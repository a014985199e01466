package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// DeleteHorizon is the time at which the batch's tombstones, or its marker, may go, in Unix milliseconds (KIP-534). It takes the place of the
// base timestamp. It reports false if none was stamped.
func (h *Header) DeleteHorizon() (ms int64, ok bool) {
	return h.BaseTimestamp, h.Attributes&deleteHorizonBit != 0
}

// SetDeleteHorizon stamps a delete horizon. Encode then writes the records' timestamps relative to it.
func (h *Header) SetDeleteHorizon(ms int64) {
	h.BaseTimestamp = ms
	h.Attributes |= deleteHorizonBit
}

// ClearRecords makes h the header of a batch without records, as compaction leaves it where a batch still says something: the sequence numbers
// of its producer, or the end of the log. Offsets, sequence, producer and max timestamp stay.
func (h *Header) ClearRecords() {
	h.Attributes &^= codecMask | deleteHorizonBit
	h.BaseTimestamp = noTimestamp
}

// Encoder makes batches of records that were read from other ones. It keeps its compressors and buffers. It is not safe for concurrent use.
// The zero value is ready.
type Encoder struct {
	// Levels may be changed between batches, each of which costs the codec's compressor.
	Levels Levels

	plain []byte
	gzip  *gzip.Writer
	lz4   *lz4.Writer
	zstd  *zstd.Encoder
	made  Levels // those of the compressors
}

// Levels say how hard codecs try, in the numbers of compression.gzip.level, compression.lz4.level and compression.zstd.level. 0 is the default. The libraries
// have fewer: lz4 has 9 and a fast one, which is the default as in Kafka, and zstd has 4, of which the nearest is taken.
type Levels struct{ Gzip, LZ4, Zstd int }

// defaultLevelLZ4 stands for the fast compressor in Kafka.
const defaultLevelLZ4 = 9

func lz4Level(n int) lz4.CompressionLevel {
	switch {
	case n == 0 || n == defaultLevelLZ4:
		return lz4.Fast
	default:
		return lz4.Level1 << (min(max(n, 1), 9) - 1)
	}
}

func gzipLevel(n int) int {
	if n == 0 {
		return gzip.DefaultCompression
	}
	return n
}

func zstdLevel(n int) zstd.EncoderLevel {
	if n == 0 {
		return zstd.SpeedDefault
	}
	return zstd.EncoderLevelFromZstd(n)
}

// Encode appends to dst the batch that h describes, with the records rs, and returns the longer slice. Of h it sets Length, CRC and Count;
// all else is written as it is, so BaseOffset, LastOffsetDelta and BaseTimestamp must suit the records: their offsets lie in the batch,
// ascending, and gaps are fine.
func (e *Encoder) Encode(dst []byte, h *Header, rs []Record) ([]byte, error) {
	e.plain = e.plain[:0]
	for i := range rs {
		r := &rs[i]
		delta := r.Offset - h.BaseOffset
		if delta < 0 || delta > int64(h.LastOffsetDelta) {
			return dst, fmt.Errorf("batch: encode [%d, %d]: offset %d is outside", h.BaseOffset, h.LastOffset(), r.Offset)
		}
		e.plain = r.append(e.plain, r.Timestamp-h.BaseTimestamp, delta)
	}
	start := len(dst)
	dst = append(dst, make([]byte, HeaderBytes)...)
	dst, err := e.compress(dst, h.Codec(), e.plain)
	if err != nil {
		return dst[:start], fmt.Errorf("batch: encode [%d, %d] with %v: %w", h.BaseOffset, h.LastOffset(), h.Codec(), err)
	}
	if len(dst)-start > math.MaxInt32 {
		return dst[:start], fmt.Errorf("batch: encode [%d, %d]: %d bytes are more than a batch may have", h.BaseOffset, h.LastOffset(), len(dst)-start)
	}
	h.Length, h.Count = int32(len(dst)-start-beforeLength), int32(len(rs))
	h.put(dst[start:])
	h.CRC = binary.BigEndian.Uint32(dst[start+atCRC:])
	return dst, nil
}

// put writes the header over the start of b, which is the whole batch.
func (h *Header) put(b []byte) {
	be := binary.BigEndian
	be.PutUint64(b, uint64(h.BaseOffset))
	be.PutUint32(b[atLength:], uint32(h.Length))
	be.PutUint32(b[atLeaderEpoch:], uint32(h.LeaderEpoch))
	b[atMagic] = byte(h.Magic)
	be.PutUint16(b[atAttributes:], uint16(h.Attributes))
	be.PutUint32(b[atLastDelta:], uint32(h.LastOffsetDelta))
	be.PutUint64(b[atBaseTime:], uint64(h.BaseTimestamp))
	be.PutUint64(b[atMaxTime:], uint64(h.MaxTimestamp))
	be.PutUint64(b[atProducer:], uint64(h.ProducerID))
	be.PutUint16(b[atEpoch:], uint16(h.ProducerEpoch))
	be.PutUint32(b[atSequence:], uint32(h.BaseSequence))
	be.PutUint32(b[atCount:], uint32(h.Count))
	seal(b)
}

// append writes the record behind buf.
func (r *Record) append(buf []byte, timeDelta, offsetDelta int64) []byte {
	size := 1 + varintLen(timeDelta) + varintLen(offsetDelta) + fieldLen(r.Key) + fieldLen(r.Value) + varintLen(int64(r.count)) + len(r.headers)
	buf = binary.AppendVarint(buf, int64(size))
	buf = append(buf, 0)
	buf = binary.AppendVarint(buf, timeDelta)
	buf = binary.AppendVarint(buf, offsetDelta)
	buf = appendField(buf, r.Key)
	buf = appendField(buf, r.Value)
	buf = binary.AppendVarint(buf, int64(r.count))
	return append(buf, r.headers...)
}

// compress appends plain to dst.
func (e *Encoder) compress(dst []byte, c Codec, plain []byte) ([]byte, error) {
	if e.made != e.Levels {
		e.gzip, e.lz4, e.zstd, e.made = nil, nil, nil, e.Levels
	}
	switch c {
	case None:
		return append(dst, plain...), nil
	case Gzip:
		w := bytes.NewBuffer(dst)
		if e.gzip == nil {
			var err error
			if e.gzip, err = gzip.NewWriterLevel(w, gzipLevel(e.Levels.Gzip)); err != nil {
				return dst, err
			}
		} else {
			e.gzip.Reset(w)
		}
		if _, err := e.gzip.Write(plain); err != nil {
			return dst, err
		}
		err := e.gzip.Close()
		return w.Bytes(), err
	case Snappy:
		// One bare block, which every client reads; see unsnappy.
		start := len(dst)
		dst = append(dst, make([]byte, max(snappy.MaxEncodedLen(len(plain)), 0))...)
		if len(dst) == start {
			return dst, snappy.ErrTooLarge
		}
		block := snappy.Encode(dst[start:], plain)
		return dst[:start+len(block)], nil
	case LZ4:
		w := bytes.NewBuffer(dst)
		if e.lz4 == nil {
			e.lz4 = lz4.NewWriter(w)
			// As the Java client writes frames: small independent blocks without a checksum; the batch has one.
			if err := e.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.CompressionLevelOption(lz4Level(e.Levels.LZ4))); err != nil {
				return dst, err
			}
		} else {
			e.lz4.Reset(w)
		}
		if _, err := e.lz4.Write(plain); err != nil {
			return dst, err
		}
		err := e.lz4.Close()
		return w.Bytes(), err
	case Zstd:
		if e.zstd == nil {
			// No goroutines with concurrency 1; the window bounds the memory, ours and the readers'.
			z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
				zstd.WithEncoderLevel(zstdLevel(e.Levels.Zstd)), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
			if err != nil {
				return dst, err
			}
			e.zstd = z
		}
		return e.zstd.EncodeAll(plain, dst), nil
	default:
		return dst, errors.New("unknown codec")
	}
}
