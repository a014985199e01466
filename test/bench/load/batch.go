package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is how batches are compressed, by the number that a batch's attributes carry.
type Codec int16

// The codecs that the benchmark uses.
const (
	None Codec = 0
	LZ4  Codec = 3
	Zstd Codec = 4
)

// String is the codec's name in Kafka's configs.
func (c Codec) String() string {
	switch c {
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	default:
		return "none"
	}
}

// ParseCodec is the inverse of String.
func ParseCodec(s string) (Codec, error) {
	for _, c := range []Codec{None, LZ4, Zstd} {
		if s == c.String() {
			return c, nil
		}
	}
	return None, fmt.Errorf("no codec %q: none, lz4 or zstd", s)
}

// Batch is an encoded record batch of format 2.
type Batch struct {
	Bytes   []byte
	Records int
	Payload int // bytes of values
}

// batchHeader is the size of what precedes the records, and where its fields are.
const (
	batchHeader    = 61
	atLength       = 8
	atMagic        = 16
	atCRC          = 17
	atAttributes   = 21
	atLastDelta    = 23
	atBaseTime     = 27
	atMaxTime      = 35
	atProducerID   = 43
	atEpoch        = 51
	atBaseSequence = 53
	atCount        = 57
)

// NewBatch fills a batch with as many records of valueBytes as fit into batchBytes before compression, at least one.
func NewBatch(batchBytes, valueBytes int, codec Codec) (Batch, error) {
	random := rand.New(rand.NewPCG(1, uint64(valueBytes)))
	var records, record []byte
	count := 0
	for count == 0 || batchHeader+len(records)+len(record)+1 < batchBytes {
		record = appendRecord(record[:0], count, text(random, valueBytes))
		if count > 0 && batchHeader+len(records)+len(record) > batchBytes {
			break
		}
		records = append(records, record...)
		count++
	}
	packed, err := compress(records, codec)
	if err != nil {
		return Batch{}, err
	}
	b := make([]byte, batchHeader, batchHeader+len(packed))
	b = append(b, packed...)
	put := binary.BigEndian
	put.PutUint32(b[atLength:], uint32(len(b)-atLength-4))
	put.PutUint32(b[atLength+4:], 0xffffffff) // leader epoch: none known
	b[atMagic] = 2
	put.PutUint16(b[atAttributes:], uint16(codec))
	put.PutUint32(b[atLastDelta:], uint32(count-1))
	now := uint64(time.Now().UnixMilli())
	put.PutUint64(b[atBaseTime:], now)
	put.PutUint64(b[atMaxTime:], now)
	put.PutUint32(b[atCount:], uint32(count))
	producer{id: -1, epoch: -1}.stamp(b[:batchHeader], b[batchHeader:], -1)
	return Batch{Bytes: b, Records: count, Payload: count * valueBytes}, nil
}

// producer is who an idempotent batch is from; id -1 is nobody.
type producer struct {
	id    int64
	epoch int16
}

// stamp writes producer and sequence into a batch's header and makes its checksum right; body is the rest of the batch.
func (p producer) stamp(header, body []byte, sequence int32) {
	put := binary.BigEndian
	put.PutUint64(header[atProducerID:], uint64(p.id))
	put.PutUint16(header[atEpoch:], uint16(p.epoch))
	put.PutUint32(header[atBaseSequence:], uint32(sequence))
	put.PutUint32(header[atCRC:], crc32.Update(crc32.Checksum(header[atAttributes:], castagnoli), castagnoli, body))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendRecord(b []byte, delta int, value []byte) []byte {
	var body []byte
	body = append(body, 0)                         // attributes
	body = binary.AppendVarint(body, 0)            // time
	body = binary.AppendVarint(body, int64(delta)) // offset
	body = binary.AppendVarint(body, -1)           // no key
	body = binary.AppendVarint(body, int64(len(value)))
	body = append(body, value...)
	body = binary.AppendVarint(body, 0) // no headers
	b = binary.AppendVarint(b, int64(len(body)))
	return append(b, body...)
}

// text is what a record of an application looks like: repeated names, numbers that differ. It compresses to about a third.
func text(random *rand.Rand, n int) []byte {
	var b []byte
	for b = append(b, '{'); len(b) < n; {
		b = fmt.Appendf(b, `"order":%d,"customer":"%x","state":"%s","amount":%d.%02d,`, random.Uint32(), random.Uint64(),
			[]string{"placed", "paid", "packed", "sent"}[random.IntN(4)], random.IntN(10000), random.IntN(100))
	}
	return b[:n]
}

func compress(b []byte, codec Codec) ([]byte, error) {
	switch codec {
	case None:
		return b, nil
	case LZ4:
		var out bytes.Buffer
		w := lz4.NewWriter(&out)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil { // as Kafka's clients do
			return nil, err
		}
		if _, err := w.Write(b); err != nil {
			return nil, err
		}
		err := w.Close()
		return out.Bytes(), err
	case Zstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer w.Close()
		return w.EncodeAll(b, nil), nil
	default:
		return nil, fmt.Errorf("codec %d is not one the benchmark knows", codec)
	}
}
