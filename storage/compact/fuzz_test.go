package compact

import (
	"bytes"
	"testing"

	"weir/storage/batch"
	"weir/storage/segment"
)

// FuzzClean cleans a log that holds a batch of arbitrary bytes behind a header that fits, as a client's compressed batch may be.
func FuzzClean(f *testing.F) {
	for _, codec := range []batch.Codec{batch.None, batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd} {
		b := spec{pid: 5, codec: codec, txn: true, records: []rec{{ts: 1, key: "a", value: "1"}, {ts: 2, key: "b", value: "<null>"}, {ts: 3, key: "a", value: "<null>"}}}.build()
		f.Add(b[21:], int64(5))
	}
	f.Add(marker(0, 5, 0, false, 1)[21:], int64(5))
	f.Add(marker(0, 5, 0, true, 1)[21:], int64(6))
	f.Fuzz(func(t *testing.T, body []byte, pid int64) {
		first := spec{base: 0, pid: -1, records: []rec{{key: "a", value: "0"}, {key: "z", value: "0"}}}.build()
		b := append(bytes.Clone(first[:21]), body...)
		if len(b) < batch.HeaderBytes || len(b) > 1<<16 {
			return
		}
		b[8], b[9], b[10], b[11] = 0, 0, byte((len(b)-12)>>8), byte(len(b)-12)
		batch.SetOffsets(b, 2, 0)
		h, err := batch.Parse(b)
		if err != nil || h.LastOffsetDelta < 0 || h.LastOffsetDelta > 1<<20 {
			return
		}
		end := h.LastOffset() + 1
		log := []stored{{bytes: first}, {bytes: b, unread: true}, spec1(end, "c=1")}
		if pid == 5 {
			log[1].aborted = &segment.Aborted{ProducerID: 5, FirstOffset: 2, LastOffset: end}
		}
		r := after(0)
		r.Producers = map[int64]Last{pid: {Offset: h.LastOffset()}}
		c := newCleaner()
		c.Begin(r)
		all := joined(log)
		c.Abort(abortedOf(log))
		if more, err := c.Learn(all); !more || err != nil {
			t.Fatalf("%v, %v", more, err)
		}
		c.Rewind()
		c.Abort(abortedOf(log))
		next := int64(0)
		err = c.Rewrite(all, func(o *Out) error {
			if o.Header.BaseOffset < next || o.Header.LastOffset() > end {
				t.Fatalf("batch [%d, %d] behind %d", o.Header.BaseOffset, o.Header.LastOffset(), next)
			}
			next = o.Header.LastOffset() + 1
			got, _, rest, err := batch.Next(o.Bytes)
			if err != nil || len(rest) > 0 || got != o.Header {
				t.Fatalf("%+v, want %+v: %v", got, o.Header, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if next != end+1 {
			t.Fatalf("the log ends at %d, want %d", next, end+1)
		}
	})
}
