package partition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/stream"
)

// with is b with another codec.
func with(t *testing.T, b []byte, c batch.Codec) []byte {
	t.Helper()
	out, err := batch.NewRecoder(batch.NewDecoder(1<<20)).Recode(b, batch.Rules{}, c, batch.Levels{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// compression.type: whatever comes, each batch is stored with the topic's codec, and is the same in all else. Retries are recognized.
func TestBatchesAreStoredWithTheTopicsCodec(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	decoder := batch.NewDecoder(1 << 20)
	names := []string{"uncompressed", "gzip", "snappy", "lz4", "zstd"}
	for i, name := range append(names, "producer") {
		p := r.open(key(int32(i)), 0, nil)
		for _, stamp := range []string{"CreateTime", "LogAppendTime"} {
			cfg := ConfigFrom(configdef.Layers{Topic: map[string]string{"compression.type": name, "message.timestamp.type": stamp}})
			p.Configure(&cfg)
			for from := range names {
				b := with(t, idempotent(int64(100+10*i+from), 2, 0, 5), batch.Codec(from))
				if stamp == "LogAppendTime" {
					b = with(t, idempotent(int64(100+10*i+from), 2, 5, 5), batch.Codec(from))
				}
				buf := buffer.NewPool(1 << 20).Get(len(b))
				copy(buf.Bytes(), b)
				done := make(chan result, 2)
				for range 2 {
					if err := p.Append(Append{Batches: bytes.Clone(b), Buffer: buf}, func(a Appended, err error) { done <- result{a, err} }); err != nil {
						t.Fatalf("%s from %v: %v", name, batch.Codec(from), err)
					}
				}
				first, again := <-done, <-done
				if first.err != nil || again.err != nil || !again.Duplicate || again.BaseOffset != first.BaseOffset {
					t.Fatalf("%s from %v: %+v, then %+v", name, batch.Codec(from), first, again)
				}
				buf.Release()
				got, err := p.Read(t.Context(), ReadRequest{Offset: first.BaseOffset, MaxBytes: 1 << 20})
				if err != nil {
					t.Fatal(err)
				}
				stored := bytes.Join(got.Segments, nil)
				h, one, _, err := batch.Next(stored)
				if err != nil {
					t.Fatal(err)
				}
				want := batch.Codec(i)
				if name == "producer" {
					want = batch.Codec(from)
				}
				if h.Codec() != want || h.Count != 5 || h.LogAppendTime() != (stamp == "LogAppendTime") || batch.CheckCRC(one) != nil {
					t.Errorf("%s %s from %v: stored %+v, CRC %v", name, stamp, batch.Codec(from), h, batch.CheckCRC(one))
				}
				var offsets, times []int64
				for rec, err := range decoder.Records(one) {
					if err != nil {
						t.Fatal(err)
					}
					offsets, times = append(offsets, rec.Offset-first.BaseOffset), append(times, rec.Timestamp)
				}
				ts := r.now.UnixMilli()
				if diff := cmp.Diff([]int64{0, 1, 2, 3, 4}, offsets); diff != "" {
					t.Errorf("%s from %v: offsets\n%s", name, batch.Codec(from), diff)
				}
				if diff := cmp.Diff([]int64{ts, ts, ts, ts, ts}, times); diff != "" {
					t.Errorf("%s from %v: timestamps\n%s", name, batch.Codec(from), diff)
				}
				got.Release()
			}
		}
	}
}

func TestRecompressedBatchesKeepTheLimit(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 0, nil)
	cfg := ConfigFrom(configdef.Layers{Topic: map[string]string{"compression.type": "uncompressed", "max.message.bytes": "500"}})
	p.Configure(&cfg)
	if _, err := appendNow(p, with(t, records(1, 5, string(make([]byte, 1000))), batch.Zstd)); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("1000 bytes once they are uncompressed: %v", err)
	}
	r.mustAppend(p, with(t, records(1, 5, string(make([]byte, 300))), batch.Zstd))
}

// weir.validate.compressed: decision 12 of the design, the other way round.
func TestCompressedRecordsAreInspectedIfTheTopicWants(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 0, nil)
	lie := func() []byte {
		b := with(t, records(3, 5, "value"), batch.Gzip)
		b[len(b)-9] ^= 0x55 // in the compressed records
		return sealed(b)
	}
	r.mustAppend(p, lie())
	cfg := ConfigFrom(configdef.Layers{Topic: map[string]string{"weir.validate.compressed": "true"}})
	p.Configure(&cfg)
	if _, err := appendNow(p, lie()); !errors.Is(err, kerr.CorruptMessage) && !errors.Is(err, kerr.InvalidRecord) {
		t.Errorf("got %v", err)
	}
	for _, c := range []batch.Codec{batch.None, batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd} {
		b := with(t, records(3, 5, "value"), c)
		want := bytes.Clone(b)
		a := r.mustAppend(p, b)
		got, err := p.Read(t.Context(), ReadRequest{Offset: a.BaseOffset, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.Join(got.Segments, nil)[21:], want[21:]) { // behind offset, length, epoch and CRC
			t.Errorf("%v: an honest batch was changed", c)
		}
		got.Release()
	}
}

// sealed is b with a CRC that fits.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}
