package blob_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"weir/storage/blob"
	"weir/storage/blob/blobtest"
	"weir/storage/disk"
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

// BenchmarkCreate writes objects as a flush does, and removes them. What it measures beside the time is CPU seconds per GB.
func BenchmarkCreate(b *testing.B) {
	piece := blobtest.Content(256 << 10)
	for _, size := range []int{256 << 10, 4 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("object=%dKiB", size>>10), func(b *testing.B) {
			s := blob.NewFS(disk.OS(b.TempDir()), "blob")
			total, n := int64(0), 0
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				key := fmt.Sprintf("b/%d", n)
				n++
				w, err := s.Create(b.Context(), key)
				if err != nil {
					b.Fatal(err)
				}
				for at := 0; at < size; at += len(piece) {
					if _, err := w.Write(piece); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Commit(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := s.Delete(b.Context(), key); err != nil {
					b.Fatal(err)
				}
				total += int64(size)
			}
			b.ReportMetric((cpu(b)-before).Seconds()/float64(total)*1e9, "cpu-s/GB")
			b.SetBytes(int64(size))
		})
	}
}
