package compact

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"weir/storage/batch"
)

// benchLog is a log of batches of some 64 KiB with records of size bytes, of which a share of half is superseded.
func benchLog(codec batch.Codec, size, total int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields(strings.Repeat("order customer street amount warehouse pending shipped returned ", 4))
	keys := total / size / 2
	var log []byte
	base := int64(0)
	for written := 0; written < total; {
		s := spec{base: base, pid: -1, codec: codec}
		for n := 0; n < 64<<10; n += size {
			var v strings.Builder
			for v.Len() < size {
				fmt.Fprintf(&v, "%s %x ", words[rng.IntN(len(words))], rng.Uint32())
			}
			key := binary.BigEndian.AppendUint64([]byte("customer"), uint64(rng.IntN(keys)))
			s.records = append(s.records, rec{ts: 1, key: string(key), value: v.String()[:size-16]})
			written += size
		}
		base += int64(len(s.records))
		log = append(log, s.build()...)
	}
	return log
}

// BenchmarkClean cleans a log whole: both passes. MB/s are of the log as it would be uncompressed.
func BenchmarkClean(b *testing.B) {
	for _, codec := range []batch.Codec{batch.None, batch.LZ4, batch.Zstd} {
		for _, size := range []int{100, 1024} {
			b.Run(fmt.Sprintf("%v/%dB", codec, size), func(b *testing.B) {
				const total = 32 << 20
				log := benchLog(codec, size, total)
				c := New(NewKeyMap(128<<20, 0.9), testDecoder)
				b.SetBytes(total)
				b.ReportAllocs()
				for b.Loop() {
					c.Begin(after(0))
					if _, err := c.Learn(log); err != nil {
						b.Fatal(err)
					}
					c.Rewind()
					if err := c.Rewrite(log, func(*Out) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
				st := c.Stats()
				perOp := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(perOp*(1<<30)/total, "s/GiB")
				b.ReportMetric(float64(st.LearnedRecords)/perOp, "records/s")
				b.ReportMetric(float64(st.Superseded)/float64(st.RecordsIn), "dropped")
			})
		}
	}
}

func BenchmarkKeyMap(b *testing.B) {
	const keys = 5_000_000
	hashes := make([]keyHash, keys)
	for i := range hashes {
		hashes[i] = numbered(i)
	}
	m := NewKeyMap(128<<20, 0.9)
	b.ReportAllocs()
	for b.Loop() {
		m.Reset()
		for i := range hashes {
			if !m.put(hashes[i], int64(i)) {
				b.Fatalf("full after %d keys", i)
			}
		}
	}
	b.ReportMetric(float64(keys)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
	b.ReportMetric(float64(m.Bytes())/(1<<20), "MiB")
}
