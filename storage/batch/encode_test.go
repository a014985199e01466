package batch

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// recordsOf returns the records of a batch, which may be kept as long as b.
func recordsOf(t *testing.T, d *Decoder, b []byte) []Record {
	t.Helper()
	var rs []Record
	for r, err := range d.Records(b) {
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

func TestEncodedSubsetIsReadBack(t *testing.T) {
	d := NewDecoder(1 << 22)
	var e Encoder
	var rs []*kgo.Record
	for i := range 500 {
		r := kgo.KeySliceRecord(fmt.Appendf(nil, "key-%d", i), []byte(strings.Repeat(fmt.Sprint("value ", i), i%50)))
		if i%6 == 0 {
			r.Value = nil
		}
		r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("x")}, {Key: "null"}}[:i%3]
		rs = append(rs, r)
	}
	b := sent(t, kgo.NoCompression(), rs)
	SetOffsets(b, 1000, 3)
	all := recordsOf(t, d, b)
	whole := collect(t, d, b)
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			for range 2 { // compressors are used again
				h, err := Parse(b)
				if err != nil {
					t.Fatal(err)
				}
				h.Attributes |= int16(codec)
				h.ProducerID, h.ProducerEpoch, h.BaseSequence = 77, 2, 10
				h.SetDeleteHorizon(all[0].Timestamp + 86_400_000)
				var kept []Record
				var want []kv
				for i := range all {
					if i%3 == 1 {
						kept, want = append(kept, all[i]), append(want, whole[i])
					}
				}
				prefix := []byte("before")
				out, err := e.Encode(prefix, &h, kept)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.HasPrefix(out, prefix) {
					t.Error("what was in the slice is gone")
				}
				out = out[len(prefix):]
				if err := CheckCRC(out); err != nil {
					t.Error(err)
				}
				got, _, rest, err := Next(out)
				if err != nil || len(rest) > 0 {
					t.Fatalf("%v, %d bytes left", err, len(rest))
				}
				if diff := cmp.Diff(h, got); diff != "" {
					t.Error(diff)
				}
				if got.LastOffset() != 1499 || got.Count != int32(len(kept)) || got.LastSequence() != 509 {
					t.Errorf("header = %+v", got)
				}
				if ms, ok := got.DeleteHorizon(); !ok || ms != all[0].Timestamp+86_400_000 {
					t.Errorf("horizon = %d, %v", ms, ok)
				}
				if diff := cmp.Diff(want, collect(t, d, out)); diff != "" {
					t.Error(diff)
				}

				got.ClearRecords()
				empty, err := e.Encode(nil, &got, nil)
				if err != nil || len(empty) != HeaderBytes || CheckCRC(empty) != nil {
					t.Errorf("empty batch of %d bytes, %v", len(empty), err)
				}
				if h, err := Parse(empty); err != nil || h.LastOffset() != 1499 || h.LastSequence() != 509 || h.Codec() != None || h.Count != 0 {
					t.Errorf("empty batch %+v, %v", h, err)
				}
			}
		})
	}
	h, _ := Parse(b)
	h.LastOffsetDelta = 10
	if _, err := e.Encode(nil, &h, all); err == nil {
		t.Error("a record outside of the batch was accepted")
	}
}
