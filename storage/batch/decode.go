package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Decoder reads the records inside batches, decompressing where it must. It is safe for concurrent use.
type Decoder struct {
	limit int
	zstd  func() (*zstd.Decoder, error)
}

// NewDecoder returns a decoder that refuses a batch whose records take more than limit bytes when decompressed.
func NewDecoder(limit int) *Decoder {
	return &Decoder{limit: limit, zstd: sync.OnceValues(func() (*zstd.Decoder, error) {
		// One block decoder: no goroutines, and concurrent callers take turns.
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(uint64(max(limit, 1))))
	})}
}

// Records yields the records of the one whole batch b in order, with their offsets and timestamps as consumers see them. It stops after
// the first error; errors wrap CORRUPT_MESSAGE or INVALID_RECORD. It does not check the CRC.
func (d *Decoder) Records(b []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		h, one, _, err := Next(b)
		if err != nil {
			yield(Record{}, err)
			return
		}
		if h.Magic != supportedMagic {
			yield(Record{}, fmt.Errorf("batch: magic %d: %w", h.Magic, kerr.CorruptMessage))
			return
		}
		rest, err := d.decompress(h.Codec(), one[HeaderBytes:])
		if err != nil {
			yield(Record{}, fmt.Errorf("batch at offset %d: decompress %v: %w: %w", h.BaseOffset, h.Codec(), kerr.CorruptMessage, err))
			return
		}
		var raw rawRecord
		for i := range h.Count {
			if rest, err = raw.parse(rest); err != nil {
				yield(Record{}, fmt.Errorf("batch at offset %d: record %d: %w", h.BaseOffset, i, err))
				return
			}
			ts := h.BaseTimestamp + raw.timeDelta
			if h.LogAppendTime() {
				ts = h.MaxTimestamp
			}
			r := Record{
				Offset:    h.BaseOffset + int64(raw.offsetDelta),
				Timestamp: ts,
				Key:       raw.key, Value: raw.value,
				headers: raw.headers, count: raw.headerCount,
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

var errTooLarge = errors.New("more bytes than the limit")

func (d *Decoder) decompress(c Codec, b []byte) ([]byte, error) {
	switch c {
	case None:
		return b, nil
	case Gzip:
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return d.readAll(r)
	case Snappy:
		return d.unsnappy(b)
	case LZ4:
		return d.readAll(lz4.NewReader(bytes.NewReader(b)))
	case Zstd:
		z, err := d.zstd()
		if err != nil {
			return nil, err
		}
		return z.DecodeAll(b, nil)
	default:
		return nil, errors.New("unknown codec")
	}
}

func (d *Decoder) readAll(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, int64(d.limit)+1))
	if err != nil {
		return nil, err
	}
	if len(out) > d.limit {
		return nil, errTooLarge
	}
	return out, nil
}

// Java's snappy streams are blocks, each after its length, after this header (xerial's format); librdkafka and others send one bare block.
const (
	xerialMagic  = "\x82SNAPPY\x00"
	xerialHeader = len(xerialMagic) + 8 // two version numbers follow the magic
)

func (d *Decoder) unsnappy(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, []byte(xerialMagic)) {
		return d.unsnappyBlock(nil, b)
	}
	if len(b) < xerialHeader {
		return nil, io.ErrUnexpectedEOF
	}
	b = b[xerialHeader:]
	var out []byte
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(b)
		b = b[4:]
		if uint64(n) > uint64(len(b)) {
			return nil, io.ErrUnexpectedEOF
		}
		var err error
		if out, err = d.unsnappyBlock(out, b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return out, nil
}

// unsnappyBlock appends the decoded block to out. A block states its decoded length up front: it is believed only as far as the format can
// reach, 64 bytes for each 3 of input.
func (d *Decoder) unsnappyBlock(out, b []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if n > d.limit-len(out) {
		return nil, errTooLarge
	}
	if n > math.MaxInt32 || n > 22*len(b) {
		return nil, snappy.ErrCorrupt
	}
	block, err := snappy.Decode(nil, b)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return block, nil
	}
	return append(out, block...), nil
}
