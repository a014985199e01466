package segment

import (
	"bytes"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"weir/storage/batch"
)

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU prints CPU seconds per GB (10^9 bytes), the figure that the engine's budget is in.
func reportCPU(b *testing.B, before time.Duration, bytes int64) {
	b.Helper()
	b.ReportMetric((cpu(b)-before).Seconds()/float64(bytes)*1e9, "cpu-s/GB")
}

// extents returns about total bytes of batches of size bytes each, in pieces as a flush reads them from the journal.
func extents(size, total int) (pieces [][]byte, batches int) {
	one := batchOf(0, 1, 1000, 1, size-75, nil)
	var piece []byte
	for at := 0; at < total; at += len(one) {
		piece = append(piece, one...)
		batch.SetOffsets(piece[len(piece)-len(one):], int64(batches), 1)
		batches++
		if len(piece) >= 256<<10 {
			pieces, piece = append(pieces, piece), nil
		}
	}
	return append(pieces, piece), batches
}

func benchmarkSizes() []int { return []int{200, 1 << 10, 16 << 10, 64 << 10, 1 << 20} }

func BenchmarkWrite(b *testing.B) {
	for _, size := range benchmarkSizes() {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			pieces, n := extents(size, 16<<20)
			var total int64
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				w := NewWriter(io.Discard, Segment, ID{})
				must(b, w.Begin(topic(1), 0, int64(n)))
				for _, p := range pieces {
					must(b, w.Append(p))
				}
				_, err := w.Finish()
				must(b, err)
				total += w.Bytes()
			}
			reportCPU(b, before, total)
			b.SetBytes(total / int64(b.N))
		})
	}
}

func BenchmarkRuns(b *testing.B) {
	for _, size := range benchmarkSizes() {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			pieces, n := extents(size, 16<<20)
			var out bytes.Buffer
			w := NewWriter(&out, Segment, ID{})
			must(b, w.Begin(topic(1), 0, int64(n)))
			for _, p := range pieces {
				must(b, w.Append(p))
			}
			chunks, err := w.Finish()
			must(b, err)
			r := bytes.NewReader(out.Bytes())
			var total int64
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				for p, err := range Runs(r, &chunks[0].Chunk) {
					must(b, err)
					total += int64(len(p))
				}
			}
			reportCPU(b, before, total)
			b.SetBytes(total / int64(b.N))
		})
	}
}
