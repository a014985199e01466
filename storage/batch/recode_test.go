package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

// coded is three() or another batch with another codec.
func coded(t *testing.T, b []byte, c Codec) []byte {
	t.Helper()
	out, err := NewRecoder(NewDecoder(1<<22)).Recode(bytes.Clone(b), Rules{}, c, Levels{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Each codec into each other: records, sequences and all else stay.
func TestRecodeKeepsEverythingElse(t *testing.T) {
	d := NewDecoder(1 << 22)
	records := func() (rs []*kgo.Record) {
		for i := range 60 {
			r := kgo.KeySliceRecord(fmt.Appendf(nil, "key-%d", i), []byte(strings.Repeat(fmt.Sprint("value ", i), i%50)))
			if i%6 == 0 {
				r.Value = nil
			}
			r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("x")}, {Key: "null"}}[:i%3]
			rs = append(rs, r)
		}
		return rs
	}
	for from, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		b := sent(t, codec, records())
		binary.BigEndian.PutUint64(b[atProducer:], 4711)
		binary.BigEndian.PutUint16(b[atEpoch:], 3)
		binary.BigEndian.PutUint32(b[atSequence:], 99)
		b[atAttributes+1] |= transactionalBit
		seal(b)
		if got := CodecOf(b); got != Codec(from) {
			t.Fatalf("the client sent %v", got)
		}
		want := collect(t, d, b)
		before, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		r := NewRecoder(d)
		for _, to := range codecs {
			for _, levels := range []Levels{{}, {Gzip: -1, LZ4: 17, Zstd: -5}} {
				original := bytes.Clone(b)
				out, err := r.Recode(b, Rules{Transactional: true}, to, levels)
				if err != nil {
					t.Fatalf("%v to %v: %v", CodecOf(b), to, err)
				}
				if !bytes.Equal(b, original) {
					t.Fatalf("%v to %v: the original was changed", CodecOf(b), to)
				}
				if same := &out[0] == &b[0]; same != (to == CodecOf(b)) {
					t.Fatalf("%v to %v: made anew is %v", CodecOf(b), to, !same)
				}
				info, err := Validate(out, Rules{Transactional: true})
				if err != nil {
					t.Fatalf("%v to %v: %v", CodecOf(b), to, err)
				}
				after := before
				after.Attributes = after.Attributes&^codecMask | int16(to)
				after.Length, after.CRC = info.First.Length, info.First.CRC
				if diff := cmp.Diff(after, info.First); diff != "" {
					t.Errorf("%v to %v:\n%s", CodecOf(b), to, diff)
				}
				if diff := cmp.Diff(want, collect(t, d, out)); diff != "" {
					t.Errorf("%v to %v:\n%s", CodecOf(b), to, diff)
				}
			}
		}
	}
}

func TestLevelsMatter(t *testing.T) {
	b := NewBuilder()
	for i := range 2000 {
		b.Add(1000, fmt.Appendf(nil, "key %d", i*i), []byte(strings.Repeat(fmt.Sprint(i%7, " some words "), i%9)))
	}
	plain := b.Batch()
	r := NewRecoder(NewDecoder(1 << 22))
	size := func(c Codec, l Levels) int {
		out, err := r.Recode(bytes.Clone(plain), Rules{}, c, l)
		if err != nil {
			t.Fatal(err)
		}
		return len(out)
	}
	for _, tt := range []struct {
		codec      Codec
		fast, best Levels
	}{
		{Gzip, Levels{Gzip: 1}, Levels{Gzip: 9}}, {LZ4, Levels{LZ4: 9}, Levels{LZ4: 17}}, {Zstd, Levels{Zstd: -7}, Levels{Zstd: 19}},
	} {
		if fast, best := size(tt.codec, tt.fast), size(tt.codec, tt.best); best >= fast {
			t.Errorf("%v: %d bytes at most effort, %d at least", tt.codec, best, fast)
		}
	}
}

