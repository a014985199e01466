package lies

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"
	"time"
)

// Byte positions in a batch.
const (
	atBaseOffset  = 0
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
	headerBytes   = 61
)

// record is one that lies can be told of.
type record struct {
	attributes  byte
	timeDelta   int64
	offsetDelta int64
	key, value  []byte
	keyLen      *int64 // what is said, if it is not the truth
	valueLen    *int64
	headerCount *int64
	headerKey   *int64 // length of the key of the only header
	size        *int64
	padding     int // bytes behind the last header, inside of the record
}

func (r *record) append(to []byte) []byte {
	field := func(b, f []byte, said *int64) []byte {
		switch {
		case said != nil:
			b = binary.AppendVarint(b, *said)
		case f == nil:
			b = binary.AppendVarint(b, -1)
		default:
			b = binary.AppendVarint(b, int64(len(f)))
		}
		return append(b, f...)
	}
	body := []byte{r.attributes}
	body = binary.AppendVarint(body, r.timeDelta)
	body = binary.AppendVarint(body, r.offsetDelta)
	body = field(body, r.key, r.keyLen)
	body = field(body, r.value, r.valueLen)
	headers := int64(0)
	if r.headerKey != nil {
		headers = 1
	}
	if r.headerCount != nil {
		headers = *r.headerCount
	}
	body = binary.AppendVarint(body, headers)
	if r.headerKey != nil {
		body = field(body, []byte("h"), r.headerKey)
		body = field(body, []byte("v"), nil)
	}
	body = append(body, make([]byte, r.padding)...)
	size := int64(len(body))
	if r.size != nil {
		size = *r.size
	}
	return append(binary.AppendVarint(to, size), body...)
}

// A batch of three records that are all right, as a client sends it.
type batch struct {
	records []record
	plain   func([]byte) []byte // of the records, before they are compressed
	body    func([]byte) []byte // after
	head    func([]byte)        // of the whole, before the checksum
	whole   func([]byte) []byte // after the checksum
	codec   int
}

func honest(now time.Time) batch {
	var b batch
	for i := range 3 {
		b.records = append(b.records, record{timeDelta: int64(i), offsetDelta: int64(i), key: []byte("key"), value: []byte("value")})
	}
	b.head = func([]byte) {}
	return b
}

func (b *batch) encode(t *testing.T, now time.Time) []byte {
	t.Helper()
	var plain []byte
	for i := range b.records {
		plain = b.records[i].append(plain)
	}
	if b.plain != nil {
		plain = b.plain(plain)
	}
	if b.codec == 1 {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		plain = out.Bytes()
	}
	if b.body != nil {
		plain = b.body(plain)
	}
	raw := append(make([]byte, headerBytes), plain...)
	be := binary.BigEndian
	be.PutUint32(raw[atLength:], uint32(len(raw)-12))
	be.PutUint32(raw[atLeaderEpoch:], math.MaxUint32)
	raw[atMagic] = 2
	be.PutUint16(raw[atAttributes:], uint16(b.codec))
	be.PutUint32(raw[atLastDelta:], uint32(len(b.records)-1))
	be.PutUint64(raw[atBaseTime:], uint64(now.UnixMilli()))
	be.PutUint64(raw[atMaxTime:], uint64(now.UnixMilli()+int64(len(b.records)-1)))
	be.PutUint64(raw[atProducer:], math.MaxUint64)
	be.PutUint16(raw[atEpoch:], math.MaxUint16)
	be.PutUint32(raw[atSequence:], math.MaxUint32)
	be.PutUint32(raw[atCount:], uint32(len(b.records)))
	b.head(raw)
	be.PutUint32(raw[atCRC:], crc32.Checksum(raw[atAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	if b.whole != nil {
		raw = b.whole(raw)
	}
	return raw
}
