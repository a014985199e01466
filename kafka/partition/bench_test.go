package partition

import (
	"context"
	"iter"
	"testing"
	"unsafe"

	"weir/storage/stream"
	"weir/storage/wal"
)

// nullLog takes everything at once, so that what is measured is ours.
type nullLog struct{ off uint32 }

func (l *nullLog) Append(_ context.Context, es []wal.Entry) error {
	for i := range es {
		es[i].At = wal.Position{Seq: 1, Off: l.off}
		l.off += uint32(len(es[i].Payload)) % (1 << 20)
	}
	return nil
}

func (l *nullLog) Read(context.Context, wal.Position) iter.Seq2[wal.Entry, error] {
	return func(func(wal.Entry, error) bool) {}
}
func (l *nullLog) ReadAt(context.Context, []byte, wal.Position) error { return nil }
func (l *nullLog) Trim(context.Context, wal.Position) error           { return nil }
func (l *nullLog) Close() error                                       { return nil }

// BenchmarkAppend is one batch of 1 KiB at a time: a producer that waits for each acknowledgement.
func BenchmarkAppend(b *testing.B) {
	for _, window := range []int{1, 32} {
		b.Run(map[int]string{1: "waiting", 32: "32 in flight"}[window], func(b *testing.B) {
			r, _ := start(b, stream.Config{TailBytesMax: 1 << 20}, &nullLog{})
			p := r.open(key(0), 0, nil)
			src := records(1, r.now.UnixMilli(), string(make([]byte, 950)))
			slots := make(chan struct{}, window)
			done := func(Appended, error) { <-slots }
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				slots <- struct{}{}
				buf := r.pool.Get(len(src))
				copy(buf.Bytes(), src)
				clear(buf.Bytes()[:8])
				if err := p.Append(Append{Batches: buf.Bytes(), Buffer: buf}, done); err != nil {
					b.Fatal(err)
				}
				buf.Release()
			}
			for range window { // wait for the last
				slots <- struct{}{}
			}
		})
	}
}

// BenchmarkAppendIdempotent has the producer's bookkeeping on top.
func BenchmarkAppendIdempotent(b *testing.B) {
	r, _ := start(b, stream.Config{TailBytesMax: 1 << 20}, &nullLog{})
	p := r.open(key(0), 0, nil)
	slots := make(chan struct{}, 32)
	done := func(Appended, error) { <-slots }
	batches := make([][]byte, 1<<10)
	for i := range batches {
		batches[i] = idempotent(1, 0, int32(i), 1)
	}
	b.ReportAllocs()
	seq := 0
	epoch := int16(0)
	for b.Loop() {
		if seq == len(batches) {
			seq, epoch = 0, epoch+1
			for i := range batches {
				batches[i] = idempotent(1, epoch, int32(i), 1)
			}
		}
		slots <- struct{}{}
		if err := p.Append(Append{Batches: batches[seq]}, done); err != nil {
			b.Fatal(err)
		}
		seq++
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
}

func BenchmarkReadTail(b *testing.B) {
	r, _ := start(b, stream.Config{}, &memLog{})
	p := r.open(key(0), 0, nil)
	for range 100 {
		r.mustAppend(p, records(10, 1, "value"))
	}
	b.ReportAllocs()
	for b.Loop() {
		recs, err := p.Read(b.Context(), ReadRequest{Offset: 990, MaxBytes: 1 << 20, ClientEpoch: -1})
		if err != nil || len(recs.Segments) != 1 {
			b.Fatal(err)
		}
		recs.Release()
	}
}

// An idle partition must stay below 2 KiB (design, section 14).
func TestIdlePartitionIsSmall(t *testing.T) {
	size := unsafe.Sizeof(Partition{}) + unsafe.Sizeof(stream.PartitionState{}) + 2*unsafe.Sizeof(stream.EpochStart{})
	t.Logf("%d bytes, a producer %d", size, unsafe.Sizeof(stream.Producer{}))
	if size > 1024 { // room for its place in two maps, and a producer
		t.Errorf("an idle partition takes %d bytes", size)
	}
}
