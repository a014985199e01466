package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// three is a batch of three records with keys.
func three() []byte {
	b := NewBuilder()
	b.Add(1000, []byte("a"), []byte("one"))
	b.Add(1002, []byte("b"), []byte("two"))
	b.Add(1001, []byte("c"), nil)
	return b.Batch()
}

// edit returns three() after fn changed it, with a CRC that fits.
func edit(fn func(b []byte)) []byte {
	b := three()
	fn(b)
	seal(b)
	return b
}

func setAttributes(a uint16) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint16(b[atAttributes:], a) }
}

func put32(at int, v int32) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint32(b[at:], uint32(v)) }
}

func put64(at int, v int64) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint64(b[at:], uint64(v)) }
}

func TestValidateRefuses(t *testing.T) {
	badCRC := three()
	badCRC[len(badCRC)-1]++
	withBody := func(body ...byte) []byte {
		b := append(NewBuilder().header(1), body...)
		binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-beforeLength))
		seal(b)
		return b
	}
	noKey := NewBuilder()
	noKey.Add(1, nil, []byte("x"))
	tests := []struct {
		name  string
		b     []byte
		rules Rules
		want  error
	}{
		{"nothing", nil, Rules{}, kerr.InvalidRecord},
		{"less than a header", three()[:60], Rules{}, kerr.InvalidRecord},
		{"less than the length says", three()[:70], Rules{}, kerr.InvalidRecord},
		{"a rest after the batch", append(three(), 0, 0, 0), Rules{}, kerr.CorruptMessage},
		{"negative length", edit(put32(atLength, -5)), Rules{}, kerr.CorruptMessage},
		{"length of less than a header", edit(put32(atLength, 48)), Rules{}, kerr.CorruptMessage},
		{"largest length", edit(put32(atLength, math.MaxInt32)), Rules{}, kerr.InvalidRecord},
		{"wrong CRC", badCRC, Rules{}, kerr.CorruptMessage},
		{"magic 1", edit(func(b []byte) { b[atMagic] = 1 }), Rules{}, kerr.InvalidRecord},
		{"short message of magic 0", make([]byte, 30), Rules{}, kerr.InvalidRecord},
		{"magic 3", edit(func(b []byte) { b[atMagic] = 3 }), Rules{}, kerr.CorruptMessage},
		{"two batches where one may be", append(three(), three()...), Rules{OneBatch: true}, kerr.InvalidRecord},
		{"too large", three(), Rules{MaxBatchBytes: len(three()) - 1}, kerr.MessageTooLarge},
		{"unknown codec", edit(setAttributes(5)), Rules{}, kerr.UnsupportedCompressionType},
		{"zstd from an old client", edit(setAttributes(4)), Rules{NoZstd: true}, kerr.UnsupportedCompressionType},
		{"no records", edit(put32(atCount, 0)), Rules{}, kerr.InvalidRecord},
		{"negative count", edit(func(b []byte) { put32(atCount, -1)(b); put32(atLastDelta, -2)(b) }), Rules{}, kerr.InvalidRecord},
		{"count differs from last delta", edit(put32(atLastDelta, 3)), Rules{}, kerr.InvalidRecord},
		{"count larger than records", edit(func(b []byte) { put32(atCount, 4)(b); put32(atLastDelta, 3)(b) }), Rules{}, kerr.InvalidRecord},
		{"largest count", edit(func(b []byte) { put32(atCount, math.MaxInt32)(b); put32(atLastDelta, math.MaxInt32-1)(b) }), Rules{}, kerr.InvalidRecord},
		{"count smaller than records", edit(func(b []byte) { put32(atCount, 2)(b); put32(atLastDelta, 1)(b) }), Rules{}, kerr.InvalidRecord},
		{"base offset from a client", edit(put64(0, 1)), Rules{}, kerr.InvalidRecord},
		{"control batch from a client", edit(setAttributes(controlBit)), Rules{}, kerr.InvalidRecord},
		{"control batch of three", edit(setAttributes(controlBit)), Rules{FromCoordinator: true}, kerr.InvalidRecord},
		{"delete horizon from a client", edit(setAttributes(deleteHorizonBit)), Rules{}, kerr.InvalidRecord},
		{"log append time from a client", edit(setAttributes(logAppendTimeBit)), Rules{}, kerr.InvalidTimestamp},
		{"transactional without producer", edit(setAttributes(transactionalBit)), Rules{Transactional: true}, kerr.InvalidRecord},
		{"transactional", edit(func(b []byte) {
			setAttributes(transactionalBit)(b)
			put64(atProducer, 5)(b)
		}), Rules{}, kerr.TransactionalIDAuthorizationFailed},
		{"producer without sequence", edit(put64(atProducer, 5)), Rules{}, kerr.InvalidRecord},
		{"producer id -2", edit(put64(atProducer, -2)), Rules{}, kerr.InvalidRecord},
		{"negative timestamps", edit(put64(atBaseTime, -1000)), Rules{}, kerr.InvalidTimestamp},
		{"too old", three(), Rules{MinTimestamp: 1001, MaxTimestamp: 2000}, kerr.InvalidTimestamp},
		{"too new", three(), Rules{MinTimestamp: 1, MaxTimestamp: 1001}, kerr.InvalidTimestamp},
		{"too new, compressed", edit(setAttributes(2)), Rules{MinTimestamp: 1, MaxTimestamp: 1001}, kerr.InvalidTimestamp},
		{"no key", noKey.Batch(), Rules{KeyRequired: true}, kerr.InvalidRecord},
		{"empty body", withBody(), Rules{}, kerr.InvalidRecord},
		{"record of length 0", withBody(0), Rules{}, kerr.InvalidRecord},
		{"record of length -1", withBody(1), Rules{}, kerr.InvalidRecord},
		{"record length of 10 bytes", withBody(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), Rules{}, kerr.InvalidRecord},
		{"record length in 6 bytes", withBody(0x8c, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 1, 1, 0), Rules{}, kerr.InvalidRecord},
		{"offset delta 1", withBody(12, 0, 0, 2, 1, 1, 0), Rules{}, kerr.InvalidRecord},
		{"key of length -2", withBody(12, 0, 0, 0, 3, 1, 0), Rules{}, kerr.InvalidRecord},
		{"value beyond record", withBody(12, 0, 0, 0, 1, 2, 0), Rules{}, kerr.InvalidRecord},
		{"header count beyond record", withBody(12, 0, 0, 0, 1, 1, 2), Rules{}, kerr.InvalidRecord},
		{"header count -1", withBody(12, 0, 0, 0, 1, 1, 1), Rules{}, kerr.InvalidRecord},
		{"header with null key", withBody(16, 0, 0, 0, 1, 1, 2, 1, 1), Rules{}, kerr.InvalidRecord},
		{"bytes after headers", withBody(14, 0, 0, 0, 1, 1, 0, 0), Rules{}, kerr.InvalidRecord},
		{"bytes after records", withBody(12, 0, 0, 0, 1, 1, 0, 0), Rules{}, kerr.InvalidRecord},
		{"second batch wrong", append(three(), badCRC...), Rules{}, kerr.CorruptMessage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Validate(tt.b, tt.rules)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	t.Run("the smallest record is accepted", func(t *testing.T) {
		if _, err := Validate(withBody(12, 0, 0, 0, 1, 1, 0), Rules{OneBatch: true}); err != nil {
			t.Error(err)
		}
	})
}

// header returns an otherwise valid header of n records.
func (b *Builder) header(n int32) []byte {
	b.Add(0, nil, nil)
	h := b.Batch()[:HeaderBytes]
	put32(atCount, n)(h)
	put32(atLastDelta, n-1)(h)
	return h
}

func TestValidateAcceptsSeveralBatches(t *testing.T) {
	b := append(append(three(), three()...), three()...)
	info, err := Validate(b, Rules{MaxBatchBytes: len(b) / 3, MinTimestamp: 1000, MaxTimestamp: 1002})
	if err != nil {
		t.Fatal(err)
	}
	if info.Batches != 3 || info.Records != 9 || info.MaxTimestamp != 1002 {
		t.Errorf("info = %+v", info)
	}
	if end := SetOffsets(b, 100, 3); end != 109 {
		t.Errorf("end = %d", end)
	}
	for want := int64(100); len(b) > 0; want += 3 {
		h, one, rest, err := Next(b)
		if err != nil || h.BaseOffset != want || h.LastOffset() != want+2 || h.LeaderEpoch != 3 || CheckCRC(one) != nil {
			t.Fatalf("batch at %d: %+v, %v", want, h, err)
		}
		b = rest
	}
}

func TestValidateCorrectsMaxTimestamp(t *testing.T) {
	b := edit(put64(atMaxTime, 55))
	info, err := Validate(b, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	if info.MaxTimestamp != 1002 {
		t.Errorf("max timestamp = %d", info.MaxTimestamp)
	}
	if !bytes.Equal(b, three()) {
		t.Error("batch was not corrected")
	}
}

func TestSetLogAppendTimeStampsRecords(t *testing.T) {
	b := append(three(), three()...)
	SetLogAppendTime(b, 4242)
	info, err := Validate(b, Rules{FromCoordinator: true})
	if err != nil {
		t.Fatal(err)
	}
	if !info.First.LogAppendTime() || info.MaxTimestamp != 4242 {
		t.Errorf("info = %+v", info)
	}
	for _, r := range collect(t, NewDecoder(0), b) {
		if r.Timestamp != 4242 {
			t.Errorf("timestamp = %d", r.Timestamp)
		}
	}
}

func TestSequenceWraps(t *testing.T) {
	h := Header{BaseSequence: math.MaxInt32 - 1, LastOffsetDelta: 3}
	if got := h.LastSequence(); got != 1 {
		t.Errorf("last sequence = %d, want 1", got)
	}
}

func FuzzValidate(f *testing.F) {
	f.Add(three())
	f.Add(append(three(), three()...))
	f.Add(edit(setAttributes(2)))
	d := NewDecoder(1 << 20)
	f.Fuzz(func(t *testing.T, b []byte) {
		// Most inputs die on the CRC, so the input is also tried with a fitting one.
		if len(b) > HeaderBytes {
			seal(b)
		}
		info, err := Validate(b, Rules{})
		if err != nil {
			return
		}
		var n, size int64
		for rest := b; len(rest) > 0; {
			h, one, after, err := Next(rest)
			if err != nil {
				t.Fatalf("valid batches cannot be split: %v", err)
			}
			count := int32(0)
			for _, err := range d.Records(one) {
				if err != nil {
					if h.Codec() == None {
						t.Fatalf("valid record cannot be read: %v", err)
					}
					break
				}
				count++
			}
			if h.Codec() == None && count != h.Count {
				t.Fatalf("read %d records of %d", count, h.Count)
			}
			n += int64(h.Count)
			size += int64(len(one))
			rest = after
		}
		if n != info.Records || size != int64(len(b)) {
			t.Fatalf("info %+v, found %d records in %d bytes", info, n, size)
		}
		if end := SetOffsets(b, 7, 1); end != 7+n {
			t.Fatalf("end offset %d", end)
		}
		if _, err := Validate(b, Rules{FromCoordinator: true}); err != nil {
			t.Fatalf("not valid after SetOffsets: %v", err)
		}
	})
}

func benchmarkValidate(b *testing.B, records, valueBytes int) {
	bl := NewBuilder()
	for range records {
		bl.Add(1000, nil, make([]byte, valueBytes))
	}
	one := bl.Batch()
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Validate(one, Rules{OneBatch: true, MaxBatchBytes: 2 << 20}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate16x1KiB(b *testing.B)  { benchmarkValidate(b, 16, 1024) }
func BenchmarkValidate160x100B(b *testing.B) { benchmarkValidate(b, 160, 100) }
func BenchmarkValidate1x1KiB(b *testing.B)   { benchmarkValidate(b, 1, 1024) }
func BenchmarkValidate64x16KiB(b *testing.B) { benchmarkValidate(b, 64, 16<<10) }

// A batch that is refused for what its records say names them, but not more of them than an answer has room for (KIP-467).
func TestValidateNamesRefusedRecords(t *testing.T) {
	b := NewBuilder()
	b.Add(50, nil, []byte("no key"))
	b.Add(60, []byte("k"), nil)
	b.Add(5000, []byte("late"), nil)
	raw := b.Batch()
	for _, tt := range []struct {
		rules Rules
		code  *kerr.Error
		want  []int32
	}{
		{Rules{KeyRequired: true}, kerr.InvalidRecord, []int32{0}},
		{Rules{MinTimestamp: 55, MaxTimestamp: 100}, kerr.InvalidTimestamp, []int32{0, 2}},
		{Rules{KeyRequired: true, MinTimestamp: 1, MaxTimestamp: 100}, kerr.InvalidTimestamp, []int32{0, 2}},
	} {
		_, err := Validate(raw, tt.rules)
		refused, ok := errors.AsType[*Refused](err)
		if !ok || !errors.Is(err, tt.code) || refused.Code != tt.code {
			t.Errorf("%+v: %v", tt.rules, err)
			continue
		}
		var got []int32
		for _, r := range refused.Records {
			got = append(got, r.Index)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: records %v, want %v", tt.rules, got, tt.want)
		}
	}
	many := NewBuilder()
	for range refusedMax + 10 {
		many.Add(1, nil, nil)
	}
	_, err := Validate(many.Batch(), Rules{KeyRequired: true})
	if refused, ok := errors.AsType[*Refused](err); !ok || len(refused.Records) != refusedMax || refused.More != 10 {
		t.Errorf("%v", err)
	}
}