// What Validate cannot see in a compressed batch, Recode does.
func TestRecodeLooksInside(t *testing.T) {
	lying := func(c Codec, body func([]byte) []byte, head ...func([]byte)) []byte {
		b := three()
		var e Encoder
		plain := body(bytes.Clone(b[HeaderBytes:]))
		out, err := e.compress(append([]byte(nil), b[:HeaderBytes]...), c, plain)
		if err != nil {
			t.Fatal(err)
		}
		out[atAttributes+1] |= byte(c)
		for _, fn := range head {
			fn(out)
		}
		binary.BigEndian.PutUint32(out[atLength:], uint32(len(out)-beforeLength))
		seal(out)
		return out
	}
	same := func(b []byte) []byte { return b }
	noKey := NewBuilder()
	noKey.Add(1000, nil, []byte("x"))
	noKeyBody := noKey.Batch()[HeaderBytes:]
	long := NewBuilder()
	long.Add(1000, nil, make([]byte, 1<<20))
	longBody := long.Batch()[HeaderBytes:]
	one := func(b []byte) { put32(atCount, 1)(b); put32(atLastDelta, 0)(b) }
	for _, tt := range []struct {
		name  string
		body  func([]byte) []byte
		head  []func([]byte)
		rules Rules
		to    Codec
		want  error
	}{
		{name: "honest", body: same},
		{"fewer records", same, []func([]byte){func(b []byte) { put32(atCount, 4)(b); put32(atLastDelta, 3)(b) }}, Rules{}, Zstd, kerr.InvalidRecord},
		{"more records", same, []func([]byte){func(b []byte) { put32(atCount, 2)(b); put32(atLastDelta, 1)(b) }}, Rules{}, Zstd, kerr.InvalidRecord},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }, nil, Rules{}, Zstd, kerr.InvalidRecord},
		{"offsets", func(b []byte) []byte { b[3] = 8; return b }, nil, Rules{}, Zstd, kerr.InvalidRecord},
		{"no key", func([]byte) []byte { return noKeyBody }, []func([]byte){one}, Rules{KeyRequired: true}, Zstd, kerr.InvalidRecord},
		{"old", same, nil, Rules{MinTimestamp: 1001, MaxTimestamp: 5000}, Zstd, kerr.InvalidTimestamp},
		{"a bomb", func([]byte) []byte { return longBody }, []func([]byte){one}, Rules{}, Zstd, kerr.MessageTooLarge},
		{"too large uncompressed", func(b []byte) []byte { return append(b, b...) }, nil, Rules{MaxBatchBytes: 100}, None, kerr.InvalidRecord},
	} {
		for _, from := range codecs[1:] {
			to := tt.to
			b := lying(from, tt.body, tt.head...)
			_, err := NewRecoder(NewDecoder(1<<19)).Recode(b, tt.rules, to, Levels{})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("%s with %v: got %v, want %v", tt.name, from, err, tt.want)
			}
		}
	}
	for _, c := range codecs[1:] {
		garbage := three()
		garbage[atAttributes+1] |= byte(c)
		seal(garbage)
		if _, err := Validate(garbage, Rules{}); err != nil {
			t.Fatalf("%v: from outside it is fine: %v", c, err)
		}
		for _, to := range []Codec{c, None} {
			if _, err := NewRecoder(NewDecoder(1<<19)).Recode(bytes.Clone(garbage), Rules{}, to, Levels{}); err == nil {
				t.Errorf("%v: garbage was accepted", c)
			}
		}
	}
	if _, err := NewRecoder(NewDecoder(1<<22)).Recode(coded(t, three(), Zstd), Rules{MaxBatchBytes: HeaderBytes + 1}, None, Levels{}); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("larger than allowed once it is uncompressed: %v", err)
	}
}

// As Apache Kafka does, a max timestamp that does not suit the records is corrected.
func TestRecodeCorrectsTheMaxTimestamp(t *testing.T) {
	for _, to := range codecs {
		b := coded(t, three(), Gzip)
		binary.BigEndian.PutUint64(b[atMaxTime:], 999_999)
		seal(b)
		out, err := NewRecoder(NewDecoder(1<<22)).Recode(b, Rules{}, to, Levels{})
		if err != nil {
			t.Fatal(err)
		}
		if h, _ := Parse(out); h.MaxTimestamp != 1002 || CheckCRC(out) != nil {
			t.Errorf("%v: max timestamp %d, CRC %v", to, h.MaxTimestamp, CheckCRC(out))
		}
	}
}

func FuzzRecode(f *testing.F) {
	for _, c := range codecs {
		out, err := NewRecoder(NewDecoder(1<<20)).Recode(three(), Rules{}, c, Levels{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out[HeaderBytes:], byte(c), byte(Zstd))
	}
	f.Fuzz(func(t *testing.T, body []byte, from, to byte) {
		b := append([]byte(nil), three()[:HeaderBytes]...)
		b = append(b, body...)
		b[atAttributes+1] = from % 5
		binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-beforeLength))
		seal(b)
		out, err := NewRecoder(NewDecoder(1<<20)).Recode(b, Rules{}, Codec(to%5), Levels{})
		if err != nil {
			return
		}
		if _, err := Validate(out, Rules{}); err != nil {
			t.Fatalf("what came out is not valid: %v", err)
		}
		for _, err := range NewDecoder(1 << 22).Records(out) {
			if err != nil {
				t.Fatalf("what came out cannot be read: %v", err)
			}
		}
	})
}

func BenchmarkRecode(b *testing.B) {
	plain := NewBuilder()
	for i := range 1000 {
		plain.Add(1000, nil, fmt.Appendf(nil, "record %d with some words that come again and again, %d", i, i*i))
	}
	in := plain.Batch()
	for _, to := range codecs[1:] {
		b.Run(to.String(), func(b *testing.B) {
			r := NewRecoder(NewDecoder(1 << 22))
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Recode(in, Rules{}, to, Levels{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
